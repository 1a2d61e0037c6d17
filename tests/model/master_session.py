"""A master account that trades, and the frames in which its venue would tell of it.

Follows bybit.md 3.4-3.11: fills of one match share a seq, the position row with that seq is the state
after all of them, orders advance the seq without a move, executions carry no position_idx.
"""

import itertools
from collections.abc import Iterable, Sequence
from decimal import Decimal

import attrs

from model.account import Execution, PositionReport
from model.change import Change
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg
from model.order import OrderReport, OrderState
from model.pairing import Pairing

EPOCH_MS = 1_759_432_560_000
LEVERAGE = Decimal(10)

Frame = tuple[Execution, ...] | tuple[PositionReport, ...] | OrderReport


@attrs.frozen(kw_only=True)
class Expected:
    """A change as the frames in their own order tell it."""

    leg: Leg
    before: Decimal
    after: Decimal
    seq: int
    price: Decimal
    margin: Decimal | None
    mixed: bool
    """Both sides traded before one row showed the sum: a part of the fills may explain it already."""


@attrs.define
class _Held:
    size: Decimal = Decimal(0)
    entry: Decimal = Decimal(0)
    seq: int = -1
    time_ms: int = 0
    moved_from: Decimal = Decimal(0)
    """The size that the last pushed row showed."""
    unpushed: list[Execution] = attrs.field(factory=list)


