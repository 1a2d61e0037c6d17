"""One account as its stream and its snapshots tell it, without reads on the hot path (R21)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import attrs

from model.account import AccountSnapshot, PositionReport, WalletReport
from model.amounts import ZERO
from model.instrument import Instrument
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg, PositionMode
from model.marks import Marks

STREAM_SILENCE_S_MAX = 25.0
MARK_AGE_S_MAX = 5.0
EQUITY_TOLERANCE = Decimal("0.001")


@attrs.define
class AccountView:
    """Positions, wallet, modes and leverages of one account. Times are the caller's seconds."""

    positions: dict[Leg, PositionReport] = attrs.field(factory=dict)
    wallet: WalletReport | None = None
    modes: dict[str, PositionMode] = attrs.field(factory=dict)
    leverages: dict[str, Decimal] = attrs.field(factory=dict)
    heard_at: float | None = None
    """When the stream last spoke; None while it is down."""
    snapshot_agreed: bool = False
    _same_age: dict[Leg, list[Decimal]] = attrs.field(factory=dict)
    """The sizes that a leg had in rows as new as the known one, that one's last."""

    def size(self, leg: Leg) -> Decimal:
        """Return the signed size of a leg; a leg never heard of is flat."""
        known = self.positions.get(leg)
        return ZERO if known is None else known.size

    def sizes_of(self, symbol: str) -> dict[int, Decimal]:
        """Return the sizes of the symbol's legs that are not flat, by position_idx."""
        return {leg.position_idx: self.size(leg) for leg in self.open_legs() if leg.symbol == symbol}

    def rows_of(self, symbol: str) -> tuple[PositionReport, ...]:
        """Return the last rows of the symbol's legs, flat ones too."""
        return tuple(row for leg, row in self.positions.items() if leg.symbol == symbol)

    def open_legs(self) -> tuple[Leg, ...]:
        """Return the legs with a position."""
        return tuple(leg for leg, row in self.positions.items() if row.size)

    def mode(self, symbol: str) -> PositionMode | None:
        """Return the position mode of a symbol, None when never read."""
        return self.modes.get(symbol)

    def apply_positions(self, rows: Iterable[PositionReport]) -> None:
        """Take position rows; one older than the known one changes nothing, however long ago that came.

        Nobody knows how far a read may lag behind; were it believed, what is held could look flat.
        """
        for row in rows:
            if self._is_outdated(row):
                continue
            self._note_age(row)
            self.positions[row.leg] = row
            hedged = row.leg.position_idx != ONE_WAY
            self.modes[row.leg.symbol] = PositionMode.HEDGE if hedged else PositionMode.ONE_WAY
            if row.leverage is not None:
                self.leverages[row.leg.symbol] = row.leverage

    def apply_wallet(self, report: WalletReport) -> None:
        """Take balances, unless newer ones are known."""
        if self.wallet is None or report.venue_time_ms >= self.wallet.venue_time_ms:
            self.wallet = report

    def apply_snapshot(self, snapshot: AccountSnapshot, instruments: Mapping[str, Instrument]) -> bool:
        """Take a REST snapshot; return whether the view agreed within a lot and 0.1 % of equity."""
        agreed = self._agrees(snapshot, instruments)
        self.apply_positions(snapshot.positions)
        self.apply_wallet(snapshot.wallet)
        self.snapshot_agreed = agreed
        return agreed

    def missing_from(self, snapshot: AccountSnapshot) -> frozenset[str]:
        """Return symbols held here that a listing of open positions leaves out.

        An absence carries no time or sequence: it must be asked for by symbol before it is believed.
        """
        listed = {row.leg for row in snapshot.positions}
        return frozenset(leg.symbol for leg in self.open_legs() if leg not in listed)

    def equity(self, marks: Marks, now: float) -> Decimal | None:
        """Return wallet balance + unrealised profit at the marks, None when a part is unknown."""
        if self.wallet is None or self.wallet.wallet_balance is None:
            return None
        total = self.wallet.wallet_balance
        for row in self.positions.values():
            if not row.size:
                continue
            mark = marks.price(row.leg.symbol, now=now, age_s_max=MARK_AGE_S_MAX)
            if mark is None or row.entry_price is None:
                return None
            total += row.size * (mark - row.entry_price)
        return total

    def is_fresh(self, marks: Marks, now: float) -> bool:
        """Tell whether the view may be sized from without a read (R21)."""
        if self.heard_at is None or now - self.heard_at > STREAM_SILENCE_S_MAX:
            return False
        if not self.snapshot_agreed:
            return False
        symbols = {leg.symbol for leg in self.open_legs()}
        return all(marks.price(s, now=now, age_s_max=MARK_AGE_S_MAX) is not None for s in symbols)

    def legs_of(self, symbol: str) -> tuple[Leg, ...]:
        """Return the legs that the symbol has in this account's mode."""
        if self.modes.get(symbol) is PositionMode.HEDGE:
            return Leg(symbol, HEDGE_LONG), Leg(symbol, HEDGE_SHORT)
        return (Leg(symbol, ONE_WAY),)

    def _is_outdated(self, row: PositionReport) -> bool:
        """Tell whether the known row of the leg is newer; one of its own age may be told again."""
        known = self.positions.get(row.leg)
        if known is None or _older(row, known):
            return known is not None
        return row.size != known.size and row.size in self._sizes_of_age(row, known)

    def _note_age(self, row: PositionReport) -> None:
        known = self.positions.get(row.leg)
        sizes = [] if known is None else self._sizes_of_age(row, known)
        if row.size not in sizes:
            sizes.append(row.size)
        self._same_age[row.leg] = sizes

    def _sizes_of_age(self, row: PositionReport, known: PositionReport) -> list[Decimal]:
        is_other = _older(row, known) or _older(known, row)
        return [] if is_other else self._same_age.get(row.leg, [])

    def _agrees(self, snapshot: AccountSnapshot, instruments: Mapping[str, Instrument]) -> bool:
        if self.wallet is None:
            return True
        for row in snapshot.positions:
            if self._is_outdated(row):
                continue
            instrument = instruments.get(row.leg.symbol)
            lot = instrument.lot_size if instrument else ZERO
            if abs(self.size(row.leg) - row.size) > lot:
                return False
        return _balances_agree(self.wallet, snapshot.wallet)


def _older(row: PositionReport, known: PositionReport) -> bool:
    if row.seq != known.seq and row.seq >= 0 and known.seq >= 0:
        return row.seq < known.seq
    return row.venue_time_ms < known.venue_time_ms


def _balances_agree(ours: WalletReport, theirs: WalletReport) -> bool:
    """Tell whether the balances are within 0.1 % of equity; an answer older than the stream says nothing."""
    if ours.wallet_balance is None or theirs.wallet_balance is None:
        return True
    if theirs.venue_time_ms < ours.venue_time_ms:
        return True
    worth = theirs.wallet_balance if theirs.equity is None else theirs.equity
    return abs(ours.wallet_balance - theirs.wallet_balance) <= abs(worth) * EQUITY_TOLERANCE
