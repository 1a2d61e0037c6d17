"""A burst of the master: changes that wait give way to newer ones (R2)."""

from tests.bench.figures import Figure, percentile
from tests.bench.latency import copier_of
from tests.bench.link import started

FOLLOWERS = 10
FILLS, BURST_S = 100, 1.0
ROUND_TRIP_S = 0.1
ROUND_TRIPS_MAX = 2.0
QUANTITY = "0.01"


async def measure(url: str, directory: str, *, events: int) -> list[Figure]:
    """Return how soon after the last frame all hold what the master holds, and how many orders it took."""
    waits, orders = [], []
    line_s = ROUND_TRIP_S / 2
    async with (
        started("tests.bench.venue", followers=FOLLOWERS, bare=0, one_way_s=line_s) as venue,
        copier_of(venue, FOLLOWERS, url, directory, mirror=False),
    ):
        for number in range(events):
            quantity = QUANTITY if number % 2 == 0 else f"-{QUANTITY}"
            seen = await venue.ask("burst", quantity=quantity, fills=FILLS, seconds=BURST_S)
            waits.append(seen["converged_ms"] / 1e3)
            orders.append(seen["orders"] / FOLLOWERS)
    trips = percentile(waits, 0.5) / ROUND_TRIP_S
    return [
        Figure(
            what=f"burst of {FILLS} fills in {BURST_S:g} s, {FOLLOWERS} followers, 100 ms latency (p50)",
            value=f"{percentile(waits, 0.5) * 1e3:.0f} ms = {trips:.2f} round trips",
            goal=f"<= {ROUND_TRIPS_MAX:g} round trips",
            met=trips <= ROUND_TRIPS_MAX,
            note=f"{len(waits)} bursts, worst {max(waits) * 1e3:.0f} ms after the last frame",
        ),
        Figure(
            what="orders a follower for these fills",
            value=f"{percentile(orders, 0.5):.1f}, at most {max(orders):.1f}",
            goal=f"< {FILLS}",
            met=max(orders) < FILLS,
        ),
    ]
