"""A tree from outside: start, stop, addresses, children that come and go, and what ends it all."""

from typing import Any

import pytest
import trio
from pykka import ActorDeadError, ActorRegistry
from trio.testing import MockClock

from actors.runtime import TrioActor
from supervision.restarts import Intensity
from supervision.supervisor import (
    ChildSpec,
    Restart,
    State,
    Strategy,
    Supervisor,
    SupervisorExhausted,
    UnknownName,
)
from tests.supervision.trees import (
    Diary,
    Fatal,
    Trouble,
    group,
    make_supervisor,
    puppet,
    running,
    settle,
    sleeping,
)


@pytest.fixture
def diary() -> Diary:
    return Diary()


def three(diary: Diary, **changes: Any) -> list[ChildSpec]:
    return [puppet(name, diary, **changes) for name in "abc"]


async def test_it_starts_top_down_and_stops_bottom_up(autojump_clock: MockClock, diary: Diary) -> None:
    a, b, c = three(diary)
    spec = group("root", a, group("inner", b), c, strategy=Strategy.REST_FOR_ONE)

    async with running(spec, diary):
        assert diary.lines == ["start a", "start b", "start c"]
        diary.clear()

    assert diary.lines == ["stop c", "stop b", "stop a"]
    assert diary.topics() == ["actor.stopped c", "actor.stopped b", "actor.stopped a"]


async def test_run_says_that_it_started_only_when_all_have(
    autojump_clock: MockClock, diary: Diary, nursery: trio.Nursery
) -> None:
    diary.slow_starts["b"] = 3.0
    supervisor = make_supervisor(group("root", *three(diary), strategy=Strategy.REST_FOR_ONE), diary)

    await nursery.start(supervisor.run)

    assert trio.current_time() == pytest.approx(3.0)
    assert diary.lines == ["start a", "start b", "start c"]
    await supervisor.stop()


async def test_an_address_is_valid_before_the_tree_runs_and_its_messages_wait(
    autojump_clock: MockClock, diary: Diary, nursery: trio.Nursery
) -> None:
    supervisor = make_supervisor(group("root", *three(diary)), diary)
    answer = supervisor.address("b").ask_nowait("early")

    await nursery.start(supervisor.run)

    assert await answer == ("b", 1, "early")
    await supervisor.stop()


