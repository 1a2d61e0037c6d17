"""Strategies, windows, backoff, expected trouble and hangs: who is restarted, when, and who is not."""

from typing import Any

import pytest
import trio
from pykka import ActorDeadError
from trio.testing import MockClock

from actors.runtime import ActorHung as Hung
from supervision.events import ActorCrashed, ActorHung, ActorRestarting
from supervision.restarts import Backoff, Intensity
from supervision.supervisor import ChildSpec, Restart, State, Strategy, Supervisor
from tests.supervision.trees import Diary, Trouble, group, puppet, running, settle, sleeping


@pytest.fixture
def diary() -> Diary:
    return Diary()


def state_of(supervisor: Supervisor, name: str) -> State:
    node = supervisor.describe().find(name)
    assert node is not None
    return node.state


@pytest.mark.parametrize(
    ("strategy", "lines"),
    [
        (Strategy.ONE_FOR_ONE, ["crash b", "start b"]),
        (Strategy.REST_FOR_ONE, ["crash b", "stop c", "start b", "start c"]),
        (Strategy.ONE_FOR_ALL, ["crash b", "stop c", "stop a", "start a", "start b", "start c"]),
    ],
)
async def test_who_is_restarted_with_whom(
    autojump_clock: MockClock, diary: Diary, strategy: Strategy, lines: list[str]
) -> None:
    spec = group("root", *(puppet(name, diary) for name in "abc"), strategy=strategy)

    async with running(spec, diary) as supervisor:
        diary.clear()
        supervisor.address("b").tell(ValueError("bug"))
        await settle()

        assert diary.lines == lines


@pytest.mark.parametrize(
    ("restart", "error", "comes_back"),
    [
        (Restart.PERMANENT, ValueError("bug"), True),
        (Restart.PERMANENT, None, True),
        (Restart.TRANSIENT, ValueError("bug"), True),
        (Restart.TRANSIENT, None, False),
        (Restart.TEMPORARY, ValueError("bug"), False),
        (Restart.TEMPORARY, None, False),
    ],
)
async def test_when_a_child_comes_back(
    autojump_clock: MockClock, diary: Diary, restart: Restart, error: Exception | None, comes_back: bool
) -> None:
    async def end_by_itself(actor: Any) -> None:
        actor.stop()

    async with running(group("root", puppet("a", diary, restart=restart)), diary) as supervisor:
        address = supervisor.address("a")
        address.tell(end_by_itself if error is None else error)
        await settle()

        assert (state_of(supervisor, "a") is State.RUNNING) is comes_back
        assert len(diary.times("start a")) == (2 if comes_back else 1)
        if not comes_back:
            with pytest.raises(ActorDeadError):
                address.tell("late")


async def test_a_temporary_child_that_ended_does_not_come_back_with_the_rest(
    autojump_clock: MockClock, diary: Diary
) -> None:
    children = [
        puppet("a", diary),
        puppet("temporary", diary, restart=Restart.TEMPORARY),
        puppet("transient", diary, restart=Restart.TRANSIENT),
    ]

    async def end_by_itself(actor: Any) -> None:
        actor.stop()

    async with running(group("root", *children, strategy=Strategy.REST_FOR_ONE), diary) as supervisor:
        for name in ("temporary", "transient"):
            supervisor.address(name).tell(end_by_itself)
        await settle()
        diary.clear()
        supervisor.address("a").tell(ValueError("bug"))
        await settle()

        assert diary.lines == ["crash a", "start a", "start transient"]


async def test_expected_trouble_is_retried_for_ever_with_backoff_and_spends_nothing(
    autojump_clock: MockClock, diary: Diary
) -> None:
    diary.fail_starts["a"] = [Trouble("away")] * 40
    spec = group("root", puppet("a", diary), intensity=Intensity(max_failures=3, period_s=1e6))

    async with running(spec, diary) as supervisor:
        await trio.sleep(2000)
        assert await supervisor.address("a").ask(1) == ("a", 41, 1)

    delays = [event.delay_s for event in diary.of(ActorRestarting)]
    assert delays[0] == 0
    assert 0.05 <= delays[1] <= 0.1
    assert 12.8 <= delays[9] <= 25.6
    assert all(15 <= delay <= 30 for delay in delays[10:])
    assert len(set(delays[10:])) > 20  # jitter
    crash = diary.of(ActorCrashed)[0]
    assert (crash.expected, crash.error, crash.trace) == (True, "Trouble: away", "")


