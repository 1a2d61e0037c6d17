"""A position's slot and size, and the class of a change (R5)."""

from decimal import Decimal
from enum import Enum

import attrs

ONE_WAY, HEDGE_LONG, HEDGE_SHORT = 0, 1, 2


@attrs.frozen(order=True)
class Leg:
    """One slot for a position: a symbol, and 0 one-way, 1 hedge long or 2 hedge short."""

    symbol: str
    position_idx: int = attrs.field(default=ONE_WAY, validator=attrs.validators.in_((0, 1, 2)))

    def __str__(self) -> str:
        return f"{self.symbol}:{self.position_idx}"


class PositionMode(Enum):
    """How an account keeps positions of one symbol."""

    ONE_WAY = "one_way"
    HEDGE = "hedge"


class Side(Enum):
    """The side of an order or an execution; positions have a sign instead."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL."""
        return 1 if self is Side.BUY else -1


class ChangeClass(Enum):
    """What a change of a leg is (R5)."""

    OPEN = "open"
    INCREASE = "increase"
    PARTIAL_CLOSE = "partial_close"
    FULL_CLOSE = "full_close"
    FLIP = "flip"
    UNCHANGED = "unchanged"

    @property
    def reduces(self) -> bool:
        """Tell whether the change takes something off, which is never held up (R13)."""
        return self in (ChangeClass.PARTIAL_CLOSE, ChangeClass.FULL_CLOSE, ChangeClass.FLIP)


def classify(before: Decimal, after: Decimal) -> ChangeClass:
    """Return the class of a move from ``before`` to ``after``, signed sizes (R5)."""
    if before == after:
        return ChangeClass.UNCHANGED
    if not before:
        return ChangeClass.OPEN
    if not after:
        return ChangeClass.FULL_CLOSE
    if (before > 0) != (after > 0):
        return ChangeClass.FLIP
    return ChangeClass.INCREASE if abs(after) > abs(before) else ChangeClass.PARTIAL_CLOSE
