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

from tests.bench.accounts import BARE, MASTER, MASTER_EXCHANGE, names
from tests.bench.crafts import CRAFTS, bybit_login
from tests.bench.link import serve_commands

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


async def open_socket(port: int, path: str, number: int, *, login: str = "") -> BareSocket:
    """Connect, upgrade and say ``login``."""
    socket = BareSocket(await trio.open_tcp_stream("127.0.0.1", port), number)
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    )
    request += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    await socket.stream.send_all(request.encode())
    await socket.expect(b"\r\n\r\n")
    if login:
        await socket.stream.send_all(frame(login))
        await socket.expect(b'"auth"')
    return socket


class Floor:
    """The sockets and the loop."""

    def __init__(self, ports: dict[str, int], exchange: str, count: int) -> None:
        self._ports = ports
        self._craft = CRAFTS[exchange]
        self._exchange = exchange
        self._count = count
        self._sockets: list[BareSocket] = []
        self._events = int(time.time()) * 1000  # ids are this run's own

    async def copy(self, master: BareSocket, frames: list[bytes]) -> None:
        """Wait for the master's position, then write every frame."""
        await master.expect(b"_position_")
        for number, ready in enumerate(frames):
            await self._sockets[number % len(self._sockets)].stream.send_all(ready)

    async def prepare(self, side: str, quantity: str) -> None:
        """Make the next event's frames and let the loop wait for it."""
        self._events += 1
        for socket in (self._master, *self._sockets):
            socket.drain()
        frames = [
            frame(self._craft.order(name, f"{self._events}{number:06d}", side, quantity))
            for number, name in enumerate(names(BARE, self._count))
        ]
        self._nursery.start_soon(self.copy, self._master, frames)

    async def serve(self) -> None:
        """Open every socket, then copy until stdin ends."""
        port, craft = self._ports[self._exchange], self._craft
        for number, name in enumerate(names(BARE, 1 if craft.shares_socket else self._count)):
            self._sockets.append(await open_socket(port, craft.path, number, login=craft.login(name)))
        master_port, login = self._ports[MASTER_EXCHANGE], bybit_login(MASTER)
        self._master = await open_socket(master_port, "/v5/private", -1, login=login)
        await self._master.stream.send_all(frame('{"op":"subscribe","args":["position","execution"]}'))
        await self._master.expect(b'"subscribe"')
        async with trio.open_nursery() as self._nursery:
            await serve_commands(None, {"prepare": self.prepare})
            self._nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(Floor(**json.loads(sys.argv[1])).serve)
