"""How large an opening is between its target, the lot, the limits and the minimum (R6, R9, R10)."""

from decimal import Decimal
from typing import Any

import attrs
import pytest

from model.follower import Goal, decide
from model.leg import Leg, PositionMode, Side
from model.reasons import Reason
from model.settings import Sizing
from model.validation import OrderDraft
from tests.model.factories import BTC, make_change, make_goal, make_instrument, make_situation
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


def test_limits_count_at_the_mark_and_not_at_the_masters_price() -> None:
    limited = settings(max_notional_per_symbol=D("3.5"))
    cheap = make_situation(settings=limited, mark=D(50), instrument=make_instrument(min_notional=D(0)))

    assert orders(decide(make_goal("0", "1"), cheap)) == ["buy 0.07"]


def test_an_opening_is_an_order_that_opens_and_nothing_else() -> None:
    decision = decide(make_goal("0", "1"), make_situation())

    draft = OrderDraft(
        leg=BTC,
        side=Side.BUY,
        quantity=D("0.1"),
        price=D(101),
        reduce_only=False,
        opens=True,
        closes_all=False,
    )
    assert decision.drafts == (draft,)
    assert (decision.numbers["price_bound"], decision.numbers["reference_price"]) == ("101", "100")


@pytest.mark.parametrize(("after", "closes_all"), [("0.5", False), ("0", True)])
def test_a_reduction_is_an_order_that_only_reduces(after: str, closes_all: bool) -> None:
    goal = make_goal("1", after)
    decision = decide(goal, make_situation("0.1"))

    quantity = (1 - D(after)) / 10
    draft = OrderDraft(
        leg=BTC,
        side=Side.SELL,
        quantity=quantity,
        price=None,
        reduce_only=True,
        opens=False,
        closes_all=closes_all,
    )
    assert (decision.drafts, decision.goal) == ((draft,), goal)
    assert (decision.target, decision.increment) == (D(after) / 10, -quantity)


def test_a_hedged_leg_that_its_venue_does_not_exempt_defers_what_is_too_small() -> None:
    unflagged = make_instrument(min_notional_exempts_hedged=False)
    long = Leg("BTCUSDT", 1)
    hedged = make_situation("1", mode=PositionMode.HEDGE, instrument=unflagged, equity=D(10_000))

    one_way = decide(make_goal("1", "0.99"), attrs.evolve(hedged, mode=PositionMode.ONE_WAY))
    kept_apart = decide(make_goal("1", "0.99", leg=long), hedged)

    assert orders(one_way) == ["sell 0.01"]
    assert (orders(kept_apart), kept_apart.reason) == ([], Reason.DEFERRED)


# What is not sent


def test_a_leverage_is_set_for_an_opening_that_is_sent_and_for_no_other() -> None:
    other = {"leverage": D(3)}

    assert decide(make_goal("0", "1"), make_situation(**other)).leverage == 10
    small = decide(make_goal("0", "1"), make_situation(equity=D(400), **other))
    refused = decide(make_goal("0", "1"), make_situation(mode=PositionMode.HEDGE, **other))

    assert (small.reason, small.leverage) == (Reason.BELOW_MIN_NOTIONAL, None)
    assert (refused.reason, refused.leverage) == (Reason.POSITION_MODE_MISMATCH, None)
    assert refused.numbers["refused"] == "BTCUSDT:0 in hedge mode"


def test_a_flip_whose_close_is_refused_is_not_decided_once_more() -> None:
    """Nothing was sent whose fill would be the time for it."""
    flip = make_goal("1", "-1")

    assert decide(flip, make_situation("0.1")).again is True
    refused = decide(flip, make_situation("0.1", mode=PositionMode.HEDGE))
    assert (refused.again, refused.desired) == (False, D("0.1"))


@pytest.mark.parametrize(
    ("before", "after", "size", "facts", "reason", "shown"),
    [
        ("0", "1", "0", {"equity": None}, Reason.EQUITY_UNKNOWN, "gates_passed"),
        ("1", "0.5", "0.05", {}, Reason.NOTHING_TO_DO, "target"),
        ("1", "0", "0", {}, Reason.ALREADY_FLAT, "current"),
    ],
)
def test_what_is_not_sent_says_of_which_goal_and_why(
    before: str, after: str, size: str, facts: dict[str, Any], reason: Reason, shown: str
) -> None:
    goal = make_goal(before, after)

    decision = decide(goal, make_situation(size, **facts))

    assert (decision.goal, decision.reason, decision.drafts) == (goal, reason, ())
    assert decision.numbers[shown]


# In the master's own proportion, while the equity is unknown (R6)


@pytest.mark.parametrize(
    ("goal", "size", "order"),
    [
        (make_goal("4", "2", moving=(D(3),), held=D("0.4")), "0.4", "sell 0.2"),
        (make_goal("1", "2", moving=(D(4), D(3)), held=D("0.4")), "0.4", "sell 0.2"),
        (make_goal("-1", "-2", moving=(D(-3), D(-4)), held=D("-0.4")), "-0.4", "buy 0.2"),
        (make_goal("4", "2", held=D(0)), "0.4", "sell 0.2"),
        (make_goal("4", "2", held=D("-0.8")), "0.4", "sell 0.2"),
    ],
    ids=["answered_partly", "largest_in_hand", "largest_short", "began_flat", "began_on_the_other_side"],
)
def test_a_reduction_in_proportion_begins_at_the_most_that_was_acted_on(
    goal: Goal, size: str, order: str
) -> None:
    assert orders(decide(goal, make_situation(size, equity=None))) == [order]


def test_a_reduction_in_proportion_that_is_done_says_why_it_was_in_proportion() -> None:
    decision = decide(make_goal("4", "1", held=D("0.8")), make_situation("0.2", equity=None))

    assert (decision.reason, decision.drafts) == (Reason.NOTHING_TO_DO, ())
    assert decision.numbers["proportional_because"] == "equity_unknown"


def test_what_is_unknown_is_shown_as_that_and_not_as_nothing() -> None:
    numbers = decide(make_goal("0", "1"), make_situation(equity=None, leverage=None)).numbers

    assert (numbers["equity"], numbers["leverage_now"], numbers["target"]) == (None, None, None)
