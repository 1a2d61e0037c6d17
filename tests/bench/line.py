"""The line to one client of the venue: stamps the master's frames, and has a length if asked for."""

import time
from contextlib import suppress

import attrs
import trio

READ_BYTES = 65_536
UNDER_WAY_MAX = 10_000
LOST = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


@attrs.define(eq=False)
class Stamps:
    """When the last frame with ``needle`` was written to a client, perf_counter_ns; 0 for not yet."""

    needle: bytes
    written_ns: int = 0


class Line(trio.abc.Stream):
    """A stream whose bytes are ``one_way_s`` under way in each direction, in order."""

    def __init__(self, stream: trio.abc.Stream, stamps: Stamps, one_way_s: float) -> None:
        self._stream = stream
        self._stamps = stamps
        self._one_way_s = one_way_s
        self._out, self._written = trio.open_memory_channel[tuple[float, bytes]](UNDER_WAY_MAX)
        self._read, self._in = trio.open_memory_channel[tuple[float, bytes]](UNDER_WAY_MAX)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write now, or put it under way."""
        if self._one_way_s:
            await self._out.send((trio.current_time() + self._one_way_s, bytes(data)))
        else:
            await self._write(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream below."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has come all the way; empty at the end."""
        if not self._one_way_s:
            return bytes(await self._stream.receive_some(max_bytes))
        try:
            due, data = await self._in.receive()
        except trio.EndOfChannel:
            return b""
        await trio.sleep_until(due)
        return data

    async def carry(self) -> None:
        """Carry what is under way, both ways, until cancelled; a line without a length needs nobody."""
        if not self._one_way_s:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._carry_out)
            nursery.start_soon(self._carry_in)

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._stream.aclose()

    async def _carry_out(self) -> None:
        with suppress(*LOST):
            async for due, data in self._written:
                await trio.sleep_until(due)
                await self._write(data)

    async def _carry_in(self) -> None:
        with self._read, suppress(*LOST):
            while data := await self._stream.receive_some(READ_BYTES):
                await self._read.send((trio.current_time() + self._one_way_s, bytes(data)))

    async def _write(self, data: bytes) -> None:
        if self._stamps.needle in data:
            self._stamps.written_ns = time.perf_counter_ns()
        await self._stream.send_all(data)
