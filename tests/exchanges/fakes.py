"""Small servers in memory: HTTP by h11, WebSockets by trio-websocket; each test scripts its answers."""

import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import h11
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from exchanges.network import MemoryNetwork


@attrs.frozen
class Request:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


class Drop(Exception):
    """Raised by a script to close the connection without an answer."""


Answer = tuple[int, dict[str, str], bytes]


class HttpServer:
    """Serves HTTP/1.1 from a function; keeps what was asked."""

    def __init__(self, answer: Callable[[Request], Awaitable[Answer]]) -> None:
        self.asked: list[Request] = []
        self.connections = 0
        self._answer = answer

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        wire = h11.Connection(h11.SERVER)
        async with stream:
            try:
                while await self._serve_one(wire, stream):
                    wire.start_next_cycle()
            except (Drop, trio.BrokenResourceError, h11.RemoteProtocolError):
                return

    async def _serve_one(self, wire: h11.Connection, stream: trio.abc.Stream) -> bool:
        head: h11.Request | None = None
        body = b""
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                wire.receive_data(bytes(await stream.receive_some()))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert head is not None
        headers = {name.decode(): value.decode() for name, value in head.headers}
        request = Request(head.method.decode(), head.target.decode(), headers, body)
        self.asked.append(request)
        status, extra, content = await self._answer(request)
        await stream.send_all(
            wire.send(
                h11.Response(
                    status_code=status, headers=[*extra.items(), ("Content-Length", str(len(content)))]
                )
            )
            + wire.send(h11.Data(data=content))
            + wire.send(h11.EndOfMessage())
        )
        return True


class WsServer:
    """Serves WebSockets: each connection runs the script with its socket."""

    def __init__(self, script: Callable[["WsPeer"], Awaitable[None]]) -> None:
        self.peers: list[WsPeer] = []
        self._script = script

    async def serve(self, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, stream)
            connection = await request.accept()
            peer = WsPeer(connection, stream)
            self.peers.append(peer)
            try:
                await self._script(peer)
                await connection.aclose()
            except ConnectionClosed:
                pass
            await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()


class WsPeer:
    """The server's end of one WebSocket."""

    def __init__(self, connection: WebSocketConnection, stream: trio.abc.Stream) -> None:
        self.connection = connection
        self.stream = stream
        self.heard: list[Any] = []

    async def hear(self) -> Any:
        message = json.loads(await self.connection.get_message())
        self.heard.append(message)
        return message

    async def say(self, message: object) -> None:
        await self.connection.send_message(message if isinstance(message, str) else json.dumps(message))


@asynccontextmanager
async def serving(network: MemoryNetwork, **servers: Callable[[trio.abc.Stream], Awaitable[None]]) -> Any:
    """Serve each at ``NAME:80`` for the length of the block."""
    async with trio.open_nursery() as nursery:
        for name, serve in servers.items():
            await nursery.start(network.listen, name, 80, serve)
        yield
        nursery.cancel_scope.cancel()
