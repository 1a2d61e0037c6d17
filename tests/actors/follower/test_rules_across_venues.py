"""Rules about leverage and prices, the same for a follower on each venue (R7, R9)."""

from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from model.reasons import Reason
from model.settings import Limits
from tests.world import Cast, World, fixed_ratio, open_world

D = Decimal
CATALOGUE_COMPLETE_S = 10.0
"""By then every venue has told its leverage tiers."""


def own_btc(world: World) -> str:
    """Return bitcoin as the follower's venue has it."""
    return world.house("alice").own_symbol("BTCUSDT")


def leverage(world: World) -> Decimal:
    """Return what is set for bitcoin."""
    return world.account("alice").leverage(own_btc(world))


def list_tiers(world: World, *tiers: tuple[int, int]) -> None:
    """Change bitcoin's tiers at the follower's venue: up to this notional, at most this leverage."""
    core, symbol = world.core("alice"), own_btc(world)
    bounds = tuple((D(notional), D(most)) for notional, most in tiers)
    core.add_listing(attrs.evolve(core.listing(symbol), tiers=bounds), core.mark(symbol))


async def test_a_fractional_leverage_of_the_master_rounds_down(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.1", leverage=D("12.75"))
        await world.settled()

        step = world.core("alice").listing(own_btc(world)).leverage_step
        assert leverage(world) == (D("12.75") if venue == "bybit" else D(12)) == D("12.75") // step * step
        assert world.size("alice") == D("0.1")


async def test_a_leverage_is_what_the_tier_of_the_whole_position_allows(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue), start=False) as world:
        list_tiers(world, (4_000, 40), (1_000_000, 15))
        await world.start_engine()
        await world.ready()
        await trio.sleep(CATALOGUE_COMPLETE_S)
        world.trade("BTCUSDT", "0.05", leverage=D(30))
        await world.settled()
        small = leverage(world)
        world.trade("BTCUSDT", "0.05")
        await world.settled()

        assert (small, leverage(world)) == (30, 15)
        assert world.size("alice") == D("0.1")


@pytest.mark.parametrize("venue", ["bybit", "binance"])
async def test_nothing_is_opened_beyond_the_last_tier(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """Hyperliquid's last tier has no end."""
    async with open_world(tmp_path, Cast(venue=venue), start=False) as world:
        list_tiers(world, (3_000, 40), (6_000, 15))
        await world.start_engine()
        await world.ready()
        await trio.sleep(CATALOGUE_COMPLETE_S)
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        held, why = world.size("alice"), world.copies("alice")[-1].reason
        world.close("BTCUSDT")
        await world.settled()

        assert D("0.098") < held < D("0.1")  # at the bound of the opening, 1 % above the mark
        assert why is Reason.LEVERAGE_TIER
        assert world.size("alice") == 0
        assert {row.status for row in world.core("alice").ledger.of("alice")} == {"filled"}


async def test_a_price_far_from_the_masters_blocks_openings_only(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    limits = Limits(max_basis=D("0.005"), max_slippage=D("0.05"))
    cast = Cast(venue=venue, settings={"sizing": fixed_ratio("1"), "limits": limits})
    async with open_world(tmp_path, cast) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        world.trade("BTCUSDT", "0.1", price=D(60_400))
        await world.settled()
        apart, why = world.size("alice"), world.copies("alice")[-1].reason
        world.trade("BTCUSDT", "-0.2", price=D(58_000), reduce_only=True)
        await world.settled()
        reduced = world.size("alice")
        world.close("BTCUSDT")
        await world.settled()

    assert (apart, why) == (D("0.2"), Reason.MAX_BASIS)
    assert D(0) < reduced < D("0.2")
    assert world.size("alice") == 0
