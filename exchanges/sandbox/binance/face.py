"""Binance's face: REST, the three roots of streams, and order entry by WebSocket, which path is what."""

import trio

from exchanges.sandbox.binance import market_feed, user_feed
from exchanges.sandbox.binance.budgets import Budgets
from exchanges.sandbox.binance.listen_keys import ListenKeys
from exchanges.sandbox.binance.market import Market
from exchanges.sandbox.binance.market_feed import MarketFeed
from exchanges.sandbox.binance.modes import Modes
from exchanges.sandbox.binance.orders import OrderDesk
from exchanges.sandbox.binance.queries import Queries
from exchanges.sandbox.binance.records import Records
from exchanges.sandbox.binance.requests import Requests
from exchanges.sandbox.binance.rest import Rest
from exchanges.sandbox.binance.routes import Desks, http_routes, socket_routes
from exchanges.sandbox.binance.settings import SettingDesk
from exchanges.sandbox.binance.states import States
from exchanges.sandbox.binance.trade import PATH as TRADE
from exchanges.sandbox.binance.trade import TradeEntry
from exchanges.sandbox.binance.user_feed import UserFeed
from exchanges.sandbox.http import HttpRequest, HttpResponse
from exchanges.sandbox.server import SandboxServer
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

PRIVATE, MARKET, PUBLIC = user_feed.ROOT, market_feed.ROOT, "/public"
PING_EVERY_S = 180.0
PONG_WITHIN_S = 600.0
LIFE_S = 86_400.0


class BinanceSandbox:
    """Speaks Binance's USD-M protocol over a venue core.

    ``enforce_limits`` refuses what exceeds the published budgets per IP (429, then 418) and account (-1015).
    ``desk``, ``queries``, ``states``, ``feed`` and ``modes`` have what else a test may turn. Not here:
    conditional (algo), batch and good-till-date orders, self-trade prevention, margin of its own for
    isolated positions, MARGIN_CALL, and streams other than those of mark prices and of accounts.
    """

    def __init__(self, venue: SandboxVenue, *, enforce_limits: bool = False) -> None:
        self.venue = venue
        self.budgets = Budgets(venue.now_ms, enforced=enforce_limits)
        self.modes, self.keys = Modes(venue), ListenKeys(venue)
        records, market = Records(venue), Market(venue)
        self.desk = OrderDesk(venue, records)
        self.queries = Queries(venue, records, self.desk)
        # The feed is told of everything before whoever answers: events come before the answer, or with it.
        self.feed = UserFeed(venue, records, self.modes, self.keys)
        self.desk.placed = self.feed.accepted
        self.states = States(venue, self.modes)
        desks = Desks(
            market=market,
            orders=self.desk,
            queries=self.queries,
            settings=SettingDesk(venue, self.modes),
            states=self.states,
            modes=self.modes,
            keys=self.keys,
            feed=self.feed,
        )
        requests = Requests(venue, self.budgets)
        self._rest = Rest(requests, http_routes(desks), self.budgets)
        self._trade = TradeEntry(venue, requests, socket_routes(desks), self.budgets)
        self._market = MarketFeed(venue, market)
        self._sockets: set[ServerWebSocket] = set()

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one REST request."""
        return await self._rest.answer(request)

    def accepts(self, path: str) -> bool:
        """Tell whether a WebSocket may be opened at this path."""
        return path == TRADE or _stream_root(path) is not None

    async def converse(self, path: str, socket: ServerWebSocket) -> None:
        """Serve one WebSocket until it ends."""
        self._sockets.add(socket)
        try:
            if path == TRADE:
                socket.peer.kind = "trade"
                await self._trade.converse(socket)
            elif _stream_root(path) == PRIVATE:
                socket.peer.kind = "private"
                await self.feed.converse(path, socket)
            else:
                socket.peer.kind = "public"
                await self._market.converse(path, socket)
        finally:
            self._sockets.discard(socket)

    async def run(self) -> None:
        """Repeat marks, ping sockets and end old ones, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._market.run)
            nursery.start_soon(self._ping_for_ever)

    async def _ping_for_ever(self) -> None:
        while True:
            await trio.sleep(PING_EVERY_S)
            now = trio.current_time()
            for socket in tuple(self._sockets):
                if now - socket.opened_at >= LIFE_S or now - socket.ponged_at >= PONG_WITHIN_S:
                    socket.peer.cut()
                else:
                    socket.ping(str(self.venue.now_ms()).encode())


class BinanceServer(SandboxServer):
    """A Binance sandbox and the server it is reached through."""

    def __init__(self, venue: SandboxVenue, *, enforce_limits: bool = False) -> None:
        self.face = BinanceSandbox(venue, enforce_limits=enforce_limits)
        super().__init__(self.face)

    @staticmethod
    def endpoints(host: str, port: int) -> dict[str, str]:
        """Return addresses as a configuration names them: rest, stream_ws, trade_ws, market_ws, sapi."""
        return {
            "rest": f"http://{host}:{port}",
            "stream_ws": f"ws://{host}:{port}{PRIVATE}",
            "trade_ws": f"ws://{host}:{port}{TRADE}",
            "market_ws": f"ws://{host}:{port}{MARKET}",
            "sapi": f"http://{host}:{port}",
        }


def _stream_root(path: str) -> str | None:
    """Return the root of a stream's path, "" for those without one, None for what is no stream."""
    for root in (PRIVATE, MARKET, PUBLIC, ""):
        rest = path.removeprefix(root)
        if path.startswith(root) and (rest in ("/ws", "/stream") or rest.startswith("/ws/")):
            return root
    return None
