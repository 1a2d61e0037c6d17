"""Budgets: never more than the venue grants, and reductions never behind the rest."""

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from exchanges.errors import RateLimited
from exchanges.hyperliquid.limits import (
    ACTIONS_KEPT,
    KEPT_FOR,
    SOCKETS_PER_MINUTE,
    SOCKETS_RESERVED,
    WEIGHT_BURST,
    WEIGHT_PER_S,
    ActionBudget,
    AddressLimits,
    StreamSlots,
    WeightBucket,
    WeightGate,
)
from exchanges.pacing import Urgency

VENUES_WEIGHT_PER_MINUTE = 1_200

requests = st.lists(
    st.tuples(st.floats(0, 5), st.sampled_from([1, 2, 20, 24, 60]), st.sampled_from(list(Urgency))),
    max_size=150,
)


@settings(deadline=None, max_examples=60)
@given(requests)
def test_no_minute_ever_takes_more_than_the_venue_grants(
    wanted: list[tuple[float, int, Urgency]],
) -> None:
    bucket, now = WeightBucket(), 1_000.0
    sent: list[tuple[float, int]] = []
    for pause_s, weight, urgency in wanted:
        now += pause_s
        now += bucket.wait_s(now, weight, urgency) + 1e-6
        assert bucket.wait_s(now, weight, urgency) == pytest.approx(0, abs=1e-6)
        bucket.take(now, weight)
        sent.append((now, weight))

    for moment, _ in sent:
        minute = sum(weight for at, weight in sent if moment <= at < moment + 60)
        assert minute <= VENUES_WEIGHT_PER_MINUTE


def test_reads_leave_room_for_orders_and_openings_leave_room_for_reductions() -> None:
    bucket = WeightBucket()
    for urgency in (Urgency.READ, Urgency.OPEN, Urgency.REDUCE):
        while not bucket.wait_s(0.0, 1, urgency):
            bucket.take(0.0, 1)
        assert bucket.wait_s(0.0, 1, urgency) <= 1 / WEIGHT_PER_S
        left = WEIGHT_BURST if urgency is Urgency.READ else KEPT_FOR[Urgency.READ]
        assert left > KEPT_FOR[urgency]

    assert bucket.wait_s(0.0, 1, Urgency.REDUCE) > 0


async def test_a_reduction_overtakes_reads_that_wait(autojump_clock: MockClock) -> None:
    gate, passed = WeightGate(), []
    for _ in range(3):
        await gate.pass_through(50, Urgency.READ, patience_s=1)

    async def ask(name: str, weight: int, urgency: Urgency) -> None:
        await gate.pass_through(weight, urgency, patience_s=600)
        passed.append(name)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(ask, f"read {number}", 60, Urgency.READ)
            await trio.sleep(0.01)
        nursery.start_soon(ask, "opening", 1, Urgency.OPEN)
        nursery.start_soon(ask, "reduction", 1, Urgency.REDUCE)

    assert passed[:2] in (["opening", "reduction"], ["reduction", "opening"])
    assert passed[2:] == ["read 0", "read 1", "read 2"]


async def test_who_loses_patience_was_not_counted(autojump_clock: MockClock) -> None:
    gate = WeightGate()
    gate.bucket.take(trio.current_time(), int(WEIGHT_BURST))

    with pytest.raises(RateLimited) as refused:
        await gate.pass_through(20, Urgency.REDUCE, patience_s=0.5)

    assert refused.value.retry_after_s == pytest.approx((20 - 0.5 * WEIGHT_PER_S) / WEIGHT_PER_S)
    await trio.sleep(refused.value.retry_after_s)
    assert gate.bucket.wait_s(trio.current_time(), 20, Urgency.REDUCE) == pytest.approx(0)


async def test_waits_end_although_a_moment_is_too_short_for_the_clock(autojump_clock: MockClock) -> None:
    gate = WeightGate()
    autojump_clock.jump(196_808.123457)  # so late that the smallest step of a float is far above zero
    for _ in range(2_000):
        await gate.pass_through(1, Urgency.REDUCE, patience_s=600)

    assert trio.current_time() < 196_808.2 + (2_000 - WEIGHT_BURST) / WEIGHT_PER_S


async def test_a_cancelled_waiter_lets_the_next_one_pass(autojump_clock: MockClock) -> None:
    gate, passed = WeightGate(), []
    gate.bucket.take(trio.current_time(), int(WEIGHT_BURST))

    async def ask(weight: int) -> None:
        await gate.pass_through(weight, Urgency.OPEN, patience_s=600)
        passed.append(weight)

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            scope.cancel()
            await ask(60)
        nursery.start_soon(ask, 1)

    assert passed == [1]
    assert trio.current_time() < 5


async def test_after_429_everything_waits(autojump_clock: MockClock) -> None:
    limits = AddressLimits(paced=True)
    limits.refused(10.0)

    with pytest.raises(RateLimited):
        await limits.pass_weight(1, Urgency.REDUCE, patience_s=2)
    await limits.pass_weight(1, Urgency.REDUCE, patience_s=9)

    assert trio.current_time() >= 10


async def test_an_unpaced_venue_lets_everything_pass(autojump_clock: MockClock) -> None:
    limits = AddressLimits(paced=False)
    for _ in range(5_000):
        await limits.pass_weight(60, Urgency.READ, patience_s=0)
        assert limits.take_post()
        assert limits.take_socket(Urgency.READ)


async def test_new_sockets_are_counted_and_some_are_kept(autojump_clock: MockClock) -> None:
    limits = AddressLimits(paced=True)

    opened = sum(limits.take_socket(Urgency.OPEN) for _ in range(100))

    assert opened == SOCKETS_PER_MINUTE - SOCKETS_RESERVED
    assert limits.take_socket(Urgency.REDUCE)
    await limits.wait_for_socket(Urgency.OPEN)
    assert trio.current_time() >= 60


def test_slots_are_given_once_a_user_and_come_back() -> None:
    slots = StreamSlots(2)

    taken = [slots.take(user) for user in ("a", "a", "b", "c")]
    slots.give_back("a")

    assert taken == [True, False, True, False]
    assert slots.take("c")


def test_the_venues_word_on_slots_holds() -> None:
    slots = StreamSlots(6)
    slots.take("a")
    slots.take("b")
    slots.learn_full()
    slots.give_back("b")

    assert not slots.take("b")  # "a" is watched, and that was all


def test_an_account_that_nobody_asked_about_may_act() -> None:
    budget = ActionBudget()
    for urgency in Urgency:
        budget.check(0.0, urgency)
    budget.count()
    assert budget.left is None


def test_the_last_actions_are_kept_for_reductions() -> None:
    budget = ActionBudget()
    budget.learn(10_000, 10_000 - ACTIONS_KEPT)

    budget.check(0.0, Urgency.OPEN)
    budget.count()
    with pytest.raises(RateLimited):
        budget.check(0.0, Urgency.OPEN)
    budget.check(0.0, Urgency.REDUCE)
    budget.count(50)
    budget.check(0.0, Urgency.OPEN)


def test_a_spent_account_reduces_once_in_ten_seconds() -> None:
    budget = ActionBudget()
    budget.refused(100.0)

    with pytest.raises(RateLimited) as refused:
        budget.check(103.0, Urgency.REDUCE)
    budget.check(110.0, Urgency.REDUCE)

    assert refused.value.retry_after_s == 7.0
