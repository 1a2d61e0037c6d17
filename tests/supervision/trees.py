"""Actors that do as they are told, and trees of them, for tests of supervision."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from actors.runtime import TrioActor
from supervision.restarts import Intensity
from supervision.supervisor import ChildSpec, Strategy, Supervisor, SupervisorSpec


class Trouble(Exception):
    """Expected: the venue is away."""


class Fatal(Exception):
    """No restart can mend it."""


class Diary:
    """What happened, in order; and what the next starts are to do."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[Any] = []
        self.at: list[float] = []
        self.fail_starts: dict[str, list[BaseException]] = {}
        self.slow_starts: dict[str, float] = {}

    def write(self, line: str) -> None:
        self.lines.append(line)
        self.at.append(trio.current_time())

    def times(self, line: str) -> list[float]:
        """Return when that line was written."""
        return [at for written, at in zip(self.lines, self.at, strict=True) if written == line]

    def topics(self, prefix: str = "") -> list[str]:
        """Return `topic name` of the events whose topic begins so."""
        return [f"{e.topic} {e.name}" for e in self.events if e.topic.startswith(prefix)]

    def of(self, kind: type) -> list[Any]:
        """Return the events of one class."""
        return [event for event in self.events if isinstance(event, kind)]

    def clear(self) -> None:
        self.lines.clear()
        self.at.clear()
        self.events.clear()


class Puppet(TrioActor):
    """Runs what it is sent: an exception is raised, a function is awaited, the rest is answered."""

    def __init__(self, name: str, diary: Diary) -> None:
        super().__init__()
        self._name = name
        self._diary = diary

    async def on_start(self) -> None:
        if (slow := self._diary.slow_starts.get(self._name)) is not None:
            await trio.sleep(slow)
        failures = self._diary.fail_starts.get(self._name)
        if failures:
            self._diary.write(f"fail {self._name}")
            raise failures.pop(0)
        self._diary.write(f"start {self._name}")

    async def on_receive(self, message: Any) -> Any:
        if isinstance(message, BaseException):
            raise message
        return await message(self) if callable(message) else (self._name, self.generation, message)

    async def on_stop(self) -> None:
        self._diary.write(f"stop {self._name}")

    async def on_failure(self, error: BaseException) -> None:
        self._diary.write(f"crash {self._name}")


ROOMY = Intensity(max_failures=1000, period_s=60)


def puppet(name: str, diary: Diary, **changes: Any) -> ChildSpec:
    """Return a permanent child for which Trouble is expected and Fatal fatal."""
    given: dict[str, Any] = {"expected": (Trouble,), "fatal": (Fatal,), **changes}
    return ChildSpec(name=name, make=lambda: Puppet(name, diary), **given)


def group(
    name: str,
    *children: ChildSpec | SupervisorSpec,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: Intensity = ROOMY,
    **changes: Any,
) -> SupervisorSpec:
    """Return a supervisor with a window that no test spends by accident."""
    return SupervisorSpec(name=name, strategy=strategy, intensity=intensity, children=children, **changes)


def make_supervisor(spec: SupervisorSpec, diary: Diary) -> Supervisor:
    """Return a supervisor that writes its events into the diary."""
    return Supervisor(spec, report=diary.events.append, jitter=random.Random(1))


@asynccontextmanager
async def running(spec: SupervisorSpec, diary: Diary) -> AsyncIterator[Supervisor]:
    """Run a tree for the length of a block, and stop it."""
    supervisor = make_supervisor(spec, diary)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        yield supervisor
        await supervisor.stop()


async def settle() -> None:
    """Let everything happen that needs no time to pass."""
    await trio.testing.wait_all_tasks_blocked()


def sleeping(seconds: float) -> Callable[[Any], Any]:
    """Return a message whose handling takes so long."""

    async def sleep(actor: Any) -> None:
        await trio.sleep(seconds)

    return sleep
