"""Where a leg of a follower should be (R15), and what a copy remembers of where it wanted it."""

from decimal import Decimal
from fractions import Fraction

from model.amounts import CONTEXT, EXACT, ZERO
from model.copy import Holding
from model.goal import Goal
from model.reasons import Reason

_AS_IT_IS = frozenset({Reason.NOTHING_TO_DO, Reason.ALREADY_FLAT, Reason.FOREIGN_POSITION, Reason.DRY_RUN})
NOTHING_TAKEN = frozenset({Reason.NOTHING_TO_DO, Reason.ALREADY_FLAT})
"""What a copy says that found the leg as it was to be, or flat already."""
LASTING = _AS_IT_IS | frozenset(
    {
        Reason.NOT_JOINED,
        Reason.SYMBOL_NOT_LISTED,
        Reason.SYMBOL_DENIED,
        Reason.SYMBOL_NOT_ALLOWED,
        Reason.CLOSE_ONLY,
        Reason.KEY_REFUSED,
        Reason.ROUNDED_TO_ZERO,
        Reason.BELOW_MIN_QUANTITY,
        Reason.BELOW_MIN_NOTIONAL,
        Reason.ABOVE_MAX_QUANTITY,
        Reason.LIMIT_NOTIONAL_PER_SYMBOL,
        Reason.LIMIT_NOTIONAL,
        Reason.LIMIT_POSITIONS,
        Reason.LIMIT_MIN_EQUITY,
        Reason.LIMIT_DAILY_LOSS,
        Reason.LIMIT_DRAWDOWN,
        Reason.LEVERAGE_TIER,
    }
)
"""What an opening skipped for one of these is expected as skipped: it says so by itself, once."""


def expected_size(holding: Holding | None, master_size: Decimal, *, joined: bool) -> Fraction | None:
    """Return where the leg should be: the master's size now × the scale of the last copy on it.

    Args:
        holding: what the last copy left; None where there was none.
        master_size: of the legs that it answers, net, in the follower's units.
        joined: the follower takes part in the episode (R14).
    Returns: base asset, signed, exact. None: on the master's side, and no copy of ours says how much.
    """
    if not master_size:
        return Fraction(0)
    if holding is None or not holding.master_size:
        return None if joined else Fraction(0)
    base = holding.target if holding.wanted is None else holding.wanted
    size = Fraction(base) * Fraction(master_size) / Fraction(holding.master_size)
    return None if size * Fraction(master_size) < 0 else size


def still_wanted(
    goal: Goal, reason: Reason | None, *, ideal: Decimal | None, before: Holding | None
) -> Decimal | None:
    """Return where a leg should have gone that a copy leaves elsewhere for a reason that passes.

    None: it is where it shall be, or stays away for good (R15). A reduction stays away for nothing, and
    one that finds nothing to take off leaves missing what was missing.

    Args:
        ideal: R6's target within the limits; None while unknown, then the last copy's scale tells.
        before: what was known of the leg until now.
    """
    if reason is None:
        return None
    if not goal.is_move and before is not None:
        return before.wanted
    is_missing = goal.takes_off and reason in NOTHING_TAKEN and _misses(before, goal)
    if not is_missing and reason in (_AS_IT_IS if goal.takes_off or not goal.after else LASTING):
        return None
    if ideal is not None or before is None or not before.master_size:
        return ideal
    base = before.target if before.wanted is None else before.wanted
    return CONTEXT.divide(EXACT.multiply(base, goal.after), before.master_size) if base else ZERO


def _misses(before: Holding | None, goal: Goal) -> bool:
    """Tell whether the last copy wanted more than it left, on the side on which the master still is."""
    wanted = None if before is None else before.wanted
    return wanted is not None and EXACT.multiply(wanted, goal.after) > 0
