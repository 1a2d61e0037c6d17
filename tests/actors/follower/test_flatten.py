"""A follower is closed for an operator: by its own orders, whatever is in the way, and then paused (4)."""

from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.events import FlattenMoved
from actors.messages import CrashNow
from exchanges.sandbox import FaultKind
from model.copy import CopyState
from model.settings import FollowerMode
from tests.world import Cast, World, open_world

D = Decimal


async def paused(world: World, name: str = "alice", timeout_s: float = 120) -> None:
    await world.until(lambda: world.engine.settings_of(name).mode is FollowerMode.PAUSED, timeout_s)
    await world.settled()


def told(world: World) -> list[str]:
    return [event.state for event in world.seen(FlattenMoved)]


async def test_every_leg_is_closed_reduce_only_and_the_follower_paused(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue), Cast(venue=venue, name="bob")) as world:
        world.trade("BTCUSDT", "0.5")
        world.trade("ETHUSDT", "-2")
        await world.settled()
        before = len(world.core("alice").ledger.of("alice"))

        world.order("alice", FollowerMode.FLATTENING)
        await paused(world)

        assert (world.size("alice"), world.size("alice", "ETHUSDT")) == (0, 0)
        assert (world.size("bob"), world.size("bob", "ETHUSDT")) == (D("0.5"), D(-2))
        closing = world.core("alice").ledger.of("alice")[before:]
        assert len(closing) == 2
        assert all(row.intent.reduce_only for row in closing)
        assert world.mode_kept("alice") is FollowerMode.PAUSED
        assert told(world) == ["started", "done"]
        assert (await world.status("alice")).state == "paused"
        assert not world.sent_twice()


async def test_both_hedge_legs_are_closed(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, Cast(hedge=True), master_hedges=("BTCUSDT",)) as world:
        world.trade("BTCUSDT", "0.5", position_idx=1)
        world.trade("BTCUSDT", "-0.2", position_idx=2)
        await world.settled()
        held = world.size("alice", position_idx=1), world.size("alice", position_idx=2)

        world.order("alice", FollowerMode.FLATTENING)
        await paused(world)

        assert held == (D("0.5"), D("-0.2"))
        assert (world.size("alice", position_idx=1), world.size("alice", position_idx=2)) == (0, 0)


async def test_what_is_not_ours_is_left_alone(tmp_path: Path, autojump_clock: MockClock, venue: str) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.core("alice").trade("alice", world.house("alice").own_symbol("ETHUSDT"), D(3))
        world.trade("BTCUSDT", "0.5")
        await world.settled()

        world.order("alice", FollowerMode.FLATTENING)
        await paused(world)

        assert (world.size("alice"), world.size("alice", "ETHUSDT")) == (0, D(3))


