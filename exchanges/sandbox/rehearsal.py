"""A whole sandbox in one call: venue, Bybit face, server and a price walk."""

import attrs
import trio

from exchanges.sandbox.bybit import BybitServer
from exchanges.sandbox.description import SandboxDescription, build_venue
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.walk import PriceWalk


@attrs.frozen(kw_only=True)
class Rehearsal:
    """What runs: trade on ``venue``, cut lines on ``server``, point an engine at ``endpoints``."""

    description: SandboxDescription
    venue: SandboxVenue
    server: BybitServer
    endpoints: dict[str, str]


async def run_rehearsal(
    description: SandboxDescription,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    walk_period_s: float | None = 1.0,
    task_status: trio.TaskStatus[Rehearsal] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on TCP until cancelled; ``started`` with a Rehearsal once the port is open.

    ``walk_period_s`` None keeps the prices where they are.
    """
    venue = build_venue(description)
    server = BybitServer(venue)
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(server.serve_tcp, host, port)
        if walk_period_s is not None:
            walk = PriceWalk(venue, seed=description.seed, period_s=walk_period_s)
            nursery.start_soon(walk.run)
        endpoints = server.endpoints(host, bound)
        task_status.started(
            Rehearsal(description=description, venue=venue, server=server, endpoints=endpoints)
        )