async def test_an_address_outlives_a_crash_and_its_messages_wait(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(group("root", *three(diary)), diary) as supervisor:
        address = supervisor.address("a")
        address.tell(ValueError("bug"))
        address.tell("kept")
        question = address.ask_nowait("asked before the crash")
        await settle()

        with pytest.raises(ActorDeadError):
            await question
        assert await address.ask("hello") == ("a", 2, "hello")
        assert supervisor.describe().find("a").mailbox_depth == 0  # type: ignore[union-attr]


async def test_unknown_and_doubled_names_are_refused(autojump_clock: MockClock, diary: Diary) -> None:
    supervisor = make_supervisor(group("root", *three(diary)), diary)

    with pytest.raises(UnknownName, match="nobody"):
        supervisor.address("nobody")
    with pytest.raises(UnknownName):
        supervisor.address("root")
    with pytest.raises(ValueError, match="more than one in the tree: a"):
        make_supervisor(group("root", puppet("a", diary), puppet("a", diary)), diary)


async def test_stopping_leaves_nothing_behind(
    autojump_clock: MockClock, diary: Diary, nursery: trio.Nursery
) -> None:
    before = len(nursery.child_tasks)
    supervisor = make_supervisor(group("root", *three(diary), group("inner", puppet("d", diary))), diary)
    await nursery.start(supervisor.run)
    address = supervisor.address("a")
    address.tell(lambda actor: _spawn_for_ever(actor))
    await settle()
    assert len(ActorRegistry.get_all()) == 4

    await supervisor.stop()
    await settle()

    assert len(nursery.child_tasks) == before
    assert ActorRegistry.get_all() == []
    with pytest.raises(ActorDeadError, match="a is stopped"):
        address.tell("too late")
    with pytest.raises(ActorDeadError):
        await address.ask("too late")


async def _spawn_for_ever(actor: Any) -> None:
    actor.nursery.start_soon(trio.sleep_forever)


async def test_the_mailboxes_of_stopped_siblings_take_messages_until_all_is_over(
    autojump_clock: MockClock, diary: Diary
) -> None:
    """A follower that drains may still tell Pairing, which is stopped already, that it is ready."""
    a, b, _ = three(diary)

    async with running(group("root", a, b, strategy=Strategy.REST_FOR_ONE), diary) as supervisor:
        told: list[str] = []

        async def tell_b_while_it_stops(actor: Any) -> None:
            await trio.sleep(1)
            supervisor.address("b").tell("ready")
            told.append("told")

        supervisor.address("a").tell(tell_b_while_it_stops)
        await settle()

    assert told == ["told"]
    assert diary.topics("actor.crashed") == []


async def test_each_child_has_its_own_grace(autojump_clock: MockClock, diary: Diary) -> None:
    quick, slow = puppet("quick", diary, shutdown_s=0), puppet("slow", diary, shutdown_s=8)

    async with running(group("root", quick, slow), diary) as supervisor:
        supervisor.address("quick").tell(sleeping(100))
        supervisor.address("slow").tell(sleeping(100))
        await settle()
        began = trio.current_time()

    assert trio.current_time() - began == pytest.approx(8)
    cut_short = {event.name: event.cut_short for event in diary.events if event.topic == "actor.stopped"}
    assert cut_short == {"quick": True, "slow": True}
    assert "stop slow" not in diary.lines


async def test_children_of_one_for_one_stop_side_by_side(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(group("root", *three(diary)), diary) as supervisor:
        for name in "abc":
            supervisor.address(name).tell(sleeping(4))
        await settle()
        began = trio.current_time()

    assert trio.current_time() - began == pytest.approx(4)
    assert sorted(diary.lines[3:]) == ["stop a", "stop b", "stop c"]


async def test_it_can_be_stopped_before_it_has_started(
    autojump_clock: MockClock, diary: Diary, nursery: trio.Nursery
) -> None:
    diary.fail_starts["a"] = [Trouble()] * 1000
    supervisor = make_supervisor(group("root", *three(diary), strategy=Strategy.REST_FOR_ONE), diary)
    over = trio.Event()

    async def run() -> None:
        await nursery.start(supervisor.run)
        over.set()

    nursery.start_soon(run)
    await trio.sleep(20)
    assert not over.is_set()
    await supervisor.stop()
    await settle()

    assert over.is_set()
    assert "start b" not in diary.lines


async def test_stopping_what_never_ran_or_is_over_returns(
    autojump_clock: MockClock, diary: Diary, nursery: trio.Nursery
) -> None:
    supervisor = make_supervisor(group("root", *three(diary)), diary)
    await supervisor.stop()
    await supervisor.run()
    await supervisor.stop()
    assert diary.lines == []

    with pytest.raises(RuntimeError, match="runs once"):
        await supervisor.run()


async def test_cancelling_it_ends_it_at_once(autojump_clock: MockClock, diary: Diary) -> None:
    supervisor = make_supervisor(group("root", *three(diary)), diary)

    with trio.move_on_after(5):
        await supervisor.run()

    assert trio.current_time() == pytest.approx(5)
    assert ActorRegistry.get_all() == []
    with pytest.raises(ActorDeadError):
        supervisor.address("a").tell("late")
    await supervisor.stop()


# Children at run time


async def test_a_child_can_be_added_and_removed(autojump_clock: MockClock, diary: Diary) -> None:
    spec = group("root", group("followers"), puppet("z", diary), strategy=Strategy.REST_FOR_ONE)

    async with running(spec, diary) as supervisor:
        new = group("account:x", puppet("x", diary), strategy=Strategy.REST_FOR_ONE)
        await supervisor.start_child("followers", new)
        address = supervisor.address("x")
        assert await address.ask(1) == ("x", 1, 1)

        await supervisor.stop_child("account:x")

        assert diary.lines == ["start z", "start x", "stop x"]
        with pytest.raises(ActorDeadError, match="removed"):
            address.tell(1)
        with pytest.raises(UnknownName):
            supervisor.address("x")
        await supervisor.start_child("followers", new)
        assert await supervisor.address("x").ask(2) == ("x", 1, 2)


async def test_an_added_child_has_its_address_while_it_starts(
    autojump_clock: MockClock, diary: Diary
) -> None:
    seen: list[Any] = []

    class Looking(TrioActor):
        async def on_start(self) -> None:
            seen.append(supervisor.address("looking"))

    async with running(group("followers"), diary) as supervisor:
        await supervisor.start_child("followers", ChildSpec(name="looking", make=Looking))

    assert len(seen) == 1


async def test_a_child_that_cannot_start_is_added_all_the_same(
    autojump_clock: MockClock, diary: Diary
) -> None:
    diary.fail_starts["x"] = [Trouble("keys refused")] * 3

    async with running(group("followers"), diary) as supervisor:
        began = trio.current_time()
        await supervisor.start_child("followers", puppet("x", diary))
        assert trio.current_time() - began < 1

        await trio.sleep(5)
        assert await supervisor.address("x").ask(1) == ("x", 4, 1)


async def test_children_that_depend_on_one_another_cannot_come_and_go(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(group("root", *three(diary), strategy=Strategy.REST_FOR_ONE), diary) as supervisor:
        with pytest.raises(ValueError, match="depend on one another"):
            await supervisor.start_child("root", puppet("x", diary))
        with pytest.raises(ValueError, match="depend on one another"):
            await supervisor.stop_child("b")
        with pytest.raises(ValueError, match="is the root"):
            await supervisor.stop_child("root")
        with pytest.raises(UnknownName):
            await supervisor.start_child("a", puppet("x", diary))
        assert await supervisor.address("b").ask(1) == ("b", 1, 1)


async def test_a_name_that_is_taken_is_refused_and_changes_nothing(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(group("root", *three(diary)), diary) as supervisor:
        with pytest.raises(ValueError, match="more than one in the tree: a"):
            await supervisor.start_child("root", group("new", puppet("a", diary)))

        assert await supervisor.address("a").ask(1) == ("a", 1, 1)
        with pytest.raises(UnknownName):
            await supervisor.restart("new")


async def test_an_added_child_comes_back_when_its_supervisor_is_restarted(
    autojump_clock: MockClock, diary: Diary
) -> None:
    followers = group("followers", puppet("x", diary), intensity=Intensity(max_failures=1, period_s=60))

    async with running(group("root", followers), diary) as supervisor:
        await supervisor.start_child("followers", puppet("y", diary))
        diary.clear()
        supervisor.address("x").tell(ValueError("bug"))
        await trio.sleep(1)

        assert diary.lines[:2] == ["crash x", "stop y"]
        assert sorted(diary.lines[2:]) == ["start x", "start y"]


# What ends everything


async def test_an_exhausted_root_ends_with_the_last_failure_as_cause(
    autojump_clock: MockClock, diary: Diary, nursery: trio.Nursery
) -> None:
    spec = group("root", *three(diary), intensity=Intensity(max_failures=3, period_s=60))
    supervisor = make_supervisor(spec, diary)
    ended: list[Exception] = []

    async def run() -> None:
        try:
            await supervisor.run()
        except SupervisorExhausted as error:
            ended.append(error)

    nursery.start_soon(run)
    await settle()
    for number in range(3):
        supervisor.address("a").tell(ValueError(f"bug {number}"))
        await trio.sleep(1)

    assert str(ended[0]) == "root: ValueError: bug 2"
    assert isinstance(ended[0].__cause__, ValueError)
    assert sorted(diary.lines[-2:]) == ["stop b", "stop c"]
    [event] = [event for event in diary.events if event.topic == "supervisor.exhausted"]
    assert (event.failures, event.quarantined, event.error) == (3, False, "ValueError: bug 2")


async def test_a_fatal_error_ends_the_tree_at_once_and_is_raised_as_itself(
    autojump_clock: MockClock, diary: Diary, nursery: trio.Nursery
) -> None:
    a, b, _ = three(diary)
    supervisor = make_supervisor(group("root", group("inner", a), b), diary)
    ended: list[Exception] = []
    fatal = Fatal("another engine has the ledger")

    async def run() -> None:
        try:
            await supervisor.run()
        except Fatal as error:
            ended.append(error)

    nursery.start_soon(run)
    await settle()
    supervisor.address("b").tell(sleeping(1000))
    supervisor.address("a").tell(fatal)
    await settle()

    assert ended == [fatal]
    assert trio.current_time() == 0
    assert ActorRegistry.get_all() == []


async def test_a_fatal_leaf_in_a_group_counts(autojump_clock: MockClock, diary: Diary) -> None:
    diary.fail_starts["a"] = [ExceptionGroup("both", [Trouble(), ExceptionGroup("", [Fatal("taken")])])]
    supervisor = make_supervisor(group("root", *three(diary), strategy=Strategy.REST_FOR_ONE), diary)

    with pytest.raises(Fatal, match="taken"):
        await supervisor.run()
    assert diary.lines == ["fail a", "crash a"]


async def test_a_report_that_raises_harms_nobody(
    autojump_clock: MockClock, diary: Diary, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    def report(event: object) -> None:
        raise RuntimeError("the log is full")

    supervisor = Supervisor(group("root", *three(diary)), report=report)
    await nursery.start(supervisor.run)
    supervisor.address("a").tell(ValueError("bug"))
    await settle()

    assert await supervisor.address("a").ask(1) == ("a", 2, 1)
    await supervisor.stop()


# The operator


async def test_a_restart_by_the_operator_spends_no_window(autojump_clock: MockClock, diary: Diary) -> None:
    spec = group(
        "root",
        *three(diary),
        strategy=Strategy.REST_FOR_ONE,
        intensity=Intensity(max_failures=2, period_s=60),
    )

    async with running(spec, diary) as supervisor:
        for _ in range(5):
            diary.clear()
            await supervisor.restart("b")
            await settle()
            assert diary.lines == ["stop b", "stop c", "start b", "start c"]
        assert diary.topics("actor.crashed") == []
        assert await supervisor.address("b").ask(1) == ("b", 6, 1)


async def test_a_restart_by_the_operator_ends_a_backoff(autojump_clock: MockClock, diary: Diary) -> None:
    diary.fail_starts["a"] = [Trouble()] * 1000

    async with running(group("root", *three(diary)), diary) as supervisor:
        await trio.sleep(200)
        node = supervisor.describe().find("a")
        assert node is not None
        assert node.state is State.BACKOFF
        assert node.next_start_s is not None
        diary.fail_starts.clear()
        before = trio.current_time()

        await supervisor.restart("a")

        assert trio.current_time() == before
        assert diary.times("start a") == [before]


async def test_a_whole_group_can_be_restarted(autojump_clock: MockClock, diary: Diary) -> None:
    a, b, c = three(diary)

    async with running(group("root", group("inner", a, b), c), diary) as supervisor:
        diary.clear()
        await supervisor.restart("inner")

        assert sorted(diary.lines) == ["start a", "start b", "stop a", "stop b"]
        with pytest.raises(ValueError, match="root cannot be restarted"):
            await supervisor.restart("root")
        with pytest.raises(UnknownName):
            await supervisor.restart("nobody")


async def test_an_ended_child_can_be_restarted_by_the_operator(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(group("root", puppet("a", diary, restart=Restart.TEMPORARY)), diary) as supervisor:
        supervisor.address("a").tell(ValueError("bug"))
        await settle()
        with pytest.raises(ActorDeadError, match="ended"):
            supervisor.address("a").tell(1)

        await supervisor.restart("a")

        assert await supervisor.address("a").ask(1) == ("a", 2, 1)


async def test_the_description_is_the_tree(autojump_clock: MockClock, diary: Diary) -> None:
    a, b, c = three(diary)
    spec = group("root", a, group("inner", b, c), strategy=Strategy.REST_FOR_ONE)

    async with running(spec, diary) as supervisor:
        supervisor.address("c").tell(ValueError("bug"))
        await trio.sleep(7)
        supervisor.address("a").tell(sleeping(10))
        supervisor.address("a").tell("waits")
        await trio.sleep(2)

        root = supervisor.describe()

    assert (root.kind, root.strategy, root.state) == ("supervisor", "rest_for_one", State.RUNNING)
    busy, inner = root.children
    assert (busy.kind, busy.heartbeat_age_s, busy.mailbox_depth) == ("actor", pytest.approx(2), 1)
    crashed = inner.children[1]
    assert (crashed.name, crashed.restarts, crashed.generation) == ("c", 1, 2)
    assert (crashed.last_crash, crashed.last_crash_age_s) == ("ValueError: bug", pytest.approx(9))
    assert crashed.heartbeat_age_s == 0
