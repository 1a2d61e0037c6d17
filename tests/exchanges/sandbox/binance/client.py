"""A client for the tests alone: its own signatures, h11 and trio-websocket, over any network."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import attrs
import h11
import trio
import trio_websocket

from exchanges.clock import TrioClock
from exchanges.network import MemoryNetwork
from exchanges.sandbox import SandboxVenue, build_venue, describe_account
from exchanges.sandbox.binance import BinanceSandbox, BinanceServer, binance_description

HOST, PORT = "binance.sandbox", 80
ORDER = "/fapi/v1/order"
Params = dict[str, Any]


def order(quantity: str = "0.01", side: str = "BUY", **more: Any) -> Params:
    """A market order in BTC unless told otherwise; a price makes it a limit."""
    params = {"symbol": "BTCUSDT", "side": side, "type": "MARKET", "quantity": quantity}
    if "price" in more:
        params |= {"type": "LIMIT", "timeInForce": "GTC"}
    return params | more


@attrs.define
class Answer:
    """One answer by HTTP."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> int:
        """The venue's code; zero for success."""
        return self.body.get("code", 0) if isinstance(self.body, dict) else 0


@attrs.define
class World:
    """A venue with the accounts ``m`` (one-way) and ``h`` (hedged) of 10,000 USDT, and its server."""

    venue: SandboxVenue
    server: BinanceServer
    network: MemoryNetwork
    clock: TrioClock

    @property
    def face(self) -> BinanceSandbox:
        return self.server.face

    def sign(self, params: Params, name: str = "m", *, secret: str = "", **timing: Any) -> str:
        """Return a signed query: times as they are now unless told otherwise."""
        full = params | {"timestamp": self.venue.now_ms()} | timing
        text = urlencode({key: value for key, value in full.items() if value is not None})
        return f"{text}&signature={signature(secret or self.venue.account(name).api_secret, text)}"

    async def send(
        self, method: str, target: str, *, key: str | None = None, body: str = "", name: str = "m"
    ) -> Answer:
        """Send on a connection of its own; raise trio.EndOfChannel when it is cut."""
        async with await self.network.connect(HOST, PORT, tls=False) as stream:
            connection = h11.Connection(h11.CLIENT)
            fields = [("Host", HOST), ("Content-Length", str(len(body)))]
            key = self.venue.account(name).api_key if key is None else key
            fields += [("X-MBX-APIKEY", key)] if key else []
            out = connection.send(h11.Request(method=method, target=target, headers=fields)) or b""
            if body:
                out += connection.send(h11.Data(data=body.encode())) or b""
            await stream.send_all(out + (connection.send(h11.EndOfMessage()) or b""))
            return await _read(connection, stream)

    async def ask(
        self, method: str, path: str, params: Params | None = None, name: str = "m", **timing: Any
    ) -> Answer:
        """Send a signed request."""
        return await self.send(method, f"{path}?{self.sign(params or {}, name, **timing)}", name=name)

    async def get(self, path: str, name: str = "m", **params: Any) -> Any:
        """Read something signed; the answer has to be one."""
        answer = await self.ask("GET", path, params, name)
        assert answer.status == 200, answer
        return answer.body

    async def place(self, name: str = "m", **params: Any) -> Any:
        """Place an order; it has to be taken. Its end is told."""
        answer = await self.ask("POST", ORDER, order(**({"newOrderRespType": "RESULT"} | params)), name)
        assert answer.status == 200, answer
        return answer.body

    async def refusal(self, name: str = "m", **params: Any) -> tuple[int, str]:
        """Place an order that is refused; return code and text."""
        answer = await self.ask("POST", ORDER, order(**params), name)
        assert answer.status == 400, answer
        return answer.code, answer.body["msg"]

    async def listen_key(self, method: str = "POST", name: str = "m") -> Answer:
        return await self.send(method, "/fapi/v1/listenKey", name=name)

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator["Socket"]:
        """Open a WebSocket at a path."""
        stream = await self.network.connect(HOST, PORT, tls=False)
        async with trio.open_nursery() as nursery:
            yield Socket(await trio_websocket.wrap_client_stream(nursery, stream, HOST, path), self)
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)

    @asynccontextmanager
    async def user_stream(self, name: str = "m") -> AsyncIterator["Socket"]:
        """Open a user data stream by the account's key in its path."""
        key = (await self.listen_key(name=name)).body["listenKey"]
        async with self.socket(f"/private/ws/{key}") as socket:
            await trio.sleep(0.01)
            yield socket


@attrs.define
class Socket:
    """The client's end."""

    connection: trio_websocket.WebSocketConnection
    world: World
    number: int = 0

    async def send(self, message: object) -> None:
        await self.connection.send_message(message if isinstance(message, str) else json.dumps(message))

    async def receive(self, within_s: float = 30) -> Any:
        with trio.fail_after(within_s):
            return json.loads(await self.connection.get_message())

    async def frames(self, seconds: float = 0.5) -> list[Any]:
        """Collect what comes within so many seconds."""
        got = []
        with trio.move_on_after(seconds):
            while True:
                got.append(json.loads(await self.connection.get_message()))
        return got

    async def ask(self, message: object) -> Any:
        await self.send(message)
        return await self.receive()

    def request(self, method: str, params: Params, name: str = "m", **timing: Any) -> Params:
        """Return a signed request by WebSocket."""
        self.number += 1
        account = self.world.venue.account(name)
        full = params | {"apiKey": account.api_key, "timestamp": self.world.venue.now_ms()} | timing
        text = "&".join(f"{key}={_text(value)}" for key, value in sorted(full.items()))
        full["signature"] = signature(account.api_secret, text)
        return {"id": self.number, "method": method, "params": full}

    async def act(self, method: str, params: Params, name: str = "m", **timing: Any) -> Any:
        """Ask by WebSocket; the answer has to be to this request."""
        answer = await self.ask(self.request(method, params, name, **timing))
        assert answer["id"] == self.number, answer
        return answer


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def signature(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@asynccontextmanager
async def open_world(**settings: Any) -> AsyncIterator[World]:
    """Serve a sandbox in memory; fail when it crashed anywhere."""
    clock = TrioClock()
    accounts = [
        describe_account("m", Decimal(10_000)),
        describe_account("h", Decimal(10_000), hedge=True),
        describe_account("r", Decimal(10_000), read_only=True),
    ]
    venue = build_venue(binance_description(accounts), clock=clock)
    server = BinanceServer(venue, **settings)
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve_memory, network, HOST, PORT)
        yield World(venue, server, network, clock)
        nursery.cancel_scope.cancel()
    assert server.crashes == []


async def _read(connection: h11.Connection, stream: trio.abc.Stream) -> Answer:
    status, body = 0, b""
    headers: dict[str, str] = {}
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await stream.receive_some()
            if not data:
                raise trio.EndOfChannel
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = {name.decode().lower(): value.decode() for name, value in event.headers}
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, headers, json.loads(body) if body else None)
