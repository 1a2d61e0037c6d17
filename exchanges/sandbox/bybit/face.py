"""Bybit's face: which path is what."""

from exchanges.sandbox.bybit.budgets import Budgets
from exchanges.sandbox.bybit.orders import OrderDesk
from exchanges.sandbox.bybit.private import PrivateFeed
from exchanges.sandbox.bybit.public import PublicFeed
from exchanges.sandbox.bybit.rest import Rest
from exchanges.sandbox.bybit.trade import TradeEntry
from exchanges.sandbox.http import HttpRequest, HttpResponse
from exchanges.sandbox.server import SandboxServer
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

PRIVATE, PUBLIC, TRADE = "/v5/private", "/v5/public/linear", "/v5/trade"
KINDS = {PRIVATE: "private", PUBLIC: "public", TRADE: "trade"}


class BybitSandbox:
    """Speaks Bybit V5 over a venue core.

    ``enforce_limits`` refuses what exceeds the published budgets per account (10006).
    ``rest.queries.visible_after_ms`` hides young orders from the order reads.
    """

    def __init__(self, venue: SandboxVenue, *, enforce_limits: bool = False) -> None:
        self.venue = venue
        self.budgets = Budgets(enforced=enforce_limits)
        desk = OrderDesk(venue)
        self.rest = Rest(venue, desk, self.budgets)
        self._private = PrivateFeed(venue)
        self._public = PublicFeed(venue)
        self._trade = TradeEntry(venue, desk, self.budgets)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one REST request."""
        return await self.rest.answer(request)

    def accepts(self, path: str) -> bool:
        """Tell whether a WebSocket may be opened at this path."""
        return path in KINDS

    async def converse(self, path: str, socket: ServerWebSocket) -> None:
        """Serve one WebSocket until it ends."""
        socket.peer.kind = KINDS[path]
        if path == PRIVATE:
            await self._private.converse(socket)
        elif path == PUBLIC:
            await self._public.converse(socket)
        else:
            await self._trade.converse(socket)

    async def run(self) -> None:
        """Repeat tickers until cancelled."""
        await self._public.run()


class BybitServer(SandboxServer):
    """A Bybit sandbox and the server it is reached through."""

    def __init__(self, venue: SandboxVenue, *, enforce_limits: bool = False) -> None:
        self.face = BybitSandbox(venue, enforce_limits=enforce_limits)
        super().__init__(self.face)

    @staticmethod
    def endpoints(host: str, port: int) -> dict[str, str]:
        """Return addresses as a configuration names them: rest, private_ws, public_ws, trade_ws."""
        return {
            "rest": f"http://{host}:{port}",
            "private_ws": f"ws://{host}:{port}{PRIVATE}",
            "public_ws": f"ws://{host}:{port}{PUBLIC}",
            "trade_ws": f"ws://{host}:{port}{TRADE}",
        }
