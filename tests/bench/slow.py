"""The slow venue: 15 followers whose orders are answered after 1 to 9 seconds."""

from tests.bench.accounts import FOLLOWER, names
from tests.bench.figures import Figure, percentile
from tests.bench.latency import STEPS, copier_of
from tests.bench.link import started

FOLLOWERS = 15
FASTEST_S, SLOWEST_S = 1.0, 9.0
FACTOR_MAX = 1.05


async def measure(url: str, directory: str, *, events: int) -> list[Figure]:
    """Return the copy cycle: from the master's frame until the last copy has its outcome."""
    step = (SLOWEST_S - FASTEST_S) / (FOLLOWERS - 1)
    delays = {name: FASTEST_S + step * number for number, name in enumerate(names(FOLLOWER, FOLLOWERS))}
    cycles = []
    async with started("tests.bench.venue", followers=FOLLOWERS, bare=0, one_way_s=0.0) as venue:
        await venue.ask("slow", seconds=delays)
        async with copier_of(venue, FOLLOWERS, url, directory) as copier:
            for number in range(events):
                await copier.ask("begin")
                quantity = STEPS[number % len(STEPS)]
                seen = await venue.ask("event", quantity=quantity, kind=FOLLOWER, accounts=FOLLOWERS)
                done = await copier.ask("finished", copies=FOLLOWERS)
                cycles.append((done["finished_ns"] - seen["written_ns"]) / 1e9)
    factor = percentile(cycles, 0.5) / SLOWEST_S
    return [
        Figure(
            what=f"copy cycle, slow venue, {FOLLOWERS} followers, 1-9 s a call (p50)",
            value=f"{percentile(cycles, 0.5):.2f} s = {factor:.3f} x slowest call",
            goal=f"<= {FACTOR_MAX} x",
            met=factor <= FACTOR_MAX,
            note=f"{len(cycles)} events, worst {max(cycles):.2f} s; until the outcome is recorded",
        )
    ]
