"""One long day: storm after storm, in each of which the engine dies once and is started again."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from tests.crashes.answers import answers_of_who_is_off
from tests.crashes.books import off_target, sandbox_bugs, sent_twice, wait_converged
from tests.crashes.claims import ClaimWatch
from tests.crashes.engine import NEVER, POINTS
from tests.crashes.process import EngineProcess, command, started
from tests.crashes.storm import Storm
from tests.crashes.town import Town, build_town, serve_town

READY_S_MAX = 30.0
READY_S_P95 = 5.0
JUDGED_FROM = 20
"""Fewer starts tell nothing of the slowest in twenty."""
CONVERGED_S_MAX = 30.0
EVERY_S = 0.05
CHANGES = 16
LAST_CHANGES = 4
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
    problems: list[str] = attrs.field(factory=list)
    orders: int = 0
    openings: int = 0

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
    claims = ClaimWatch(town, ledger_url)
    claims.watch()
    chance = random.Random(seed)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_town, town, ledger_url)
        await command(town, "followers", "apply", str(directory / "followers.toml"), "--offline")
        storm = Storm(town, chance)
        while report.total < kills and not report.problems:
            await _crash(
                town, ledger_url, storm, chance, report, is_last=kills - report.total <= KILLS_OF_ONE
            )
            report.problems += claims.problems
            tell(f"{report.total} kills, {town.orders()} orders, {len(report.problems)} problems")
        if not report.problems:
            await _restart_sends_nothing(town, report)
        report.orders, report.openings = town.orders(), claims.openings
        nursery.cancel_scope.cancel()
    claims.close()
    report.judge_starts()
    return report


async def _crash(
    town: Town, ledger_url: str, storm: Storm, chance: random.Random, report: Report, *, is_last: bool
) -> None:
    """Let one engine die in a storm, a second one as it catches up, and the third put everything right.

    Then it dies too, in the middle of something, but for the last one.
    """
    point = chance.choice(POINTS) if chance.random() < POINT_SHARE else NEVER
    count = chance.randint(1, POINT_COUNT_MAX)
    async with started(town, point, count) as engine:
        await _live_and_die(engine, storm, point, chance, report)
    async with started(town) as engine, trio.open_nursery() as nursery:
        nursery.start_soon(storm.blow, CHANGES, EVERY_S)
        await _ready(engine, report)
    report.kills[NEVER] += 1
    async with started(town) as engine:
        await _ready(engine, report)
        report.problems += await wait_converged(town, CONVERGED_S_MAX)
        report.problems += sent_twice(town) + sandbox_bugs(town)
        if report.problems:
            report.problems += answers_of_who_is_off(town, ledger_url)
            report.problems.append(f"killed at {point} {count}; {engine.last_words()}")
        if not is_last:
            await storm.blow(LAST_CHANGES, EVERY_S)
            report.kills[NEVER] += 1


async def _live_and_die(
    engine: EngineProcess, storm: Storm, point: str, chance: random.Random, report: Report
) -> None:
    """Storm from the start of the engine on, so that it may die before it is ready."""
    with trio.move_on_after(READY_S_MAX):
        while engine.is_alive:
            await storm.blow(CHANGES, EVERY_S)
            if point == NEVER:
                await trio.sleep(chance.uniform(0, 2))
                break
    report.kills[point] += 1
    engine.kill()


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
