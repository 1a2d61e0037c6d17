"""A ledger that can be gone for a while, put between a store and its database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar

import trio

from actors.ledger_desk import LedgerDesk
from model.ledger import LedgerUnreachable

T = TypeVar("T")


class Outage:
    """Stands for a LedgerDatabase; refuses units of work while ``is_down``."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.is_down = False
        self.takes_nothing = False
        """It answers, and every commit fails: a full disk, a replica that cannot be reached."""
        self.loses_commits = 0
        """How many commits are still to be made and then reported as lost."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @property
    def is_lent(self) -> bool:
        """Tell whether somebody holds the connection now."""
        return not self._database._database.is_closed()

    @contextmanager
    def unit(self, *, write: bool = True) -> Iterator[Any]:
        """Lend a connection, as the database does, or say that it is away."""
        if self.is_down:
            raise LedgerUnreachable("the database is away")
        nested = self.is_lent
        with self._database.unit(write=write) as connection:
            yield connection
            if write and self.takes_nothing:
                raise LedgerUnreachable("the commit failed")
        if write and not nested and self.loses_commits:
            self.loses_commits -= 1
            raise LedgerUnreachable("the connection was lost in the commit")


class HangingDesk(LedgerDesk):
    """A desk whose database may hang: work takes ``hangs_s`` and then fails, as at a timeout."""

    hangs_s = 0.0

    async def _call(self, work: Callable[[], T]) -> T:
        if not self.hangs_s:
            return await super()._call(work)
        with trio.CancelScope(shield=True):  # as a thread is
            await trio.sleep(self.hangs_s)
        raise LedgerUnreachable("no answer in time")


class SlowDesk(LedgerDesk):
    """A desk whose database takes its time for each transaction, half before the commit and half after.

    With the engine it is killed: what was not committed by then never is.
    """

    def __init__(self, *args: Any, commit_s: float, chance: Random, **options: Any) -> None:
        super().__init__(*args, **options)
        self._commit_s = commit_s
        self._chance = chance
        self.is_killed = False

    async def _call(self, work: Callable[[], T]) -> T:
        half_s = self._chance.uniform(0.0, self._commit_s)
        with trio.CancelScope(shield=True):  # as a thread is
            await trio.sleep(half_s)
            if self.is_killed:
                raise LedgerUnreachable("killed before the commit")
            done = await super()._call(work)
            await trio.sleep(half_s)
        return done
