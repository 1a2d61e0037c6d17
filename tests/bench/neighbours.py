"""Fifty followers, before and while one beside them hangs and another one crashes again and again."""

import trio

from tests.bench.accounts import FOLLOWER, names
from tests.bench.figures import Figure, percentile, spread
from tests.bench.latency import REST_S, STEPS, copier_of
from tests.bench.link import Process, started

HEALTHY = 50
FACTOR_MAX = 1.10


async def measure(url: str, directory: str, *, events: int) -> list[Figure]:
    """Return how much later the last of the healthy ones is for its neighbours' trouble, in one run."""
    everybody = names(FOLLOWER, HEALTHY + 2)
    async with (
        started("tests.bench.venue", followers=len(everybody), bare=0, one_way_s=0.0) as venue,
        copier_of(venue, len(everybody), url, directory) as copier,
    ):
        await _events(venue, len(STEPS))
        well = await _events(venue, events)
        await copier.ask("fall_ill", hangs=everybody[-2], crashes=everybody[-1])
        beside = await _events(venue, events)
    first, second = (percentile(it, 0.99) for it in (well, beside))
    return [
        Figure(
            what=f"copy, last of {HEALTHY} beside one that hangs and one that crashes (p50 / p99)",
            value=f"{spread(beside)} = {second / first:.2f} x",
            goal=f"p99 <= {FACTOR_MAX:.2f} x of all well",
            met=second <= FACTOR_MAX * first,
            note=f"all well: {spread(well)}; {events} events each",
        )
    ]


async def _events(venue: Process, count: int) -> list[float]:
    last_ms = []
    for number in range(count):
        seen = await venue.ask("event", quantity=STEPS[number % len(STEPS)], kind=FOLLOWER, accounts=HEALTHY)
        if seen["silent"]:
            raise RuntimeError(f"{seen['silent']} of {HEALTHY} did not copy")
        last_ms.append(seen["last_ms"])
        await trio.sleep(REST_S)
    return last_ms
