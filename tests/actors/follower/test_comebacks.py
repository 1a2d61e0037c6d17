"""Crashes, lost sockets and restarts: nothing twice, nothing lost, nobody left in a position (R2, R14)."""

from decimal import Decimal
from pathlib import Path

import trio
from trio.testing import MockClock

from actors.messages import CrashNow
from exchanges.sandbox import FaultKind
from model.copy import CopyState
from model.reasons import Reason
from tests.world import Cast, open_world

D = Decimal


async def test_a_crashed_follower_comes_back_and_catches_up(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue), Cast(venue=venue, name="bob")) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        world.engine.followers["alice"].tell(CrashNow("a drill"))
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(1)
        await world.settled()
        world.close("BTCUSDT")
        await world.settled()

        assert (world.size("alice"), world.size("bob")) == (D(0), D(0))
        assert max(row.intent.quantity for row in world.core("alice").ledger.of("bob")) == D("0.3")
        assert not world.sent_twice()


async def test_a_lost_master_socket_is_made_good_by_a_snapshot(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.2")
        world.trade("ETHUSDT", "2")
        await world.settled()
        world.server.drop_connections(account="master", kind="private")
        world.close("BTCUSDT")
        world.trade("ETHUSDT", "1")
        await world.settled()

        assert world.size("alice") == 0
        assert world.size("alice", "ETHUSDT") == D(3)
        assert not world.sent_twice()


async def test_a_follower_reads_its_state_again_when_its_own_socket_was_lost(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        world.house("alice").server.drop_connections(account="alice")
        world.trade("BTCUSDT", "-0.1")
        await world.settled()

        assert world.size("alice") == D("0.1")
        assert not world.sent_twice()


async def test_an_engine_killed_with_an_order_on_its_way_asks_before_it_acts(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.core("alice").faults.add(FaultKind.DELAY_ANSWER, account="alice", seconds=3.0, count=1)
        world.trade("BTCUSDT", "0.2")
        await world.until(lambda: bool(world.core("alice").ledger.of("alice")))
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert world.size("alice") == D("0.2")
        assert len(world.core("alice").ledger.of("alice")) == 1
        assert [row.state for row in world.copies("alice")] == [CopyState.APPLIED]


async def test_what_the_master_left_while_the_engine_was_down_is_left(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.2")
        world.trade("ETHUSDT", "2")
        await world.settled()
        await world.kill_engine()
        world.close("BTCUSDT")
        world.trade("ETHUSDT", "-3")
        await trio.sleep(3600)
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert world.size("alice") == 0
        assert world.size("alice", "ETHUSDT") == D(-1)


async def test_an_opening_missed_while_down_is_judged_by_its_price(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        await world.kill_engine()
        world.trade("BTCUSDT", "0.2")
        world.trade("ETHUSDT", "2")
        world.venue.set_price("ETHUSDT", D("3200"))
        await trio.sleep(600)
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert world.size("alice") == D("0.2")
        assert world.size("alice", "ETHUSDT") == 0
        assert Reason.PRICE_MOVED in {row.reason for row in world.copies("alice")}


async def test_a_restart_with_nothing_new_sends_nothing(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.2")
        world.trade("ETHUSDT", "-2")
        await world.settled()
        orders = sum(len(house.core.ledger) for house in world.houses)
        await world.stop_engine()
        await world.start_engine()
        await world.ready()
        await trio.sleep(120)

        assert sum(len(house.core.ledger) for house in world.houses) == orders


async def test_a_drain_lets_the_order_in_flight_settle(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.core("alice").faults.add(FaultKind.DELAY_ANSWER, account="alice", seconds=4.0, count=1)
        world.trade("BTCUSDT", "0.2")
        await world.until(lambda: bool(world.core("alice").ledger.of("alice")))
        await world.stop_engine()

        assert [row.state for row in world.copies("alice")] == [CopyState.APPLIED]


async def test_legs_that_were_moved_just_before_a_kill_follow_the_master_back(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The copy of the first flip left no outcome, so the ledger's legs say what was before it."""
    async with open_world(tmp_path, Cast(hedge=True)) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        world.core("alice").faults.add(FaultKind.DELAY_ANSWER, account="alice", seconds=1.0)
        world.trade("BTCUSDT", "-0.3")
        await world.until(lambda: world.size("alice", position_idx=2) == D("-0.2"))
        await world.kill_engine()
        world.trade("BTCUSDT", "0.3")
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert (world.size("alice", position_idx=1), world.size("alice", position_idx=2)) == (D("0.1"), D(0))
        assert not world.sent_twice()


async def test_an_overtaken_flip_is_remembered_until_the_next_copy_is_done(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """The flip had closed the old side; the master came back to that side's size, and then the kill."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "-0.2")
        await world.settled()
        world.core("alice").faults.add(FaultKind.DELAY_ANSWER, account="alice", seconds=1.0, count=1)
        world.trade("BTCUSDT", "-0.2")
        await world.until(lambda: world.size("alice") == D("-0.4"))
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        endpoint = world.house("alice").order_endpoint
        world.core("alice").faults.add(
            FaultKind.DELAY_ANSWER, account="alice", endpoint=endpoint, seconds=0.1, count=1
        )
        world.trade("BTCUSDT", "0.7")
        await world.until(lambda: world.size("alice") == D(0))
        world.trade("BTCUSDT", "-0.5")
        await world.until(lambda: len(world.copies("alice")) == 4)
        await trio.sleep(0.05)
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert world.size("alice") == D("-0.2")
        assert not world.sent_twice()


async def test_what_an_order_filled_while_nobody_listened_is_ours_though_its_frame_was_lost(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """Found by a storm of flattenings: it was taken for somebody else's, and never closed."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        world.close("BTCUSDT")
        await world.settled()
        faults = world.core("alice").faults
        faults.add(FaultKind.DELAY_FILL, account="alice", seconds=3.0, count=1)
        world.trade("BTCUSDT", "0.2")
        await trio.sleep(1)
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        faults.add(FaultKind.DROP_FRAME, account="alice")
        await world.until(lambda: world.size("alice") > 0)
        await trio.sleep(2)
        faults.clear()
        world.close("BTCUSDT")
        await world.settled()
        await trio.sleep(120)

        assert world.size("alice") == 0
        assert not world.sent_twice()


async def test_what_a_drain_held_back_is_done_after_the_next_start(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """The closing half of a flip settles while the engine stops; its opening half waits for the next one."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        faults = world.core("alice").faults
        faults.add(FaultKind.DELAY_ANSWER, account="alice", seconds=1.0, count=1)
        world.trade("BTCUSDT", "-0.5")
        await world.until(lambda: len(world.core("alice").ledger.of("alice")) == 2)
        await world.stop_engine()
        stopped_at = world.size("alice")
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert (stopped_at, world.size("alice")) == (D(0), D("-0.3"))
        assert not world.sent_twice()


async def test_what_the_master_took_off_a_net_while_it_was_answered_is_taken_off_after_a_kill(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """Found by simulation: the answer was taken for one that knew his other leg's move of the same moment."""
    async with open_world(tmp_path, Cast(venue=venue), master_hedges=["BTCUSDT"]) as world:
        world.trade("BTCUSDT", "0.3", position_idx=1)
        await world.settled()
        world.core("alice").faults.add(FaultKind.DELAY_REQUEST, account="alice", seconds=0.2)
        world.trade("BTCUSDT", "-0.4", position_idx=2)
        world.trade("BTCUSDT", "0.06", position_idx=1)
        await world.until(lambda: world.size("alice") < 0)
        await world.kill_engine()
        world.core("alice").faults.clear()
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert world.size("alice") == D("-0.04")


async def test_an_old_side_is_left_at_once_after_a_kill_though_its_exit_is_unknown(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """A master who was flat meanwhile has opened the other side: that alone looked like an opening."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        faults, endpoint = world.core("alice").faults, world.house("alice").order_endpoint
        faults.add(FaultKind.LOSE_REQUEST, account="alice", endpoint=endpoint, count=1)
        world.close("BTCUSDT")
        await trio.sleep(0.2)
        await world.kill_engine()
        world.trade("BTCUSDT", "-0.2")
        await world.start_engine()
        await world.ready()
        await trio.sleep(1.0)
        held = world.size("alice")
        await world.settled()

        assert held <= 0
        assert world.size("alice") == D("-0.2")
        assert not world.sent_twice()
