"""Positions that an operator calls ours, and episodes that he wants joined after all (R14)."""

from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.events import ForeignPositionSeen, PositionAdopted
from actors.messages import AdoptAnswer, AdoptPosition, SetMode
from model.reasons import Reason
from model.settings import FollowerMode, Join
from tests.world import Cast, World, fixed_ratio, open_world

D = Decimal


def joining(venue: str = "bybit", join: Join = Join.NEXT, **other: object) -> Cast:
    return Cast(venue=venue, settings={"sizing": fixed_ratio("1"), "join": join, **other})


async def adopt(world: World, symbol: str = "BTCUSDT", **options: object) -> AdoptAnswer:
    wanted = AdoptPosition(symbol=symbol, **options)  # type: ignore[arg-type]
    answer = await world.engine.followers["alice"].ask(wanted, timeout_s=5)
    assert isinstance(answer, AdoptAnswer)
    return answer


def by_hand(world: World, quantity: str, symbol: str = "BTCUSDT", **options: int) -> None:
    world.core("alice").trade("alice", world.house("alice").own_symbol(symbol), D(quantity), **options)


async def beside(world: World, master: str, follower: str) -> None:
    """Let the follower hold something by its own hand beside a position of the master's."""
    world.engine.followers["alice"].tell(SetMode(FollowerMode.CLOSE_ONLY))
    world.trade("BTCUSDT", master)
    await world.settled()
    by_hand(world, follower)
    await trio.sleep(2)
    world.engine.followers["alice"].tell(SetMode(FollowerMode.ACTIVE))
    await trio.sleep(2)
    await world.settled()


async def test_an_adopted_position_stays_and_follows_from_the_next_change_on(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        await beside(world, "0.5", "0.3")
        foreign = world.seen(ForeignPositionSeen)

        answer = await adopt(world)
        await trio.sleep(70)
        kept = world.size("alice")
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        grown = world.size("alice")
        world.close("BTCUSDT")
        await world.settled()

        assert len(foreign) == 1
        assert (answer.size, answer.why_not, answer.was_ours) == (D("0.3"), "", False)
        assert (kept, grown, world.size("alice")) == (D("0.3"), D("0.6"), D(0))
        (event,) = world.seen(PositionAdopted)
        assert (event.follower, event.size, event.at_once) == ("alice", "0.3", False)
        assert not world.sent_twice()


@pytest.mark.parametrize(("held", "then"), [("0.3", "0.5"), ("0.8", "0.5"), ("0.5", "0.5"), ("-0.2", "0.5")])
async def test_adopted_now_it_is_brought_to_its_target(
    tmp_path: Path, autojump_clock: MockClock, venue: str, held: str, then: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        await beside(world, "0.5", held)

        answer = await adopt(world, at_once=True)
        await world.settled()

        assert answer.why_not == ""
        assert bool(answer.orders) is (held != then)
        assert world.size("alice") == D(then)
        world.close("BTCUSDT")
        await world.settled()
        assert world.size("alice") == 0


async def test_it_takes_part_in_an_episode_that_began_before_the_follower_joined(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    settings = {"joined_at_ms": 2**50}
    async with open_world(tmp_path, joining(**settings)) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        by_hand(world, "0.2")
        await trio.sleep(2)

        await adopt(world)
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert world.size("alice") == D("0.6")


@pytest.mark.parametrize("life", ["restart", "kill"])
async def test_an_adoption_outlives_the_process(tmp_path: Path, autojump_clock: MockClock, life: str) -> None:
    async with open_world(tmp_path, Cast()) as world:
        await beside(world, "0.5", "0.3")
        await adopt(world)
        await (world.stop_engine() if life == "restart" else world.kill_engine())
        await world.start_engine()
        await world.ready()
        await trio.sleep(5)
        kept = world.size("alice")
        world.close("BTCUSDT")
        await world.settled()

        assert (kept, world.size("alice")) == (D("0.3"), D(0))
        assert (await adopt(world)).why_not == "it holds nothing on BTCUSDT"


@pytest.mark.parametrize(
    ("master", "held", "why_not"),
    [
        ("-0.5", "0.3", "the master holds -0.5 there"),
        ("0", "0.3", "the master holds nothing there"),
        ("0.5", "0", "it holds nothing on BTCUSDT"),
    ],
)
async def test_what_the_master_would_have_closed_is_not_adopted_unless_now(
    tmp_path: Path, autojump_clock: MockClock, venue: str, master: str, held: str, why_not: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        if D(master):
            world.engine.followers["alice"].tell(SetMode(FollowerMode.CLOSE_ONLY))
            world.trade("BTCUSDT", master)
            await world.settled()
        if D(held):
            by_hand(world, held)
        await trio.sleep(2)

        answer = await adopt(world)
        await trio.sleep(5)

        assert why_not in answer.why_not
        assert world.size("alice") == D(held)
        assert not world.seen(PositionAdopted)


async def test_a_position_that_the_master_has_left_is_closed_when_it_is_adopted_now(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        world.close("BTCUSDT")
        await world.settled()
        by_hand(world, "0.3")
        await trio.sleep(2)

        answer = await adopt(world, at_once=True)
        await world.settled()

        assert answer.orders
        assert world.size("alice") == 0


async def test_of_two_sides_the_operator_says_which(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, Cast(hedge=True), master_hedges=("BTCUSDT",)) as world:
        world.engine.followers["alice"].tell(SetMode(FollowerMode.CLOSE_ONLY))
        world.trade("BTCUSDT", "0.5", position_idx=1)
        world.trade("BTCUSDT", "-0.5", position_idx=2)
        await world.settled()
        by_hand(world, "0.3", position_idx=1)
        by_hand(world, "-0.3", position_idx=2)
        await trio.sleep(2)

        unsaid = await adopt(world)
        said = await adopt(world, position_idx=2)
        world.close("BTCUSDT", 2)
        world.close("BTCUSDT", 1)
        await world.settled()

        assert "both sides" in unsaid.why_not
        assert said.size == D("-0.3")
        assert (world.size("alice", position_idx=1), world.size("alice", position_idx=2)) == (D("0.3"), D(0))


async def test_what_is_ours_already_is_no_error_and_changes_nothing(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        before = world.holding("alice")

        answer = await adopt(world)

        assert (answer.was_ours, answer.why_not, answer.size) == (True, "", D("0.5"))
        assert world.holding("alice") == before
        assert not world.seen(PositionAdopted)


async def test_who_is_told_to_join_now_opens_what_is_open_and_keeps_to_it_after_a_restart(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, joining(venue, joined_at_ms=2**50)) as world:
        world.trade("BTCUSDT", "0.5")
        world.trade("ETHUSDT", "2")
        await world.settled()
        left_out = world.size("alice"), world.copies("alice")[0].reason
        world.venue.set_price("ETHUSDT", D(4000))
        await trio.sleep(2)

        settings = attrs.evolve(world.engine.settings_of("alice"), join=Join.NOW)
        world.engine.change_settings(settings)
        await trio.sleep(10)
        await world.settled()

        assert left_out == (D(0), Reason.NOT_JOINED)
        assert (world.size("alice"), world.size("alice", "ETHUSDT")) == (D("0.5"), D(0))
        orders = len(world.core("alice").ledger.of("alice"))
        world.engine.change_settings(attrs.evolve(settings, join=Join.NEXT))
        world.engine.change_settings(settings)
        await trio.sleep(10)
        assert len(world.core("alice").ledger.of("alice")) == orders
        world.close("BTCUSDT")
        await world.settled()
        assert world.size("alice") == 0
