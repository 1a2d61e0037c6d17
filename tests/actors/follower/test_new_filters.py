"""A venue changes its rules while the engine runs: the catalogue is read again when an order shows it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchanges.sandbox import FaultKind
from exchanges.sandbox.listing import ListingStatus
from model.reasons import Reason
from tests.houses import VENUES
from tests.world import Cast, World, fixed_ratio, open_world

D = Decimal
LONG_BEFORE_IT_IS_READ_ANYWAY_S = 60.0


def relist(world: World, **changes: Any) -> None:
    """Change bitcoin's filters at the follower's venue."""
    core, symbol = world.core("alice"), world.house("alice").own_symbol("BTCUSDT")
    core.add_listing(attrs.evolve(core.listing(symbol), **changes), core.mark(symbol))


async def test_a_coarser_lot_holds_up_neither_an_exit_nor_an_opening(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """Refused for its step, the reduction was sent again and again until the hour was over."""
    async with open_world(tmp_path, Cast(venue=venue, settings={"sizing": fixed_ratio("0.37")})) as world:
        world.trade("BTCUSDT", "0.4")
        await world.settled()
        await trio.sleep(LONG_BEFORE_IT_IS_READ_ANYWAY_S)
        relist(world, lot_size=D("0.01"), min_quantity=D("0.01"))
        world.trade("BTCUSDT", "-0.2")
        await world.settled(timeout_s=10.0)
        reduced = world.size("alice")
        await trio.sleep(LONG_BEFORE_IT_IS_READ_ANYWAY_S)
        relist(world, lot_size=D("0.1"), min_quantity=D("0.1"))
        world.trade("BTCUSDT", "0.3")
        await world.settled(timeout_s=10.0)

        assert abs(reduced - D("0.074")) < D("0.01")
        assert abs(world.size("alice") - D("0.185")) < D("0.1")


async def test_an_exit_that_leaves_a_fraction_of_a_lot_is_not_put_off_when_it_is_refused_as_too_small(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It was no close of everything, and waited for the next change of a master who had left."""
    async with open_world(tmp_path, Cast(settings={"sizing": fixed_ratio("0.37")})) as world:
        world.trade("BTCUSDT", "0.4")
        await world.settled()
        await trio.sleep(LONG_BEFORE_IT_IS_READ_ANYWAY_S)
        relist(world, lot_size=D("0.01"), min_quantity=D("0.01"))
        world.trade("BTCUSDT", "0.3")
        await world.settled(timeout_s=10.0)
        held = world.size("alice")
        world.core("alice").faults.add(FaultKind.REJECT, account="alice", code=110094, count=2)
        world.close("BTCUSDT")
        await trio.sleep(5)

        assert held == D("0.258")
        assert world.size("alice") == D("0.008")


async def test_smaller_orders_are_sent_where_large_ones_are_no_longer_taken(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.4")
        await world.settled()
        await trio.sleep(LONG_BEFORE_IT_IS_READ_ANYWAY_S)
        relist(world, max_market_quantity=D("0.15"))
        world.close("BTCUSDT")
        await world.settled(timeout_s=10.0)

        assert world.size("alice") == 0


@pytest.mark.parametrize("venue", VENUES)
async def test_an_opening_sets_the_leverage_that_is_allowed_now(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """Binance's tiers were read once in the engine's life."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.01", leverage=D(20))
        await world.settled()
        await trio.sleep(LONG_BEFORE_IT_IS_READ_ANYWAY_S)
        relist(world, max_leverage=D(8), tiers=((D(1_000_000), D(8)),))
        world.close("BTCUSDT")
        await world.settled()
        world.trade("BTCUSDT", "0.01", leverage=D(15))
        await world.settled()

        assert world.size("alice") == D("0.01")


async def test_an_exit_of_more_orders_than_one_plan_has_is_whole(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It ended after a hundred orders, and what was left was nobody's any more."""
    async with open_world(tmp_path, Cast(), start=False) as world:
        relist(world, max_market_quantity=D("0.003"))
        await world.start_engine()
        await world.ready()
        world.trade("BTCUSDT", "0.4")
        await world.settled()
        world.close("BTCUSDT")
        await world.settled()

        assert world.size("alice") == 0
        assert len(world.venue.ledger.of("alice")) > 100


async def test_an_exit_waits_for_a_symbol_that_is_halted(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        await trio.sleep(LONG_BEFORE_IT_IS_READ_ANYWAY_S)
        relist(world, status=ListingStatus.CLOSED)
        world.close("BTCUSDT")
        await trio.sleep(LONG_BEFORE_IT_IS_READ_ANYWAY_S)
        held = world.size("alice")
        relist(world, status=ListingStatus.TRADING)
        await world.until(lambda: not world.size("alice"), timeout_s=40.0)
        world.trade("BTCUSDT", "0.2")
        await world.settled()

        assert held == D("0.1")
        assert world.size("alice") == D("0.2")


async def test_a_symbol_that_a_reading_leaves_out_is_still_closed(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """What was not in the last catalogue could not be traded at all, not even to leave it."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        board, own = world.engine._boards[venue], world.house("alice").own_symbol("BTCUSDT")
        board.learn({name: it for name, it in board.instruments.items() if name != own})
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        (skipped,) = [row for row in world.copies() if row.reason is Reason.SYMBOL_NOT_TRADING]
        world.close("BTCUSDT")
        await world.settled()

        assert skipped.follower == "alice"
        assert world.size("alice") == 0
