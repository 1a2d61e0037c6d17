"""The ledger's PostgreSQL goes away again and again while the master trades on."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from tests.crashes.books import held, sandbox_bugs, sent_twice, wait_converged
from tests.crashes.claims import ClaimWatch
from tests.crashes.database import Database
from tests.crashes.process import EngineProcess, command, started
from tests.crashes.run import CONVERGED_S_MAX, READY_S_MAX
from tests.crashes.storm import Storm
from tests.crashes.town import Town, build_town, serve_town
from tests.lags import Lags

AWAY = ("fast", "immediate", "frozen")
"""Stopped as by an operator, or as by a crash; hanging."""
BESIDE = ("restarted", "sessions ended")
"""Back at once; there, but ending every session."""
BESIDE_EVERY = 5
CALM_S = 2.0
RESUMES_S_MAX = 5.0
WATCHED_S = 2.0
"""So long the storm goes on when copying has resumed: every symbol has moved by then."""
ENDED_EVERY_S = 0.5
EXIT_LAG_S_MAX = 5.0


def kinds_of(outages: int) -> tuple[str, ...]:
    """Return so many in which it is away for the whole time, and the other kinds after every fifth."""
    kinds: list[str] = []
    for number in range(outages):
        kinds.append(AWAY[number % len(AWAY)])
        if number % BESIDE_EVERY == BESIDE_EVERY - 1:
            kinds += BESIDE
    return tuple(kinds)


@attrs.define
class OutageReport:
    """What a day of outages showed."""

    kinds: Counter[str] = attrs.field(factory=Counter)
    resumed_s: list[float] = attrs.field(factory=list)
    """From the first connection that the database takes to the first opening that arrives."""
    exit_lags_s: list[float] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    openings: int = 0
    orders: int = 0


@attrs.define(kw_only=True)
class Day:
    """One engine through many outages."""

    town: Town
    storm: Storm
    claims: ClaimWatch
    lags: Lags
    database: Database
    engine: EngineProcess
    report: OutageReport
    down_s: float

    async def go_through(self, kind: str) -> None:
        """Let the database go away under a storm, and come back; then everybody is on target."""
        self.storm.stock_up(int(CALM_S + self.down_s) + 1)
        await self.storm.rage(CALM_S)
        self.lags.begin()
        back = await self._without_database(kind)
        self.report.exit_lags_s.append(self.lags.longest_s)
        await self._resume(kind, back)
        self.report.kinds[kind] += 1
        self._judge(kind)
        if await self.engine.wait_ready(READY_S_MAX) is None:
            self._say(kind, f"not ready: {self.engine.last_words()}")
        problems = await wait_converged(self.town, CONVERGED_S_MAX) + sent_twice(self.town)
        for problem in problems + sandbox_bugs(self.town):
            self._say(kind, problem)
        if not self.engine.is_alive:
            self._say(kind, f"the engine ended: {self.engine.last_words()}")

    async def _without_database(self, kind: str) -> float:
        """Return when the database was there again."""
        if kind == "sessions ended":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._end_sessions)
                await self.storm.rage(self.down_s)
                nursery.cancel_scope.cancel()
            return trio.current_time()
        self.claims.went_away(trio.current_time())
        if kind == "frozen":
            self.database.freeze()
        else:
            await self._while_raging(self.database.stop, "fast" if kind == "fast" else "immediate")
        if kind != "restarted":
            await self.storm.rage(self.down_s)
        self.claims.may_come_back(trio.current_time())
        if kind == "frozen":
            self.database.thaw()
        else:
            await self._while_raging(self.database.start)
        self.claims.came_back()
        return trio.current_time()

    async def _while_raging(self, work: Callable[..., object], *arguments: object) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.storm.rage, 3600)
            await work(*arguments)  # type: ignore[misc]
            nursery.cancel_scope.cancel()

    async def _end_sessions(self) -> None:
        while True:
            await self.database.end_sessions()
            await trio.sleep(ENDED_EVERY_S)

    async def _resume(self, kind: str, back: float) -> None:
        """Storm on and see when the first opening comes."""
        before = self.claims.openings
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.storm.rage, 2 * RESUMES_S_MAX)
            with trio.move_on_after(2 * RESUMES_S_MAX):
                while self.claims.openings == before:
                    await trio.sleep(0.01)
                resumed_s = trio.current_time() - back
                self.report.resumed_s.append(resumed_s)
                if resumed_s > RESUMES_S_MAX:
                    self._say(kind, f"copying resumed after {resumed_s:.2f} s")
                await trio.sleep(WATCHED_S)
            nursery.cancel_scope.cancel()
        if self.claims.openings == before:
            self._say(kind, f"no opening within {2 * RESUMES_S_MAX:g} s after it was back")

    def _judge(self, kind: str) -> None:
        if self.lags.longest_s > EXIT_LAG_S_MAX:
            self._say(kind, self.lags.longest_of)
        for problem in self.claims.problems:
            self._say(kind, problem)

    def _say(self, kind: str, problem: str) -> None:
        self.report.problems.append(f"database {kind}: {problem}")


async def outage_day(
    directory: Path,
    database: Database,
    seed: int,
    kinds: tuple[str, ...],
    down_s: float,
    tell: Callable[[str], None] = lambda line: None,
) -> OutageReport:
    """Go through these outages with one engine; stop at the first problem."""
    report, town = OutageReport(), build_town(directory)
    claims = ClaimWatch(town, database.url)
    claims.watch()
    lags = Lags(lambda: held(town))
    lags.watch(town.houses[0].core)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_town, town, database.url)
        await command(town, "followers", "apply", str(directory / "followers.toml"), "--offline")
        async with started(town) as engine:
            assert await engine.wait_ready(READY_S_MAX) is not None, engine.last_words()
            nursery.start_soon(lags.run)
            day = Day(
                town=town,
                storm=Storm(town, random.Random(seed)),
                claims=claims,
                lags=lags,
                database=database,
                engine=engine,
                report=report,
                down_s=down_s,
            )
            for number, kind in enumerate(kinds):
                await day.go_through(kind)
                tell(f"{number + 1} outages, {town.orders()} orders, {len(report.problems)} problems")
                if report.problems:
                    break
        report.openings, report.orders = claims.openings, town.orders()
        nursery.cancel_scope.cancel()
    claims.close()
    return report
