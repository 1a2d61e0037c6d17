"""Hyperliquid's face: two REST paths and one WebSocket."""

from collections.abc import Iterable

from exchanges.sandbox.events import Executed, VenueEvent
from exchanges.sandbox.http import HttpRequest, HttpResponse
from exchanges.sandbox.hyperliquid.budgets import Budgets
from exchanges.sandbox.hyperliquid.directory import Directory
from exchanges.sandbox.hyperliquid.exchange import Exchange
from exchanges.sandbox.hyperliquid.feed import Feed
from exchanges.sandbox.hyperliquid.isolated import IsolatedMargins
from exchanges.sandbox.hyperliquid.orders import OrderDesk
from exchanges.sandbox.hyperliquid.queries import Queries
from exchanges.sandbox.hyperliquid.records import OrderRecords
from exchanges.sandbox.hyperliquid.requests import Requests
from exchanges.sandbox.hyperliquid.session import Session
from exchanges.sandbox.hyperliquid.settings import SettingDesk
from exchanges.sandbox.hyperliquid.states import States
from exchanges.sandbox.hyperliquid.universe import Universe
from exchanges.sandbox.order import FillKind
from exchanges.sandbox.server import SandboxServer
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

WS = "/ws"


class HyperliquidSandbox:
    """Speaks Hyperliquid's protocol over a venue core.

    ``chain`` is whose signatures are right: on `testnet`, the default, none of them counts on mainnet.
    ``enforce_limits`` refuses what exceeds the published budgets per IP (429) and per account.
    ``isolated_only`` assets take no cross margin. Agents, sub-accounts and account modes are in
    ``directory``; ``queries`` and ``feed`` have what else a test may turn.
    """

    def __init__(
        self,
        venue: SandboxVenue,
        *,
        chain: str = "testnet",
        enforce_limits: bool = False,
        isolated_only: Iterable[str] = (),
    ) -> None:
        self.venue = venue
        self.budgets = Budgets(enforced=enforce_limits)
        self.directory = Directory(venue)
        self._isolated = IsolatedMargins(venue)
        universe, records = Universe(venue, frozenset(isolated_only)), OrderRecords(venue)
        states = States(venue, self.directory, self._isolated)
        venue.subscribe(self._hear)
        self.queries = Queries(
            venue,
            universe=universe,
            directory=self.directory,
            states=states,
            records=records,
            budgets=self.budgets,
        )
        self.feed = Feed(
            venue,
            universe=universe,
            directory=self.directory,
            states=states,
            records=records,
            queries=self.queries,
        )
        desk = OrderDesk(venue, universe, records)
        desk.refused = self.feed.refused
        exchange = Exchange(
            venue,
            chain=chain,
            directory=self.directory,
            orders=desk,
            settings=SettingDesk(venue, universe, self._isolated),
            budgets=self.budgets,
        )
        self.requests = Requests(venue, queries=self.queries, exchange=exchange, budgets=self.budgets)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one REST request."""
        return await self.requests.answer(request)

    def accepts(self, path: str) -> bool:
        """Tell whether a WebSocket may be opened at this path."""
        return path == WS

    async def converse(self, path: str, socket: ServerWebSocket) -> None:
        """Serve one WebSocket until it ends."""
        socket.peer.kind = "websocket"
        session = Session(socket, venue=self.venue, feed=self.feed, requests=self.requests)
        self.feed.join(session)
        try:
            while (received := await socket.receive()) is not None:
                session.take(*received)
        finally:
            self.feed.leave(session)

    async def run(self) -> None:
        """Repeat what the venue repeats, until cancelled."""
        await self.feed.run()

    def _hear(self, event: VenueEvent) -> None:
        if not isinstance(event, Executed):
            return
        self._isolated.hear(event)
        for fill in event.fills:
            if fill.kind is not FillKind.FUNDING:
                self.budgets.traded(event.account, fill.price * fill.quantity)


class HyperliquidServer(SandboxServer):
    """A Hyperliquid sandbox and the server it is reached through."""

    def __init__(
        self,
        venue: SandboxVenue,
        *,
        chain: str = "testnet",
        enforce_limits: bool = False,
        isolated_only: Iterable[str] = (),
    ) -> None:
        self.face = HyperliquidSandbox(
            venue, chain=chain, enforce_limits=enforce_limits, isolated_only=isolated_only
        )
        super().__init__(self.face)

    @staticmethod
    def endpoints(host: str, port: int) -> dict[str, str]:
        """Return addresses as a configuration names them: rest, ws."""
        return {"rest": f"http://{host}:{port}", "ws": f"ws://{host}:{port}{WS}"}
