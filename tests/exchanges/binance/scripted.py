"""A small scripted Binance in memory: REST by h11, sockets by trio-websocket, what a test says."""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs
import h11
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from exchanges.binance import BinanceEndpoints, BinanceVenue
from exchanges.clock import TrioClock
from exchanges.network import MemoryNetwork
from exchanges.port import AccountGateway, Credentials

KEY, SECRET = "test-key", "test-secret"
LISTEN_KEY = "listenkey1"

ENDPOINTS = BinanceEndpoints(
    rest="http://rest.test",
    stream_ws="ws://stream.test/private",
    market_ws="ws://market.test/market",
    trade_ws="ws://trade.test/ws-fapi/v1",
)

Params = Mapping[str, str]
Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
Rest = Callable[[Params], Answer | Awaitable[Answer]]


@attrs.frozen
class Call:
    """One REST request as it came."""

    method: str
    path: str
    params: Params
    headers: Mapping[str, str]
    at: float


def one_way_config(**changes: Any) -> dict[str, Any]:
    """Return accountConfig's answer."""
    return {"dualSidePosition": False, "multiAssetsMargin": False, "canTrade": True, **changes}


def position_row(symbol: str = "BTCUSDT", side: str = "BOTH", amount: str = "0.5", **changes: Any) -> dict:
    """Return a row of positionRisk v3."""
    return {
        "symbol": symbol,
        "positionSide": side,
        "positionAmt": amount,
        "entryPrice": "100.5",
        "markPrice": "101",
        "unRealizedProfit": "0.25",
        "marginAsset": "USDT",
        "initialMargin": "6",
        "positionInitialMargin": "5",
        "updateTime": 1_749_999_000_000,
        **changes,
    }


def order_row(client_order_id: str, **changes: Any) -> dict[str, Any]:
    """Return an order as an answer tells it since July 2026: without a price."""
    return {
        "orderId": 8389765739703625592,
        "symbol": "BTCUSDT",
        "status": "FILLED",
        "clientOrderId": client_order_id,
        "price": "0.00",
        "origQty": "0.5",
        "executedQty": "0.5",
        "cumQty": "0.5",
        "type": "MARKET",
        "reduceOnly": True,
        "side": "SELL",
        "positionSide": "BOTH",
        "updateTime": 1_750_000_000_160,
        **changes,
    }


def balance_row(asset: str = "USDT", balance: str = "1000", **changes: Any) -> dict[str, Any]:
    """Return a row of balance v3."""
    return {"asset": asset, "balance": balance, "availableBalance": "900", "updateTime": 1, **changes}


async def _accept(nursery: trio.Nursery, stream: trio.abc.Stream) -> WebSocketConnection:
    request = await wrap_server_stream(nursery, stream)
    return await request.accept()


async def cut(socket: WebSocketConnection) -> None:
    """Close a connection from the venue's side, without waiting for the peer's goodbye."""
    with trio.move_on_after(0.1):
        await socket.aclose()


