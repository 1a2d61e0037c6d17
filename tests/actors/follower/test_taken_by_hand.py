"""What a copy opened and its owner closed by hand stays closed until the master's next change (R15)."""

from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.events import HandSeen
from exchanges.sandbox import FaultKind
from model.copy import CopyState
from tests.world import Cast, World, fixed_ratio, open_world

D = Decimal


async def until_ordered(world: World) -> None:
    await world.until(lambda: bool(ordered(world)), timeout_s=120)


def ordered(world: World) -> list[tuple[str, Decimal]]:
    rows = world.core("alice").ledger.of("alice")
    return [(row.intent.side.value, row.intent.quantity) for row in rows if row.intent.client_order_id]


def lose_the_word_of_it(world: World) -> None:
    """Let neither the next order's answer nor any frame arrive for now."""
    core, endpoint = world.core("alice"), world.house("alice").order_endpoint
    core.faults.add(FaultKind.DELAY_ANSWER, account="alice", endpoint=endpoint, seconds=3.0, count=1)
    core.faults.add(FaultKind.DROP_FRAME, account="alice", count=10)


def by_hand(world: World, quantity: str) -> None:
    world.core("alice").trade("alice", world.house("alice").own_symbol("BTCUSDT"), D(quantity))


@pytest.mark.parametrize(("master", "taken"), [("0.2", "-0.2"), ("-0.2", "0.2"), ("0.2", "-0.08")])
async def test_an_opening_that_filled_before_a_kill_is_not_made_again(
    tmp_path: Path, autojump_clock: MockClock, venue: str, master: str, taken: str
) -> None:
    left = D(master) + D(taken)
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        lose_the_word_of_it(world)
        world.trade("BTCUSDT", master)
        await until_ordered(world)
        await world.kill_engine()
        by_hand(world, taken)
        await world.start_engine()
        await world.ready()
        await world.settled()
        (copy,) = world.copies("alice")
        (hand,) = world.seen(HandSeen)
        assert copy.state is CopyState.APPLIED
        assert (hand.expected, D(hand.size)) == (master, left)
        assert len(ordered(world)) == 1
        await trio.sleep(300)  # audits

        assert len(ordered(world)) == 1
        assert world.size("alice") == left