async def test_every_leaf_of_a_group_has_to_be_expected(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(group("root", puppet("a", diary)), diary) as supervisor:
        supervisor.address("a").tell(ExceptionGroup("readers", [Trouble(), ExceptionGroup("", [Trouble()])]))
        await settle()
        supervisor.address("a").tell(ExceptionGroup("readers", [Trouble(), ValueError("bug")]))
        await settle()

    first, second = diary.of(ActorCrashed)
    assert first.expected
    assert not second.expected
    assert second.error == "Trouble: ; ValueError: bug"
    assert "ValueError: bug" in second.trace


async def test_an_hour_of_health_starts_the_backoff_anew(autojump_clock: MockClock, diary: Diary) -> None:
    child = puppet("a", diary, backoff=Backoff(base_s=10, cap_s=100, healthy_s=60))

    async with running(group("root", child), diary) as supervisor:
        for pause in (59, 59, 61, 1):
            supervisor.address("a").tell(Trouble())
            await settle()
            await trio.sleep(50)  # longer than any delay here
            await trio.sleep(pause)

    failures = [event.failures for event in diary.of(ActorRestarting)]
    assert failures == [1, 1, 1, 1]


async def test_crashes_in_a_row_count_until_it_has_been_healthy(
    autojump_clock: MockClock, diary: Diary
) -> None:
    child = puppet("a", diary, backoff=Backoff(base_s=1, cap_s=100, healthy_s=60))

    async with running(group("root", child), diary) as supervisor:
        for pause in (20, 20, 90, 20):
            supervisor.address("a").tell(Trouble())
            await trio.sleep(pause)

    assert [event.failures for event in diary.of(ActorRestarting)] == [1, 2, 3, 1]


async def test_unexpected_crashes_that_are_far_apart_never_exhaust(
    autojump_clock: MockClock, diary: Diary
) -> None:
    spec = group("root", puppet("a", diary), intensity=Intensity(max_failures=2, period_s=60))

    async with running(spec, diary) as supervisor:
        for _ in range(5):
            supervisor.address("a").tell(ValueError("bug"))
            await trio.sleep(61)

        assert await supervisor.address("a").ask(1) == ("a", 6, 1)
    assert diary.topics("supervisor") == []


async def test_escalation_restarts_the_group_and_the_parent_counts_one(
    autojump_clock: MockClock, diary: Diary
) -> None:
    inner = group(
        "inner", puppet("a", diary), puppet("b", diary), intensity=Intensity(max_failures=2, period_s=60)
    )
    spec = group("root", inner, puppet("z", diary), intensity=Intensity(max_failures=2, period_s=60))

    async with running(spec, diary) as supervisor:
        supervisor.address("a").tell(ValueError("one"))
        await settle()
        diary.clear()
        supervisor.address("a").tell(ValueError("two"))
        await trio.sleep(1)

        assert diary.lines[:2] == ["crash a", "stop b"]
        assert sorted(diary.lines[2:]) == ["start a", "start b"]
        assert diary.topics("supervisor") == ["supervisor.exhausted inner"]
        crashed = {event.name: event for event in diary.of(ActorCrashed)}
        assert crashed["inner"].error == "SupervisorExhausted: inner: ValueError: two"
        assert await supervisor.address("z").ask(1) == ("z", 1, 1)


async def test_those_after_a_failed_start_wait_for_it(autojump_clock: MockClock, diary: Diary) -> None:
    diary.fail_starts["b"] = [Trouble("ledger away")] * 5
    spec = group("root", *(puppet(name, diary) for name in "abc"), strategy=Strategy.REST_FOR_ONE)

    async with running(spec, diary) as supervisor:
        assert diary.lines == ["start a", *["fail b", "crash b"] * 5, "start b", "start c"]
        assert state_of(supervisor, "c") is State.RUNNING


async def test_siblings_in_one_for_one_do_not_wait_for_one_that_cannot_start(
    autojump_clock: MockClock, diary: Diary
) -> None:
    diary.fail_starts["a"] = [Trouble("venue away")] * 1000
    diary.fail_starts["stream:x"] = [Trouble("keys refused")] * 1000
    spec = group(
        "root",
        group("services", puppet("a", diary)),
        group(
            "followers",
            group("account:x", puppet("stream:x", diary), puppet("x", diary), strategy=Strategy.REST_FOR_ONE),
            group("account:y", puppet("y", diary), strategy=Strategy.REST_FOR_ONE),
        ),
        puppet("pairing", diary),
        strategy=Strategy.REST_FOR_ONE,
    )

    async with running(spec, diary) as supervisor:
        assert trio.current_time() < 1
        assert await supervisor.address("y").ask(1) == ("y", 1, 1)
        assert await supervisor.address("pairing").ask(1) == ("pairing", 1, 1)
        assert state_of(supervisor, "x") is State.WAITING


async def test_a_start_that_takes_for_ever_holds_up_the_rest_for_ten_seconds(
    autojump_clock: MockClock, diary: Diary
) -> None:
    diary.slow_starts["a"] = 1000.0
    spec = group(
        "root", group("services", puppet("a", diary)), puppet("b", diary), strategy=Strategy.REST_FOR_ONE
    )

    async with running(spec, diary) as supervisor:
        assert trio.current_time() == pytest.approx(10)
        assert await supervisor.address("b").ask(1) == ("b", 1, 1)


async def test_a_constructor_that_fails_is_a_failed_start(autojump_clock: MockClock, diary: Diary) -> None:
    tries = 0

    def make() -> Any:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Trouble("no keys")
        return puppet("a", diary).make()

    child = ChildSpec(name="a", make=make, expected=(Trouble,))
    async with running(group("root", child), diary) as supervisor:
        await trio.sleep(5)
        assert await supervisor.address("a").ask(1) == ("a", 3, 1)


async def test_the_delivered_poison_is_not_delivered_again(autojump_clock: MockClock, diary: Diary) -> None:
    spec = group("root", puppet("a", diary), intensity=Intensity(max_failures=2, period_s=60))

    async with running(spec, diary) as supervisor:
        supervisor.address("a").tell(ValueError("poison"))
        await trio.sleep(30)

        assert len(diary.of(ActorCrashed)) == 1


# Hangs


async def test_one_that_misses_three_beats_is_cancelled_and_restarted(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(group("root", puppet("a", diary), puppet("b", diary)), diary) as supervisor:
        await trio.sleep(1)
        supervisor.address("a").tell(sleeping(1000))
        await trio.sleep(14)
        assert diary.of(ActorHung) == []
        await trio.sleep(6)

        [hung] = diary.of(ActorHung)
        assert (hung.name, hung.generation) == ("a", 1)
        assert 15 <= hung.silent_s <= 20
        assert diary.of(ActorCrashed)[0].error.startswith(Hung.__name__)
        assert await supervisor.address("a").ask(1) == ("a", 2, 1)
        assert await supervisor.address("b").ask(1) == ("b", 1, 1)


async def test_idle_and_slowly_working_actors_are_not_hung(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(group("root", puppet("a", diary), puppet("b", diary)), diary) as supervisor:
        for _ in range(20):
            supervisor.address("a").tell(sleeping(9))
        await trio.sleep(300)

        assert diary.of(ActorHung) == []


async def test_a_hang_spends_the_window(autojump_clock: MockClock, diary: Diary) -> None:
    inner = group("inner", puppet("a", diary), intensity=Intensity(max_failures=1, period_s=60))

    async with running(group("root", inner), diary) as supervisor:
        supervisor.address("a").tell(sleeping(1000))
        await trio.sleep(25)

        assert diary.topics("supervisor") == ["supervisor.exhausted inner"]


async def test_a_start_that_hangs_is_given_up(autojump_clock: MockClock, diary: Diary) -> None:
    diary.slow_starts["a"] = 1000.0

    async with running(group("root", puppet("a", diary, start_s=30)), diary) as supervisor:
        await trio.sleep(18)
        assert diary.of(ActorHung) == []
        diary.slow_starts.clear()
        await trio.sleep(10)

        assert [event.name for event in diary.of(ActorHung)] == ["a"]
        assert await supervisor.address("a").ask(1) == ("a", 2, 1)


async def test_a_crash_while_stopping_is_told_and_stops_nothing(
    autojump_clock: MockClock, diary: Diary
) -> None:
    class Clumsy(type(puppet("x", diary).make())):  # type: ignore[misc]
        async def on_stop(self) -> None:
            raise ValueError("dropped it")

    child = ChildSpec(name="a", make=lambda: Clumsy("a", diary))

    async with running(group("root", child, puppet("b", diary)), diary):
        diary.clear()

    assert [event.error for event in diary.of(ActorCrashed)] == ["ValueError: dropped it"]
    assert "stop b" in diary.lines


async def test_a_delay_that_ends_while_an_earlier_sibling_starts_is_waited_out_quietly(
    autojump_clock: MockClock, diary: Diary
) -> None:
    spec = group("root", puppet("a", diary), puppet("b", diary), strategy=Strategy.ONE_FOR_ALL)

    async with running(spec, diary) as supervisor:
        diary.slow_starts["a"] = 20.0
        supervisor.address("b").tell(Trouble())
        await trio.sleep(10)  # b may start since long, and a is not up yet
        assert state_of(supervisor, "b") is State.WAITING
        await trio.sleep(15)

        assert state_of(supervisor, "b") is State.RUNNING


async def test_two_that_fail_at_once_are_both_told_and_counted(
    autojump_clock: MockClock, diary: Diary
) -> None:
    inner = group(
        "inner",
        puppet("a", diary),
        puppet("b", diary),
        strategy=Strategy.REST_FOR_ONE,
        intensity=Intensity(max_failures=2, period_s=60),
    )

    async with running(group("root", inner), diary) as supervisor:
        supervisor.address("a").tell(ValueError("bug"))
        supervisor.address("b").tell(ValueError("bug"))
        await settle()

        assert {event.name for event in diary.of(ActorCrashed)} == {"a", "b", "inner"}
        assert await supervisor.address("b").ask(1) == ("b", 2, 1)
