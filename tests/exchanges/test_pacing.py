"""Budgets count exactly; gates let the urgent pass first and equals in order."""

from collections.abc import Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from exchanges.errors import RateLimited
from exchanges.pacing import RECONNECT_S_MAX, Budget, Gate, Urgency, reconnect_delay_s


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.integers(1, 5), st.integers(0, 4))
def test_no_window_ever_holds_more_than_the_limit(steps: list[float], limit: int, reserve: int) -> None:
    budget = Budget(limit, 1.0, reserve=min(reserve, limit - 1))
    now, left = 0.0, []
    for i, step in enumerate(steps):
        now += step / 5
        urgency = Urgency.REDUCE if i % 2 else Urgency.OPEN
        now += budget.wait_s(now, urgency) + 1e-9
        assert budget.wait_s(now, urgency) == 0.0
        budget.take(now)
        left.append(now)

    for moment in left:
        assert len([t for t in left if moment - 1.0 < t <= moment]) <= limit


def test_openings_leave_the_reserve_to_reductions() -> None:
    budget = Budget(10, 1.0, reserve=3)
    for _ in range(7):
        assert budget.wait_s(0.0, Urgency.OPEN) == 0.0
        budget.take(0.0)

    assert budget.wait_s(0.0, Urgency.OPEN) == 1.0
    assert budget.wait_s(0.0, Urgency.REDUCE) == 0.0


def test_what_exits_have_to_know_leaves_some_of_the_reserve_to_the_exits() -> None:
    budget = Budget(10, 1.0, reserve=4)
    for _ in range(8):
        assert budget.wait_s(0.0, Urgency.EXIT_READ) == 0.0
        budget.take(0.0)

    assert budget.wait_s(0.0, Urgency.EXIT_READ) == 1.0
    assert budget.wait_s(0.0, Urgency.REDUCE) == 0.0


@pytest.fixture
def passed() -> list[str]:
    return []


def entering(gate: Gate, passed: list[str]) -> Callable[[Urgency, str, float], object]:
    async def enter(urgency: Urgency, name: str, patience_s: float = 60.0) -> None:
        await gate.pass_through(urgency, patience_s=patience_s)
        passed.append(name)

    return enter


async def test_a_reduction_overtakes_openings_and_equals_keep_their_order(
    autojump_clock: MockClock, passed: list[str]
) -> None:
    gate = Gate(Budget(1, 1.0))
    enter = entering(gate, passed)
    async with trio.open_nursery() as nursery:
        for name in ("open1", "open2", "open3"):
            nursery.start_soon(enter, Urgency.OPEN, name)
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(enter, Urgency.REDUCE, "reduce")

    assert passed == ["open1", "reduce", "open2", "open3"]
    assert trio.current_time() == pytest.approx(3.0)


async def test_who_gives_up_in_the_queue_holds_nobody_up(
    autojump_clock: MockClock, passed: list[str]
) -> None:
    gate = Gate(Budget(1, 1.0))
    enter = entering(gate, passed)
    await enter(Urgency.OPEN, "first")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(enter, Urgency.OPEN, "second")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RateLimited) as refused:
            await gate.pass_through(Urgency.OPEN, patience_s=0.5)

    assert refused.value.retry_after_s == pytest.approx(0.5)
    assert passed == ["first", "second"]
    assert trio.current_time() == pytest.approx(1.0)


async def test_a_cancelled_waiter_spends_nothing(autojump_clock: MockClock, passed: list[str]) -> None:
    gate = Gate(Budget(1, 1.0))
    enter = entering(gate, passed)
    await enter(Urgency.OPEN, "first")
    with trio.move_on_after(0.9):
        await enter(Urgency.REDUCE, "never")
    await enter(Urgency.OPEN, "second")

    assert passed == ["first", "second"]
    assert trio.current_time() == pytest.approx(1.0)


async def test_a_stop_holds_reductions_too(autojump_clock: MockClock, passed: list[str]) -> None:
    gate = Gate(Budget(5, 1.0))
    gate.budget.stop_until(trio.current_time() + 600)

    assert not gate.pass_nowait(Urgency.REDUCE)
    with pytest.raises(RateLimited) as refused:
        await gate.pass_through(Urgency.REDUCE, patience_s=2.0)
    assert refused.value.retry_after_s == pytest.approx(598)


def test_reconnects_begin_at_once_and_never_wait_longer_than_the_cap() -> None:
    delays = [reconnect_delay_s(n, 0.999) for n in range(1, 40)]

    assert delays[0] == 0.0
    assert 0.1 < delays[1] < 0.4
    assert delays == sorted(delays)
    assert delays[-1] <= RECONNECT_S_MAX
    assert reconnect_delay_s(10_000, 0.0) == RECONNECT_S_MAX / 2


def test_a_budget_tells_how_much_of_it_is_taken() -> None:
    budget = Budget(4, 10.0)
    for moment in (1.0, 2.0, 9.0):
        budget.take(moment)

    assert [budget.used_ratio(now) for now in (9.0, 11.5, 30.0)] == [0.75, 0.5, 0.0]
