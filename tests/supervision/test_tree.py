"""The engine's tree as data: who comes before whom, and what happens when one gives up."""

import re
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.runtime import TrioActor
from exchanges.errors import RequestRejected, StreamLost
from model.key_check import KeyRefused
from model.ledger import LeaseLost, LedgerUnreachable, SchemaOlder
from supervision.events import ActorCrashed
from supervision.supervisor import ChildSpec, Exhausted, State, Strategy, Supervisor, SupervisorSpec
from supervision.tree import EXPECTED_TROUBLE, FATAL_TROUBLE, edge_spec, follower_spec, root_spec
from tests.supervision.trees import Diary, Puppet, running


def make(name: str, diary: Diary) -> Any:
    return lambda: Puppet(name, diary)


def full_tree(diary: Diary) -> SupervisorSpec:
    return root_spec(
        ledger=make("ledger", diary),
        master_key=make("master_key", diary),
        marks=[("bybit", make("marks:bybit", diary))],
        auditor=make("auditor", diary),
        followers=(
            follower_spec(
                "alice",
                account_stream=make("stream:alice", diary),
                follower=make("follower:alice", diary),
            ),
        ),
        pairing=make("pairing", diary),
        master_stream=make("master_stream", diary),
    )


async def test_it_starts_in_the_order_of_the_design(autojump_clock: MockClock, diary: Diary) -> None:
    order = ["ledger", "services", "services", "services"]
    order += ["stream:alice", "follower:alice", "pairing", "master_stream"]

    async with running(full_tree(diary), diary):
        assert services_as_one(diary.lines) == [f"start {name}" for name in order]
        diary.clear()

    assert services_as_one(diary.lines) == [f"stop {name}" for name in reversed(order)]


def services_as_one(lines: list[str]) -> list[str]:
    """Return the lines without the names of those that start side by side."""
    return [re.sub("master_key|marks:bybit|auditor", "services", line) for line in lines]


async def test_a_refused_key_of_the_master_ends_everything(autojump_clock: MockClock, diary: Diary) -> None:
    diary.fail_starts["master_key"] = [KeyRefused("it may withdraw")]

    with pytest.raises(KeyRefused, match="withdraw"):
        await Supervisor(full_tree(diary)).run()
    assert "start stream:alice" not in diary.lines


async def test_a_lost_lease_ends_everything_at_once(autojump_clock: MockClock, diary: Diary) -> None:
    diary.fail_starts["ledger"] = [LedgerUnreachable("no route"), LeaseLost("pid 8 has it")]

    with pytest.raises(LeaseLost, match="pid 8"):
        await Supervisor(full_tree(diary)).run()
    assert "start marks:bybit" not in diary.lines


async def test_a_follower_that_keeps_crashing_is_quarantined(autojump_clock: MockClock, diary: Diary) -> None:
    async with running(full_tree(diary), diary) as supervisor:
        for _ in range(5):
            supervisor.address("follower:alice").tell(ValueError("bug"))
            await trio.sleep(2)
        state = supervisor.describe().find("account:alice")
        pairing = await supervisor.address("pairing").ask(1)

    assert state is not None
    assert state.state is State.QUARANTINED
    assert pairing == ("pairing", 1, 1)


async def test_an_auditor_that_keeps_crashing_brings_nobody_down_and_its_bug_is_told(
    autojump_clock: MockClock, diary: Diary
) -> None:
    async with running(full_tree(diary), diary) as supervisor:
        for _ in range(50):
            supervisor.address("auditor").tell(ValueError("bug"))
        await trio.sleep(3_000)
        others = await supervisor.address("follower:alice").ask(1)

    assert others == ("follower:alice", 1, 1)
    crashes = [event for event in diary.of(ActorCrashed) if event.name == "auditor"]
    assert len(crashes) == 50
    assert all("ValueError: bug" in crash.trace for crash in crashes)


def test_only_trouble_that_passes_is_expected() -> None:
    assert issubclass(StreamLost, EXPECTED_TROUBLE)
    assert issubclass(RequestRejected, EXPECTED_TROUBLE)
    assert issubclass(ConnectionResetError, EXPECTED_TROUBLE)
    assert not issubclass(ValueError, EXPECTED_TROUBLE)
    assert issubclass(SchemaOlder, FATAL_TROUBLE)
    assert not issubclass(LedgerUnreachable, FATAL_TROUBLE)


def test_what_speaks_to_operators_is_one_for_one_and_may_give_up() -> None:
    spec = edge_spec([("control", TrioActor), ("metrics", TrioActor)])

    assert (spec.strategy, spec.on_exhausted) == (Strategy.ONE_FOR_ONE, Exhausted.ESCALATE)
    assert [child.name for child in spec.children] == ["control", "metrics"]
    assert all(isinstance(child, ChildSpec) and not child.fatal for child in spec.children)


@pytest.fixture
def diary() -> Diary:
    return Diary()
