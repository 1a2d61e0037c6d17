"""What a policy lets the auditor mend, and that the copy which does it goes the right way (R15)."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.finding import Cause, Finding, FindingKind
from model.follower import decide, wanted_size
from model.leg import Leg, Side
from model.reasons import Reason
from model.repair import (
    REPAIR_PREFIX,
    Mending,
    RepairPlan,
    is_too_much,
    mending_of,
    plan_repair,
    repair_change,
)
from model.settings import FollowerMode, FollowerSettings, Limits, Repair, Sizing, SizingMode
from tests.model.factories import make_change, make_goal, make_situation

D = Decimal
HALF = FollowerSettings(
    name="alice", exchange="bybit", sizing=Sizing(mode=SizingMode.FIXED_RATIO, ratio=D("0.5"))
)


def make_finding(kind: FindingKind, expected: str | None, actual: str, **other: Any) -> Finding:
    facts: dict[str, Any] = {
        "leg": Leg("BTCUSDT"),
        "kind": kind,
        "cause": Cause.MISSED,
        "expected": None if expected is None else Fraction(expected),
        "actual": D(actual),
        "deviation": Fraction(1),
        "changed_at": 0.0,
    }
    return Finding(**facts | other)


EXTRA = make_finding(FindingKind.EXTRA_POSITION, "0", "0.5")
MISSING = make_finding(FindingKind.MISSING_POSITION, "0.5", "0")
TOO_MUCH = make_finding(FindingKind.SIZE_MISMATCH, "0.25", "0.5")
TOO_LITTLE = make_finding(FindingKind.SIZE_MISMATCH, "0.5", "0.25")
WRONG = make_finding(FindingKind.WRONG_SIDE, "-0.5", "0.5")
NOTHING, CLOSE, BOTH = Mending.NOTHING, Mending.CLOSE, Mending.CLOSE_AND_OPEN


@pytest.mark.parametrize(
    ("finding", "close_only"),
    [(EXTRA, CLOSE), (MISSING, NOTHING), (TOO_MUCH, CLOSE), (TOO_LITTLE, NOTHING), (WRONG, CLOSE)],
    ids=["extra", "missing", "too_much", "too_little", "wrong"],
)
def test_each_policy_goes_as_far_as_its_name_says(finding: Finding, close_only: Mending) -> None:
    assert mending_of(finding, Repair.ALERT) is NOTHING
    assert mending_of(finding, Repair.CLOSE_ONLY) is close_only
    assert mending_of(finding, Repair.FULL) is BOTH


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.MISSED])
@pytest.mark.parametrize("policy", list(Repair))
def test_what_others_did_is_never_fought(cause: Cause, policy: Repair) -> None:
    for finding in (EXTRA, MISSING, TOO_MUCH, TOO_LITTLE, WRONG):
        assert mending_of(attrs.evolve(finding, cause=cause), policy) is NOTHING


def goal_of(finding: Finding, master: str) -> Any:
    plan = plan_repair(finding, master_size=D(master), mending=BOTH)
    change = repair_change(make_change(master, master), follower="alice", asked_at_ms=5)
    return make_goal(str(plan.before), master, change=change)


@pytest.mark.parametrize(
    ("finding", "master", "side", "quantity"),
    [
        (EXTRA, "0", Side.SELL, "0.5"),
        (MISSING, "1", Side.BUY, "0.5"),
        (TOO_MUCH, "0.5", Side.SELL, "0.25"),
        (TOO_LITTLE, "1", Side.BUY, "0.25"),
        (WRONG, "-1", Side.SELL, "0.5"),
        (make_finding(FindingKind.WRONG_SIDE, None, "0.5"), "-1", Side.SELL, "0.5"),
        (make_finding(FindingKind.MISSING_POSITION, None, "0"), "1", Side.BUY, "0.5"),
    ],
    ids=["extra", "missing", "too_much", "too_little", "wrong", "wrong_unknown", "missing_unknown"],
)
def test_an_ordinary_copy_mends_each_finding(
    finding: Finding, master: str, side: Side, quantity: str
) -> None:
    decision = decide(goal_of(finding, master), make_situation(finding.actual, settings=HALF))

    (draft,) = decision.drafts
    assert (draft.side, draft.quantity) == (side, D(quantity))
    assert draft.reduce_only is is_too_much(finding)
    assert decision.again is (finding.kind is FindingKind.WRONG_SIDE)


def test_a_missed_opening_is_judged_by_the_price_and_not_by_its_age() -> None:
    near = make_situation(settings=HALF, age_s=1e6)
    far = make_situation(settings=HALF, mark=D(102))

    assert decide(goal_of(MISSING, "1"), near).drafts
    assert decide(goal_of(MISSING, "1"), far).reason is Reason.PRICE_MOVED


def test_a_repair_has_an_id_of_its_own_that_the_same_asking_repeats() -> None:
    change = make_change("1", "0.5")
    ids = [
        repair_change(change, follower=name, asked_at_ms=at).change_id
        for name, at in (("alice", 1), ("alice", 1), ("alice", 2), ("bob", 1))
    ]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert all(it.startswith(REPAIR_PREFIX) and len(it) == 32 for it in ids)


sizes = st.decimals("1", "100", places=3, allow_nan=False, allow_infinity=False)
"""Well above the minimum notional: what is below it is closed whole (R10)."""


@given(actual=sizes, expected=sizes, master=sizes, side=st.sampled_from([1, -1]))
def test_a_repair_never_goes_past_what_is_expected_nor_away_from_it(
    actual: Decimal, expected: Decimal, master: Decimal, side: int
) -> None:
    """With the scale as sizing: what it sends ends between the two, or within a lot of the expected."""
    finding = make_finding(
        FindingKind.SIZE_MISMATCH, str(side * expected), str(side * actual), deviation=Fraction(1)
    )
    ratio = Sizing(mode=SizingMode.FIXED_RATIO, ratio=expected / master)
    settings = FollowerSettings(name="alice", exchange="bybit", sizing=ratio)
    plan = plan_repair(finding, master_size=side * master, mending=BOTH)
    change = make_change(side * master, side * master, leg=finding.leg, caught_up=True)
    decision = decide(
        make_goal(str(plan.before), str(side * master), change=change),
        make_situation(side * actual, settings=settings),
    )
    moved = sum((draft.side.sign * draft.quantity for draft in decision.drafts), D(0))
    after = side * actual + moved

    low, high = sorted((side * actual, side * expected))
    lot = D("0.001")
    assert low - lot <= after <= high + lot
    if decision.drafts:
        assert (moved > 0) is (side * expected > side * actual)


@pytest.mark.parametrize(
    ("master", "limits", "wanted"),
    [
        ("0", {}, "0"),
        ("1", {}, "0.5"),
        ("-1", {}, "-0.5"),
        ("1", {"max_notional_per_symbol": D(20)}, "0.2"),
        ("0.0001", {}, "0"),
    ],
    ids=["flat", "long", "short", "limited", "too_small"],
)
def test_what_is_wanted_is_the_target_within_the_limits(
    master: str, limits: dict[str, Any], wanted: str
) -> None:
    settings = attrs.evolve(HALF, limits=Limits(**limits), mode=FollowerMode.CLOSE_ONLY)
    situation = make_situation("0.1", settings=settings, order_unknown=True)

    assert wanted_size(make_goal("0", master), situation) == D(wanted)


def test_what_cannot_be_sized_is_wanted_nobody_knows_where() -> None:
    mirror = FollowerSettings(name="alice", exchange="bybit")

    assert wanted_size(make_goal("0", "1"), make_situation(settings=mirror, equity=None)) is None
    assert wanted_size(make_goal("0", "1"), make_situation(instrument=None)) is None


def test_a_plan_says_where_it_begins_where_it_ends_and_whether_it_may_open() -> None:
    leg = Leg("BTCUSDT", 2)
    short = make_finding(FindingKind.SIZE_MISMATCH, "-0.5", "-0.75", leg=leg)

    assert plan_repair(short, master_size=D(-2), mending=CLOSE) == RepairPlan(
        leg=leg, before=D(-3), wanted=D("-0.5"), may_open=False
    )
    assert plan_repair(EXTRA, master_size=D(0), mending=BOTH) == RepairPlan(
        leg=Leg("BTCUSDT"), before=D("0.5"), wanted=D(0), may_open=True
    )
    assert plan_repair(MISSING, master_size=D(1), mending=BOTH).before == 0
    unsized = make_finding(FindingKind.MISSING_POSITION, None, "0")
    assert plan_repair(unsized, master_size=D(1), mending=BOTH).wanted is None


@pytest.mark.parametrize(
    "finding",
    [
        make_finding(FindingKind.LEVERAGE_MISMATCH, "10", "20"),
        make_finding(FindingKind.SIZE_MISMATCH, "0.5", "0.5"),
        make_finding(FindingKind.SIZE_MISMATCH, None, "0.5"),
    ],
    ids=["leverage", "equal", "unknown"],
)
def test_what_is_not_more_than_expected_is_not_too_much(finding: Finding) -> None:
    assert not is_too_much(finding)


def test_what_is_wanted_is_counted_at_the_mark_and_without_one_at_the_masters_price() -> None:
    limited = attrs.evolve(HALF, limits=Limits(max_notional_per_symbol=D(20)))
    unpriced = make_goal("0", "1", change=make_change("0", "1", fill_price=None, entry_price=None))

    def wanted(goal: Any, mark: str | None) -> Decimal | None:
        price = None if mark is None else D(mark)
        return wanted_size(goal, make_situation(settings=limited, mark=price))

    assert wanted(make_goal("0", "1"), "200") == D("0.1")
    assert wanted(make_goal("0", "1"), None) == D("0.2")
    assert wanted(unpriced, "200") == D("0.1")
    assert wanted(unpriced, None) is None
