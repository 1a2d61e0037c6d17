"""How a stream to a venue is opened: TCP and TLS, or memory under virtual time."""

import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio
import trio.testing

CONNECT_S = 10.0

Serve = Callable[[trio.abc.Stream], Awaitable[None]]


class Network(Protocol):
    """Opens byte streams."""

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """Return an open stream; raises OSError (also for a handshake that fails or takes too long)."""


class TcpNetwork:
    """The real one. One TLS context serves all connections: building one takes 27 ms."""

    def __init__(self) -> None:
        self._tls = ssl.create_default_context()

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """Return an open stream; raises OSError."""
        with trio.move_on_after(CONNECT_S):
            stream = await trio.open_tcp_stream(host, port)
            return await self._secured(stream, host) if tls else stream
        raise TimeoutError(f"{host}:{port} did not answer within {CONNECT_S:g} s")

    async def _secured(self, stream: trio.SocketStream, host: str) -> trio.abc.Stream:
        secured = trio.SSLStream(stream, self._tls, server_hostname=host, https_compatible=True)
        try:
            await secured.do_handshake()
        except BaseException as error:
            await trio.aclose_forcefully(stream)
            if isinstance(error, trio.BrokenResourceError):
                raise ConnectionError(f"{host}: TLS handshake failed: {error.__cause__ or error}") from error
            raise
        return secured


class MemoryNetwork:
    """Streams in memory, for virtual time: servers register by address, TLS is taken as done."""

    def __init__(self) -> None:
        self._servers: dict[tuple[str, int], tuple[trio.Nursery, Serve]] = {}

    async def listen(
        self,
        host: str,
        port: int,
        serve: Serve,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve every connection to ``host:port`` in a task of its own, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._servers[host, port] = nursery, serve
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                del self._servers[host, port]

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """Return the client's end of a new stream; raises ConnectionRefusedError."""
        await trio.lowlevel.checkpoint()
        found = self._servers.get((host, port))
        if found is None:
            raise ConnectionRefusedError(f"nothing listens at {host}:{port}")
        nursery, serve = found
        client, server = trio.testing.memory_stream_pair()
        nursery.start_soon(serve, server)
        return client
