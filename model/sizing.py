"""Target and increment, in three modes (R6).

Sizes in base asset, signed, long > 0; money in quote asset. A target is an exact fraction: nothing is
rounded before the lot, and nothing is accumulated from one copy to the next.
"""

from decimal import Decimal

import attrs

from model.amounts import CONTEXT, EXACT, ONE, ZERO, ceil_ratio_to_step, floor_ratio_to_step, positive_or_none
from model.change import Change
from model.leg import ChangeClass
from model.reasons import Reason
from model.settings import Sizing, SizingMode


class Unsizable(Exception):
    """An input of the formula is missing, unconfirmed or of no use; ``reason`` says which."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@attrs.frozen
class Target:
    """Where a leg shall be: an exact fraction of base asset, signed."""

    numerator: Decimal
    denominator: Decimal = attrs.field(default=ONE, validator=attrs.validators.gt(ZERO))

    def __add__(self, other: "Target") -> "Target":
        if self.denominator == other.denominator:
            return Target(EXACT.add(self.numerator, other.numerator), self.denominator)
        mine = EXACT.multiply(self.numerator, other.denominator)
        theirs = EXACT.multiply(other.numerator, self.denominator)
        return Target(EXACT.add(mine, theirs), EXACT.multiply(self.denominator, other.denominator))

    @property
    def value(self) -> Decimal:
        """The fraction to 50 digits: to be shown, never to be computed with."""
        return CONTEXT.divide(self.numerator, self.denominator)

    def floor_lots(self, lot: Decimal) -> Decimal:
        """Return the largest multiple of ``lot`` (> 0) that is not beyond the target; cut towards zero."""
        if self.numerator < 0:
            return ceil_ratio_to_step(self.numerator, self.denominator, lot)
        return floor_ratio_to_step(self.numerator, self.denominator, lot)


@attrs.frozen
class Step:
    """How far to go now, and where the leg is then; both in base asset, signed."""

    increment: Decimal
    desired: Decimal


def margin_pct_of(change: Change, sizing: Sizing) -> Decimal | None:
    """Return the share of its equity that the follower commits to one master leg (R6), a fraction.

    None where the mode has none (fixed_ratio) or the venue has not confirmed what it needs.
    """
    if sizing.mode is SizingMode.FIXED_MARGIN:
        return sizing.margin_pct
    margin, equity = positive_or_none(change.initial_margin), positive_or_none(change.master_equity)
    if sizing.mode is SizingMode.FIXED_RATIO or margin is None or equity is None:
        return None
    return CONTEXT.divide(CONTEXT.multiply(sizing.multiplier, margin), equity)


def target_of(change: Change, sizing: Sizing, *, equity: Decimal | None) -> Target:
    """Return the follower's exact target for one master leg (R6).

    Args:
        equity: the follower's, quote asset; None while unknown. fixed_ratio does not ask for it.
    Raises: Unsizable, with the reason.
    """
    if sizing.mode is SizingMode.FIXED_RATIO:
        return Target(EXACT.multiply(change.size_after, _number(sizing.ratio)))
    if sizing.mode is SizingMode.FIXED_MARGIN:
        share, base = _number(sizing.margin_pct), _confirmed(change.peak_margin)
    else:
        # size × (equity × multiplier × IM / master equity) / IM: the margin goes out, but it must be known.
        _confirmed(change.initial_margin)
        share, base = sizing.multiplier, _known(change.master_equity, Reason.MASTER_EQUITY_UNKNOWN)
    committed = EXACT.multiply(_follower_equity(equity), share)
    return Target(EXACT.multiply(change.size_after, committed), base)


def proportional_target(size: Decimal, before: Decimal, after: Decimal) -> Target:
    """Return ``size`` shrunk as the master went from ``before`` to ``after``: R6 without its inputs.

    Never more than ``size``, and zero where the master has left that side.
    """
    if before < 0:
        before, after = EXACT.minus(before), EXACT.minus(after)
    if after <= 0:
        return Target(ZERO)
    if after >= before:
        return Target(size)
    return Target(EXACT.multiply(size, after), before)


def step_towards(
    target: Target, size: Decimal, *, change_class: ChangeClass, lot: Decimal, direction: int
) -> Step:
    """Return the step from ``size`` to ``target``, rounded and guarded by the class of the change (R6).

    Args:
        size: confirmed and signed, on the side of ``direction`` or flat.
        change_class: OPEN and INCREASE only add, rounded down; PARTIAL_CLOSE only takes off, rounded up
            and capped at what is held; FULL_CLOSE takes off all.
        direction: +1 for a long leg, -1 for a short one.
    """
    sign = Decimal(direction)
    held = max(ZERO, sign * size)
    # What is still wanted of this side, as a fraction with the target's own denominator.
    missing = EXACT.subtract(EXACT.multiply(sign, target.numerator), EXACT.multiply(held, target.denominator))
    if change_class is ChangeClass.FULL_CLOSE:
        moved = -held
    elif change_class is ChangeClass.PARTIAL_CLOSE:
        moved = -min(held, max(ZERO, ceil_ratio_to_step(EXACT.minus(missing), target.denominator, lot)))
    else:
        moved = max(ZERO, floor_ratio_to_step(missing, target.denominator, lot))
    return Step(increment=sign * moved, desired=sign * (held + moved))


def _number(value: Decimal | None) -> Decimal:
    return _known(value, Reason.SIZING_INCOMPLETE)


def _confirmed(margin: Decimal | None) -> Decimal:
    return _known(margin, Reason.MARGIN_UNCONFIRMED)


def _known(value: Decimal | None, otherwise: Reason) -> Decimal:
    known = positive_or_none(value)
    if known is None:
        raise Unsizable(otherwise)
    return known


def _follower_equity(equity: Decimal | None) -> Decimal:
    if equity is None:
        raise Unsizable(Reason.EQUITY_UNKNOWN)
    return _known(equity, Reason.EQUITY_NOT_POSITIVE)