class ScriptedBinance:
    """Answers what ``rest`` and ``trade`` say; tests push events and cut sockets themselves."""

    def __init__(self) -> None:
        self.network = MemoryNetwork()
        self.clock = TrioClock()
        self.calls: list[Call] = []
        self.requests: list[dict[str, Any]] = []
        self.private: list[WebSocketConnection] = []
        self.private_paths: list[str] = []
        self.trading: list[WebSocketConnection] = []
        self.market: list[WebSocketConnection] = []
        self.skew_ms = 0
        self.trade: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda request: None
        self.mute_rest = False
        self.rest: dict[tuple[str, str], Rest] = {
            ("GET", "/fapi/v1/time"): lambda _: (200, {"serverTime": self.clock.wall_ms() + self.skew_ms}),
            ("POST", "/fapi/v1/listenKey"): lambda _: (200, {"listenKey": LISTEN_KEY}),
            ("PUT", "/fapi/v1/listenKey"): lambda _: (200, {"listenKey": LISTEN_KEY}),
            ("GET", "/fapi/v1/accountConfig"): lambda _: (200, one_way_config()),
            ("GET", "/fapi/v3/balance"): lambda _: (200, [balance_row()]),
            ("GET", "/fapi/v3/positionRisk"): lambda _: (200, []),
            ("GET", "/fapi/v1/symbolConfig"): lambda asked: (
                200,
                [{"symbol": asked.get("symbol", "BTCUSDT"), "marginType": "CROSSED", "leverage": 10}],
            ),
        }

    @asynccontextmanager
    async def serving(self):
        """Serve until the block ends; yields a venue that points here."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.network.listen, "rest.test", 80, self._serve_rest)
            await nursery.start(self.network.listen, "stream.test", 80, self._serve_private)
            await nursery.start(self.network.listen, "trade.test", 80, self._serve_trade)
            await nursery.start(self.network.listen, "market.test", 80, self._serve_market)
            venue = BinanceVenue(ENDPOINTS, network=self.network, clock=self.clock)
            yield venue
            await venue.aclose()
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def account(self):
        """Serve, and yield one account's gateway."""
        async with self.serving() as venue:
            gateway: AccountGateway = venue.account(Credentials(api_key=KEY, api_secret=SECRET))
            yield gateway
            await gateway.aclose()

    def called(self, method: str, path: str) -> list[Call]:
        """Return the requests to one place."""
        return [call for call in self.calls if (call.method, call.path) == (method, path)]

    async def push(self, event: dict[str, Any]) -> None:
        """Send an event on the newest user stream."""
        await self.private[-1].send_message(json.dumps(event))

    async def _serve_rest(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        with trio.CancelScope() as scope:
            try:
                while await self._answer_one(connection, stream):
                    connection.start_next_cycle()
            except (trio.BrokenResourceError, h11.RemoteProtocolError):
                scope.cancel()
        await trio.aclose_forcefully(stream)

    async def _answer_one(self, connection: h11.Connection, stream: trio.abc.Stream) -> bool:
        request: h11.Request | None = None
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.ConnectionClosed):
                return False
        assert request is not None
        status, body, headers = await self._answer(request)
        if self.mute_rest:
            await trio.sleep_forever()
        text = body if isinstance(body, str) else json.dumps(body)
        head = [("Content-Length", str(len(text.encode()))), *headers.items()]
        data = connection.send(h11.Response(status_code=status, headers=head)) or b""
        data += connection.send(h11.Data(data=text.encode())) or b""
        data += connection.send(h11.EndOfMessage()) or b""
        await stream.send_all(data)
        return True

    async def _answer(self, request: h11.Request) -> tuple[int, Any, dict[str, str]]:
        parts = urlsplit(request.target.decode())
        headers = {name.decode().lower(): value.decode() for name, value in request.headers}
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        method = request.method.decode()
        self.calls.append(Call(method, parts.path, params, headers, trio.current_time()))
        answer: Any = self.rest[method, parts.path](params)
        if isinstance(answer, Awaitable):
            answer = await answer
        return answer if len(answer) == 3 else (*answer, {})

    async def _serve_private(self, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            socket = await _accept(nursery, stream)
            self.private_paths.append(socket.path)
            self.private.append(socket)
            await self._drain(socket)
            nursery.cancel_scope.cancel()

    async def _serve_market(self, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            socket = await _accept(nursery, stream)
            self.market.append(socket)
            await self._drain(socket)
            nursery.cancel_scope.cancel()

    async def _serve_trade(self, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            socket = await _accept(nursery, stream)
            self.trading.append(socket)
            try:
                while True:
                    request = json.loads(await socket.get_message())
                    self.requests.append(request)
                    answer = self.trade(request)
                    if answer is not None:
                        await socket.send_message(json.dumps({"id": request["id"], **answer}))
            except ConnectionClosed:
                nursery.cancel_scope.cancel()

    async def _drain(self, socket: WebSocketConnection) -> None:
        try:
            while True:
                await socket.get_message()
        except ConnectionClosed:
            return
