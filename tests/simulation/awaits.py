"""An actor that fails where it waits: at the n-th await from a moment on, whatever is waited for there.

A chain from a claim to an order's answer takes no virtual time where nothing is slow: a crash at a random
time never falls into it, one at a random await does. The error comes out of the await itself, as a
cancellation would, so that what is waited for is given up as trio has it.
"""

import random
from collections.abc import Sequence

import trio
from trio.lowlevel import Task

from tests.simulation.step import Step

LIES_S = (0.5, 5.0)
MINES = (1, 2, 4, 6)
KEY = "structlog_actor"
"""The context variable by which every task of an actor knows whose it is."""


class Drill(Exception):
    """What nobody expects, and nobody handles."""


class AwaitMine(trio.abc.Instrument):
    """Waits until an actor's tasks have waited so often; then it strikes, once."""

    def __init__(self, actor: str, nth: int, *, kills: bool) -> None:
        """Lie in wait for the ``nth`` await of an actor, "" is any; ``kills``: the engine dies of it."""
        self._actor = actor
        self._left = nth
        self._kills = kills
        self._is_laid = False
        self.struck = trio.Event()

    def lay(self) -> None:
        """Begin to count."""
        self._is_laid = True
        trio.lowlevel.add_instrument(self)

    def lift(self) -> None:
        """Take it away, if it has not struck."""
        if self._is_laid:
            self._is_laid = False
            trio.lowlevel.remove_instrument(self)

    def after_task_step(self, task: Task) -> None:
        """Count a task of the actor that has begun to wait."""
        if task._abort_func is None or not self._is_meant(_actor_of(task)):
            return
        self._left -= 1
        if self._left <= 0:
            self.lift()
            self.struck.set()
            if not self._kills:
                task._attempt_abort(_raise_drill)

    def _is_meant(self, actor: str) -> bool:
        return actor == self._actor if self._actor else bool(actor)


def _raise_drill() -> None:
    raise Drill("a drill, at an await")


def _actor_of(task: Task) -> str:
    """Return whose task it is: one within the actor's own, which has its name. Venues' tasks know it too."""
    actor = _name_in(task)
    while actor and task.name != actor:
        if task.parent_nursery is None:
            return ""
        task = task.parent_nursery.parent_task
    return actor


def _name_in(task: Task) -> str:
    return next((str(value) for key, value in task.context.items() if key.name == KEY), "")


def mines_of(chance: random.Random, steps: Sequence[Step], names: tuple[str, ...]) -> list[Step]:
    """Return mines that are laid as the master trades, most for followers, some for the whole engine."""
    times = [step.at for step in steps if step.act == "trade"]
    followers = [f"follower:{name}" for name in names]
    actors = [*followers * 4, *(f"stream:{name}" for name in names), "master_stream", "pairing", "ledger"]
    laid: list[Step] = []
    for _ in range(chance.choice(MINES) if times else 0):
        kills = chance.random() < 0.3
        actor = chance.choice(("", *followers)) if kills else chance.choice(actors)
        what = {
            "actor": actor,
            "nth": round(2 ** chance.uniform(0, 7)),
            "lasts_s": chance.choice(LIES_S),
            "away_s": chance.choice((0.0, 0.5)) if kills else None,
        }
        laid.append(Step(at=chance.choice(times), act="mine", what=what))
    return laid
