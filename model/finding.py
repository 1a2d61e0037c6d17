"""What an audit can find wrong with one leg of a follower (R15)."""

from decimal import Context, Decimal
from enum import Enum
from fractions import Fraction

import attrs

from model.amounts import CONTEXT
from model.leg import Leg
from model.reasons import Reason
from model.severity import Severity

_FOR_PEOPLE = Context(prec=10)


class FindingKind(Enum):
    """The five things that can be wrong with a leg."""

    MISSING_POSITION = "missing_position"
    EXTRA_POSITION = "extra_position"
    SIZE_MISMATCH = "size_mismatch"
    WRONG_SIDE = "wrong_side"
    LEVERAGE_MISMATCH = "leverage_mismatch"

    @property
    def aspect(self) -> "Aspect":
        """What it is about: a leg has one finding of each aspect at most."""
        return Aspect.LEVERAGE if self is FindingKind.LEVERAGE_MISMATCH else Aspect.SIZE


class Aspect(Enum):
    """What of a leg is compared; alerts are counted by it."""

    SIZE = "size"
    LEVERAGE = "leverage"


class Cause(Enum):
    """Why a leg is not where it should be."""

    MISSED = "missed"
    """A copy of ours left it so; its reason says why."""
    IN_HAND = "in_hand"
    """A copy of ours is still at work on it."""
    PAUSED = "paused"
    """The operator paused the follower; it catches up when it is resumed."""
    MANUAL = "manual"
    """No order of ours explains it: other hands or the venue moved it. Never fought."""
    FOREIGN = "foreign"
    """The engine did not open it (R14). Never traded."""
    NEXT_OPENING = "next_opening"
    """Leverage: it is set with the next opening, and not before (R7 step 3)."""


def severity_of(kind: FindingKind, cause: Cause) -> Severity:
    """Return how loud a finding is: what the follower holds against the master is looked at now.

    But not what the operator knows of: a paused follower, a position that was never ours.
    """
    if cause in (Cause.FOREIGN, Cause.PAUSED):
        return Severity.WARNING
    if kind in (FindingKind.WRONG_SIDE, FindingKind.EXTRA_POSITION):
        return Severity.CRITICAL
    return Severity.WARNING


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that is wrong with one leg of a follower, at one moment."""

    leg: Leg
    kind: FindingKind
    cause: Cause
    expected: Fraction | None
    """Base asset, signed, exact; of a leverage the ratio. None: something, nobody knows how much."""
    actual: Decimal
    deviation: Fraction
    """|actual - expected| / |expected|; 1 where nothing, or nobody knows how much, is expected."""
    reason: Reason | None = None
    """Why the last copy left it so."""
    changed_at: float
    """When the leg last changed, the master's or the follower's side, in the caller's seconds."""

    @property
    def severity(self) -> Severity:
        """How loud it is."""
        return severity_of(self.kind, self.cause)


def as_decimal(value: Fraction) -> Decimal:
    """Return a fraction to 50 digits."""
    return CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def shown(value: Fraction) -> Decimal:
    """Return a fraction to ten digits, for people."""
    return _FOR_PEOPLE.divide(Decimal(value.numerator), Decimal(value.denominator))
