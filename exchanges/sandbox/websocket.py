"""The server's end of a WebSocket: messages in, and a bounded queue of frames out.

A slow client fills its own queue and is cut off; nobody else waits for it. Frames that are queued
together leave in one write. Framing is wsproto's.
"""

import time
from collections import deque

import trio
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import CloseConnection, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError

from exchanges.sandbox.peer import Peer
from exchanges.sandbox.turns import Turns

FRAMES_MAX = 10_000
MESSAGE_CHARS_MAX = 1_000_000
IDLE_S = 600.0

LOST = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class ServerWebSocket:
    """One open WebSocket. ``peer.kind`` and ``peer.account`` say whose it is."""

    def __init__(
        self, peer: Peer, turns: Turns, *, trailing: bytes, query: str = "", idle_s: float = IDLE_S
    ) -> None:
        self.peer = peer
        self.query = query
        """Of the address at which it was opened."""
        self.opened_at = self.ponged_at = trio.current_time()
        self._turns = turns
        self._connection = Connection(ConnectionType.SERVER, trailing_data=trailing)
        self._out: deque[bytes] = deque()
        self._ready = trio.Event()
        self._in: deque[tuple[str, int]] = deque()
        self._partial: list[str] = []
        self._partial_chars = 0
        self._closing = False
        self._idle_s = idle_s
        self._active_at = trio.current_time()

    def post(self, text: str) -> None:
        """Queue one text frame; a client whose queue is full is cut off."""
        self._active_at = trio.current_time()
        self._post(TextMessage(data=text))

    def ping(self, payload: bytes = b"") -> None:
        """Ask the client for a pong; ``ponged_at`` is when one with a payload last came."""
        self._post(Ping(payload=payload))

    async def receive(self) -> tuple[str, int] | None:
        """Return the next message and the ``perf_counter_ns`` of its arrival; None when it is over."""
        while not self._in and not self._closing:
            data = await self._read()
            arrived_ns = time.perf_counter_ns()
            await self._turns.wait()
            self._take(data, arrived_ns)
        return self._in.popleft() if self._in else None

    async def write(self) -> None:
        """Send what is queued until the line is lost or the task cancelled."""
        try:
            while True:
                await self._ready.wait()
                await self._flush()
        except LOST:
            self.peer.cut()

    async def finish(self) -> None:
        """Send what is still queued, the answer to a close among it."""
        try:
            await self._flush()
        except LOST:
            self.peer.cut()

    def close(self, code: int = 1000) -> None:
        """Say goodbye; ``receive`` returns None from now on."""
        self._post(CloseConnection(code=code))
        self._closing = True

    async def _flush(self) -> None:
        self._ready = trio.Event()
        data = b"".join(self._out)
        self._out.clear()
        if data:
            await self.peer.send_all(data)

    async def _read(self) -> bytes:
        """Return the next bytes; empty at the end, when the line breaks, or after too long a silence."""
        try:
            while True:
                with trio.move_on_at(self._active_at + self._idle_s):
                    data = await self.peer.receive_some()
                    self._active_at = trio.current_time()
                    return data
                if trio.current_time() >= self._active_at + self._idle_s:
                    self.close()
                    return b""
        except LOST:
            return b""

    def _take(self, data: bytes, arrived_ns: int) -> None:
        if not data:
            self._closing = True
            return
        self._connection.receive_data(data)
        for event in self._connection.events():
            if isinstance(event, TextMessage):
                self._take_text(event, arrived_ns)
            elif isinstance(event, Ping):
                self._post(Pong(payload=event.payload))
            elif isinstance(event, Pong):
                if event.payload:  # an unsolicited one has none, and proves nothing
                    self.ponged_at = trio.current_time()
            elif isinstance(event, CloseConnection):
                self._post(CloseConnection(code=event.code))
                self._closing = True

    def _take_text(self, event: TextMessage, arrived_ns: int) -> None:
        self._partial.append(event.data)
        self._partial_chars += len(event.data)
        if self._partial_chars > MESSAGE_CHARS_MAX:
            self.close(1009)
        elif event.message_finished:
            self._in.append(("".join(self._partial), arrived_ns))
            self._partial, self._partial_chars = [], 0

    def _post(self, event: TextMessage | Ping | Pong | CloseConnection) -> None:
        if self._closing:
            return
        if len(self._out) >= FRAMES_MAX:
            self.peer.cut()
            return
        try:
            self._out.append(self._connection.send(event))
        except LocalProtocolError:  # the close handshake is done: nothing may follow it
            self._closing = True
            return
        self._ready.set()
