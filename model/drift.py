"""When a finding is told, told again and resolved (R15).

Pure: one step takes what was known of one aspect of one leg, and what a look found of it now. Times are
the caller's seconds; nothing here reads a clock.
"""

from decimal import Decimal
from enum import Enum
from fractions import Fraction

import attrs

from model.amounts import ONE
from model.finding import Aspect, Cause, Finding, FindingKind, shown
from model.leg import Leg


@attrs.frozen(kw_only=True)
class AuditRules:
    """When the auditor looks and speaks."""

    period_s: float = 60.0
    grace_s: float = 60.0
    """How long a leg must not have changed before what is wrong with it is told."""
    realert_points: Decimal = ONE
    """Percentage points that a deviation moves before it is told again."""


@attrs.frozen(kw_only=True)
class Told:
    """What operators were last told of one aspect of a leg; outlives the process in the ledger."""

    follower: str
    leg: Leg
    kind: FindingKind
    cause: Cause
    expected: Decimal | None
    """Rounded for display."""
    actual: Decimal
    deviation: Fraction
    first_told_at_ms: int
    told_at_ms: int

    @property
    def aspect(self) -> Aspect:
        """What of the leg it is about."""
        return self.kind.aspect


class Verdict(Enum):
    """What one look comes to."""

    QUIET = "quiet"
    """Nothing to say: nothing is wrong, or it has been told, or the grace is not over."""
    FIRE = "fire"
    FIRE_AGAIN = "fire_again"
    RESOLVE = "resolve"


@attrs.frozen(kw_only=True)
class Drift:
    """One aspect of one leg between two looks."""

    finding: Finding | None = None
    """As it was last seen; None: nothing was wrong, or nobody has looked since the start."""
    seen_at: float = 0.0
    """When this very state was first seen."""
    told: Told | None = None


@attrs.frozen(kw_only=True)
class Step:
    """What a look comes to, and what is known from now on; nothing where ``drift`` is None."""

    verdict: Verdict
    drift: Drift | None
    due_at: float | None = None
    """When a finding's grace is over, while it is not."""


def step(drift: Drift | None, finding: Finding | None, *, now: float, rules: AuditRules) -> Step:
    """Return what to do about one aspect of one leg after looking at it.

    Args:
        drift: what was known; None: nothing.
        finding: what is wrong now; None: nothing is.
    """
    told = None if drift is None else drift.told
    if finding is None:
        return Step(verdict=Verdict.QUIET if told is None else Verdict.RESOLVE, drift=None)
    seen_at = drift.seen_at if drift is not None and _is_same(drift.finding, finding) else now
    known = Drift(finding=finding, seen_at=seen_at, told=told)
    due_at = _held_at(finding, seen_at) + rules.grace_s
    if now < due_at:
        return Step(verdict=Verdict.QUIET, drift=known, due_at=due_at)
    if told is None:
        return Step(verdict=Verdict.FIRE, drift=known)
    if has_moved(told, finding, points=rules.realert_points):
        return Step(verdict=Verdict.FIRE_AGAIN, drift=known)
    return Step(verdict=Verdict.QUIET, drift=known)


def has_moved(told: Told, finding: Finding, *, points: Decimal) -> bool:
    """Tell whether a finding is worth telling again: it is another one, or it moved by ``points``.

    What should be flat has no share to deviate by: its growth is measured against the size last told.
    """
    if told.kind is not finding.kind:
        return True
    moved = abs(finding.deviation - told.deviation)
    if finding.expected == 0 and told.actual:
        moved = abs(Fraction(finding.actual) - Fraction(told.actual)) / abs(Fraction(told.actual))
    return moved * 100 >= Fraction(points)


def tell(follower: str, finding: Finding, *, before: Told | None, now_ms: int) -> Told:
    """Return what is to be remembered of telling ``finding`` now."""
    return Told(
        follower=follower,
        leg=finding.leg,
        kind=finding.kind,
        cause=finding.cause,
        expected=None if finding.expected is None else shown(finding.expected),
        actual=finding.actual,
        deviation=finding.deviation,
        first_told_at_ms=now_ms if before is None else before.first_told_at_ms,
        told_at_ms=now_ms,
    )


def _held_at(finding: Finding, seen_at: float) -> float:
    """A size deviates since the leg changed; of a leverage only the looks tell when it did."""
    if finding.kind.aspect is Aspect.LEVERAGE:
        return max(finding.changed_at, seen_at)
    return finding.changed_at


def _is_same(before: Finding | None, now: Finding) -> bool:
    return before is not None and (before.expected, before.actual) == (now.expected, now.actual)