class Master:
    """Trades, and keeps the frames and the changes that are to be expected of them."""

    def __init__(self, *, hedge: Iterable[str] = (), margin_known: bool = True) -> None:
        self.hedge = frozenset(hedge)
        self.frames: list[Frame] = []
        self.expected: list[Expected] = []
        self.held: dict[Leg, _Held] = {}
        self._margin_known = margin_known
        self._seq: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._time_ms = EPOCH_MS

    def trade(
        self,
        symbol: str,
        delta: Decimal | str,
        *,
        idx: int = ONE_WAY,
        price: Decimal | str = "100",
        parts: int = 1,
        one_seq: bool = True,
        push: bool = True,
    ) -> list[Frame]:
        """Move a leg by ``delta`` in ``parts`` equal fills; return the frames.

        Args:
            one_seq: one match, one execution frame; else each fill is a match of its own.
            push: push a position row; without it the next row shows this move too (coalesced).
        """
        leg, whole = Leg(symbol, idx), Decimal(delta)
        before = len(self.frames)
        order_id = f"order-{next(self._numbers)}"
        fills = []
        for part in range(parts):
            if part == 0 or not one_seq:
                self._tick(symbol)
            fills.append(self._fill(leg, whole / parts, Decimal(price) + part, order_id))
        groups = [tuple(fills)] if one_seq else [(fill,) for fill in fills]
        self.frames.extend(groups)
        self.frames.append(self._order(leg, order_id))
        if push:
            self.push(symbol, leg)
        return self.frames[before:]

    def touch(self, symbol: str, *, idx: int = ONE_WAY) -> list[Frame]:
        """Place a resting order: a row without a move, under a new seq."""
        self._tick(symbol)
        held = self._held(Leg(symbol, idx))
        held.seq, held.time_ms = self._seq[symbol], self._time_ms
        return [self.push(symbol, Leg(symbol, idx))]

    def fund(self, symbol: str, *, idx: int = ONE_WAY) -> list[Frame]:
        """Settle funding: a row without a move, under the old seq with a new time."""
        self._time_ms += 10
        self._held(Leg(symbol, idx)).time_ms = self._time_ms
        return [self.push(symbol, Leg(symbol, idx))]

    def push(self, symbol: str, leg: Leg) -> Frame:
        """Push the position frame: in hedge mode both legs."""
        held = self._held(leg)
        if held.size != held.moved_from:
            self.expected.append(self._expect(leg, held))
        held.moved_from = held.size
        legs = [Leg(symbol, HEDGE_LONG), Leg(symbol, HEDGE_SHORT)] if symbol in self.hedge else [leg]
        pushed = [it for it in legs if self._held(it).size == self._held(it).moved_from]
        for it in pushed:
            self._held(it).unpushed = []
        frame = tuple(self.row(it) for it in pushed)
        self.frames.append(frame)
        return frame

    def row(self, leg: Leg) -> PositionReport:
        """Return the leg as it is now."""
        held = self._held(leg)
        return PositionReport(
            leg=leg,
            size=held.size,
            entry_price=held.entry if held.size else None,
            leverage=LEVERAGE,
            initial_margin=self._margin(held),
            mark_price=Decimal("99.5"),
            seq=held.seq,
            venue_time_ms=held.time_ms,
        )

    def listing(self) -> tuple[PositionReport, ...]:
        """Return what REST lists: both legs in hedge mode, flat symbols left out."""
        open_symbols = {leg.symbol for leg, held in self.held.items() if held.size}
        return tuple(row for symbol in sorted(open_symbols) for row in self.reading(symbol))

    def reading(self, symbol: str) -> tuple[PositionReport, ...]:
        """Return what REST tells of one symbol: every leg of its mode."""
        indices = (HEDGE_LONG, HEDGE_SHORT) if symbol in self.hedge else (ONE_WAY,)
        return tuple(self.row(Leg(symbol, idx)) for idx in indices)

    def sizes(self) -> dict[Leg, Decimal]:
        """Return the sizes of the legs that are not flat."""
        return {leg: held.size for leg, held in self.held.items() if held.size}

    def _held(self, leg: Leg) -> _Held:
        return self.held.setdefault(leg, _Held())

    def _tick(self, symbol: str) -> None:
        self._seq[symbol] = self._seq.get(symbol, 1000) + 7
        self._time_ms += 10

    def _fill(self, leg: Leg, delta: Decimal, price: Decimal, order_id: str) -> Execution:
        held = self._held(leg)
        closing = bool(held.size) and (held.size > 0) != (delta > 0)
        closed = min(abs(delta), abs(held.size)) if closing else Decimal(0)
        fill = Execution(
            execution_id=f"exec-{next(self._numbers)}",
            symbol=leg.symbol,
            position_idx=None,
            side_sign=1 if delta > 0 else -1,
            quantity=abs(delta),
            price=price,
            closed_size=closed,
            order_id=order_id,
            client_order_id="",
            seq=self._seq[leg.symbol],
            venue_time_ms=self._time_ms,
        )
        after = held.size + delta
        if not held.size or (after and (after > 0) != (held.size > 0)):
            held.entry = price
        elif not closing:
            held.entry = (held.entry * held.size + price * delta) / after
        held.size, held.seq, held.time_ms = after, self._seq[leg.symbol], self._time_ms + 2
        held.unpushed.append(fill)
        return fill

    def _order(self, leg: Leg, order_id: str) -> OrderReport:
        return OrderReport(
            leg=leg,
            client_order_id="",
            order_id=order_id,
            state=OrderState.FILLED,
            filled=Decimal(1),
            average_price=None,
            venue_time_ms=self._time_ms + 1,
        )

    def _margin(self, held: _Held) -> Decimal | None:
        return abs(held.size) * held.entry / LEVERAGE if self._margin_known else None

    def _expect(self, leg: Leg, held: _Held) -> Expected:
        delta = held.size - held.moved_from
        going = [fill for fill in held.unpushed if (fill.side_sign > 0) == (delta > 0)]
        value = sum(fill.price * fill.quantity for fill in going)
        return Expected(
            leg=leg,
            before=held.moved_from,
            after=held.size,
            seq=held.seq,
            price=Decimal(value / sum(fill.quantity for fill in going)),
            margin=self._margin(held),
            mixed=len(going) < len(held.unpushed),
        )


def feed(pairing: Pairing, frames: Sequence[Frame], *, now: float = 0.0) -> list[Change]:
    """Give frames to ``pairing``, all within one instant; return the changes."""
    changes: list[Change] = []
    for number, frame in enumerate(frames):
        received_at_ms = EPOCH_MS + number
        if isinstance(frame, OrderReport):
            changes += pairing.order(frame, now=now)
            continue
        fills = [row for row in frame if isinstance(row, Execution)]
        rows = [row for row in frame if isinstance(row, PositionReport)]
        if fills:
            changes += pairing.executions(fills, now=now, received_at_ms=received_at_ms)
        if rows:
            changes += pairing.positions(rows, now=now, received_at_ms=received_at_ms)
    return changes


def settle(pairing: Pairing, master: Master, *, now: float) -> list[Change]:
    """Let time pass and REST answer until nothing waits."""
    changes: list[Change] = []
    for _ in range(10):
        deadline = pairing.next_deadline()
        if deadline is None:
            return changes
        now = max(now, deadline)
        symbols = pairing.overdue(now)
        changes += pairing.expire(now=now)
        for symbol in sorted(symbols):
            changes += pairing.settled(symbol, master.reading(symbol), now=now, received_at_ms=EPOCH_MS)
    raise AssertionError(f"something still waits: {pairing.parked}")
