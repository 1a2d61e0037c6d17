"""The master's socket is lost: resumed, reconciled, and what was missed is copied (R14)."""

from tests.bench.figures import Figure, percentile
from tests.bench.latency import copier_of
from tests.bench.link import started

FOLLOWERS = 10
ROUND_TRIP_S = 0.1
ROUND_TRIPS_MAX = 4.0
STEPS = ("0.1", "-0.1")


async def measure(url: str, directory: str, *, events: int) -> list[Figure]:
    """Return how long after its new socket is open the engine is reconciled; it trades while away."""
    after_open, in_all = [], []
    async with (
        started("tests.bench.venue", followers=FOLLOWERS, bare=0, one_way_s=ROUND_TRIP_S / 2) as venue,
        copier_of(venue, FOLLOWERS, url, directory, mirror=False) as copier,
    ):
        for number in range(events):
            await copier.ask("begin_outage")
            dropped_ns = await venue.ask("drop_master")
            await venue.ask("trade", quantity=STEPS[number % len(STEPS)])
            reconciled_ns = await copier.ask("reconciled")
            opened_ns = max(await venue.ask("opened"))
            after_open.append((reconciled_ns - opened_ns) / 1e9)
            in_all.append((reconciled_ns - dropped_ns) / 1e9)
            await venue.ask("converged")
    trips = percentile(after_open, 0.5) / ROUND_TRIP_S
    return [
        Figure(
            what="master socket lost -> reconciled, after the new one is open, 100 ms latency (p50)",
            value=f"{percentile(after_open, 0.5) * 1e3:.0f} ms = {trips:.2f} round trips",
            goal=f"<= {ROUND_TRIPS_MAX:g} round trips",
            met=trips <= ROUND_TRIPS_MAX,
            note=f"{len(in_all)} losses; {percentile(in_all, 0.5) * 1e3:.0f} ms since the loss, backoff "
            "included; each time a missed trade was copied",
        )
    ]
