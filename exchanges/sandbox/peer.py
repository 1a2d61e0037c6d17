"""One client's connection: bytes in and out, and what a fault can do to the line."""

import socket
import struct

import trio

RECEIVE_BYTES = 16_384


class Peer:
    """Wraps the stream of one client. ``kind`` and ``account`` are filled in as they become known."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._lock = trio.Lock()
        self._silent = False
        self.scope = trio.CancelScope()
        """Around everything that serves this client."""
        self.kind = "rest"
        self.account = ""

    async def receive_some(self) -> bytes:
        """Return what came, empty at the end; a silenced line takes everything and yields nothing."""
        while True:
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data or not self._silent:
                return bytes(data)

    async def send_all(self, data: bytes) -> None:
        """Send, one sender at a time; a silenced line swallows it."""
        async with self._lock:
            if not self._silent:
                await self._stream.send_all(data)

    def silence(self) -> None:
        """Make the line half-open: it stays, and nothing comes out of it any more."""
        self._silent = True

    def cut(self) -> None:
        """End the connection now."""
        self.scope.cancel()

    def reset(self) -> None:
        """End it with a TCP reset, where there is TCP."""
        if isinstance(self._stream, trio.SocketStream):
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.cut()
