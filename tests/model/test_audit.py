"""What is wrong with a leg, who did it, and what is nobody's fault (R15)."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from model import audit
from model.audit import AuditLeg, findings_of, leverage_bounds
from model.copy import Holding
from model.expectation import LASTING, expected_size, still_wanted
from model.finding import Cause, Finding, FindingKind
from model.instrument import LeverageTier
from model.leg import Leg
from model.reasons import Reason
from model.settings import Limits
from model.severity import Severity
from tests.model.factories import make_change, make_goal, make_instrument

BTC = Leg("BTCUSDT")
LOT = Decimal("0.001")
D = Decimal


def make_holding(target: str = "0.5", master: str = "1", **other: Any) -> Holding:
    facts: dict[str, Any] = {"follower": "alice", "leg": BTC, "owned": True, "change_id": "c"}
    return Holding(target=D(target), master_size=D(master), **facts | other)


def make_leg(size: str = "0.5", master: str = "1", **other: Any) -> AuditLeg:
    """Return a leg whose last copy left 0.5 at a master's 1."""
    facts: dict[str, Any] = {
        "leg": BTC,
        "answers": BTC,
        "size": D(size),
        "owned": True,
        "lot": LOT,
        "master_size": D(master),
        "joined": True,
        "holding": make_holding(),
        "busy": False,
        "paused": False,
        "leverage": None,
        "leverage_bounds": None,
        "changed_at": 7.0,
    }
    return AuditLeg(**facts | other)


def only(leg: AuditLeg) -> Finding:
    (finding,) = findings_of(leg)
    return finding


@pytest.mark.parametrize(
    ("size", "master", "kind", "expected", "deviation"),
    [
        ("0", "1", FindingKind.MISSING_POSITION, "0.5", "1"),
        ("0.5", "0", FindingKind.EXTRA_POSITION, "0", "1"),
        ("0.4", "1", FindingKind.SIZE_MISMATCH, "0.5", "0.2"),
        ("0.5", "0.5", FindingKind.SIZE_MISMATCH, "0.25", "1"),
        ("0.5", "-1", FindingKind.WRONG_SIDE, "-0.5", "2"),
        ("-0.5", "1", FindingKind.WRONG_SIDE, "0.5", "2"),
    ],
)
def test_each_kind_is_told_by_the_two_sizes(
    size: str, master: str, kind: FindingKind, expected: str, deviation: str
) -> None:
    finding = only(make_leg(size, master))

    assert (finding.kind, finding.expected, finding.deviation) == (
        kind,
        Fraction(expected),
        Fraction(deviation),
    )
    assert finding.actual == D(size)
    assert finding.changed_at == 7.0


@pytest.mark.parametrize("size", ["0.5", "0.499", "0.501"])
def test_one_lot_is_no_deviation(size: str) -> None:
    assert findings_of(make_leg(size)) == ()


def test_more_than_a_lot_is() -> None:
    assert only(make_leg("0.4989")).kind is FindingKind.SIZE_MISMATCH


@pytest.mark.parametrize(
    ("leg", "cause"),
    [
        (make_leg("0.5", "0.5"), Cause.MISSED),
        (make_leg("0"), Cause.MANUAL),
        (make_leg("0.9"), Cause.MANUAL),
        (make_leg("0", owned=False), Cause.MANUAL),
        (make_leg("0.5", "0.5", busy=True), Cause.IN_HAND),
        (make_leg("0.5", "0.5", busy=True, paused=True), Cause.PAUSED),
        (make_leg("0.5", "0.5", paused=True), Cause.PAUSED),
        (make_leg("0.4", paused=True), Cause.MANUAL),
        (make_leg("0.3", "0", owned=False, holding=None), Cause.FOREIGN),
    ],
    ids=["missed", "closed", "grown", "disowned", "in_hand", "paused_half_way", "paused", "both", "foreign"],
)
def test_the_cause_says_whose_hand_it_was(leg: AuditLeg, cause: Cause) -> None:
    assert only(leg).cause is cause


