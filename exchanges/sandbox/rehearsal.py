"""A whole sandbox in one call: every venue on a port of its own, and a walk of the prices."""

from collections.abc import Mapping

import trio

from exchanges.sandbox.houses import House
from exchanges.sandbox.walk import PriceWalk

Endpoints = Mapping[str, Mapping[str, str]]
"""Addresses by exchange, then by the key of `[endpoints.VENUE]`."""


async def run_rehearsal(
    houses: Mapping[str, House],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    walk_period_s: float | None = 1.0,
    seed: int = 0,
    task_status: trio.TaskStatus[Endpoints] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on TCP until cancelled; ``started`` with the Endpoints once every port is open.

    Args:
        port: the first venue's, the others have those after it; 0 takes free ones.
        walk_period_s: None keeps the prices where they are; they are the first venue's.
    Raises: OSError for a port that cannot be had.
    """
    async with trio.open_nursery() as nursery:
        endpoints = {}
        for place, (exchange, house) in enumerate(houses.items()):
            bound = await nursery.start(house.server.serve_tcp, host, port and port + place)
            endpoints[exchange] = house.kind.endpoints(host, bound)
        if walk_period_s is not None:
            leader = next(iter(houses.values()))
            nursery.start_soon(PriceWalk(leader.core, seed=seed, period_s=walk_period_s).run)
        task_status.started(endpoints)
