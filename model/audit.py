"""Master against follower: what is wrong with one leg of a follower (R15).

Pure. The follower says what it holds and what it remembers of it; nothing here reads a clock or a venue.
Sizes in base asset, signed, in the follower's units.
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import attrs

from model.amounts import ZERO
from model.change import Change
from model.copy import Holding
from model.expectation import expected_size
from model.finding import Cause, Finding, FindingKind
from model.instrument import Instrument
from model.leg import Leg
from model.settings import Limits
from model.validation import leverage_for

WHOLE = Fraction(1)


@attrs.frozen(kw_only=True)
class AuditLeg:
    """One leg of a follower beside the master's legs that it answers, at one moment."""

    leg: Leg
    answers: Leg | None
    """The master's leg that the follower's leg answers first of all, as the master's venue spells it."""
    size: Decimal
    owned: bool
    """The engine opened what is held (R14)."""
    lot: Decimal
    master_size: Decimal
    """Net of the master's legs that the follower's leg answers."""
    joined: bool
    """The follower takes part in these episodes (R14)."""
    holding: Holding | None
    busy: bool
    """A copy is at work on the symbol, or an order of it has no known outcome yet."""
    paused: bool
    leverage: Decimal | None
    """As the follower's venue says; None while unknown."""
    leverage_bounds: tuple[Decimal, Decimal] | None
    """The lowest and the highest that R7 could have set; None where nobody knows, or nothing is to be set."""
    changed_at: float
    """When either side last changed, in the caller's seconds."""


def findings_of(leg: AuditLeg) -> tuple[Finding, ...]:
    """Return what is wrong with a leg: one finding about its size at most, and one about its leverage."""
    return (*_size_finding(leg), *_leverage_finding(leg))


def leverage_bounds(
    contributions: tuple[Change, ...], limits: Limits, instrument: Instrument, *, notional: Decimal
) -> tuple[Decimal, Decimal] | None:
    """Return the lowest and the highest leverage that an opening could have set (R7 step 3).

    The venue's tier is that of the notional at the opening, which has moved with the price since; legs of
    the master that are netted may differ. None while the master's leverage is unknown.
    """
    wanted = [
        leverage
        for change in contributions
        if change.leverage is not None and change.leverage > 0
        for at in (ZERO, notional)
        if (leverage := leverage_for(change.leverage, limits, instrument, at)) is not None
    ]
    return (min(wanted), max(wanted)) if wanted else None


def _size_finding(leg: AuditLeg) -> Iterator[Finding]:
    if _is_as_left(leg):
        return
    cause = _cause(leg)
    if cause is Cause.FOREIGN:  # whatever the master holds, nothing of this is expected
        expected: Fraction | None = Fraction(0)
    else:
        expected = expected_size(leg.holding, leg.master_size, joined=leg.joined)
    kind = _kind(leg, expected)
    if kind is not None:
        yield Finding(
            leg=leg.leg,
            kind=kind,
            cause=cause,
            expected=expected,
            actual=leg.size,
            deviation=_deviation(leg.size, expected),
            reason=None if leg.holding is None else leg.holding.skipped,
            changed_at=leg.changed_at,
        )


def _is_as_left(leg: AuditLeg) -> bool:
    """Tell without fractions that neither side has moved since a copy left the leg where it belongs.

    A thousand followers are nearly always there, once a minute.
    """
    held = leg.holding
    if held is None or held.wanted is not None or (leg.size and not leg.owned):
        return False
    if leg.size != held.target or leg.master_size != held.master_size:
        return False
    return not leg.size or leg.size * leg.master_size > 0


def _kind(leg: AuditLeg, expected: Fraction | None) -> FindingKind | None:
    actual = leg.size
    if expected is None:
        if not actual:
            return FindingKind.MISSING_POSITION
        return FindingKind.WRONG_SIDE if actual * leg.master_size < 0 else None
    if abs(Fraction(actual) - expected) <= Fraction(leg.lot):
        return None
    if not expected:
        return FindingKind.EXTRA_POSITION
    if not actual:
        return FindingKind.MISSING_POSITION
    return FindingKind.WRONG_SIDE if (actual > 0) is not (expected > 0) else FindingKind.SIZE_MISMATCH


def _cause(leg: AuditLeg) -> Cause:
    """Return who is to be asked: what others did comes before what we left undone."""
    if leg.paused and leg.busy:
        return Cause.PAUSED
    if leg.busy:
        return Cause.IN_HAND
    if leg.size and not leg.owned:
        return Cause.FOREIGN
    if leg.holding is not None and leg.size != leg.holding.target:
        return Cause.MANUAL
    return Cause.PAUSED if leg.paused else Cause.MISSED


def _deviation(actual: Decimal, expected: Fraction | None) -> Fraction:
    if not expected:
        return WHOLE
    return abs(Fraction(actual) - expected) / abs(expected)


def _leverage_finding(leg: AuditLeg) -> Iterator[Finding]:
    bounds, leverage = leg.leverage_bounds, leg.leverage
    if bounds is None or leverage is None or leg.busy or not (leg.size and leg.owned and leg.master_size):
        return
    lowest, highest = bounds
    if lowest <= leverage <= highest:
        return
    expected = Fraction(lowest if leverage < lowest else highest)
    yield Finding(
        leg=leg.leg,
        kind=FindingKind.LEVERAGE_MISMATCH,
        cause=Cause.NEXT_OPENING,
        expected=expected,
        actual=leverage,
        deviation=_deviation(leverage, expected),
        changed_at=leg.changed_at,
    )
