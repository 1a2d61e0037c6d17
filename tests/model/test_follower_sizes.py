"""How large an opening is between its target, the lot, the limits and the minimum (R6, R9, R10)."""

from decimal import Decimal

import pytest

from model.follower import decide
from model.reasons import Reason
from model.settings import Sizing
from tests.model.factories import make_change, make_goal, make_situation
from tests.model.test_follower import orders, settings

D = Decimal


def test_an_increase_counts_from_the_exact_target_whatever_part_of_a_lot_is_held() -> None:
    """0.1009 wanted and 0.0505 held: 0.0504 are missing, which is 50 whole lots."""
    assert orders(decide(make_goal("0", "1"), make_situation("0.0505", equity=D(1009)))) == ["buy 0.05"]


@pytest.mark.parametrize("round_up", [False, True])
def test_a_share_of_nothing_is_nothing_to_do_and_not_too_small(round_up: bool) -> None:
    nothing = settings(Sizing(multiplier=D(0)), round_up=round_up)

    decision = decide(make_goal("0", "1"), make_situation(settings=nothing))

    assert (orders(decision), decision.reason) == ([], Reason.NOTHING_TO_DO)


@pytest.mark.parametrize(
    ("after", "mark", "order"),
    [("1", "90", "buy 0.057"), ("1", "110", "buy 0.051"), ("-1", "110", "sell 0.052")],
    ids=["mark_below_a_buy", "mark_above_a_buy", "mark_above_a_sell"],
)
def test_the_minimum_is_reached_at_the_mark_and_at_the_limit(after: str, mark: str, order: str) -> None:
    """Venues differ in which of the two they count: rounded up, the order must be worth enough at either."""
    situation = make_situation(settings=settings(round_up=True), equity=D(1), mark=D(mark))

    assert orders(decide(make_goal("0", after), situation)) == [order]


def test_without_the_masters_leverage_what_is_set_within_the_cap_stays() -> None:
    goal = make_goal("0", "1", change=make_change("0", "1", leverage=None))

    def leverage(now: str | None) -> Decimal | None:
        current = None if now is None else D(now)
        return decide(goal, make_situation(settings=settings(max_leverage=D(5)), leverage=current)).leverage

    assert [leverage(now) for now in ("3", "5", "6", None)] == [None, None, D(5), D(5)]
