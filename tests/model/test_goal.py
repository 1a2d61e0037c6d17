"""Which legs of the master a leg of a follower answers, and from where to where it goes (R5, R6)."""

from decimal import Decimal

import pytest

from model.amounts import format_decimal
from model.goal import Goal, goals_of
from model.leg import HEDGE_LONG, HEDGE_SHORT, Leg, PositionMode
from tests.model.factories import make_change, make_goal

D = Decimal


def test_the_goal_of_a_copy_that_begins_is_the_same_goal_with_what_it_began_from() -> None:
    goal = make_goal("1", "0.4")

    begun = goal.begun(moving=(D(2),), held=D("0.3"))

    assert begun == Goal(
        leg=goal.leg,
        before=D(1),
        after=D("0.4"),
        change=goal.change,
        contributions=goal.contributions,
        moving=(D(2),),
        held=D("0.3"),
    )


def test_what_unfinished_copies_had_begun_to_answer_counts_as_acted_on() -> None:
    goal = make_goal("1", "1")

    assert not goal.is_move
    assert goal.begun(moving=(D(2),), held=D(0)).takes_off
    assert goal.begun(moving=(D("0.5"),), held=D(0)).adds


@pytest.mark.parametrize(
    ("before", "after", "grew"), [("1", "2", True), ("2", "1", False), ("2", "-1", True), ("1", "0", False)]
)
def test_a_change_adds_by_its_own_step_whatever_was_acted_on(before: str, after: str, grew: bool) -> None:
    change = make_change(before, after)
    [goal] = goals_of(change, (), symbol="BTCUSDT", mode=PositionMode.ONE_WAY, acted={change.leg: D(9)})

    assert goal.grew is grew


def test_where_the_change_has_its_outcome_only_reductions_are_left() -> None:
    """An opening that had expired left after all, when an older order turned out lost."""
    goal = make_goal("-0.19", "-0.19").begun(moving=(D(0), D("-0.4")), held=D(0), only_reduces=True)

    assert goal.takes_off
    assert not goal.adds


@pytest.mark.parametrize(("after", "withholds"), [("2", True), ("-1", True), ("1", False), ("0.5", False)])
def test_a_run_that_only_reduces_withholds_what_there_is_to_open(after: str, withholds: bool) -> None:
    goal = make_goal("1", after)

    assert goal.begun(moving=(), held=D(1), only_reduces=True).withholds is withholds
    assert not goal.begun(moving=(), held=D(1)).withholds


def test_hedge_legs_of_less_than_one_coin_go_to_their_own_side() -> None:
    long = make_change("0", "0.5", leg=Leg("BTCUSDT", HEDGE_LONG))
    short = make_change("0", "-0.25", leg=Leg("BTCUSDT", HEDGE_SHORT))

    goals = {
        goal.leg.position_idx: (goal.after, goal.contributions)
        for change, others in ((long, (short,)), (short, (long,)))
        for goal in goals_of(change, others, symbol="BTCUSDT", mode=PositionMode.HEDGE, acted={})
    }

    assert goals == {HEDGE_LONG: (D("0.5"), (long,)), HEDGE_SHORT: (D("-0.25"), (short,))}


def test_a_master_that_is_flat_is_an_amount_too() -> None:
    change = make_change("1", "0")

    (goal,) = goals_of(change, (), symbol="XBTUSD", mode=PositionMode.ONE_WAY, acted={Leg("XBTUSD"): D(1)})

    assert (goal.leg, goal.contributions) == (Leg("XBTUSD"), ())
    assert (goal.before, format_decimal(goal.after)) == (D(1), "0")
