"""Whole runs of an engine that keeps the venues' request budgets, as it does in earnest."""

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from exchanges.binance.limits import OPEN_SHARE
from exchanges.bybit.limits import KeyLimits, Pool
from exchanges.sandbox.binance.budgets import ORDERS_MAX
from exchanges.sandbox.bybit.budgets import LIMITS
from tests.simulation.jobs import Job, assert_nothing_violated
from tests.simulation.run import simulate
from tests.simulation.schedule import make_schedule
from tests.world import Cast, World, open_world

SEEDS = {"bybit": (0, 1), "binance": (2, 3, 17000448, 18100664, 67000112), "hyperliquid": (0, 4, 6, 17000371)}

TURN_S = 20.0
WINDOW_MS = 10_000


@pytest.mark.parametrize(("venue", "seed"), [(venue, seed) for venue in SEEDS for seed in SEEDS[venue]])
def test_a_paced_run_violates_nothing(venue: str, seed: int) -> None:
    """On Hyperliquid a start took a minute: the questions about keys went first."""
    assert_nothing_violated(Job(venue, seed, paced=True))


@pytest.mark.parametrize("seed", [16, 22])
def test_an_account_that_is_told_it_has_no_actions_left_asks_how_many_there_are(seed: int) -> None:
    """It asked every ten minutes, and opened nothing until then."""
    schedule = make_schedule(seed, ("rate_limit",), venue="hyperliquid", paced=True)

    assert not simulate(schedule).violations


@pytest.mark.parametrize("venue", ["bybit", "binance", "hyperliquid"])
async def test_an_exit_leaves_before_openings_that_wait_for_the_same_budget(
    venue: str, tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two orders one may open: the second has to wait, and so has the second of the exits told later."""
    monkeypatch.setitem(KeyLimits._SIZES, Pool.ORDERS, (2, 1))  # type: ignore[index]
    monkeypatch.setitem(LIMITS, "/v5/order/create", 2)
    monkeypatch.setitem(ORDERS_MAX, WINDOW_MS, 2)
    async with open_world(tmp_path, Cast(venue=venue, equity="100000"), paced=True) as world:
        for symbol, quantity in (("BTCUSDT", "0.2"), ("XRPUSDT", "4000")):
            world.trade(symbol, quantity)
            await trio.sleep(TURN_S)
        ledger = world.core("alice").ledger
        sent = len(ledger)
        await _until_the_budget_is_nearly_spent(world, venue)
        world.trade("ETHUSDT", "2")
        world.trade("SOLUSDT", "30")
        await trio.sleep(0.2)
        told_at = trio.current_time()
        world.close("XRPUSDT")
        world.close("BTCUSDT")
        await world.settled()

        rows = [row for row in ledger.since(sent) if row.account == "alice"]
        eth, sol, xrp, btc = (
            [row.arrived_at for row in rows if row.intent.symbol == world.house("alice").own_symbol(symbol)]
            for symbol in ("ETHUSDT", "SOLUSDT", "XRPUSDT", "BTCUSDT")
        )
        assert xrp[0] < told_at + 0.1  # of what is kept for exits
        assert len(eth) + len(sol) < 2 or max(*eth, *sol) > told_at + 0.1  # an opening did wait
        assert btc[0] < min(sol, default=trio.current_time())


@pytest.mark.parametrize("venue", ["binance", "hyperliquid"])
async def test_an_exit_of_an_account_that_has_to_be_read_does_not_wait_for_openings(
    venue: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """What it read had the turn of an opening's: half a minute late where a lost network had cost much."""
    async with open_world(tmp_path, Cast(venue=venue, equity="100000"), paced=True) as world:
        for symbol, quantity in (("BTCUSDT", "0.2"), ("XRPUSDT", "4000")):
            world.trade(symbol, quantity)
            await trio.sleep(TURN_S)
        await world.settled()
        _leave_only_what_is_kept_for_exits(world, venue)
        world.house("alice").server.drop_connections(account="alice", kind="private")
        await trio.sleep(0.1)
        told_at = trio.current_time()
        world.trade("ETHUSDT", "2")
        world.trade("XRPUSDT", "-2000", reduce_only=True)
        world.close("BTCUSDT")
        await world.until(lambda: world.size("alice", "BTCUSDT") == 0, timeout_s=1.0)
        await world.until(lambda: world.size("alice", "XRPUSDT") == 2000, timeout_s=1.0)

        assert world.size("alice", "ETHUSDT") == 0
        assert trio.current_time() < told_at + 1.0


def _leave_only_what_is_kept_for_exits(world: World, venue: str) -> None:
    limits: Any = world.engine.parts.venues[venue]
    if venue == "binance":
        weight = limits._shared.weight
        weight.charge(weight.limit * OPEN_SHARE // 100 - weight.used)
    else:
        bucket = limits._limits._weight.bucket
        bucket.take(trio.current_time(), bucket._level - 30)


async def _until_the_budget_is_nearly_spent(world: World, venue: str) -> None:
    """Wait, on Binance, for the last seconds of its window; on Hyperliquid weight is kept back."""
    if venue == "binance":
        now_ms = world.clock.wall_ms()
        await trio.sleep((-now_ms % WINDOW_MS) / 1000 - 1.5)
    elif venue == "hyperliquid":
        limits: Any = world.engine.parts.venues[venue]
        bucket = limits._limits._weight.bucket
        bucket.take(trio.current_time(), bucket._level - 30)
