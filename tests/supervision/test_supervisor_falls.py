"""Whoever falls with another one is given less time: the others wait for its next life."""

import pytest
import trio
from trio.testing import MockClock

from supervision.events import AccountQuarantined
from supervision.restarts import Intensity
from supervision.supervisor import ChildSpec, Exhausted, Strategy, SupervisorSpec
from tests.supervision.trees import Diary, group, puppet, running, sleeping

WORK_S, LONG_S, FALL_S = 10.0, 30.0, 0.25
ONE_CRASH = Intensity(max_failures=1, period_s=60)


@pytest.fixture
def diary() -> Diary:
    return Diary()


def slow(name: str, diary: Diary) -> ChildSpec:
    return puppet(name, diary, shutdown_s=LONG_S, fall_s=FALL_S)


def account(name: str, diary: Diary) -> SupervisorSpec:
    return group(f"account:{name}", slow(name, diary), on_exhausted=Exhausted.QUARANTINE)


async def test_a_child_of_a_group_that_falls_does_not_hold_up_the_first(
    autojump_clock: MockClock, diary: Diary
) -> None:
    followers = group("followers", account("x", diary), account("y", diary))
    tree = group("root", puppet("ledger", diary), followers, strategy=Strategy.REST_FOR_ONE)

    async with running(tree, diary) as supervisor:
        supervisor.address("x").tell(sleeping(WORK_S))
        await trio.sleep(1)
        supervisor.address("ledger").tell(ValueError("bug"))
        await trio.sleep(FALL_S + 0.1)

        assert await supervisor.address("y").ask(1) == ("y", 2, 1)
        assert await supervisor.address("x").ask(1) == ("x", 2, 1)


async def test_siblings_of_one_that_was_too_much_fall_with_it(
    autojump_clock: MockClock, diary: Diary
) -> None:
    inner = group("inner", slow("x", diary), puppet("bad", diary), intensity=ONE_CRASH)

    async with running(group("root", inner), diary) as supervisor:
        supervisor.address("x").tell(sleeping(WORK_S))
        await trio.sleep(1)
        supervisor.address("bad").tell(ValueError("bug"))
        await trio.sleep(FALL_S + 0.5)

        assert await supervisor.address("x").ask(1) == ("x", 2, 1)


async def test_what_goes_into_quarantine_may_finish_first(autojump_clock: MockClock, diary: Diary) -> None:
    """Its next life is a minute away."""
    inner = group(
        "account:x",
        slow("x", diary),
        puppet("bad", diary),
        intensity=ONE_CRASH,
        on_exhausted=Exhausted.QUARANTINE,
    )

    async with running(group("root", inner), diary) as supervisor:
        supervisor.address("x").tell(sleeping(WORK_S))
        await trio.sleep(1)
        supervisor.address("bad").tell(ValueError("bug"))
        await trio.sleep(WORK_S)

        assert "stop x" in diary.lines
        assert diary.of(AccountQuarantined)


async def test_what_an_operator_restarts_may_finish_first(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(group("root", account("x", diary)), diary) as supervisor:
        supervisor.address("x").tell(sleeping(WORK_S))
        await trio.sleep(1)
        await supervisor.restart("account:x")

        assert trio.current_time() == pytest.approx(diary.times("stop x")[0])
        assert await supervisor.address("x").ask(1) == ("x", 2, 1)
