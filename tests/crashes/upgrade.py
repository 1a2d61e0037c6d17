"""A ledger of an earlier version with unfinished copies, upgraded while the master trades on."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import peewee
import trio

from model.ledger import schema
from model.ledger.bulk import run_sql
from model.ledger.connection import open_database
from supervision.exits import ExitCode
from tests.crashes.books import sandbox_bugs, sent_twice, wait_converged
from tests.crashes.claims import ClaimWatch
from tests.crashes.migration import AFTER, DIES, KNOWS
from tests.crashes.process import ROOT, started
from tests.crashes.run import CONVERGED_S_MAX, EVERY_S, READY_S_MAX
from tests.crashes.storm import Storm
from tests.crashes.town import Town

OPEN = "SELECT copy_id FROM copies WHERE state = 'claimed' ORDER BY copy_id"
DIES_AFTER_ORDERS = 12
STOCK_STEPS = 60


@attrs.frozen
class Ended:
    """How a command ended, and all that it said."""

    status: int
    said: str


@attrs.define
class Upgrade:
    """One town whose ledger is put back to an earlier version."""

    town: Town
    ledger_url: str
    storm: Storm
    claims: ClaimWatch

    async def leave_unfinished(self) -> list[str]:
        """Let an engine die with orders under way; return the copies that it leaves open."""
        async with started(self.town, "sent", DIES_AFTER_ORDERS) as engine:
            with trio.fail_after(READY_S_MAX):
                while engine.is_alive:
                    await self.storm.blow(1, EVERY_S)
        return self.open_copies()

    def open_copies(self) -> list[str]:
        """Return the copies without an outcome."""
        with self._unit() as connection:
            return [copy_id for (copy_id,) in run_sql(connection, OPEN)]

    def applied(self) -> list[str]:
        """Return the steps that the ledger has."""
        with self._unit() as connection:
            return sorted(_runner(connection).applied())

    def put_back(self, steps: int) -> None:
        """Take the newest steps back, with their tables and columns."""
        with self._unit() as connection:
            for _ in range(steps):
                _runner(connection).down()

    def make_older(self, steps: int) -> Path:
        """Return a directory of all steps but the newest."""
        directory = self.town.directory / f"without_{steps}"
        directory.mkdir()
        for name in known()[:-steps]:
            shutil.copy(schema.MIGRATIONS / f"{name}.py", directory)
        return directory

    async def migrate(self) -> Ended:
        """Run `copytrader db migrate`."""
        return await self._end_of("supervision.cli", "db", "migrate")

    async def die_in_migration(self, point: str) -> None:
        """Run it again and let it die there; all was done if it died after the commit, else nothing."""
        before, open_copies = self.applied(), self.open_copies()
        ended = await self._end_of("tests.crashes.migration", DIES, point, "db", "migrate")
        assert ended.status == -9, ended
        applied = self.applied()
        assert applied == (known() if point == AFTER else before), f"killed {point}: it has {applied}"
        assert self.open_copies() == open_copies, f"killed {point}: other copies are open"

    async def start(self) -> Ended:
        """Run an engine that is expected to refuse."""
        return await self._end_of("supervision.cli", "run")

    async def start_older(self, steps: int) -> Ended:
        """Run an engine that knows fewer steps and is expected to refuse."""
        directory = self.make_older(steps)
        return await self._end_of("tests.crashes.migration", KNOWS, str(directory), "run")

    async def finish(self, left_open: list[str], *, storm: trio.CancelScope) -> None:
        """Start the engine in the storm, end the storm; everything is settled and nothing was done twice."""
        async with started(self.town) as engine:
            assert await engine.wait_ready(READY_S_MAX) is not None, engine.last_words()
            refused = await self.migrate()
            assert refused.status == ExitCode.TAKEN, refused
            storm.cancel()
            problems = await wait_converged(self.town, CONVERGED_S_MAX)
            self.claims.close()
            problems += sent_twice(self.town) + sandbox_bugs(self.town) + self.claims.problems
            assert not problems, [*problems, engine.last_words()]
            with trio.fail_after(CONVERGED_S_MAX):
                while set(left_open) & set(self.open_copies()):
                    await trio.sleep(EVERY_S)

    async def _end_of(self, module: str, *arguments: str) -> Ended:
        with trio.fail_after(READY_S_MAX):
            done = await trio.run_process(
                [sys.executable, "-m", module, *arguments, "-c", str(self.town.config)],
                capture_stdout=True,
                stderr=subprocess.STDOUT,
                check=False,
                cwd=ROOT,
            )
        return Ended(done.returncode, done.stdout.decode())

    @contextmanager
    def _unit(self) -> Iterator[peewee.Database]:
        database = open_database(self.ledger_url)
        try:
            with database.unit() as connection:
                yield connection
        finally:
            database.close()


def known() -> list[str]:
    """Return the steps of this version."""
    return sorted(path.stem for path in schema.MIGRATIONS.glob("[0-9]*.py"))


def _runner(connection: peewee.Database) -> Any:
    return schema._runner(connection)
