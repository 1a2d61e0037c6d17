"""When a finding is told, told again and resolved: exact to the grace and to the point (R15)."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.drift import AuditRules, Drift, Step, Told, Verdict, step, tell
from model.finding import Cause, Finding, FindingKind
from model.leg import Leg

RULES = AuditRules(grace_s=60.0)
QUIET, FIRE, AGAIN, RESOLVE = Verdict.QUIET, Verdict.FIRE, Verdict.FIRE_AGAIN, Verdict.RESOLVE


def make_finding(short: str = "0.5", **other: Any) -> Finding:
    """Return an actual size that is short of an expected 1 by that much."""
    actual = 1 - Decimal(short)
    facts: dict[str, Any] = {
        "leg": Leg("BTCUSDT"),
        "kind": FindingKind.SIZE_MISMATCH if actual else FindingKind.MISSING_POSITION,
        "cause": Cause.MISSED,
        "expected": Fraction(1),
        "actual": actual,
        "deviation": Fraction(short),
        "changed_at": 0.0,
    }
    return Finding(**facts | other)


class Watch:
    """One aspect of a leg, looked at again and again; what is told is remembered."""

    def __init__(self, rules: AuditRules = RULES, told: Told | None = None) -> None:
        self.rules = rules
        self.drift: Drift | None = None if told is None else Drift(told=told)
        self.last: Step

    def look(self, finding: Finding | None, now: float) -> Verdict:
        self.last = step(self.drift, finding, now=now, rules=self.rules)
        drift = self.last.drift
        if self.last.verdict in (FIRE, AGAIN):
            assert finding is not None
            assert drift is not None
            told = tell("alice", finding, before=drift.told, now_ms=1)
            drift = Drift(finding=finding, seen_at=drift.seen_at, told=told)
        self.drift = drift
        return self.last.verdict


@pytest.mark.parametrize(
    ("now", "verdict"), [(59.999999, QUIET), (60.0, FIRE), (60.1, FIRE)], ids=["before", "at", "after"]
)
def test_a_finding_is_told_at_the_end_of_the_grace_and_not_before(now: float, verdict: Verdict) -> None:
    watch = Watch()

    assert watch.look(make_finding(), now) is verdict
    assert watch.last.due_at == (60.0 if verdict is QUIET else None)


def test_a_change_of_the_leg_begins_the_grace_anew() -> None:
    watch = Watch()
    watch.look(make_finding(), 30.0)

    assert watch.look(make_finding(changed_at=45.0), 104.0) is QUIET
    assert watch.look(make_finding(changed_at=45.0), 105.0) is FIRE


def test_a_leverage_is_counted_from_when_it_was_first_seen() -> None:
    finding = make_finding(kind=FindingKind.LEVERAGE_MISMATCH, actual=Decimal(5), expected=Fraction(10))
    watch = Watch()

    assert watch.look(finding, 500.0) is QUIET
    assert watch.last.due_at == 560.0
    assert watch.look(finding, 560.0) is FIRE


@pytest.mark.parametrize(("deviation", "verdict"), [("0.509999", QUIET), ("0.51", AGAIN), ("0.49", AGAIN)])
def test_it_is_told_again_from_exactly_one_point_on(deviation: str, verdict: Verdict) -> None:
    watch = Watch()
    watch.look(make_finding("0.5"), 60.0)

    assert watch.look(make_finding(deviation), 120.0) is verdict


def test_points_are_counted_exactly_where_decimals_are_not() -> None:
    third = make_finding(expected=Fraction(1, 3), deviation=Fraction(1, 3))
    a_point_more = make_finding(expected=Fraction(1, 3), deviation=Fraction(1, 3) + Fraction(1, 100))
    watch = Watch()
    watch.look(third, 60.0)

    assert watch.look(a_point_more, 120.0) is AGAIN


def test_points_are_counted_from_what_was_last_told() -> None:
    watch = Watch()
    verdicts = [watch.look(make_finding(it), 60.0) for it in ("0.5", "0.506", "0.512", "0.518", "0.522")]

    assert verdicts == [FIRE, QUIET, AGAIN, QUIET, AGAIN]


def test_a_move_within_the_grace_is_not_told_again_before_its_end() -> None:
    watch = Watch()
    watch.look(make_finding("0.5"), 60.0)

    assert watch.look(make_finding("0.9", changed_at=70.0), 129.0) is QUIET
    assert watch.look(make_finding("0.9", changed_at=70.0), 130.0) is AGAIN


def test_another_kind_is_told_again() -> None:
    watch = Watch()
    watch.look(make_finding("1"), 60.0)

    assert watch.look(make_finding(kind=FindingKind.WRONG_SIDE, deviation=Fraction(1)), 120.0) is AGAIN


def test_what_should_be_flat_is_told_again_as_it_grows() -> None:
    def extra(size: str) -> Finding:
        return make_finding(
            "1",
            kind=FindingKind.EXTRA_POSITION,
            expected=Fraction(0),
            actual=Decimal(size),
        )

    watch = Watch()
    verdicts = [watch.look(extra(size), 60.0) for size in ("10", "10.09", "10.1", "5")]

    assert verdicts == [FIRE, QUIET, AGAIN, AGAIN]


def test_what_was_told_is_resolved_once_and_what_was_not_is_let_go() -> None:
    watch = Watch()
    watch.look(make_finding(), 60.0)
    assert [watch.look(None, now) for now in (61.0, 62.0)] == [RESOLVE, QUIET]

    watch.look(make_finding(changed_at=70.0), 71.0)
    assert watch.look(None, 72.0) is QUIET
    assert watch.drift is None


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    watch = Watch()
    watch.look(make_finding(), 60.0)
    assert watch.drift is not None
    later = Watch(told=watch.drift.told)

    assert later.look(make_finding(), 0.0) is QUIET
    assert later.look(make_finding(), 60.0) is QUIET
    assert later.look(make_finding("0.52"), 61.0) is AGAIN
    assert later.look(None, 62.0) is RESOLVE


looks = st.lists(st.floats(0, 10_000), min_size=1, max_size=30).map(sorted)


@given(changed_at=st.floats(0, 1_000), times=looks, grace_s=st.floats(0, 500))
def test_a_constant_deviation_is_told_exactly_once_an_episode(
    changed_at: float, times: list[float], grace_s: float
) -> None:
    watch = Watch(AuditRules(grace_s=grace_s))
    finding = make_finding(changed_at=changed_at)
    verdicts = [watch.look(finding, now) for now in times]
    due = any(now >= changed_at + grace_s for now in times)

    assert verdicts.count(FIRE) == due
    assert verdicts.count(AGAIN) == 0
    assert watch.look(None, times[-1]) is (RESOLVE if due else QUIET)
    assert watch.look(None, times[-1]) is QUIET


@given(
    story=st.lists(
        st.tuples(st.floats(0, 100), st.sampled_from(["", "0.1", "0.105", "0.4", "1"])), max_size=40
    )
)
def test_every_fire_is_followed_by_one_resolve_and_none_comes_without(story: list[tuple[float, str]]) -> None:
    watch, now = Watch(), 0.0
    open_episode = False
    for pause, deviation in story:
        now += pause
        verdict = watch.look(make_finding(deviation) if deviation else None, now)
        assert (verdict is FIRE) <= (not open_episode)
        assert (verdict in (AGAIN, RESOLVE)) <= open_episode
        if verdict in (FIRE, RESOLVE):
            open_episode = verdict is FIRE
        assert open_episode == (watch.drift is not None and watch.drift.told is not None)


@given(
    deviations=st.lists(
        st.decimals("0.001", "3", places=4, allow_nan=False, allow_infinity=False), min_size=2, max_size=20
    )
)
def test_two_tellings_in_a_row_are_a_point_apart_and_no_point_goes_untold(deviations: list[Decimal]) -> None:
    watch = Watch()
    told: Fraction | None = None
    for deviation in deviations:
        finding = make_finding(str(deviation), kind=FindingKind.SIZE_MISMATCH)
        verdict = watch.look(finding, 60.0)
        moved = told is not None and abs(finding.deviation - told) >= Fraction(1, 100)
        assert (verdict is AGAIN) == moved
        if verdict is not QUIET:
            told = finding.deviation


def test_the_grace_of_a_leverage_runs_from_when_it_was_first_seen() -> None:
    watch, wrong = Watch(), make_finding(kind=FindingKind.LEVERAGE_MISMATCH)

    assert [watch.look(wrong, now) for now in (30.0, 70.0, 89.9, 90.0)] == [QUIET, QUIET, QUIET, FIRE]


def test_what_is_remembered_of_a_telling_is_the_finding_and_when() -> None:
    finding = make_finding("0.5", cause=Cause.MANUAL, expected=Fraction(1, 3))

    first = tell("alice", finding, before=None, now_ms=7)
    again = tell("alice", attrs.evolve(finding, expected=None), before=first, now_ms=9)

    assert first.expected is not None
    assert abs(Fraction(first.expected) - Fraction(1, 3)) < Fraction(1, 10**6), "rounded for display"
    assert attrs.evolve(first, expected=None) == Told(
        follower="alice",
        leg=finding.leg,
        kind=finding.kind,
        cause=Cause.MANUAL,
        expected=None,
        actual=Decimal("0.5"),
        deviation=Fraction(1, 2),
        first_told_at_ms=7,
        told_at_ms=7,
    )
    assert again == attrs.evolve(first, expected=None, told_at_ms=9)
