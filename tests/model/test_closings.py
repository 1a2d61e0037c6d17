"""Closing: for an operator, on the way to the other side, and of legs that cancel out (R5, R6, R20)."""

from decimal import Decimal

import pytest

from model.change import operator_close
from model.follower import decide
from model.reasons import Reason
from model.settings import FollowerMode, FollowerSettings
from tests.model.factories import BTC, make_change, make_goal, make_situation
from tests.model.test_follower import orders

D = Decimal
BY_OPERATOR = make_goal("0.1", "0", change=operator_close("alice", BTC, D("0.1"), 7))
BY_MASTER = make_goal("1", "0")


@pytest.mark.parametrize("mode", list(FollowerMode))
def test_an_operator_closes_what_is_being_flattened_and_the_master_what_is_copied(mode: FollowerMode) -> None:
    situation = make_situation("0.1", settings=FollowerSettings(name="alice", exchange="bybit", mode=mode))

    by_operator, by_master = decide(BY_OPERATOR, situation), decide(BY_MASTER, situation)

    assert bool(by_operator.drafts) is (mode is FollowerMode.FLATTENING)
    assert bool(by_master.drafts) is (mode in (FollowerMode.ACTIVE, FollowerMode.CLOSE_ONLY))
    for decision in (by_operator, by_master):
        expected = (["sell 0.1"], None) if decision.drafts else ([], Reason.PAUSED)
        assert (orders(decision), decision.reason) == expected


@pytest.mark.parametrize("equity", [None, D(1_000)])
def test_a_flips_close_is_a_full_close_by_itself(equity: Decimal | None) -> None:
    decision = decide(make_goal("1", "-1"), make_situation("0.1", equity=equity))

    assert (orders(decision), decision.goal.after, decision.again) == (["sell 0.1"], 0, True)
    assert decision.numbers["class"] == "full_close"
    assert "proportional_because" not in decision.numbers


def test_legs_that_cancel_out_are_wanted_nowhere_whatever_their_margins() -> None:
    long, short = make_change("0", "1"), make_change("0", "-1", initial_margin=None)
    goal = make_goal("1", "0", change=short, contributions=(long, short))

    decision = decide(goal, make_situation("0.1"))

    assert (orders(decision), decision.target) == (["sell 0.1"], 0)
    assert "proportional_because" not in decision.numbers


def test_what_is_not_done_is_not_done_about_the_goal_that_was_asked() -> None:
    same = make_goal("1", "1")

    unmoved = decide(same, make_situation("0.1"))
    unlisted = decide(BY_MASTER, make_situation("0.1", instrument=None))

    assert (unmoved.goal, unmoved.reason) == (same, Reason.NOTHING_TO_DO)
    assert (unlisted.goal, unlisted.reason) == (BY_MASTER, Reason.SYMBOL_NOT_LISTED)
