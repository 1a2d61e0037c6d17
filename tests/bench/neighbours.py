"""Fifty followers, by turns alone and beside one that hangs and another one that crashes again and again.

Stays are short, so that whatever else the machine does falls on both kinds alike: a minute, in which the one
that hangs is restarted and the one that crashes is quarantined and tried again, and just the way into
quarantine, again and again, which nobody's illness is. How large a factor comes about by chance is seen by
telling the kinds apart at random.
"""

import random
from collections.abc import Iterable

import attrs
import trio

from tests.bench.accounts import FOLLOWER, names
from tests.bench.figures import Figure, percentile, spread
from tests.bench.latency import REST_S, STEPS, copier_of
from tests.bench.link import Process, started

HEALTHY = 50
FACTOR_MAX = 1.10
TURN = 2 * len(STEPS)
"""Events: with a crash every 200 ms and backoff, about as long as the way into quarantine."""
MINUTE_S = 60.0
MORE = 5
"""As many times the events of each kind asked for: of twenty the 99th percentile is the one worst."""
SETTLE_S = 0.3
SHUFFLES = 1_000


async def measure(url: str, directory: str, *, events: int) -> list[Figure]:
    """Return how much later the last of the healthy ones is for its neighbours' trouble."""
    everybody = names(FOLLOWER, HEALTHY + 2)
    way, minutes = Found(), Found()
    async with (
        started("tests.bench.venue", followers=len(everybody), bare=0, one_way_s=0.0) as venue,
        copier_of(venue, len(everybody), url, directory) as copier,
    ):
        bench = _Bench(venue=venue, copier=copier, hangs=everybody[-2], crashes=everybody[-1])
        await bench.stay()
        while way.events < events:
            await bench.compare(way)
        while minutes.events < events * MORE:
            await bench.compare(minutes, lasts_s=MINUTE_S)
    return [
        minutes.figure("a minute"),
        attrs.evolve(way.figure("the way into quarantine"), goal="", met=None),
    ]


@attrs.define
class Turn:
    """Milliseconds until the last healthy one's order, event by event, and the engine's seconds of CPU."""

    last_ms: list[float]
    cpu_s: float


@attrs.define
class Found:
    """What the turns of each kind showed."""

    well: list[Turn] = attrs.field(factory=list)
    beside: list[Turn] = attrs.field(factory=list)
    crashes: int = 0

    @property
    def events(self) -> int:
        """How many of each kind were measured."""
        return len(_together(self.beside))

    def factor(self, share: float) -> float:
        """Return how much trouble costs, at a percentile."""
        return _factor(self.beside, self.well, share)

    def chance(self, share: float) -> float:
        """Return the factor that chance alone exceeds once in twenty times."""
        turns, draw = [*self.well, *self.beside], random.Random(0)
        factors = []
        for _ in range(SHUFFLES):
            draw.shuffle(turns)
            factors.append(_factor(turns[: len(self.beside)], turns[len(self.beside) :], share))
        return percentile(factors, 0.95)

    def figure(self, stay: str) -> Figure:
        """Return the factor beside that of chance, judged where chance could not make it the other way."""
        factor, chance = self.factor(0.99), self.chance(0.99)
        is_hidden = chance > max(FACTOR_MAX, factor) and factor * chance > FACTOR_MAX
        well, beside = _together(self.well), _together(self.beside)
        cpu = sum(it.cpu_s for it in self.beside) / sum(it.cpu_s for it in self.well)
        return Figure(
            what=f"copy, last of {HEALTHY} beside one that hangs and one that crashes, {stay} (p50 / p99)",
            value=f"{spread(beside)} = {factor:.2f} x",
            goal=f"p99 <= {FACTOR_MAX:.2f} x of all well",
            met=None if is_hidden else factor <= FACTOR_MAX,
            note=f"all well: {spread(well)}; by chance up to {chance:.2f} x"
            f"{', too much to judge' if is_hidden else ''}; at p50 {self.factor(0.5):.2f} x, "
            f"by chance up to {self.chance(0.5):.2f} x; CPU {cpu:.2f} x; "
            f"{len(beside)} events, {self.crashes} crashes",
        )


def _factor(beside: Iterable[Turn], well: Iterable[Turn], share: float) -> float:
    return percentile(_together(beside), share) / percentile(_together(well), share)


def _together(turns: Iterable[Turn]) -> list[float]:
    return [last_ms for turn in turns for last_ms in turn.last_ms]


@attrs.frozen(kw_only=True)
class _Bench:
    """A venue, an engine, and the two whose trouble is compared with none."""

    venue: Process
    copier: Process
    hangs: str
    crashes: str

    async def compare(self, found: Found, *, lasts_s: float = 0.0) -> None:
        """Measure one stay of each kind; what an illness leaves behind falls on neither."""
        well = await self.stay(lasts_s=lasts_s)
        await self.copier.ask("fall_ill", hangs=self.hangs, crashes=self.crashes)
        beside = await self.stay(lasts_s=lasts_s)
        found.crashes += await self.copier.ask("get_well", crashes=self.crashes)
        count = min(len(well), len(beside))  # so that both kinds have as many events
        found.well += well[:count]
        found.beside += beside[:count]
        await self.venue.ask("converged")
        await trio.sleep(SETTLE_S)
        await self.stay()

    async def stay(self, *, lasts_s: float = 0.0) -> list[Turn]:
        """Return whole turns, at least one."""
        ends_at, turns = trio.current_time() + lasts_s, [await self._turn()]
        while trio.current_time() < ends_at:
            turns.append(await self._turn())
        return turns

    async def _turn(self) -> Turn:
        last_ms = []
        await self.copier.ask("begin")
        for number in range(TURN):
            step = STEPS[number % len(STEPS)]
            seen = await self.venue.ask("event", quantity=step, kind=FOLLOWER, accounts=HEALTHY)
            if seen["silent"]:
                raise RuntimeError(f"{seen['silent']} of {HEALTHY} did not copy")
            last_ms.append(seen["last_ms"])
            await trio.sleep(REST_S)
        return Turn(last_ms, (await self.copier.ask("spent"))["cpu_s"])
