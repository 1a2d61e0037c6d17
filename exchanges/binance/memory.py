"""What is known of one account beside its positions: its mode, its leverages, its newest rows.

Binance tells these apart: positions by one call and one event, leverage by another, the mode by a
third. A ``PositionReport`` needs all of them, so they are kept here and joined.
"""

from collections.abc import Iterable
from decimal import Decimal

import attrs
import trio

from exchanges.binance.wire import AccountConfig
from model.account import PositionReport, WalletReport
from model.amounts import ZERO
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg, PositionMode
from model.order import OrderRequest

READS_LAG_S = 2.0
"""How far an answer by REST usually is behind the stream at most."""
READS_LAG_S_MAX = 5.0
"""How far it may be: what it leaves out is not believed against a younger row that the stream has told."""

LEGS = {PositionMode.ONE_WAY: (ONE_WAY,), PositionMode.HEDGE: (HEDGE_LONG, HEDGE_SHORT)}


@attrs.define(eq=False)
class AccountMemory:
    """One account, as the last answers and events told it."""

    config: AccountConfig | None = None
    config_read_at: float = float("-inf")
    leverages: dict[str, Decimal] = attrs.field(factory=dict)
    """By symbol; kept only while a stream would tell of a change."""
    stream_is_live: bool = False
    stream_began_at: float = float("-inf")
    pool_changed_ms: int = 0
    """Since when the wallet is what it is: USDT alone, or every asset together. Zero: as far as is known."""
    _rows: dict[Leg, PositionReport] = attrs.field(factory=dict)
    _absent_since: dict[Leg, float] = attrs.field(factory=dict)
    """When the last answer that left out a leg was asked for; only of legs that are flat by an absence."""
    _unclear_since: dict[Leg, float] = attrs.field(factory=dict)
    """When another size of the same millisecond was told last; only of legs whose newest row is of it."""
    _heard: dict[Leg, int] = attrs.field(factory=dict)
    """The number of the newest row that the stream has told."""
    _closed: dict[Leg, int] = attrs.field(factory=dict)
    """The number of the row that an order of ours has closed."""

    def take_config(self, config: AccountConfig, *, read_at: float, read_at_ms: int) -> None:
        """Take what was read of the account, at these moments of trio's clock and the venue's."""
        before = self.config
        if config.multi_assets if before is None else config.multi_assets != before.multi_assets:
            self.pool_changed_ms = read_at_ms
        self.config, self.config_read_at = config, read_at

    def date(self, wallet: WalletReport) -> WalletReport:
        """Return a wallet that was read, no older than the pool that it is of.

        Its own time is that of the last change of a balance; what is in the pool changes without one.
        """
        return attrs.evolve(wallet, venue_time_ms=max(wallet.venue_time_ms, self.pool_changed_ms))

    def stream_began(self) -> None:
        """Changes are told from now on; what was known before may have changed unseen."""
        self.stream_is_live, self.stream_began_at = True, trio.current_time()
        self.leverages.clear()

    def stream_ended(self) -> None:
        """Changes are told no more."""
        self.stream_is_live = False
        self.leverages.clear()
        self.doubt_config()

    def doubt_config(self) -> None:
        """Have the account's mode read again before it is relied upon: no event tells of a change."""
        self.config_read_at = float("-inf")

    def take_event(self, rows: Iterable[PositionReport]) -> tuple[PositionReport, ...]:
        """Return the rows of an event that are of the account's mode, with their leverage."""
        rows = tuple(rows)
        self._learn_mode(rows)
        self._heard.update((row.leg, row.seq) for row in rows)
        return tuple(self._keep(row) for row in rows if self._is_of_mode(row.leg))

    def take_read(self, rows: Iterable[PositionReport], *, asked_at: float) -> tuple[PositionReport, ...]:
        """Return the rows of a REST answer like those of an event; ``asked_at`` is trio's time.

        Where a live stream has told a newer row the answer lags: the newer one is returned. An account
        outlives who listens to it, and a new listener knows nothing but what this tells.
        """
        rows = tuple(rows)
        self._learn_mode(rows)
        return tuple(
            self._keep(self._dated(self._cleared_up(self._told_again(row, asked_at), asked_at)))
            for row in rows
            if self._is_of_mode(row.leg)
        )

    def flat_rows(
        self, symbol: str, told: Iterable[PositionReport], *, asked_at: float, asked_ms: int
    ) -> tuple[PositionReport, ...]:
        """Return a flat row for each leg of the symbol that an answer left out: absent means flat.

        An absence carries no time of its own: it comes next after the row that is known, unless that is so
        young that the answer may lag behind it, and no order of ours has closed it. Dated by a guess it
        would hide what happened before then.

        Args:
            asked_at: trio's time of the question, and ``asked_ms`` the venue's.
        """
        present = {row.leg for row in told}
        mode = PositionMode.ONE_WAY if self.config is None else self.config.mode
        legs = (Leg(symbol, idx) for idx in LEGS[mode])
        return tuple(self._absent(leg, asked_at, asked_ms) for leg in legs if leg not in present)

    def _absent(self, leg: Leg, asked_at: float, asked_ms: int) -> PositionReport:
        known = self._rows.get(leg)
        if known is not None and known.size and not self._is_believed(known, asked_ms):
            return self._keep(known)
        is_new = known is not None and leg not in self._absent_since
        flat = self._keep(flat_row(leg, 0 if known is None else known.seq + is_new))
        self._absent_since[leg] = asked_at
        return flat

    def _is_believed(self, known: PositionReport, asked_ms: int) -> bool:
        """Tell whether an absence that was asked for then says that a leg is held no longer."""
        if self._closed.get(known.leg) == known.seq:
            return True
        is_heard = self._heard.get(known.leg) == known.seq
        return asked_ms >= known.seq + (READS_LAG_S_MAX if is_heard else READS_LAG_S) * 1000

    def _told_again(self, row: PositionReport, asked_at: float) -> PositionReport:
        """Return a row that was taken for gone, told too late to be stale, such that it counts again."""
        since = self._absent_since.get(row.leg)
        if since is None or not row.size or asked_at - since < READS_LAG_S_MAX:
            return row
        date = max(row.seq, self._rows[row.leg].seq + 1)
        return attrs.evolve(row, seq=date, venue_time_ms=date)

    def _cleared_up(self, row: PositionReport, asked_at: float) -> PositionReport:
        """Return a row of a millisecond that had several, told too late to be stale, as the last of them.

        Until then nobody can tell it from an earlier one that is told again.
        """
        since = self._unclear_since.get(row.leg)
        if since is None or row.seq != self._rows[row.leg].seq or asked_at - since < READS_LAG_S_MAX:
            return row
        return attrs.evolve(row, seq=row.seq + 1, venue_time_ms=row.seq + 1)

    def note_fill(self, order: OrderRequest, filled: Decimal) -> None:
        """Take what an order of ours has filled: where it closed the leg, an absence is what must come."""
        known = self._rows.get(order.leg)
        if known is not None and order.reduce_only and filled >= abs(known.size):
            self._closed[order.leg] = known.seq

    def learn_leverage(self, symbol: str, leverage: Decimal) -> tuple[PositionReport, ...]:
        """Take a leverage; return the symbol's rows anew, as it concerns them."""
        self.leverages[symbol] = leverage
        mine = tuple(row for leg, row in self._rows.items() if leg.symbol == symbol)
        return tuple(self._keep(row) for row in mine)

    def _learn_mode(self, rows: tuple[PositionReport, ...]) -> None:
        """Believe a row that is not flat: a position exists in one mode only, and it is account-wide."""
        held = [row for row in rows if row.size]
        if not held or self.config is None:
            return
        hedged = held[-1].leg.position_idx != ONE_WAY
        mode = PositionMode.HEDGE if hedged else PositionMode.ONE_WAY
        if mode is not self.config.mode:
            self.config = attrs.evolve(self.config, mode=mode)

    def _is_of_mode(self, leg: Leg) -> bool:
        """Tell whether a leg exists in the account's mode; flat rows of the other mode do come."""
        if self.config is None:
            return leg in self._rows
        return leg.position_idx in LEGS[self.config.mode]

    def newer_than(self, read_at_ms: int, told: Iterable[PositionReport]) -> tuple[PositionReport, ...]:
        """Return open positions that the stream has told since, and an answer of that moment left out."""
        if not self.stream_is_live:
            return ()
        present = {row.leg for row in told}
        return tuple(
            row
            for leg, row in self._rows.items()
            if row.size and row.seq > read_at_ms and leg not in present and self._is_of_mode(leg)
        )

    def _dated(self, row: PositionReport) -> PositionReport:
        known = self._rows.get(row.leg)
        if known is None or known.seq <= row.seq:
            return row
        if known.size != row.size:
            return known if self.stream_is_live else row
        return attrs.evolve(row, seq=known.seq, venue_time_ms=known.venue_time_ms)

    def _keep(self, row: PositionReport) -> PositionReport:
        full = attrs.evolve(row, leverage=self.leverages.get(row.leg.symbol))
        known = self._rows.get(row.leg)
        if known is None or known.seq <= row.seq:
            self._rows[row.leg] = full
        if known is not None and known.seq < row.seq:
            self._absent_since.pop(row.leg, None)
            self._unclear_since.pop(row.leg, None)
        elif known is not None and known.seq == row.seq and known.size != row.size:
            self._unclear_since[row.leg] = trio.current_time()
        return full


def flat_row(leg: Leg, number: int) -> PositionReport:
    """Return a leg without a position, by the number of its row: a moment of the venue's, or next to one."""
    return PositionReport(
        leg=leg,
        size=ZERO,
        entry_price=None,
        leverage=None,
        initial_margin=None,
        mark_price=None,
        seq=number,
        venue_time_ms=number,
    )
