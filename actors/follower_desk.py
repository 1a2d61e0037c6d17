"""What the tasks of one follower share; owned by its actor, touched by nobody else."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs
import trio

from actors.bus import Bus
from actors.ledger import LedgerDesk
from actors.venue_board import VenueBoard
from exchanges.clock import Clock
from exchanges.port import AccountGateway
from model.account_view import MARK_AGE_S_MAX, AccountView
from model.amounts import ZERO
from model.copy import Claim, CopyOutcome, Holding
from model.leg import Leg
from model.order import OrderReport
from model.settings import FollowerSettings
from model.validation import Exposure


@attrs.define(kw_only=True)
class FollowerDesk:
    """One follower's settings, view of its account, and ways out."""

    settings: FollowerSettings
    gateway: AccountGateway
    board: VenueBoard
    ledger: LedgerDesk
    bus: Bus
    clock: Clock
    max_open_age_s: float
    symbol_of: Callable[[str], str | None]
    """The follower's spelling of a master symbol; None where its venue lacks it."""
    view: AccountView = attrs.field(factory=AccountView)
    holdings: dict[Leg, Holding] = attrs.field(factory=dict)
    reports: dict[str, OrderReport] = attrs.field(factory=dict)
    """What the stream said of the orders in ``awaited``."""
    awaited: set[str] = attrs.field(factory=set)
    stopping: bool = False
    unwritten: list[tuple[Claim | None, CopyOutcome]] = attrs.field(factory=list)
    """Outcomes that an unreachable ledger has still to take (R18)."""
    _news: trio.Event = attrs.field(factory=trio.Event)

    def tell_news(self) -> None:
        """Wake every task that waits for the view or for a report to change."""
        self._news.set()
        self._news = trio.Event()

    async def wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """Wait at most ``timeout_s`` until ``is_so()``; return whether it became so."""
        with trio.move_on_after(timeout_s):
            while not is_so():
                await self._news.wait()
        return is_so()

    def equity(self) -> Decimal | None:
        """Return the account's equity in quote asset, None while a part is unknown (R21)."""
        return self.view.equity(self.board.marks, trio.current_time())

    def mark(self, symbol: str) -> Decimal | None:
        """Return a fresh mark price, or None."""
        return self.board.marks.price(symbol, now=trio.current_time(), age_s_max=MARK_AGE_S_MAX)

    def is_fresh(self) -> bool:
        """Tell whether copies may be sized from the view alone."""
        return self.view.is_fresh(self.board.marks, trio.current_time())

    def exposure_beside(self, leg: Leg) -> Exposure:
        """Return what the account holds besides ``leg``, valued at the last marks or entries."""
        of_symbol = total = ZERO
        count = 0
        for other, row in self.view.positions.items():
            if other == leg or not row.size:
                continue
            price = self.board.marks.latest(other.symbol) or row.entry_price or ZERO
            notional = abs(row.size) * price
            total += notional
            count += 1
            if other.symbol == leg.symbol:
                of_symbol += notional
        return Exposure(notional_of_symbol=of_symbol, notional_total=total, positions_open=count)

    def acted(self) -> Mapping[Leg, Decimal]:
        """Return the master size per leg that was last acted on."""
        return {leg: holding.master_size for leg, holding in self.holdings.items()}

    def owns(self, leg: Leg) -> bool:
        """Tell whether what is held on ``leg`` was opened by the engine (R14)."""
        holding = self.holdings.get(leg)
        return holding is not None and holding.owned

    async def read_symbol(self, symbol: str) -> None:
        """Read every leg of a symbol by REST into the view; raises ExchangeError."""
        rows = await self.gateway.positions_of(symbol)
        self.view.apply_positions(rows)
        self.tell_news()

    async def read_account(self) -> bool:
        """Read positions and wallet by REST into the view; return whether it had agreed (R21)."""
        snapshot = await self.gateway.snapshot()
        for symbol in self.view.missing_from(snapshot):
            await self.read_symbol(symbol)
        agreed = self.view.apply_snapshot(snapshot, self.board.instruments)
        self.tell_news()
        return agreed
