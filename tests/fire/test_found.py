"""What crashes of stream actors brought to light, each in its shortest form."""

from functools import partial
from pathlib import Path

import trio

from actors.messages import CrashNow
from exchanges.sandbox import FaultKind
from supervision.events import ActorCrashed, ActorStarted
from tests.fire.mines import READ, Mines, planted
from tests.world import Cast, World, open_world

Clock = trio.abc.Clock


def public_sockets(world: World) -> list[object]:
    return list(world.house("alice").server.connections(kind="public"))


def is_another(world: World, before: list[object]) -> bool:
    """Tell whether a socket is open that is none of ``before``: kept, for addresses are used again."""
    return any(all(it is not old for old in before) for it in public_sockets(world))


async def test_marks_that_crashed_are_streamed_again(tmp_path: Path, autojump_clock: Clock) -> None:
    """Who wanted them had asked once: the next life read all marks every 3 s instead, for ever."""
    async with open_world(tmp_path, Cast(venue="hyperliquid")) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        await world.until(lambda: bool(public_sockets(world)))
        before = public_sockets(world)
        world.engine.address("marks:hyperliquid").tell(CrashNow("a drill"))

        await world.until(lambda: is_another(world, before), timeout_s=1.0)


async def test_marks_come_back_soon_after_the_tenth_lost_socket_too(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """Each loss doubled the wait for the next, over days of health: up to 30 s without a stream."""
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        for _ in range(10):
            await trio.sleep(61)
            before = public_sockets(world)
            assert world.server.drop_connections(kind="public", reset=True)
            await world.until(partial(is_another, world, before), timeout_s=1.0)


async def test_a_bug_in_binances_reader_is_a_crash_and_no_lost_socket(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """It ended as a stream lost for no reason: retried for ever, and nobody was told of the bug."""
    mines = Mines()
    with planted(mines):
        async with open_world(tmp_path, Cast(venue="binance")) as world:
            mines.lay("stream:alice", READ)
            world.trade("BTCUSDT", "0.5")
            await world.until(lambda: bool(world.seen(ActorCrashed)), timeout_s=1.0)

            (crashed,) = world.seen(ActorCrashed)
            assert (crashed.name, crashed.expected) == ("stream:alice", False)
            assert "KeyError" in crashed.error
            await world.until(lambda: world.size("alice") == world.size("master"))


async def test_a_crashed_stream_does_not_wait_for_its_followers_order(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """The follower, deaf, was given 30 s to settle what was in flight, and the stream waited for it."""
    async with open_world(tmp_path, Cast(venue="binance")) as world:
        house = world.house("alice")
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        house.core.faults.add(FaultKind.DELAY_ANSWER, endpoint=house.order_endpoint, seconds=12.0, count=1)
        house.core.faults.add(FaultKind.DELAY_FILL, seconds=8.0, count=1)
        world.trade("BTCUSDT", "0.5")
        await trio.sleep(0.5)
        world.engine.address("stream:alice").tell(CrashNow("a drill"))
        await world.until(lambda: bool(world.seen(ActorCrashed)), timeout_s=1.0)
        fell_at = trio.current_time()
        lives = [it for it in world.seen(ActorStarted) if it.name == "follower:alice"]
        await world.until(
            lambda: len([it for it in world.seen(ActorStarted) if it.name == "follower:alice"]) > len(lives)
        )

        assert trio.current_time() - fell_at < 1.0
        world.close("BTCUSDT")
        await world.until(lambda: world.size("alice") == 0, timeout_s=15.0)
        await world.settled()
        assert not world.sent_twice()


async def test_a_crashed_ledger_keeper_does_not_wait_for_one_followers_order(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    """Everybody falls with it, and nobody could leave a position until the slowest had settled: 30 s."""
    async with open_world(tmp_path, Cast(), Cast(name="bob")) as world:
        house = world.house("alice")
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        house.core.faults.add(
            FaultKind.DELAY_ANSWER, account="alice", endpoint=house.order_endpoint, seconds=12.0, count=1
        )
        house.core.faults.add(FaultKind.DELAY_FILL, account="alice", seconds=8.0, count=1)
        world.trade("BTCUSDT", "0.5")
        await trio.sleep(0.5)
        world.engine.address("ledger").tell(CrashNow("a drill"))
        await trio.sleep(0.5)
        world.close("BTCUSDT")

        await world.until(lambda: world.size("bob") == 0, timeout_s=2.0)
        await world.until(lambda: world.size("alice") == 0, timeout_s=15.0)
        await world.settled()
        assert not world.sent_twice()