def test_a_foreign_position_is_extra_even_where_one_of_its_size_is_expected() -> None:
    finding = only(make_leg("0.5", owned=False))

    assert (finding.kind, finding.cause, finding.expected) == (
        FindingKind.EXTRA_POSITION,
        Cause.FOREIGN,
        Fraction(0),
    )
    assert finding.severity is Severity.WARNING


def test_what_is_held_against_the_master_is_critical() -> None:
    assert only(make_leg("0.5", "0")).severity is Severity.CRITICAL
    assert only(make_leg("-0.5")).severity is Severity.CRITICAL
    assert only(make_leg("0")).severity is Severity.WARNING


def test_the_masters_first_position_that_no_copy_answered_is_missing() -> None:
    finding = only(make_leg("0", holding=None))

    assert (finding.kind, finding.expected, finding.deviation) == (
        FindingKind.MISSING_POSITION,
        None,
        Fraction(1),
    )
    assert findings_of(make_leg("0", holding=None, joined=False)) == ()


def test_what_was_skipped_for_good_is_expected_as_skipped() -> None:
    skipped = make_holding("0.2", skipped=Reason.LIMIT_NOTIONAL)

    assert findings_of(make_leg("0.2", holding=skipped)) == ()


def test_what_was_skipped_for_a_passing_reason_is_missing() -> None:
    skipped = make_holding("0.2", skipped=Reason.PRICE_MOVED, wanted=D("0.5"))
    finding = only(make_leg("0.2", holding=skipped))

    assert (finding.kind, finding.cause, finding.reason) == (
        FindingKind.SIZE_MISMATCH,
        Cause.MISSED,
        Reason.PRICE_MOVED,
    )
    assert finding.expected == Fraction("0.5")


def test_a_scale_of_the_other_sign_says_nothing_of_the_size() -> None:
    holding = make_holding("-0.5", wanted=None)

    assert expected_size(holding, D(1), joined=True) is None
    assert only(make_leg("-0.5", holding=holding)).kind is FindingKind.WRONG_SIDE


@given(
    size=st.sampled_from(["0", "0.5", "-0.5", "0.4"]),
    master=st.sampled_from(["0", "1", "-1", "0.5"]),
    target=st.sampled_from(["0", "0.5", "-0.5"]),
    then=st.sampled_from(["0", "1", "-1"]),
    wanted=st.sampled_from([None, D("0.5"), D(0)]),
    owned=st.booleans(),
)
def test_the_short_way_and_the_long_way_agree(
    size: str, master: str, target: str, then: str, wanted: Decimal | None, owned: bool
) -> None:
    leg = make_leg(size, master, owned=owned, holding=make_holding(target, then, wanted=wanted))
    found = findings_of(leg)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "_is_as_left", lambda leg: False)
        assert findings_of(leg) == found


# The properties

sizes = st.decimals("-1000", "1000", places=3, allow_nan=False, allow_infinity=False)
positive = st.decimals("0.001", "1000", places=3, allow_nan=False, allow_infinity=False)
flags = st.booleans()


@given(target=sizes, then=positive, now=sizes, off=st.fractions(-1, 1), busy=flags, paused=flags)
def test_no_finding_for_a_follower_within_one_lot_of_its_expected_size(
    target: Decimal, then: Decimal, now: Decimal, off: Fraction, busy: bool, paused: bool
) -> None:
    holding = make_holding(str(target), str(then))
    expected = expected_size(holding, now, joined=True)
    assume(expected is not None)
    assert expected is not None
    near = expected + off * Fraction(LOT)
    size = D(near.numerator) / D(near.denominator)
    assume(abs(Fraction(size) - expected) <= Fraction(LOT))  # the quotient is rounded

    assert findings_of(make_leg(str(size), str(now), holding=holding, busy=busy, paused=paused)) == ()


