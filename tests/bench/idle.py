"""What followers that do nothing cost in memory."""

from pathlib import Path

import trio

from tests.bench.figures import Figure
from tests.bench.latency import copier_of
from tests.bench.ledgers import SQLITE, new_ledger
from tests.bench.link import started

FEW, MANY = 100, 1_000
KB_MAX = 150.0
SETTLE_S = 3.0


async def measure(directory: Path) -> list[Figure]:
    """Return the difference in resident memory between few and many followers, per follower."""
    few, many = await _memory(FEW, directory), await _memory(MANY, directory)
    kb = (many - few) / (MANY - FEW) / 1024
    return [
        Figure(
            what=f"memory an idle follower, loopback without TLS ({FEW} -> {MANY})",
            value=f"{kb:.0f} KB",
            goal=f"<= {KB_MAX:.0f} KB",
            met=kb <= KB_MAX,
            note=f"resident {few / 2**20:.0f} -> {many / 2**20:.0f} MB",
        )
    ]


async def _memory(followers: int, directory: Path) -> int:
    with new_ledger(SQLITE, directory, None) as url:
        async with (
            started("tests.bench.venue", followers=followers, bare=0, one_way_s=0.0) as venue,
            copier_of(venue, followers, url, str(directory)) as copier,
        ):
            await trio.sleep(SETTLE_S)
            return int(await copier.ask("memory"))
