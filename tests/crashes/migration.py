"""A command of the product that dies in a migration, or knows fewer of them: ``… migration WHAT WHERE …``.

``dies BETWEEN|BEFORE|AFTER db migrate -c FILE`` or ``knows DIRECTORY run -c FILE``. What is patched here is
patched in this process alone.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playhouse.migrations import Runner

from model.ledger import schema
from model.ledger.connection import LedgerDatabase

DIES, KNOWS = "dies", "knows"
BETWEEN, BEFORE, AFTER = "between two steps", "before the commit", "after the commit"
POINTS = (BETWEEN, BEFORE, AFTER)


def die() -> None:
    """End without warning."""
    os.kill(os.getpid(), signal.SIGKILL)


def plant(point: str) -> None:
    """Let this process die at a point of the first migration that it makes."""
    step, up, unit = Runner._run, Runner.up, LedgerDatabase.unit
    passed: list[str] = []

    def step_with_point(self: Runner, *arguments: Any, **options: Any) -> None:
        step(self, *arguments, **options)
        if point == BETWEEN:
            die()

    def up_with_point(self: Runner, *arguments: Any, **options: Any) -> Any:
        names = up(self, *arguments, **options)
        if point == BEFORE:
            die()
        passed.extend(names)
        return names

    @contextmanager
    def unit_with_point(self: LedgerDatabase, **options: Any) -> Iterator[Any]:
        with unit(self, **options) as database:
            yield database
        if passed:
            die()

    Runner._run, Runner.up = step_with_point, up_with_point
    LedgerDatabase.unit = unit_with_point  # type: ignore[method-assign]


if __name__ == "__main__":
    from supervision.cli import main

    what, where, *arguments = sys.argv[1:]
    if what == DIES:
        plant(where)
    else:
        schema.MIGRATIONS = Path(where)
    main(arguments)
