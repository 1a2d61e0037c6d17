"""What a follower's repair policy lets the auditor mend, and how a copy begins that does it (R15)."""

import hashlib
from decimal import Decimal
from enum import Enum
from fractions import Fraction

import attrs

from model.amounts import ZERO
from model.change import Change
from model.finding import Cause, Finding, FindingKind, as_decimal
from model.leg import Leg
from model.settings import Repair

REPAIR_PREFIX = "repair-"
"""Ids that begin so are answers of one follower, no changes of the master: nobody else is told of them."""


class Mending(Enum):
    """How far a repair may go."""

    NOTHING = "nothing"
    CLOSE = "close"
    """Reductions only."""
    CLOSE_AND_OPEN = "close_and_open"


@attrs.frozen(kw_only=True)
class RepairPlan:
    """A repair of one leg: an ordinary copy that begins from what the follower holds, not from memory."""

    leg: Leg
    """Of the follower's account."""
    before: Decimal
    """The master's size that the follower's position answers: what it holds over its last copy's scale."""
    wanted: Decimal | None
    """Where the last copy's scale has the leg; remembered where the repair may not go all the way."""
    may_open: bool
    answers: str = ""
    """change_id of the master's change that the leg is brought to; set as the copy begins."""


def mending_of(finding: Finding, policy: Repair) -> Mending:
    """Return how far ``policy`` lets the auditor go about a finding.

    What other hands did is never fought, what is not ours never traded, and a copy at work is let work.
    """
    if finding.cause is not Cause.MISSED or policy is Repair.ALERT:
        return Mending.NOTHING
    reduces = is_too_much(finding)
    if policy is Repair.FULL:
        return Mending.CLOSE_AND_OPEN
    return Mending.CLOSE if reduces else Mending.NOTHING


def is_too_much(finding: Finding) -> bool:
    """Tell whether the leg holds something that the master does not: a reduction was missed."""
    if finding.kind in (FindingKind.EXTRA_POSITION, FindingKind.WRONG_SIDE):
        return True
    if finding.kind is not FindingKind.SIZE_MISMATCH or finding.expected is None:
        return False
    return abs(Fraction(finding.actual)) > abs(finding.expected)


def plan_repair(finding: Finding, *, master_size: Decimal, mending: Mending) -> RepairPlan:
    """Return the copy that mends a finding.

    Args:
        master_size: the master's size now, net, in the follower's units.
    """
    expected = finding.expected
    before = ZERO
    if expected:
        before = as_decimal(Fraction(master_size) * Fraction(finding.actual) / expected)
    elif finding.actual:
        before = finding.actual  # any size on its side: it is closed
    return RepairPlan(
        leg=finding.leg,
        before=before,
        wanted=None if expected is None else as_decimal(expected),
        may_open=mending is Mending.CLOSE_AND_OPEN,
    )


def repair_change(change: Change, *, follower: str, asked_at_ms: int) -> Change:
    """Return the master's change as a repair answers it: under an id of its own, judged by price (R14).

    Args:
        asked_at_ms: when the audit asked for it; the same asking repeats the id.
    """
    text = f"{follower}|{change.change_id}|{asked_at_ms}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:25]
    return attrs.evolve(change, change_id=f"{REPAIR_PREFIX}{digest}", caught_up=True)
