"""One long day: storm after storm, in each of which the engine dies once and is started again."""

import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from tests.crashes.answers import answers_of_who_is_off
from tests.crashes.books import off_target, sandbox_bugs, sent_twice, wait_converged
from tests.crashes.bounds import BoundWatch
from tests.crashes.claims import ClaimWatch
from tests.crashes.engine import NEVER, POINTS, WHEN_TOLD
from tests.crashes.process import EngineProcess, command, started
from tests.crashes.storm import Storm
from tests.crashes.town import Town, build_town, serve_town

READY_S_MAX = 30.0
READY_S_P95 = 5.0
JUDGED_FROM = 20
"""Fewer starts tell nothing of the slowest in twenty."""
CONVERGED_S_MAX = 30.0
EVERY_S = 0.05
CHANGES = 4
DIES_S_MAX = 30.0
ANY_TIME_S = 6.0
"""From the start of the process: half of that passes before it is ready."""
KILLS_OF_ONE = 3
"""Engines that die in one round; the last round leaves the third alive, so that nothing is new."""
POINT_COUNT_MAX = 40
POINT_SHARE = 10 / 11
"""Named points are ten times as likely as a random time."""


@attrs.define
class Report:
    """What a day showed."""

    kills: Counter[str] = attrs.field(factory=Counter)
    ready_s: list[float] = attrs.field(factory=list)
    """Of those that were left alone until they were: who dies on the way would leave out the slow ones."""
    problems: list[str] = attrs.field(factory=list)
    orders: int = 0
    openings: int = 0
    grown: int = 0
    """How often a position grew, each time within what the master had asked for."""

    @property
    def total(self) -> int:
        """How many engines have died."""
        return self.kills.total()

    def judge_starts(self) -> None:
        """Say when too many were not ready again soon enough."""
        times = sorted(self.ready_s)
        if len(times) >= JUDGED_FROM and (slow := times[int(len(times) * 0.95)]) > READY_S_P95:
            self.problems.append(f"ready again: p95 {slow:.2f} s, more than {READY_S_P95:g} s")


async def crash_day(
    directory: Path, ledger_url: str, seed: int, kills: int, tell: Callable[[str], None]
) -> Report:
    """Let so many engines die; stop at the first problem."""
    report, town = Report(), build_town(directory)
    claims, bounds = ClaimWatch(town, ledger_url), BoundWatch(town)
    claims.watch()
    bounds.watch()
    chance = random.Random(seed)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_town, town, ledger_url)
        await command(town, "followers", "apply", str(directory / "followers.toml"), "--offline")
        day = _Day(town, ledger_url, Storm(town, chance), chance, report)
        while report.total < kills and not report.problems:
            await day.go_round(is_last=kills - report.total <= KILLS_OF_ONE)
            report.problems += claims.problems + bounds.problems
            tell(f"{report.total} kills, {town.orders()} orders, {len(report.problems)} problems")
        if not report.problems:
            await _restart_sends_nothing(town, report)
        report.orders, report.openings, report.grown = town.orders(), claims.openings, bounds.grown
        nursery.cancel_scope.cancel()
    claims.close()
    report.judge_starts()
    return report


@attrs.frozen
class Death:
    """Where an engine is to die: when it passes a point for the given time, or at any time."""

    point: str
    count: int

    @classmethod
    def draw(cls, chance: random.Random) -> "Death":
        """Draw one."""
        point = chance.choice(POINTS) if chance.random() < POINT_SHARE else NEVER
        return cls(point, chance.randint(1, POINT_COUNT_MAX))


@attrs.frozen
class _Day:
    """The rounds of one day."""

    town: Town
    ledger_url: str
    storm: Storm
    chance: random.Random
    report: Report

    async def go_round(self, *, is_last: bool) -> None:
        """Let one engine die in a storm, a second one as it catches up, and the third put everything right.

        Then it dies too, in the middle of something, but for the last one.
        """
        first, second, third = (Death.draw(self.chance) for _ in range(KILLS_OF_ONE))
        async with started(self.town, first.point, first.count) as engine:
            await self._storm_until_it_dies(engine, first)
        async with started(self.town, second.point, second.count) as engine:
            await self._storm_until_it_dies(engine, second)
        async with started(self.town, third.point, third.count, WHEN_TOLD) as engine:
            await _ready(engine, self.report)
            await self._judge(engine, first, second)
            if not (is_last or self.report.problems):
                if third.point != NEVER:
                    engine.signal(signal.SIGUSR1)
                await self._storm_until_it_dies(engine, third)

    async def _judge(self, engine: EngineProcess, *deaths: Death) -> None:
        problems = await wait_converged(self.town, CONVERGED_S_MAX)
        problems += sent_twice(self.town) + sandbox_bugs(self.town)
        if problems:
            problems += answers_of_who_is_off(self.town, self.ledger_url)
            problems.append(f"after {deaths}; {engine.last_words()}")
        self.report.problems += problems

    async def _storm_until_it_dies(self, engine: EngineProcess, death: Death) -> None:
        """Storm at once: it may die before it is ready. Whoever ends by itself was not killed."""
        lives_s = DIES_S_MAX if death.point != NEVER else self.chance.uniform(0, ANY_TIME_S)
        with trio.move_on_after(lives_s):
            while engine.is_alive:
                await self.storm.blow(CHANGES, EVERY_S)
        if death.point == NEVER and engine.is_alive:
            engine.kill()
        elif not engine.was_killed:
            self.report.problems.append(f"{death}, and it did not die of that: {engine.last_words()}")
        self.report.kills[death.point] += 1


async def _ready(engine: EngineProcess, report: Report) -> None:
    took = await engine.wait_ready(READY_S_MAX)
    if took is None:
        report.problems.append(f"not ready after {READY_S_MAX:g} s: {engine.last_words()}")
    else:
        report.ready_s.append(took)


async def _restart_sends_nothing(town: Town, report: Report) -> None:
    """I8: a restart with nothing new sends nothing."""
    before = town.orders()
    async with started(town) as engine:
        await _ready(engine, report)
        await trio.sleep(2)
    if town.orders() != before:
        report.problems.append(f"a restart with nothing new sent {town.orders() - before} orders")
    report.problems += off_target(town)
