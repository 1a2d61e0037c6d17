"""Where a follower must be after a change, by R5 and R6 alone: written apart from the engine, in fractions.

Sizes are signed base asset, money is USDT. What the venue writes is rounded to eight decimals, so an
equity or a margin read from its books is known within half a unit of the last one: targets are intervals,
nearly always within one lot.
"""

import math
from decimal import Decimal
from fractions import Fraction

import attrs

WIRE_UNIT = Fraction(1, 10**8)
SLIPPAGE = Fraction("0.011")
"""How far an order's own limit is from the master's price: 1 % and a tick."""


@attrs.frozen
class Interval:
    """Every number from ``low`` to ``high``."""

    low: Fraction
    high: Fraction

    @classmethod
    def of(cls, value: Decimal | Fraction | str, error: Fraction = Fraction(0)) -> "Interval":
        """Return what may be meant by ``value``, give or take ``error``."""
        exact = Fraction(value)
        return cls(exact - error, exact + error)

    def __mul__(self, other: "Interval") -> "Interval":
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(corners), max(corners))

    def __truediv__(self, other: "Interval") -> "Interval":
        assert other.low > 0
        return self * Interval(1 / other.high, 1 / other.low)


@attrs.frozen(kw_only=True)
class Filters:
    """What the venue takes of a symbol."""

    lot: Fraction
    min_notional: Fraction
    exempts_reductions: bool = True
    """From the minimum notional; a close of everything always is."""


@attrs.frozen(kw_only=True)
class Move:
    """One change of the master, and what a follower held when it came."""

    before: Fraction
    after: Fraction
    held: Fraction
    mark: Fraction
    price: Fraction
    """The master's, volume-weighted."""


@attrs.frozen(kw_only=True)
class Allowed:
    """Where the follower may be now: nearly always one size."""

    sizes: frozenset[Fraction]
    orders: int
    """At most so many."""
    waits: bool = False
    """A reduction may be too small to be sent now (R10): it goes when it can."""


def allowed(move: Move, target: Interval, filters: Filters) -> Allowed:
    """Return where a follower may be after ``move``, whose exact target is within ``target``.

    ``target`` of a flip is that of its opening half.
    """
    if move.after == 0:
        return Allowed(sizes=frozenset({Fraction(0)}), orders=1 if move.held else 0)
    if move.held * move.after < 0:  # a flip: the old side goes first, whole
        opened = _opened(Fraction(0), move, target, filters)
        return Allowed(sizes=opened, orders=2)
    if abs(move.after) > abs(move.before) or move.before * move.after < 0:
        return Allowed(sizes=_opened(move.held, move, target, filters), orders=1)
    sizes = _reduced(move, target, filters)
    waits = not filters.exempts_reductions and any(
        abs(move.held - size) * move.mark < filters.min_notional for size in sizes if size
    )
    return Allowed(sizes=sizes | {move.held} if waits else sizes, orders=1, waits=waits)


def _opened(held: Fraction, move: Move, target: Interval, filters: Filters) -> frozenset[Fraction]:
    """Open or add: down to the lot, never less than what is held, nothing below the minimum."""
    sign = 1 if move.after > 0 else -1
    sizes: set[Fraction] = set()
    for size in _floors(target, sign, filters.lot):
        added = size - abs(held)
        if added <= 0:
            sizes.add(held)
            continue
        # The minimum holds at the mark or at the order's own limit, whichever is worse.
        if added * min(move.mark, move.price * (1 - SLIPPAGE)) < filters.min_notional:
            sizes.add(held)
        if added * min(move.mark, move.price * (1 + SLIPPAGE)) >= filters.min_notional:
            sizes.add(sign * size)
    return frozenset(sizes)


def _reduced(move: Move, target: Interval, filters: Filters) -> frozenset[Fraction]:
    """Take off, up to the lot, never more than is held; what would be left below the minimum goes too."""
    sign = 1 if move.after > 0 else -1
    sizes: set[Fraction] = set()
    for size in _floors(target, sign, filters.lot):
        left = min(abs(move.held), size)  # held and lots being whole, off up to the lot is left down to it
        is_less = 0 < left < abs(move.held) and left * move.mark < filters.min_notional
        sizes.add(sign * (Fraction(0) if is_less else left))
    return frozenset(sizes)


def _floors(target: Interval, sign: int, lot: Fraction) -> range | list[Fraction]:
    """Return every size that the target may be cut to, without its sign."""
    ends = sorted((sign * target.low, sign * target.high))
    first, last = (max(0, math.floor(end / lot)) for end in ends)
    assert last - first <= 1, "the books say too little"
    return [n * lot for n in range(first, last + 1)]
