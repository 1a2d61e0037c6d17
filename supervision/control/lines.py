"""Lines from a byte stream that nobody promised anything about."""

import math

import trio

from supervision.control.errors import ControlError, Unparsable
from supervision.control.limits import Limits

CHUNK = 65_536


class BadLine(Exception):
    """No line can be had from this peer any more; ``error`` says why."""

    def __init__(self, error: ControlError) -> None:
        super().__init__(error.message)
        self.error = error


class LineReader:
    """Cuts what arrives into lines, within limits of size and time."""

    def __init__(self, stream: trio.abc.ReceiveStream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._began_at: float | None = None

    async def next_line(self) -> bytes | None:
        """Return the next line without its newline; None when the peer has ended.

        Raises: BadLine for a line that is too long, or unfinished for too long.
        """
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            if len(self._buffer) > self._limits.line_bytes:
                raise BadLine(self._too_long())
            chunk = await self._receive()
            if not chunk:
                return None
            self._buffer += chunk
        if end > self._limits.line_bytes:
            raise BadLine(self._too_long())
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched, self._began_at = 0, None
        return line

    async def _receive(self) -> bytes:
        if self._buffer and self._began_at is None:
            self._began_at = trio.current_time()
        deadline = math.inf if self._began_at is None else self._began_at + self._limits.partial_line_s
        with trio.CancelScope(deadline=deadline):
            return bytes(await self._stream.receive_some(CHUNK))
        raise BadLine(
            Unparsable(
                f"a line was not finished within {self._limits.partial_line_s:g} s",
                hint="end every call with a newline",
            )
        )

    def _too_long(self) -> ControlError:
        return Unparsable(f"a line is longer than {self._limits.line_bytes} bytes")