@given(target=positive, then=positive, now=positive, size=sizes)
def test_whatever_is_more_than_a_lot_away_is_found_with_its_share(
    target: Decimal, then: Decimal, now: Decimal, size: Decimal
) -> None:
    leg = make_leg(str(size), str(now), holding=make_holding(str(target), str(then)))
    expected = Fraction(target) * Fraction(now) / Fraction(then)
    away = abs(Fraction(size) - expected)
    found = findings_of(leg)

    assert bool(found) == (away > Fraction(LOT))
    for finding in found:
        assert finding.deviation == away / expected
        assert (finding.kind is FindingKind.WRONG_SIDE) == (size < 0)
        assert (finding.kind is FindingKind.MISSING_POSITION) == (size == 0)


@given(target=positive, then=positive, share=st.fractions(Fraction(1, 100), 1))
def test_a_profit_or_a_deposit_since_is_no_drift(target: Decimal, then: Decimal, share: Fraction) -> None:
    """The scale is the last copy's: nothing of the follower's equity is asked."""
    now = D(share.numerator) * then / D(share.denominator)
    expected = expected_size(make_holding(str(target), str(then)), now, joined=True)

    assert expected == Fraction(target) * Fraction(now) / Fraction(then)


# What a copy remembers


@pytest.mark.parametrize("reason", sorted(LASTING, key=lambda it: it.value))
def test_an_opening_that_stays_away_for_good_wants_nothing(reason: Reason) -> None:
    assert still_wanted(make_goal("0", "1"), reason, ideal=D("0.5"), before=None) is None


@pytest.mark.parametrize("reason", [Reason.EXPIRED, Reason.PRICE_MOVED, Reason.VENUE_REJECTED])
def test_an_opening_that_was_held_back_wants_its_target_still(reason: Reason) -> None:
    assert still_wanted(make_goal("0", "1"), reason, ideal=D("0.5"), before=None) == D("0.5")


@pytest.mark.parametrize("reason", [Reason.BELOW_MIN_NOTIONAL, Reason.DEFERRED, Reason.SYMBOL_NOT_LISTED])
def test_a_reduction_stays_away_for_nothing(reason: Reason) -> None:
    assert still_wanted(make_goal("1", "0.5"), reason, ideal=D("0.25"), before=None) == D("0.25")
    assert still_wanted(make_goal("1", "0"), reason, ideal=D("0"), before=None) == 0


def test_without_a_target_the_last_scale_tells() -> None:
    before = make_holding("0.5", "1")

    assert still_wanted(make_goal("1", "3"), Reason.EQUITY_UNKNOWN, ideal=None, before=before) == D("1.5")
    assert still_wanted(make_goal("0", "3"), Reason.EQUITY_UNKNOWN, ideal=None, before=None) is None


def test_a_copy_without_a_move_forgets_nothing() -> None:
    before = make_holding("0.2", wanted=D("0.5"))

    assert still_wanted(make_goal("1", "1"), Reason.NOTHING_TO_DO, ideal=D("0.2"), before=before) == D("0.5")


@pytest.mark.parametrize("reason", [Reason.NOTHING_TO_DO, Reason.ALREADY_FLAT])
def test_a_reduction_that_finds_nothing_to_take_off_leaves_missing_what_was(reason: Reason) -> None:
    """After an opening that came too late the next partial close made the flat leg count as right."""
    goal = make_goal("1", "0.5")
    missed = make_holding("0", "1", wanted=D("0.4"))

    assert still_wanted(goal, reason, ideal=D("0.2"), before=missed) == D("0.2")
    assert still_wanted(goal, reason, ideal=None, before=missed) == D("0.2")
    assert still_wanted(goal, reason, ideal=D("0.2"), before=make_holding("0", "1")) is None
    assert still_wanted(make_goal("1", "0"), reason, ideal=D(0), before=missed) is None


# Leverage


