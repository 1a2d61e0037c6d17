"""The floor's process: one bare loop that writes ready-made frames to as many open sockets as asked for.

No engine, no ledger, no sizing, no library for WebSockets: nothing that copies can be faster.
"""

import json
import os
import sys
import time
from contextlib import suppress

import attrs
import trio

from exchanges.bybit.signing import Signer
from tests.bench.accounts import BARE, MASTER, SYMBOL, credentials, names
from tests.bench.link import serve_commands

LOGIN_LIFE_MS = 8_000
READ_BYTES = 65_536
NO_MASK = bytes(4)


def frame(text: str) -> bytes:
    """Return a client's text frame of at most 65,535 bytes (RFC 6455), masked with zeros."""
    data = text.encode()
    if len(data) < 126:
        return bytes((0x81, 0x80 | len(data))) + NO_MASK + data
    return b"\x81\xfe" + len(data).to_bytes(2, "big") + NO_MASK + data


@attrs.define(eq=False)
class BareSocket:
    """An open, authenticated WebSocket, by hand."""

    stream: trio.SocketStream
    number: int

    async def expect(self, needle: bytes) -> None:
        """Read until ``needle`` has come."""
        seen = b""
        while needle not in seen:
            data = await self.stream.receive_some(READ_BYTES)
            if not data:
                raise ConnectionError(f"closed before {needle!r}: {seen!r}")
            seen += data

    def drain(self) -> None:
        """Drop what has come: answers are nobody's business here."""
        with suppress(BlockingIOError):
            while os.read(self.stream.socket.fileno(), READ_BYTES):
                pass


async def open_socket(port: int, path: str, name: str, number: int) -> BareSocket:
    """Connect, upgrade and log in."""
    socket = BareSocket(await trio.open_tcp_stream("127.0.0.1", port), number)
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    )
    request += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    await socket.stream.send_all(request.encode())
    await socket.expect(b"\r\n\r\n")
    login = Signer(credentials(name)).session(time.time_ns() // 1_000_000 + LOGIN_LIFE_MS)
    await socket.stream.send_all(frame(json.dumps({"op": "auth", "args": login})))
    await socket.expect(b'"auth"')
    return socket


class Floor:
    """The sockets and the loop."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._count = count
        self._sockets: list[BareSocket] = []
        self._events = 0

    async def copy(self, master: BareSocket, frames: list[bytes]) -> None:
        """Wait for the master's position, then write every frame."""
        await master.expect(b"_position_")
        for socket, ready in zip(self._sockets, frames, strict=True):
            await socket.stream.send_all(ready)

    async def prepare(self, side: str, quantity: str) -> None:
        """Make the next event's frames and let the loop wait for it."""
        self._events += 1
        for socket in (self._master, *self._sockets):
            socket.drain()
        frames = [self._order(socket, side, quantity) for socket in self._sockets]
        self._nursery.start_soon(self.copy, self._master, frames)

    def _order(self, socket: BareSocket, side: str, quantity: str) -> bytes:
        name = f"{self._events:04d}{socket.number:06d}"
        order = {"category": "linear", "symbol": SYMBOL, "side": side, "orderType": "Market"}
        order |= {"qty": quantity, "positionIdx": 0, "reduceOnly": False, "orderLinkId": name}
        header = {"X-BAPI-TIMESTAMP": str(time.time_ns() // 1_000_000), "X-BAPI-RECV-WINDOW": "5000"}
        return frame(json.dumps({"reqId": name, "header": header, "op": "order.create", "args": [order]}))

    async def serve(self) -> None:
        """Open every socket, then copy until stdin ends."""
        for number, name in enumerate(names(BARE, self._count)):
            self._sockets.append(await open_socket(self._port, "/v5/trade", name, number))
        self._master = await open_socket(self._port, "/v5/private", MASTER, -1)
        await self._master.stream.send_all(frame('{"op":"subscribe","args":["position","execution"]}'))
        await self._master.expect(b'"subscribe"')
        async with trio.open_nursery() as self._nursery:
            await serve_commands(None, {"prepare": self.prepare})
            self._nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(Floor(**json.loads(sys.argv[1])).serve)
