"""Somebody trades on the leg by hand while a copy's order is on its way: told, for it is ours by then."""

from decimal import Decimal
from pathlib import Path

import trio
from trio.testing import MockClock

from actors.events import ForeignPositionSeen, HandSeen
from exchanges.sandbox import FaultKind
from tests.world import Cast, World, mirror, open_world

D = Decimal


async def by_hand_before_a_copy(world: World, quantity: str, master: str) -> None:
    """Trade as the follower's owner, who is not heard of before the copy has left."""
    world.core("alice").faults.add(FaultKind.DELAY_FRAME, account="alice", seconds=0.05)
    world.core("alice").trade("alice", world.house("alice").own_symbol("BTCUSDT"), D(quantity))
    world.trade("BTCUSDT", master)
    await trio.sleep(2)
    world.core("alice").faults.clear()
    await world.settled()


async def test_a_hand_that_opens_milliseconds_before_a_copy_is_told_of(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.1")  # the first copy of a symbol reads the account, and sees it
        await world.settled()
        world.close("BTCUSDT")
        await world.settled()
        await by_hand_before_a_copy(world, "0.3", "0.5")
        (hand,) = world.seen(HandSeen)
        world.close("BTCUSDT")
        await world.settled()

        assert (hand.follower, hand.expected, hand.size) == ("alice", "0.5", "0.8")
        assert not world.seen(ForeignPositionSeen)
        assert world.size("alice") == 0


async def test_a_hand_that_closes_beside_a_copy_is_told_of(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        await by_hand_before_a_copy(world, "-0.2", "0.1")

        (hand,) = world.seen(HandSeen)
        assert (hand.expected, hand.size) == ("0.6", "0.4")


async def test_ordinary_copies_see_no_hands(tmp_path: Path, autojump_clock: MockClock, venue: str) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        core = world.core("alice")
        core.faults.add(FaultKind.DELAY_FRAME, account="alice", seconds=(0.0, 3.0))
        for quantity in ("0.5", "0.1", "-0.2", "0.3", "-0.7"):
            world.trade("BTCUSDT", quantity)
            await trio.sleep(0.2)
        await world.settled()

        assert world.size("alice") == 0
        assert not world.seen(HandSeen)


async def test_a_position_by_hand_on_a_symbol_that_nobody_copies_leaves_the_equity_known(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue, settings={"sizing": mirror()})) as world:
        world.core("alice").trade("alice", world.house("alice").own_symbol("SOLUSDT"), D(10))
        await trio.sleep(6)
        status = await world.status("alice")
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert status.equity is not None
        assert status.fresh
        assert world.size("alice") > 0


async def test_a_position_whose_frame_was_lost_is_found_by_a_reading(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.core("alice").faults.add(FaultKind.DROP_FRAME, account="alice", count=5)
        world.core("alice").trade("alice", world.house("alice").own_symbol("SOLUSDT"), D(10))
        await trio.sleep(65)

        (foreign,) = world.seen(ForeignPositionSeen)
        assert D(foreign.size) == D(10)
