"""A network path as long as the one to a real venue, for clients that break when an answer comes at once."""

import contextlib
import math
from functools import partial

import trio

ONE_WAY_S = 0.05
_CHUNK_BYTES = 65_536


async def serve_distance(port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
    """Relay connections to a local port, each byte later by `ONE_WAY_S` on its way; started with our port."""

    async def relay(near: trio.SocketStream) -> None:
        try:
            far = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            return
        async with near, far, trio.open_nursery() as nursery:
            nursery.start_soon(_carry, near, far, nursery.cancel_scope)
            nursery.start_soon(_carry, far, near, nursery.cancel_scope)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, relay, 0, host="127.0.0.1"))
        task_status.started(listeners[0].socket.getsockname()[1])


async def _carry(source: trio.SocketStream, sink: trio.SocketStream, either: trio.CancelScope) -> None:
    """Carry bytes in order, each chunk when its time has come; the end of one side ends both, as late."""
    send, receive = trio.open_memory_channel[tuple[float, bytes]](math.inf)

    async def read() -> None:
        data = b"-"
        with send:
            while data:
                try:
                    data = await source.receive_some(_CHUNK_BYTES)
                except trio.BrokenResourceError:
                    data = b""
                send.send_nowait((trio.current_time() + ONE_WAY_S, data))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        async for due, data in receive:
            await trio.sleep_until(due)
            if not data:
                either.cancel()
                return
            with contextlib.suppress(trio.BrokenResourceError):
                await sink.send_all(data)
