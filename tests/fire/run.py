"""A day of crashes from its seed: drills in turn, and what the process holds before and after."""

import itertools
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import trio
from trio.testing import MockClock

from model.amounts import use_money_context
from tests.fire.bursts import escalation, quarantine
from tests.fire.drill import CAST, EVERY_S, WAYS, Drills, Report
from tests.fire.mines import Mines, planted
from tests.fire.targets import targets_of
from tests.fire.witness import inventory
from tests.simulation.run import seed_scheduler
from tests.world import open_world

ROUND = 10
"""One crash of each target, before anything is counted: what opens when it is first needed is open."""
REST_S = 70.0
"""Before anything is counted: pools have let go of what they do not need."""


def crash(crashes: int, seed: int) -> Report:
    """Run so many crashes in virtual time, and lose sockets in between: that is none of most targets."""
    use_money_context()
    seed_scheduler(seed)
    with tempfile.TemporaryDirectory() as directory:
        return trio.run(_day, Path(directory), crashes, seed, clock=MockClock(autojump_threshold=0))


async def _day(directory: Path, crashes: int, seed: int) -> Report:
    mines, chance = Mines(), random.Random(seed)
    with planted(mines):
        async with open_world(directory, *CAST, master_equity="1000000") as world:
            drills = Drills(world, mines, chance)
            drills.begin()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(drills.listen)
                drills.trade()
                await world.until(drills.all_on_target)
                await trio.sleep(REST_S)
                await _crash_in_turn(drills, lambda: len(drills.report.strikes) >= ROUND)
                before = inventory(world)
                await _crash_in_turn(drills, lambda: drills.report.crashes >= crashes)
                await world.settled()
                await trio.sleep(REST_S)
                after = inventory(world)
                drills.report.problems += await escalation(drills)
                for member in CAST[::2]:
                    drills.report.problems += await quarantine(drills, member.name)
                await world.settled()
                nursery.cancel_scope.cancel()
            report = drills.report
            report.grown = {what: (n, after[what]) for what, n in before.items() if after[what] > n}
            report.orders = sum(len(drills.orders_of(it.name)) for it in CAST)
            report.problems += [f"{it} arrived twice" for it in world.sent_twice()]
            grown = report.grown.items()
            report.problems += [f"{what}: {old} before, {new} after" for what, (old, new) in grown]
            await world.stop_engine()
    return report


async def _crash_in_turn(drills: Drills, is_enough: Callable[[], bool]) -> None:
    """Let every target have its turn, each time brought down in another way."""
    targets = targets_of(CAST)
    assert len(targets) * EVERY_S > 60
    ways = {target: drills.chance.sample(WAYS, len(WAYS)) for target in targets}
    for number in itertools.count(len(drills.report.strikes)):
        if is_enough():
            return
        target = targets[number % len(targets)]
        way = ways[target][number // len(targets) % len(WAYS)]
        await drills.crash(target, way)