async def test_an_opening_whose_answer_was_lost_is_not_made_again(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """It was missed while the engine was down: its price judges it, not its age."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        await world.kill_engine()
        world.trade("BTCUSDT", "0.2")
        await world.start_engine()
        await world.ready()
        endpoint = world.house("alice").order_endpoint
        world.core("alice").faults.add(FaultKind.LOSE_ANSWER, account="alice", endpoint=endpoint, count=1)
        world.core("alice").faults.add(FaultKind.DROP_FRAME, account="alice", count=10)
        await until_ordered(world)
        by_hand(world, "-0.2")
        await world.settled(timeout_s=120)

        assert ordered(world) == [("buy", D("0.2"))]
        assert world.size("alice") == 0


async def test_an_opening_that_had_waited_for_an_older_order_is_not_made_again(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        core, endpoint = world.core("alice"), world.house("alice").order_endpoint
        core.faults.add(FaultKind.LOSE_REQUEST, account="alice", endpoint=endpoint, count=1)
        world.trade("BTCUSDT", "0.2")
        await world.until(lambda: len(world.copies("alice")) == 1)
        await trio.sleep(0.5)
        await world.kill_engine()
        world.trade("BTCUSDT", "0.1")
        core.faults.add(FaultKind.LOSE_ANSWER, account="alice", endpoint=endpoint, count=1)
        core.faults.add(FaultKind.DROP_FRAME, account="alice")
        await world.start_engine()
        await until_ordered(world)
        by_hand(world, "-0.3")
        await world.settled(timeout_s=120)

        assert ordered(world) == [("buy", D("0.3"))]
        assert world.size("alice") == 0


async def test_a_net_that_was_killed_half_way_to_its_other_side_is_gone_on_with(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """The master opened its long leg, and so the copy's first order only closed the follower's short net."""
    async with open_world(tmp_path, Cast(venue=venue), master_hedges=["BTCUSDT"]) as world:
        world.trade("BTCUSDT", "-0.2", position_idx=2)
        await world.settled()
        lose_the_word_of_it(world)
        world.trade("BTCUSDT", "0.5", position_idx=1)
        await world.until(lambda: world.size("alice") == 0)
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert world.size("alice") == D("0.3")
        assert not world.sent_twice()


async def killed_over_two_changes_in_one(world: World, first: str, second: str) -> None:
    """Have one copy answer two changes, and kill the engine before it knows what its order did."""
    before = len(ordered(world))
    lose_the_word_of_it(world)
    world.trade("BTCUSDT", "-0.1")
    await world.until(lambda: len(ordered(world)) == before + 1)
    world.trade("BTCUSDT", first)
    world.trade("BTCUSDT", second)
    lose_the_word_of_it(world)
    await world.until(lambda: len(ordered(world)) == before + 2)
    await world.kill_engine()


async def test_a_flip_that_was_killed_after_its_close_opens_the_other_side(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """The master's last move was down, the copy's order bought: taken for an opening, it opened nothing."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        await killed_over_two_changes_in_one(world, "0.5", "-0.1")
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert ordered(world) == [("sell", D("0.1")), ("buy", D("0.1")), ("buy", D("0.3"))]
        assert world.size("alice") == D("0.3")


async def test_what_answered_an_increase_and_a_reduction_and_was_taken_is_not_opened_again(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        await killed_over_two_changes_in_one(world, "-0.3", "0.1")
        by_hand(world, "0.3")
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert ordered(world) == [("sell", D("0.1")), ("sell", D("0.2"))]
        assert world.size("alice") == 0


async def flip_beside_an_older_copy(world: World, *, lost: FaultKind, is_flat: bool = False) -> None:
    """Have a flip's opening in hand, its outcome unknown, while an order of an older copy never came."""
    core, endpoint = world.core("alice"), world.house("alice").order_endpoint
    world.trade("BTCUSDT", "0.1", position_idx=1)
    await world.settled()
    core.faults.add(FaultKind.LOSE_REQUEST, account="alice", endpoint=endpoint, count=1)
    world.trade("BTCUSDT", "-0.05", position_idx=2)
    await world.until(lambda: len(world.copies("alice")) == 2)
    await trio.sleep(0.5)
    await world.kill_engine()
    if is_flat:
        by_hand(world, "-0.1")
    world.trade("BTCUSDT", "-0.35", position_idx=2)
    await world.start_engine()
    await world.until(lambda: world.size("alice") == 0)
    core.faults.add(lost, account="alice", endpoint=endpoint, count=1)
    core.faults.add(FaultKind.DROP_FRAME, account="alice", count=20)


async def test_an_older_copy_opens_nothing_of_a_newer_change_that_is_in_hand(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """Found by simulation: it went on by the newer change as soon as that one's order was unknown."""
    async with open_world(tmp_path, Cast(venue=venue), master_hedges=["BTCUSDT"]) as world:
        await flip_beside_an_older_copy(world, lost=FaultKind.LOSE_ANSWER)
        await world.until(lambda: world.size("alice") == D("-0.3"))
        by_hand(world, "0.3")
        await world.settled(timeout_s=120)

        assert ordered(world) == [("buy", D("0.1")), ("sell", D("0.1")), ("sell", D("0.3"))]
        assert world.size("alice") == 0


@pytest.mark.parametrize("is_flat", [False, True])
async def test_what_was_in_hand_and_never_came_is_opened_though_an_older_copy_ended_meanwhile(
    tmp_path: Path, autojump_clock: MockClock, venue: str, is_flat: bool
) -> None:
    async with open_world(tmp_path, Cast(venue=venue), master_hedges=["BTCUSDT"]) as world:
        await flip_beside_an_older_copy(world, lost=FaultKind.LOSE_REQUEST, is_flat=is_flat)
        await world.settled(timeout_s=180)

        assert world.size("alice") == D("-0.3")
        assert not world.sent_twice()


async def test_two_copies_of_a_leg_that_a_kill_interrupted_saw_no_hand(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The ledger's leg lacks what the older one had opened; so did what the newer one expected."""
    async with open_world(tmp_path, Cast(hedge=True)) as world:
        core, endpoint = world.core("alice"), world.house("alice").order_endpoint
        core.faults.add(FaultKind.ERROR_AFTER, account="alice", endpoint=endpoint, status=503, count=1)
        core.faults.add(FaultKind.DROP_FRAME, account="alice", count=20)
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(0.5)
        world.trade("BTCUSDT", "0.2")
        core.faults.add(FaultKind.DELAY_ANSWER, account="alice", endpoint=endpoint, seconds=3.0, count=1)
        await world.until(lambda: len(ordered(world)) == 2)
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert world.size("alice", position_idx=1) == D("0.3")
        assert not world.seen(HandSeen)


async def test_the_masters_next_change_opens_what_its_owner_had_closed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast(settings={"sizing": fixed_ratio("1")})) as world:
        lose_the_word_of_it(world)
        world.trade("BTCUSDT", "0.2")
        await until_ordered(world)
        await world.kill_engine()
        by_hand(world, "-0.2")
        await world.start_engine()
        await world.ready()
        await world.settled()
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert world.size("alice") == D("0.3")
