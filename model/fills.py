"""Fills of the master that wait for their position update, and the legs they belong to (R4).

Bybit's execution rows carry no position_idx. A fill's leg is worked out anew each time it is
looked up, so an order row or a position row that comes after the fill still puts it right.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

import attrs

from model.account import Execution, PositionReport
from model.amounts import ZERO
from model.change import Change
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg, PositionMode

SEEN_MAX = 10_000
"""Execution ids remembered against repeats; a venue repeats within seconds."""
ORDERS_MAX = 5_000
PARKED_MAX = 1_000

K = TypeVar("K")
T = TypeVar("T")


@attrs.define(eq=False)
class ParkedFill:
    """One fill that no position update has covered yet. Times are the caller's seconds."""

    execution: Execution
    parked_at: float
    received_at_ms: int
    read_at: float
    """When the position is to be read by REST, because of this fill."""
    reads: int = 0

    @property
    def signed(self) -> Decimal:
        """Return what the fill adds to its leg's signed size."""
        return self.execution.quantity * self.execution.side_sign

    def comes_before(self, state: PositionReport | Change) -> bool:
        """Tell whether a row, or a change, shows its leg after this fill (R4)."""
        if state.seq >= 0 and self.execution.seq >= 0:
            return self.execution.seq <= state.seq
        return self.execution.venue_time_ms <= state.venue_time_ms


class Fills:
    """The parked fills of one account; every memory of it is bounded."""

    def __init__(self) -> None:
        self._parked: dict[str, dict[str, ParkedFill]] = {}
        self._count = 0
        self._seen: dict[tuple[str, str], None] = {}
        self._order_idx: dict[str, int] = {}
        self._modes: dict[str, tuple[PositionMode, int]] = {}

    def learn_mode(self, leg: Leg, venue_time_ms: int) -> None:
        """Take the symbol's position mode from a leg as the venue reported it, unless a later one spoke."""
        if venue_time_ms >= self._modes.get(leg.symbol, (None, 0))[1]:
            one_way = leg.position_idx == ONE_WAY
            self._modes[leg.symbol] = PositionMode.ONE_WAY if one_way else PositionMode.HEDGE, venue_time_ms

    def mode(self, symbol: str) -> PositionMode | None:
        """Return the symbol's position mode, None when never told."""
        return self._modes[symbol][0] if symbol in self._modes else None

    def learn_order(self, order_id: str, leg: Leg) -> None:
        """Take the leg of an order: its row carries the position_idx that executions lack."""
        if order_id:
            _put_bounded(self._order_idx, order_id, leg.position_idx, ORDERS_MAX)

    def park(self, execution: Execution, *, now: float, received_at_ms: int, wait_s: float) -> None:
        """Keep a fill until it is covered; one that was seen before changes nothing.

        The fast topic's rows come without a closed size: the full row completes the parked one.
        """
        symbol, execution_id = key = execution.symbol, execution.execution_id
        known = self._parked.get(symbol, {}).get(execution_id)
        if known is not None and known.execution.closed_size is None:
            known.execution = execution
        if key in self._seen or known is not None:
            return
        _put_bounded(self._seen, key, None, SEEN_MAX)
        fill = ParkedFill(execution, now, received_at_ms, read_at=now + wait_s)
        self._parked.setdefault(symbol, {})[execution_id] = fill
        self._count += 1
        if self._count > PARKED_MAX:
            self.drop([min(self.every(), key=lambda it: it.parked_at)])

    def idx_of(self, execution: Execution) -> int | None:
        """Return the fill's position_idx; None while neither its order nor the symbol's mode is known.

        The order's own row decides where it is known. Else, in hedge mode (bybit.md 3.4): what
        closes is of the other side's leg, what opens of its own.
        """
        known = self._order_idx.get(execution.order_id, execution.position_idx)
        if known is not None:
            return known
        mode = self.mode(execution.symbol)
        if mode is PositionMode.ONE_WAY:
            return ONE_WAY
        if mode is None or execution.closed_size is None:
            return None
        long = (execution.side_sign > 0) != bool(execution.closed_size)
        return HEDGE_LONG if long else HEDGE_SHORT

    def of_leg(self, leg: Leg) -> list[ParkedFill]:
        """Return a leg's parked fills, in order of their arrival."""
        idx = leg.position_idx
        return [fill for fill in self.of_symbol(leg.symbol) if self.idx_of(fill.execution) == idx]

    def of_symbol(self, symbol: str) -> list[ParkedFill]:
        """Return a symbol's parked fills, those without a leg too."""
        return list(self._parked.get(symbol, {}).values())

    def every(self) -> list[ParkedFill]:
        """Return all parked fills."""
        return [fill for parked in self._parked.values() for fill in parked.values()]

    def drop(self, fills: Iterable[ParkedFill]) -> None:
        """Forget parked fills; a repeat of one is still known as such."""
        for fill in fills:
            parked = self._parked.get(fill.execution.symbol, {})
            if parked.pop(fill.execution.execution_id, None) is not None:
                self._count -= 1
            if not parked:
                self._parked.pop(fill.execution.symbol, None)


def total(fills: Iterable[ParkedFill]) -> Decimal:
    """Return what fills add to a signed size."""
    return sum((fill.signed for fill in fills), ZERO)


def average_price(fills: Iterable[ParkedFill], direction: Decimal) -> Decimal | None:
    """Return the volume-weighted price of the fills that went in ``direction``'s way, None without any."""
    going = [fill.execution for fill in fills if (fill.signed > 0) == (direction > 0)]
    quantity = sum((it.quantity for it in going), ZERO)
    return sum((it.quantity * it.price for it in going), ZERO) / quantity if quantity else None


def _put_bounded(memory: dict[K, T], key: K, value: T, most: int) -> None:
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > most:
        del memory[next(iter(memory))]
