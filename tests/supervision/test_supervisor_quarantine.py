"""One account that keeps crashing is put aside; its siblings do not notice."""

import pytest
import trio
from pykka import ActorDeadError
from trio.testing import MockClock

from supervision.events import AccountQuarantined, AccountRecovered, ActorHung, SupervisorExhausted
from supervision.restarts import Intensity
from supervision.supervisor import Exhausted, State, Strategy, Supervisor, SupervisorSpec
from supervision.tree import FOLLOWER_INTENSITY
from tests.supervision.trees import Diary, Trouble, group, puppet, running, settle, sleeping


@pytest.fixture
def diary() -> Diary:
    return Diary()


def account(name: str, diary: Diary) -> SupervisorSpec:
    return group(
        f"account:{name}",
        puppet(f"stream:{name}", diary),
        puppet(name, diary),
        strategy=Strategy.REST_FOR_ONE,
        intensity=FOLLOWER_INTENSITY,
        on_exhausted=Exhausted.QUARANTINE,
    )


def tree(diary: Diary, *names: str) -> SupervisorSpec:
    followers = group(
        "followers",
        *(account(name, diary) for name in names),
        intensity=Intensity(max_failures=1, period_s=60),
    )
    return group("root", followers, puppet("pairing", diary), strategy=Strategy.REST_FOR_ONE)


def state_of(supervisor: Supervisor, name: str) -> State:
    node = supervisor.describe().find(name)
    assert node is not None
    return node.state


async def crash(supervisor: Supervisor, name: str, times: int = 5) -> None:
    for _ in range(times):
        supervisor.address(name).tell(ValueError("bug"))
        await trio.sleep(3)


