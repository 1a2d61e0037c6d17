"""The wire between engine and venues, listened to: what left and what came, as text, with its time.

Nothing of the engine's is used to read it, so that a mistake of its readers cannot hide here.
"""

from collections import deque
from collections.abc import Callable

import attrs
import trio

from exchanges.network import MemoryNetwork

TEXT, CLOSE = 1, 8


@attrs.frozen(kw_only=True)
class Said:
    """One text: ``asked`` is the request that an HTTP answer is for; a socket's frames have none."""

    at: float
    path: str
    text: str
    by_venue: bool
    asked: str = ""
    status: int = 0
    """HTTP's, of an answer."""


Listener = Callable[[Said], None]


class Wire(MemoryNetwork):
    """A network that tells of everything that passes, and that can be away (``trouble``)."""

    def __init__(self, network: MemoryNetwork, listener: Listener, *, cut_off: str) -> None:
        self._servers = network._servers
        self._listener = listener
        self.trouble: OSError | None = None
        """What every new connection to the host ``cut_off`` fails with; None: it is reached."""
        self.cut_off = cut_off

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """Return a stream that is listened to; raises OSError."""
        if self.trouble is not None and host == self.cut_off:
            await trio.lowlevel.checkpoint()
            raise self.trouble
        return Tapped(await super().connect(host, port, tls=tls), Tap(self._listener))


class Tapped(trio.abc.Stream):
    """The client's end of a stream."""

    def __init__(self, stream: trio.abc.Stream, tap: "Tap") -> None:
        self._stream = stream
        self._tap = tap

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send; what leaves is heard before it arrives."""
        self._tap.left(bytes(data))
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait as the stream does."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive; what comes is heard before the engine has it."""
        data = await self._stream.receive_some(max_bytes)
        self._tap.came(bytes(data))
        return data

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


class Tap:
    """Cuts one connection's bytes into messages: HTTP, and frames once it has become a WebSocket."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._out = bytearray()
        self._in = bytearray()
        self._asked: deque[tuple[str, str]] = deque()
        self._path = ""
        self._upgrades = self._is_socket = False

    def left(self, data: bytes) -> None:
        """Hear what the engine sends."""
        self._out += data
        if self._is_socket:
            self._frames(self._out, by_venue=False)
            return
        while (message := _http_message(self._out)) is not None:
            head, body = message
            line = head[0].split(" ")
            self._path, target = line[1].partition("?")[0], line[1]
            self._upgrades = any(it.lower().startswith("upgrade: websocket") for it in head)
            request = f"{line[0]} {target}\n{body}"
            self._asked.append((self._path, request))
            self._say(request, by_venue=False)

    def came(self, data: bytes) -> None:
        """Hear what the venue sends."""
        self._in += data
        while not self._is_socket and (message := _http_message(self._in)) is not None:
            head, body = message
            status = int(head[0].split(" ")[1])
            path, request = self._asked.popleft()
            if self._upgrades and status == 101:
                self._is_socket = True
                break
            self._path = path
            self._say(body, by_venue=True, asked=request, status=status)
        if self._is_socket:
            self._frames(self._in, by_venue=True)

    def _frames(self, buffer: bytearray, *, by_venue: bool) -> None:
        while (frame := _frame(buffer)) is not None:
            kind, payload = frame
            if kind == TEXT:
                self._say(payload.decode("utf-8", "replace"), by_venue=by_venue)

    def _say(self, text: str, *, by_venue: bool, asked: str = "", status: int = 0) -> None:
        now = trio.current_time()
        said = Said(at=now, path=self._path, text=text, by_venue=by_venue, asked=asked, status=status)
        self._listener(said)


def _http_message(buffer: bytearray) -> tuple[list[str], str] | None:
    """Take one whole message from the buffer: its head's lines and its body."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = buffer[:end].decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head[1:])
    body_end = end + 4 + int(fields.get("content-length", "0"))
    if len(buffer) < body_end:
        return None
    body = buffer[end + 4 : body_end].decode("utf-8", "replace")
    del buffer[:body_end]
    return head, body


def _frame(buffer: bytearray) -> tuple[int, bytes] | None:
    """Take one whole frame from the buffer (RFC 6455, 5.2); all of ours are sent in one piece."""
    if len(buffer) < 2:
        return None
    kind, size, at = buffer[0] & 15, buffer[1] & 127, 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size, at = int.from_bytes(buffer[2 : 2 + width], "big"), 2 + width
    masked = bool(buffer[1] & 128)
    end = at + 4 * masked + size
    if len(buffer) < end or len(buffer) < at:
        return None
    payload = bytes(buffer[end - size : end])
    if masked:
        mask = bytes(buffer[at : at + 4]) * (size // 4 + 1)
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(mask[:size], "big")).to_bytes(size, "big")
    del buffer[:end]
    return kind, payload
