"""The process under a host's hardships, with followers on every venue."""

import signal
from pathlib import Path

import pytest
import trio

from tests.crashes.books import off_target
from tests.crashes.hardships import assert_all_is_right, empty_disk, fill_disk, freeze, town_with_engine
from tests.crashes.process import started
from tests.crashes.run import READY_S_MAX
from tests.crashes.storm import UNITS

pytestmark = pytest.mark.timeout(300)
SQLITE = "sqlite:///ledger.db"


async def test_sigterm_in_a_storm_settles_what_is_in_flight_and_ends_with_0(tmp_path: Path) -> None:
    async with town_with_engine(tmp_path / "engine", SQLITE) as (town, storm, engine):
        await storm.blow(20, 0.02)
        engine.signal(signal.SIGTERM)
        storm.move()
        with trio.fail_after(40):
            status = await engine.process.wait()
        assert status == 0, engine.last_words()
        before = town.orders()
        async with started(town) as next_engine:
            assert await next_engine.wait_ready(READY_S_MAX) is not None, next_engine.last_words()
            await assert_all_is_right(town, next_engine)
        assert town.orders() - before <= 2 * len(UNITS) * len(town.residents)  # a flip of each leg at most


async def test_a_frozen_process_goes_on_where_the_master_is_by_then(tmp_path: Path) -> None:
    async with town_with_engine(tmp_path / "engine", SQLITE) as (town, storm, engine):
        await storm.blow(10, 0.02)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(freeze, engine, 4.0)
            await storm.blow(20, 0.1)
        await assert_all_is_right(town, engine)
        assert engine.is_alive


async def test_a_second_engine_on_the_ledger_ends_with_75_and_sends_nothing(tmp_path: Path) -> None:
    async with town_with_engine(tmp_path / "engine", SQLITE) as (town, storm, engine):
        await storm.blow(10, 0.02)
        await assert_all_is_right(town, engine)
        sent = town.orders()
        async with started(town) as second:
            with trio.fail_after(READY_S_MAX):
                assert await second.process.wait() == 75
        assert town.orders() == sent
        await storm.blow(10, 0.02)
        await assert_all_is_right(town, engine)


async def test_a_full_disk_stops_openings_and_no_exit(tmp_path: Path) -> None:
    async with town_with_engine(tmp_path / "engine", SQLITE) as (town, storm, engine):
        await storm.blow(10, 0.02)
        await assert_all_is_right(town, engine)
        fill_disk(engine)
        for symbol in storm.held():
            town.market.core.close_position("master", symbol)
        with trio.fail_after(30):
            while off_target(town):
                await trio.sleep(0.05)
        known = {id(row) for row in town.arrivals()}
        await storm.blow(10, 0.02)
        await trio.sleep(1)
        assert not [row for row in town.arrivals() if id(row) not in known and not row.intent.reduce_only]
        empty_disk(engine)
        assert await engine.wait_ready(READY_S_MAX) is not None, engine.last_words()
        for symbol in storm.held():
            town.market.core.close_position("master", symbol)
        await storm.blow(20, 0.02)
        for symbol in storm.held():
            town.market.core.close_position("master", symbol)
        await assert_all_is_right(town, engine)
        assert engine.is_alive