async def test_five_crashes_in_a_minute_quarantine_it_alone(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(tree(diary, "x", "y"), diary) as supervisor:
        await crash(supervisor, "x", 4)
        assert state_of(supervisor, "account:x") is State.RUNNING
        await crash(supervisor, "x", 1)

        assert state_of(supervisor, "account:x") is State.QUARANTINED
        assert [event.name for event in diary.of(AccountQuarantined)] == ["account:x"]
        assert diary.of(SupervisorExhausted)[0].quarantined
        with pytest.raises(ActorDeadError, match="x is quarantined"):
            supervisor.address("x").tell("a change")
        with pytest.raises(ActorDeadError):
            await supervisor.address("stream:x").ask("anything")
        assert await supervisor.address("y").ask(1) == ("y", 1, 1)
        assert await supervisor.address("pairing").ask(1) == ("pairing", 1, 1)


async def hang(supervisor: Supervisor, name: str, times: int, well_s: float = 1.0) -> None:
    for _ in range(times):
        supervisor.address(name).tell(sleeping(1e6))
        await trio.sleep(20 + well_s)


async def test_one_that_hangs_in_every_life_is_quarantined(autojump_clock: MockClock, diary: Diary) -> None:
    """It was restarted for ever: each hang takes 15 to 20 s to be noticed, so 60 s never held five."""
    async with running(tree(diary, "x", "y"), diary) as supervisor:
        await hang(supervisor, "x", 4)
        assert state_of(supervisor, "account:x") is State.RUNNING
        await hang(supervisor, "x", 1)

        assert state_of(supervisor, "account:x") is State.QUARANTINED
        assert len(diary.of(ActorHung)) == 5
        assert [event.name for event in diary.of(AccountQuarantined)] == ["account:x"]
        assert await supervisor.address("y").ask(1) == ("y", 1, 1)


async def test_crashes_and_hangs_count_together(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        await crash(supervisor, "x", 1)
        await hang(supervisor, "stream:x", 3)
        assert state_of(supervisor, "account:x") is State.RUNNING
        await crash(supervisor, "x", 1)

        assert state_of(supervisor, "account:x") is State.QUARANTINED


async def test_hangs_with_health_between_them_do_not_quarantine(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        await hang(supervisor, "x", 10, well_s=20.0)

        assert len(diary.of(ActorHung)) == 10
        assert diary.of(AccountQuarantined) == []


async def test_expected_trouble_does_not_quarantine(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        for _ in range(30):
            supervisor.address("stream:x").tell(Trouble("socket lost"))
            await trio.sleep(1)

        assert diary.of(AccountQuarantined) == []


async def test_the_slow_retry_comes_after_a_minute_with_empty_mailboxes(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        address = supervisor.address("x")
        for _ in range(4):
            await crash(supervisor, "x", 1)
        address.tell(ValueError("the fifth"))
        address.tell("a state that is dropped")
        await settle()
        due = supervisor.describe().find("account:x")
        assert due is not None
        assert due.next_start_s == pytest.approx(60)
        await trio.sleep(59)
        assert state_of(supervisor, "account:x") is State.QUARANTINED
        await trio.sleep(2)

        assert state_of(supervisor, "account:x") is State.PROBATION
        generation = 6
        assert await address.ask(1) == ("x", generation, 1)


async def test_a_failed_retry_goes_back_without_another_alert(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        await crash(supervisor, "x")
        for _ in range(3):
            await trio.sleep(60)
            assert state_of(supervisor, "account:x") is State.PROBATION
            await crash(supervisor, "x", 1)
            assert state_of(supervisor, "account:x") is State.QUARANTINED

    assert len(diary.of(AccountQuarantined)) == 1
    assert diary.of(AccountRecovered) == []


async def test_a_retry_that_holds_for_a_minute_ends_the_quarantine(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        await crash(supervisor, "x")
        await trio.sleep(60)
        assert diary.of(AccountRecovered) == []
        await trio.sleep(60)

        assert diary.of(AccountRecovered) == [AccountRecovered(name="account:x", by_operator=False)]
        assert state_of(supervisor, "account:x") is State.RUNNING
        await crash(supervisor, "x", 4)
        assert state_of(supervisor, "account:x") is State.RUNNING


@pytest.mark.parametrize("name", ["account:x", "x", "stream:x"])
async def test_the_operator_revives_it_at_once_with_a_whole_window(
    autojump_clock: MockClock, diary: Diary, name: str
) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        await crash(supervisor, "x")
        began = trio.current_time()

        await supervisor.revive(name)
        await settle()

        assert trio.current_time() == began
        assert state_of(supervisor, "account:x") is State.RUNNING
        assert diary.of(AccountRecovered) == [AccountRecovered(name="account:x", by_operator=True)]
        await crash(supervisor, "x", 4)
        assert state_of(supervisor, "account:x") is State.RUNNING


async def test_a_restart_by_the_operator_revives_too(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        await crash(supervisor, "x")
        await supervisor.restart("x")
        await settle()

        assert state_of(supervisor, "x") is State.RUNNING


async def test_a_restart_on_probation_ends_it(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        await crash(supervisor, "x")
        await trio.sleep(60)
        assert state_of(supervisor, "account:x") is State.PROBATION
        await supervisor.restart("x")
        assert state_of(supervisor, "account:x") is State.PROBATION  # it is the group that is on trial

        await supervisor.restart("account:x")

        assert state_of(supervisor, "account:x") is State.RUNNING
        assert diary.of(AccountRecovered) == [AccountRecovered(name="account:x", by_operator=True)]
        await crash(supervisor, "x", 4)
        assert state_of(supervisor, "account:x") is State.RUNNING


async def test_an_account_that_is_restarted_with_all_others_is_told_to_have_recovered(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        await crash(supervisor, "x")
        await supervisor.restart("followers")
        assert state_of(supervisor, "account:x") is State.PROBATION
        await trio.sleep(61)

        assert diary.of(AccountRecovered) == [AccountRecovered(name="account:x", by_operator=False)]
        assert state_of(supervisor, "account:x") is State.RUNNING


async def test_reviving_the_healthy_is_refused(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        with pytest.raises(ValueError, match="x is not quarantined"):
            await supervisor.revive("x")


async def test_stopping_does_not_wait_for_a_quarantine(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(tree(diary, "x"), diary) as supervisor:
        await crash(supervisor, "x")
        began = trio.current_time()

    assert trio.current_time() == began


async def test_a_quarantined_account_can_be_removed(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(tree(diary, "x", "y"), diary) as supervisor:
        await crash(supervisor, "x")
        await supervisor.stop_child("account:x")

        assert supervisor.describe().find("account:x") is None
        assert await supervisor.address("y").ask(1) == ("y", 1, 1)


async def test_an_account_that_crashes_before_it_ever_ran_holds_nobody_up(
    autojump_clock: MockClock, diary: Diary
) -> None:
    diary.fail_starts["x"] = [ValueError("bug")] * 100

    async with running(tree(diary, "x"), diary) as supervisor:
        assert await supervisor.address("pairing").ask(1) == ("pairing", 1, 1)
        await trio.sleep(10)

        assert state_of(supervisor, "account:x") is State.QUARANTINED
        assert state_of(supervisor, "followers") is State.RUNNING


async def test_many_quarantined_at_once_escalate(autojump_clock: MockClock, diary: Diary) -> None:
    names = [f"f{number}" for number in range(8)]

    async with running(tree(diary, *names), diary) as supervisor:
        for name in names[:5]:
            for _ in range(5):
                supervisor.address(name).tell(ValueError("bug"))
        await trio.sleep(5)
        assert len(diary.of(AccountQuarantined)) == 5
        assert await supervisor.address("pairing").ask(1) == ("pairing", 1, 1)

        for _ in range(5):
            supervisor.address("f5").tell(ValueError("bug"))
        await trio.sleep(5)

        exhausted = [event for event in diary.of(SupervisorExhausted) if event.name == "followers"]
        assert "6 of 8 were quarantined" in exhausted[0].error
        assert await supervisor.address("pairing").ask(1) == ("pairing", 2, 1)
        assert state_of(supervisor, "f0") is State.RUNNING  # a new start for everybody


async def test_one_account_quarantined_again_and_again_does_not_escalate(
    autojump_clock: MockClock, diary: Diary
) -> None:
    """The sixth time that an operator had revived it too early restarted everybody."""
    async with running(tree(diary, "x", "y"), diary) as supervisor:
        for _ in range(12):
            for _ in range(5):
                supervisor.address("x").tell(ValueError("bug"))
            await trio.sleep(2)
            await supervisor.restart("x")
            await settle()

        assert len(diary.of(AccountQuarantined)) == 12
        assert await supervisor.address("y").ask(1) == ("y", 1, 1)


async def test_quarantines_spread_over_time_do_not_escalate(autojump_clock: MockClock, diary: Diary) -> None:
    names = [f"f{number}" for number in range(8)]

    async with running(tree(diary, *names), diary) as supervisor:
        for name in names:
            await crash(supervisor, name)  # 15 s each

        assert len(diary.of(AccountQuarantined)) == 8
        assert [event.name for event in diary.of(SupervisorExhausted) if event.name == "followers"] == []
        assert await supervisor.address("pairing").ask(1) == ("pairing", 1, 1)