def test_a_leverage_outside_its_bounds_is_found() -> None:
    finding = only(make_leg(leverage=D(20), leverage_bounds=(D(5), D(10))))

    assert (finding.kind, finding.cause, finding.deviation) == (
        FindingKind.LEVERAGE_MISMATCH,
        Cause.NEXT_OPENING,
        Fraction(1),
    )
    assert (finding.expected, finding.actual) == (Fraction(10), D(20))
    assert only(make_leg(leverage=D(4), leverage_bounds=(D(5), D(10)))).expected == Fraction(5)


@pytest.mark.parametrize(
    "other",
    [
        {"leverage": D(7)},
        {"leverage": None},
        {"leverage_bounds": None},
        {"busy": True},
        {"size": D(0), "holding": make_holding("0")},
    ],
    ids=["within", "unknown", "nobody_knows", "busy", "flat"],
)
def test_a_leverage_that_is_right_unknown_or_of_no_matter_is_not(other: dict[str, Any]) -> None:
    leg = make_leg(**{"leverage": D(20), "leverage_bounds": (D(5), D(10))} | other)

    assert findings_of(leg) == ()


def test_the_bounds_are_what_an_opening_sets_now_or_could_have_set_in_a_lower_tier() -> None:
    tiers = (
        LeverageTier(notional_max=D(1_000), leverage_max=D(50)),
        LeverageTier(notional_max=D(100_000), leverage_max=D(20)),
    )
    change = make_change("0", "1", leverage=D(40))

    def bounds(notional: str, **limits: Any) -> tuple[Decimal, Decimal] | None:
        instrument = make_instrument(tiers=tiers)
        return leverage_bounds((change,), Limits(**limits), instrument, notional=D(notional))

    assert bounds("500") == (D(40), D(40))
    assert bounds("5000") == (D(20), D(40))
    assert bounds("5000", max_leverage=D(10)) == (D(10), D(10))


def test_an_unknown_leverage_of_the_master_bounds_nothing() -> None:
    change = make_change("0", "1", leverage=None)

    assert leverage_bounds((change,), Limits(max_leverage=D(5)), make_instrument(), notional=D(1)) is None


@pytest.mark.parametrize(("leverage", "expected"), [("0", None), ("1", (D(1), D(1)))])
def test_a_leverage_of_zero_is_an_unknown_one_and_of_one_is_not(
    leverage: str, expected: tuple[Decimal, Decimal] | None
) -> None:
    change = make_change("0", "1", leverage=D(leverage))

    limits = Limits(max_leverage=D(5))
    assert leverage_bounds((change,), limits, make_instrument(), notional=D(1)) == expected


def test_an_opening_held_back_again_is_measured_by_what_the_one_before_wanted() -> None:
    """A leg that a passing reason left at 0.2 of the 0.5 it wanted: twice the master's size is 1."""
    before = make_holding("0.2", wanted=D("0.5"))
    nothing = make_holding("0")

    def wanted(after: str, holding: Holding) -> Decimal | None:
        return still_wanted(make_goal("1", after), Reason.EQUITY_UNKNOWN, ideal=None, before=holding)

    assert wanted("2", before) == 1
    assert str(wanted("-1", nothing)) == "0", "and not -0"


def test_a_finding_names_its_leg() -> None:
    short = Leg("ETHUSDT", 2)

    assert only(make_leg("0", leg=short)).leg == short
    wrong = make_leg(leg=short, leverage=D(4), leverage_bounds=(D(5), D(10)))
    assert (only(wrong).leg, only(wrong).deviation, only(wrong).changed_at) == (short, Fraction(1, 5), 7.0)


def test_a_leverage_at_either_end_of_its_bounds_is_right() -> None:
    for leverage in ("5", "10"):
        assert findings_of(make_leg(leverage=D(leverage), leverage_bounds=(D(5), D(10)))) == ()


def test_what_a_copy_left_at_a_flat_master_is_extra_all_the_same() -> None:
    assert only(make_leg("0.5", "0", holding=make_holding("0.5", "0"))).kind is FindingKind.EXTRA_POSITION


def test_what_is_on_the_masters_side_and_nobody_knows_how_much_is_left_alone() -> None:
    assert findings_of(make_leg("0.5", holding=None)) == ()
