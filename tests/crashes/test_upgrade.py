"""An upgrade in the middle of a trading day: a real ledger of an earlier version, real processes."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from supervision.exits import ExitCode
from tests.crashes.claims import ClaimWatch
from tests.crashes.migration import AFTER, BEFORE, BETWEEN
from tests.crashes.process import command
from tests.crashes.storm import Storm
from tests.crashes.town import build_town, serve_town
from tests.crashes.upgrade import STOCK_STEPS, Upgrade, known

pytestmark = pytest.mark.timeout(300)


@asynccontextmanager
async def upgrading(
    directory: Path, ledger_url: str, *, back: int
) -> AsyncIterator[tuple[Upgrade, list[str], trio.CancelScope]]:
    """Yield a ledger that lacks so many steps, the copies open in it, and the storm that goes on."""
    town = build_town(directory)
    upgrade = Upgrade(town, ledger_url, Storm(town, random.Random(9)), ClaimWatch(town, ledger_url))
    upgrade.claims.watch()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_town, town, ledger_url)
        await command(town, "followers", "apply", str(directory / "followers.toml"), "--offline")
        upgrade.storm.stock_up(STOCK_STEPS)
        left_open = await upgrade.leave_unfinished()
        assert left_open
        upgrade.put_back(back)
        async with trio.open_nursery() as storms:
            storms.start_soon(upgrade.storm.rage, 3600)
            yield upgrade, left_open, storms.cancel_scope
        nursery.cancel_scope.cancel()


async def test_an_upgrade_that_dies_half_way_is_made_again_and_settles_what_was_open(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with upgrading(tmp_path / "engine", sqlite_url, back=1) as (upgrade, left_open, storm):
        await upgrade.die_in_migration(BEFORE)
        assert known()[-1] in (await upgrade.migrate()).said
        await upgrade.finish(left_open, storm=storm)


@pytest.mark.long
@pytest.mark.parametrize("back", [1, 2])
async def test_an_upgrade_under_load_is_all_or_nothing_wherever_it_dies(
    tmp_path: Path, ledger_url: str, back: int
) -> None:
    async with upgrading(tmp_path / "engine", ledger_url, back=back) as (upgrade, left_open, storm):
        refused = await upgrade.start()
        assert refused.status == ExitCode.BAD_CONFIG
        lacks = ", ".join(known()[-back:])
        assert (
            f"was written by an older version and lacks {lacks}: run `copytrader db migrate`" in refused.said
        )
        for point in (BETWEEN, BEFORE, AFTER):
            await upgrade.die_in_migration(point)
        assert "is up to date" in (await upgrade.migrate()).said
        older = await upgrade.start_older(back)
        assert older.status == ExitCode.BAD_CONFIG
        assert f"newer version: it has {lacks}" in older.said
        assert upgrade.applied() == known()
        assert upgrade.open_copies() == left_open
        await upgrade.finish(left_open, storm=storm)
