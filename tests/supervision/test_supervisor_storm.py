"""Anything at any time, in any order: the tree keeps its promises, and always stops."""

import random
from typing import Any

import pytest
import trio
from pykka import ActorDeadError, ActorRegistry
from trio.testing import MockClock

from supervision.restarts import Intensity
from supervision.supervisor import Exhausted, State, Strategy, Supervisor, SupervisorSpec, UnknownName
from tests.supervision.trees import Diary, Trouble, group, puppet, running, sleeping

LARGE = Intensity(max_failures=10_000, period_s=60)


def account(number: int, diary: Diary) -> SupervisorSpec:
    return group(
        f"account:{number}",
        puppet(f"stream:{number}", diary, shutdown_s=1),
        puppet(f"follower:{number}", diary, shutdown_s=3, start_s=10),
        strategy=random.Random(number).choice([Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL]),
        intensity=Intensity(max_failures=4, period_s=60),
        on_exhausted=Exhausted.QUARANTINE,
    )


def storm_tree(diary: Diary) -> SupervisorSpec:
    return group(
        "root",
        puppet("ledger", diary),
        group("followers", *(account(number, diary) for number in range(6)), intensity=LARGE),
        puppet("pairing", diary),
        strategy=Strategy.REST_FOR_ONE,
        intensity=LARGE,
    )


class Storm:
    """Does one random thing after another to a supervisor."""

    def __init__(self, supervisor: Supervisor, diary: Diary, seed: int, nursery: trio.Nursery) -> None:
        self._supervisor = supervisor
        self._diary = diary
        self._random = random.Random(seed)
        self._nursery = nursery
        self._added = 100

    async def blow(self) -> None:
        for _ in range(120):
            act = self._random.choice(
                [self._tell] * 6 + [self._operate] * 2 + [self._change, self._slow_down]
            )
            self._nursery.start_soon(self._forgivingly, act)
            await trio.sleep(self._random.choice([0, 0, 0.01, 0.5, 7]))

    async def _forgivingly(self, act: Any) -> None:
        try:
            await act()
        except (ActorDeadError, UnknownName):
            return  # it is quarantined, or has been removed meanwhile
        except ValueError as error:
            assert any(word in str(error) for word in ("not quarantined", "cannot be restarted"))  # noqa: PT017

    def _names(self) -> list[str]:
        actors = [node for node in _walk(self._supervisor.describe()) if node.kind == "actor"]
        return [node.name for node in actors]

    async def _tell(self) -> None:
        message = self._random.choice(
            [Trouble("away"), ValueError("bug"), sleeping(0.3), sleeping(40), "hello", "hello"]
        )
        self._supervisor.address(self._random.choice(self._names())).tell(message)

    async def _operate(self) -> None:
        do = self._random.choice([self._supervisor.restart, self._supervisor.revive])
        await do(self._random.choice([*self._names(), "followers", "account:0", "account:1"]))

    async def _change(self) -> None:
        if self._random.random() < 0.5:
            self._added += 1
            await self._supervisor.start_child("followers", account(self._added, self._diary))
        else:
            accounts = self._supervisor.describe().find("followers")
            assert accounts is not None
            if len(accounts.children) > 3:
                await self._supervisor.stop_child(self._random.choice(accounts.children).name)

    async def _slow_down(self) -> None:
        name = self._random.choice(self._names())
        self._diary.fail_starts[name] = [Trouble("start")] * self._random.randrange(3)
        self._diary.slow_starts[name] = self._random.choice([0, 0.2, 4, 15])


def _walk(node: Any) -> Any:
    yield node
    for child in node.children:
        yield from _walk(child)


@pytest.mark.parametrize("seed", range(16))
async def test_after_a_storm_everybody_is_back_or_put_aside(autojump_clock: MockClock, seed: int) -> None:
    diary = Diary()
    async with running(storm_tree(diary), diary) as supervisor:
        async with trio.open_nursery() as nursery:
            await Storm(supervisor, diary, seed, nursery).blow()
        diary.slow_starts.clear()
        diary.fail_starts.clear()
        await trio.sleep(1000)

        states = {node.name: node.state for node in _walk(supervisor.describe())}
        assert set(states.values()) == {State.RUNNING}
        for node in _walk(supervisor.describe()):
            if node.kind == "actor":
                name, generation, answer = await supervisor.address(node.name).ask("hello")
                assert (name, generation, answer) == (node.name, node.generation, "hello")
        assert len(ActorRegistry.get_all()) == sum(1 for name in states if name in _actors(supervisor))

    assert ActorRegistry.get_all() == []


@pytest.mark.parametrize("seed", range(16))
async def test_in_the_middle_of_a_storm_it_can_be_stopped(autojump_clock: MockClock, seed: int) -> None:
    diary = Diary()
    async with running(storm_tree(diary), diary) as supervisor, trio.open_nursery() as nursery:
        storm = Storm(supervisor, diary, 1000 + seed, nursery)
        nursery.start_soon(storm.blow)
        await trio.sleep(20 + 5 * seed)
        with trio.fail_after(60):  # more than every grace on the way
            await supervisor.stop()
        nursery.cancel_scope.cancel()

    assert ActorRegistry.get_all() == []


def _actors(supervisor: Supervisor) -> set[str]:
    return {node.name for node in _walk(supervisor.describe()) if node.kind == "actor"}