async def test_a_storm_of_changes_meanwhile_reopens_nothing(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        for _ in range(10):
            world.trade("BTCUSDT", "0.1")
            world.trade("ETHUSDT", "1")
            await trio.sleep(0.03)
        world.order("alice", FollowerMode.FLATTENING)
        for _ in range(20):
            world.trade("BTCUSDT", "0.1")
            world.trade("ETHUSDT", "1")
            await trio.sleep(0.03)
        await world.until(lambda: world.engine.settings_of("alice").mode is FollowerMode.PAUSED)
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(30)

        assert (world.size("alice"), world.size("alice", "ETHUSDT")) == (0, 0)
        assert not world.sent_twice()


async def test_after_resuming_the_follower_takes_part_again_from_the_next_change(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        world.order("alice", FollowerMode.FLATTENING)
        await paused(world)

        world.order("alice", FollowerMode.ACTIVE)
        await trio.sleep(5)
        at_once = world.size("alice")
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert at_once == 0
        assert world.size("alice") == D("0.6")


async def test_an_opening_of_unknown_outcome_is_waited_for_and_what_it_filled_is_closed(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("ETHUSDT", "2")
        await world.settled()
        faults = world.core("alice").faults
        faults.add(FaultKind.DELAY_FILL, account="alice", seconds=8.0, count=1)
        faults.add(
            FaultKind.RESET_AFTER, account="alice", endpoint=world.house("alice").order_endpoint, count=1
        )
        world.trade("BTCUSDT", "0.5")
        await world.until(lambda: bool(world.core("alice").ledger.of("alice")[1:]))
        world.order("alice", FollowerMode.FLATTENING)
        await world.until(lambda: not world.size("alice", "ETHUSDT"))
        early = world.engine.settings_of("alice").mode
        await paused(world)

        assert early is FollowerMode.FLATTENING
        assert any(
            row.filled for row in world.core("alice").ledger.of("alice") if row.intent.quantity == D("0.5")
        )
        assert (world.size("alice"), world.size("alice", "ETHUSDT")) == (0, 0)
        assert not world.sent_twice()


@pytest.mark.parametrize("kind", [FaultKind.LOSE_ANSWER, FaultKind.RESET_AFTER, FaultKind.REJECT])
async def test_a_closing_order_that_comes_to_nothing_is_not_the_last(
    tmp_path: Path, autojump_clock: MockClock, venue: str, kind: FaultKind
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        where: dict[str, object] = {"endpoint": world.house("alice").order_endpoint, "code": 110079}
        if kind is FaultKind.REJECT:
            del where["endpoint"]
        fault = world.core("alice").faults.add(kind, account="alice", count=1, **where)
        world.order("alice", FollowerMode.FLATTENING)
        await paused(world)

        assert fault.struck == 1
        assert world.size("alice") == 0
        assert not world.sent_twice()


async def test_a_venue_that_is_away_is_tried_until_it_is_back_and_told_of(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        away = world.core("alice").faults.add(FaultKind.MAINTENANCE)
        world.house("alice").server.drop_connections()
        world.order("alice", FollowerMode.FLATTENING)
        await trio.sleep(90)
        during = told(world)
        world.core("alice").faults.remove(away)
        await paused(world)

        assert during[0] == "started"
        assert during[1:] == ["waiting", "waiting"]
        assert world.size("alice") == 0


@pytest.mark.parametrize("fault", [None, FaultKind.DELAY_ANSWER])
async def test_a_process_killed_in_the_middle_goes_on_where_it_was(
    tmp_path: Path, autojump_clock: MockClock, venue: str, fault: FaultKind | None
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.5")
        world.trade("ETHUSDT", "2")
        await world.settled()
        if fault is not None:
            world.core("alice").faults.add(fault, account="alice", seconds=3.0, count=1)
        world.store.set_mode("alice", FollowerMode.FLATTENING)
        if fault is not None:  # its order has left, nobody has heard of it
            sent = len(world.core("alice").ledger.of("alice"))
            world.order("alice", FollowerMode.FLATTENING)
            await world.until(lambda: len(world.core("alice").ledger.of("alice")) > sent)
        await world.kill_engine()
        world.trade("BTCUSDT", "0.3")
        await trio.sleep(60)
        await world.start_engine()
        await world.ready()
        await paused(world)

        assert (world.size("alice"), world.size("alice", "ETHUSDT")) == (0, 0)
        assert world.mode_kept("alice") is FollowerMode.PAUSED
        assert not world.sent_twice()
        assert CopyState.CLAIMED not in {copy.state for copy in world.copies("alice")}


async def test_a_follower_that_crashes_in_the_middle_goes_on(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.5")
        world.trade("ETHUSDT", "2")
        await world.settled()
        world.order("alice", FollowerMode.FLATTENING)
        world.engine.followers["alice"].tell(CrashNow("a drill"))
        await paused(world)

        assert (world.size("alice"), world.size("alice", "ETHUSDT")) == (0, 0)
        assert not world.sent_twice()


async def test_an_operator_who_resumes_and_thinks_again_gets_it_flat(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.5")
        world.trade("ETHUSDT", "2")
        await world.settled()
        world.core("alice").faults.add(FaultKind.REJECT, account="alice", code=110079, count=4)
        for pause_s in (1.0, 0.0, 0.01, 0.0):
            world.order("alice", FollowerMode.FLATTENING)
            await trio.sleep(pause_s)
            world.order("alice", FollowerMode.ACTIVE)
            await trio.sleep(pause_s / 10)
        world.order("alice", FollowerMode.FLATTENING)
        await paused(world)

        assert (world.size("alice"), world.size("alice", "ETHUSDT")) == (0, 0)
        assert told(world)[-1] == "done"
        assert CopyState.CLAIMED not in {copy.state for copy in world.copies("alice")}
        assert not world.sent_twice()


async def test_an_operator_who_resumes_meanwhile_ends_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        world.core("alice").faults.add(FaultKind.REJECT, account="alice", code=110079, count=50)
        world.order("alice", FollowerMode.FLATTENING)
        await trio.sleep(3)
        world.order("alice", FollowerMode.ACTIVE)
        await world.settled()
        world.core("alice").faults.clear()
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert told(world) == ["started", "given_up"]
        assert world.mode_kept("alice") is FollowerMode.ACTIVE
        assert world.size("alice") == D("0.6")
        assert CopyState.CLAIMED not in {copy.state for copy in world.copies("alice")}
