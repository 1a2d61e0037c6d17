"""A client written for the tests alone: REST by h11, WebSockets by trio-websocket, over any network."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import h11
import trio
import trio_websocket

from exchanges.clock import TrioClock
from exchanges.network import MemoryNetwork
from exchanges.sandbox import SandboxVenue
from exchanges.sandbox.bybit import BybitServer

HOST, PORT = "bybit.sandbox", 443


@attrs.frozen
class Answer:
    """One REST answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def code(self) -> int:
        return self.body["retCode"]

    @property
    def result(self) -> dict[str, Any]:
        return self.body["result"]


@attrs.define
class World:
    """A venue with accounts ``m`` and ``h`` (hedged), its Bybit server, and the network it is on."""

    venue: SandboxVenue
    server: BybitServer
    network: MemoryNetwork
    nursery: trio.Nursery
    clock: TrioClock

    def sign(self, secret: str, text: str) -> str:
        return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def auth_args(self, name: str) -> list[object]:
        account = self.venue.account(name)
        expires = self.clock.wall_ms() + 5000
        return [account.api_key, expires, self.sign(account.api_secret, f"GET/realtime{expires}")]

    async def request(
        self,
        method: str,
        path: str,
        query: str = "",
        body: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request on a connection of its own; raise trio.EndOfChannel when it is cut."""
        stream = await self.network.connect(HOST, PORT, tls=True)
        async with stream:
            target = f"{path}?{query}" if query else path
            connection = h11.Connection(h11.CLIENT)
            fields = {"Host": HOST, "Content-Length": str(len(body.encode())), **(headers or {})}
            head = h11.Request(method=method, target=target, headers=list(fields.items()))
            data = connection.send(head) + connection.send(h11.Data(data=body.encode()))
            await stream.send_all(data + connection.send(h11.EndOfMessage()))
            return await _read_answer(connection, stream)

    async def get(self, path: str, query: str = "", *, account: str | None = "m") -> Answer:
        return await self.request("GET", path, query, headers=self.headers(account, query))

    async def post(self, path: str, body: object, *, account: str = "m") -> Answer:
        text = body if isinstance(body, str) else json.dumps(body)
        return await self.request("POST", path, body=text, headers=self.headers(account, text))

    def headers(self, account: str | None, payload: str, *, shift_ms: int = 0) -> dict[str, str]:
        if account is None:
            return {}
        found = self.venue.account(account)
        stamp = str(self.clock.wall_ms() + shift_ms)
        return {
            "X-BAPI-API-KEY": found.api_key,
            "X-BAPI-TIMESTAMP": stamp,
            "X-BAPI-RECV-WINDOW": "5000",
            "X-BAPI-SIGN": self.sign(found.api_secret, f"{stamp}{found.api_key}5000{payload}"),
        }

    async def order(
        self, side: str = "Buy", qty: str = "0.01", *, account: str = "m", **more: object
    ) -> Answer:
        return await self.post("/v5/order/create", order(side, qty, **more), account=account)

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator["Socket"]:
        """Open a WebSocket."""
        stream = await self.network.connect(HOST, PORT, tls=True)
        async with trio.open_nursery() as nursery:
            connection = await trio_websocket.wrap_client_stream(nursery, stream, HOST, path)
            yield Socket(connection)
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)

    async def rejection(self, path: str) -> int | None:
        """Return the HTTP status with which a WebSocket is refused, None when it is not."""
        status: list[int] = []
        try:
            async with self.socket(path):
                pass
        except* trio_websocket.ConnectionRejected as group:
            status += [error.status_code for error in group.exceptions]  # type: ignore[attr-defined]
        return status[0] if status else None

    @asynccontextmanager
    async def private(self, *topics: str, account: str = "m") -> AsyncIterator["Socket"]:
        """Open, authenticate and subscribe."""
        async with self.socket("/v5/private") as socket:
            answer = await socket.ask({"op": "auth", "args": self.auth_args(account)})
            assert answer["success"], answer
            topics = topics or ("order", "execution", "position", "wallet")
            answer = await socket.ask({"op": "subscribe", "args": list(topics)})
            assert answer["success"], answer
            yield socket

    @asynccontextmanager
    async def trade(self, account: str = "m") -> AsyncIterator["TradeSocket"]:
        """Open and authenticate."""
        async with self.socket("/v5/trade") as socket:
            answer = await socket.ask({"op": "auth", "args": self.auth_args(account)})
            assert answer["retCode"] == 0, answer
            yield TradeSocket(socket.connection, self.clock)


@attrs.define
class Socket:
    """The client's end of a WebSocket."""

    connection: trio_websocket.WebSocketConnection

    async def send(self, message: object) -> None:
        await self.connection.send_message(message if isinstance(message, str) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        with trio.fail_after(30):
            return json.loads(await self.connection.get_message())

    async def receive_text(self) -> str:
        with trio.fail_after(30):
            return await self.connection.get_message()

    async def ask(self, message: object) -> dict[str, Any]:
        await self.send(message)
        return await self.receive()

    async def frames(self, seconds: float = 1.0) -> list[dict[str, Any]]:
        """Collect what comes within so many seconds."""
        got = []
        with trio.move_on_after(seconds):
            while True:
                got.append(json.loads(await self.connection.get_message()))
        return got


@attrs.define
class TradeSocket(Socket):
    """Order entry."""

    clock: TrioClock
    number: int = 0

    def request(self, op: str, args: object, **more: object) -> dict[str, object]:
        self.number += 1
        header = {"X-BAPI-TIMESTAMP": str(self.clock.wall_ms()), "X-BAPI-RECV-WINDOW": "5000"}
        return {"reqId": f"r{self.number}", "header": header, "op": op, "args": [args], **more}

    async def create(self, side: str = "Buy", qty: str = "0.01", **more: object) -> dict[str, Any]:
        return await self.ask(self.request("order.create", order(side, qty, **more)))


def order(side: str = "Buy", qty: str = "0.01", **more: object) -> dict[str, object]:
    """Parameters of a market order of BTCUSDT."""
    return {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": side,
        "orderType": "Market",
        "qty": qty,
        **more,
    }


@asynccontextmanager
async def open_world(**settings: Any) -> AsyncIterator[World]:
    """Serve a sandbox in memory; fail when it crashed anywhere."""
    clock = TrioClock()
    venue = SandboxVenue(clock=clock)
    venue.add_account("m", api_key="mk", api_secret="ms", equity=Decimal(10_000))
    venue.add_account("h", api_key="hk", api_secret="hs", equity=Decimal(10_000), hedge=True)
    server = BybitServer(venue, **settings)
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve_memory, network, HOST, PORT)
        yield World(venue, server, network, nursery, clock)
        nursery.cancel_scope.cancel()
    assert server.crashes == []


async def _read_answer(connection: h11.Connection, stream: trio.abc.Stream) -> Answer:
    head: h11.Response | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await stream.receive_some()
            if not data:
                raise trio.EndOfChannel
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            headers = {name.decode(): value.decode() for name, value in head.headers}
            return Answer(head.status_code, headers, body.decode())
