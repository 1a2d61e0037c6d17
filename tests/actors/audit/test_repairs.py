"""What each policy mends, by whose hands, and what it leaves alone (R15)."""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.messages import MendAnswer, SetMode
from exchanges.sandbox import FaultKind
from model.copy import CopyState
from model.finding import Cause, FindingKind
from model.order import OrderState
from model.reasons import Reason
from model.repair import REPAIR_PREFIX
from model.settings import FollowerMode, Repair
from tests.actors.audit.hands import audited, by_hand, found, only, resolved, untold
from tests.world import Cast, World, fixed_ratio, open_world

D = Decimal


def half(repair: Repair, **other: Any) -> Cast:
    return Cast(**{"settings": {"sizing": fixed_ratio("0.5"), "repair": repair}} | other)


async def missed(world: World, quantity: str, *, symbol: str = "BTCUSDT") -> None:
    """Let the master trade, and the follower never hear of it."""
    with untold(world):
        world.trade(symbol, quantity)
        await trio.sleep(2)


async def copied(world: World, quantity: str = "1") -> None:
    world.trade("BTCUSDT", quantity)
    await world.settled()
    await trio.sleep(5)


def repairs(world: World) -> list[Any]:
    """Return the copies that mended, or tried to."""
    return [copy for copy in world.copies("alice") if copy.change_id.startswith(REPAIR_PREFIX)]


@pytest.mark.parametrize("repair", [Repair.CLOSE_ONLY, Repair.FULL])
async def test_a_missed_reduction_is_made_after_the_grace_by_an_ordinary_copy(
    tmp_path: Path, autojump_clock: MockClock, venue: str, repair: Repair
) -> None:
    async with open_world(tmp_path, half(repair, venue=venue)) as world:
        await copied(world)
        await missed(world, "-0.6")
        await trio.sleep(55)
        assert world.size("alice") == D("0.5"), "not before the grace is over"
        await trio.sleep(70)

        assert world.size("alice") == D("0.2")
        (drift,) = found(world)
        assert (drift.kind, drift.cause, drift.repaired) == (
            FindingKind.SIZE_MISMATCH,
            Cause.MISSED,
            True,
        )
        assert (drift.expected, drift.actual, drift.deviation_pct) == ("0.2", "0.5", "150")
        assert len(resolved(world)) == 1
        (copy,) = repairs(world)
        assert (copy.state, copy.reason) == (CopyState.APPLIED, None)
        assert all(order.reduce_only for order in copy.orders)
        assert not world.sent_twice()


async def test_the_master_that_left_unheard_is_followed_out(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, half(Repair.CLOSE_ONLY, venue=venue)) as world:
        await copied(world)
        await missed(world, "-1")
        await trio.sleep(125)

        assert world.size("alice") == 0
        assert found(world)[0].kind is FindingKind.EXTRA_POSITION
        world.trade("BTCUSDT", "0.4")
        await world.settled()
        assert world.size("alice") == D("0.2"), "and the next copy goes on from there"


async def test_alert_mends_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, half(Repair.ALERT)) as world:
        await copied(world)
        await missed(world, "-1")
        await trio.sleep(300)

        assert world.size("alice") == D("0.5")
        assert [(it.repaired, it.again) for it in found(world)] == [(False, False)]
        assert not repairs(world)


@pytest.mark.parametrize(
    ("repair", "size"), [(Repair.CLOSE_ONLY, "0.5"), (Repair.FULL, "0.8")], ids=["close_only", "full"]
)
async def test_only_full_makes_up_for_a_missed_opening(
    tmp_path: Path, autojump_clock: MockClock, venue: str, repair: Repair, size: str
) -> None:
    async with open_world(tmp_path, half(repair, venue=venue)) as world:
        await copied(world)
        await missed(world, "0.6")
        await trio.sleep(125)

        assert world.size("alice") == D(size)
        assert [it.repaired for it in found(world)] == [repair is Repair.FULL]
        assert len(resolved(world)) == (repair is Repair.FULL)
        assert not world.sent_twice()


async def test_a_missed_opening_is_not_made_where_the_price_has_gone(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, half(Repair.FULL)) as world:
        await missed(world, "1")
        price = world.venue.mark("BTCUSDT")
        world.venue.set_price("BTCUSDT", price * D("1.05"))
        await trio.sleep(300)
        assert world.size("alice") == 0
        assert [(it.kind, it.repaired) for it in found(world)] == [(FindingKind.MISSING_POSITION, False)]
        assert not repairs(world), "what would send nothing is no copy"

        world.venue.set_price("BTCUSDT", price)
        await trio.sleep(125)
        assert world.size("alice") == D("0.5")
        assert len(resolved(world)) == 1


@pytest.mark.parametrize(
    ("repair", "size"), [(Repair.CLOSE_ONLY, "0"), (Repair.FULL, "-0.5")], ids=["close_only", "full"]
)
async def test_a_missed_flip_is_closed_and_only_full_opens_the_other_side(
    tmp_path: Path, autojump_clock: MockClock, repair: Repair, size: str
) -> None:
    async with open_world(tmp_path, half(repair)) as world:
        await copied(world)
        await missed(world, "-2")
        await trio.sleep(130)

        assert world.size("alice") == D(size)
        first = found(world)[0]
        assert (first.kind, first.repaired) == (FindingKind.WRONG_SIDE, True)
        await trio.sleep(130)
        if repair is Repair.FULL:
            assert len(resolved(world)) == 1
        else:
            last = found(world)[-1]
            assert (last.kind, last.expected, last.again) == (FindingKind.MISSING_POSITION, "-0.5", True)
            assert not resolved(world), "what a repair may not open is still missing"


async def test_a_repair_that_the_venue_refuses_is_tried_ever_more_rarely(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, half(Repair.FULL)) as world:
        await missed(world, "1")
        fault = world.venue.faults.add(FaultKind.REJECT, account="alice", code=110005, count=10_000)
        await trio.sleep(1_000)
        assert world.size("alice") == 0
        assert len(found(world)) == 1
        tried = [copy.claimed_at_ms for copy in repairs(world)]
        pauses = [(after - before) / 1000 for before, after in pairwise(tried)]
        assert 3 <= len(pauses) <= 4
        assert all(pause >= 60 * 2**number for number, pause in enumerate(pauses))

        world.venue.faults.remove(fault)
        await missed(world, "0.5")
        await trio.sleep(125)
        assert world.size("alice") == D("0.75"), "another change of the master begins anew"


@pytest.mark.parametrize("repair", [Repair.CLOSE_ONLY, Repair.FULL])
async def test_a_repair_whose_order_is_lost_goes_on_within_its_policy(
    tmp_path: Path, autojump_clock: MockClock, repair: Repair
) -> None:
    async with open_world(tmp_path, half(repair)) as world:
        await copied(world)
        await missed(world, "-2")
        await trio.sleep(57)
        assert world.house("alice").silence_orders()
        await trio.sleep(143)
        assert OrderState.LOST in {order.state for copy in repairs(world) for order in copy.orders}

        assert world.size("alice") == (D("-0.5") if repair is Repair.FULL else 0)
        assert not world.sent_twice()
        assert all(copy.change_id.startswith(REPAIR_PREFIX) for copy in world.copies("alice")[1:])


@pytest.mark.parametrize("repair", list(Repair))
async def test_the_operators_hand_is_never_fought(
    tmp_path: Path, autojump_clock: MockClock, repair: Repair
) -> None:
    async with open_world(tmp_path, half(repair)) as world:
        await copied(world)
        by_hand(world, "0.3")
        await trio.sleep(300)
        assert (world.size("alice"), [it.cause for it in found(world)]) == (D("0.8"), [Cause.MANUAL])
        by_hand(world, "-0.8")
        await trio.sleep(300)

        assert world.size("alice") == 0
        assert not repairs(world)


async def test_a_paused_follower_is_not_mended(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, half(Repair.FULL)) as world:
        await copied(world)
        world.engine.followers["alice"].tell(SetMode(FollowerMode.PAUSED))
        await missed(world, "-1")
        await trio.sleep(300)

        assert world.size("alice") == D("0.5")
        assert [it.cause for it in found(world)] == [Cause.PAUSED]


async def test_a_preview_says_what_would_be_sent_and_sends_nothing(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    cast = [
        half(repair, name=name)
        for name, repair in (("alice", Repair.ALERT), ("bob", Repair.CLOSE_ONLY), ("carol", Repair.FULL))
    ]
    async with open_world(tmp_path, *cast) as world:
        await copied(world)
        with untold(world), untold(world, "bob"), untold(world, "carol"):
            world.trade("BTCUSDT", "-2")
            await trio.sleep(2)
        by_hand(world, "0.7", name="bob", symbol="ETHUSDT")
        await trio.sleep(1)
        report = await audited(world, preview=True)

        plans = {(it.follower, it.finding.leg.symbol): it.plan for it in report.findings}
        assert plans == {
            ("alice", "BTCUSDT"): MendAnswer(why_not="repair = alert: nothing is mended"),
            ("bob", "BTCUSDT"): MendAnswer(orders=("sell 0.5 BTCUSDT at market, reduce-only",)),
            ("bob", "ETHUSDT"): MendAnswer(why_not="not opened by the engine: never traded"),
            ("carol", "BTCUSDT"): MendAnswer(orders=("sell 0.5 BTCUSDT at market, reduce-only",)),
        }
        assert {world.size(name) for name in ("alice", "bob", "carol")} == {D("0.5")}
        assert not any(copy.change_id.startswith(REPAIR_PREFIX) for copy in world.copies())


async def test_a_repair_that_a_crash_cut_short_is_finished_and_nothing_is_sent_twice(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, half(Repair.CLOSE_ONLY)) as world:
        await copied(world)
        await missed(world, "-1")
        orders = len(world.venue.ledger.of("alice"))
        await world.until(lambda: len(world.venue.ledger.of("alice")) > orders, timeout_s=150)
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        await trio.sleep(200)

        assert world.size("alice") == 0
        assert all(copy.state.is_final for copy in world.copies())
        assert not world.sent_twice()
        world.trade("BTCUSDT", "0.4")
        await world.settled()
        assert world.size("alice") == D("0.2")


async def test_others_hear_nothing_of_a_repair_not_even_after_a_restart(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, half(Repair.CLOSE_ONLY), half(Repair.CLOSE_ONLY, name="bob")) as world:
        await copied(world)
        await missed(world, "-0.6")
        await trio.sleep(125)
        assert len(repairs(world)) == 1
        copies = len(world.copies("bob"))
        await world.stop_engine()
        await world.start_engine()
        await world.ready()
        await trio.sleep(100)

        assert len(world.copies("bob")) == copies
        assert (world.size("alice"), world.size("bob")) == (D("0.2"), D("0.2"))


async def test_an_opening_that_something_passing_held_back_is_told_and_made_up_for(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, half(Repair.FULL), max_open_age_s=0.5) as world:
        await copied(world, "0.2")
        world.engine.followers["alice"].tell(SetMode(FollowerMode.PAUSED))
        world.trade("BTCUSDT", "0.8")
        await trio.sleep(1)
        price = world.venue.mark("BTCUSDT")
        world.venue.set_price("BTCUSDT", price * D("1.05"))
        await trio.sleep(1)
        world.engine.followers["alice"].tell(SetMode(FollowerMode.ACTIVE))
        await trio.sleep(10)
        assert world.copies("alice")[-1].reason in (Reason.PRICE_MOVED, Reason.EXPIRED)
        held = world.holding("alice")
        assert (held.target, held.wanted) == (D("0.1"), D("0.5"))
        seen = only(await audited(world))
        assert (seen.finding.cause, seen.finding.reason) == (Cause.MISSED, held.skipped)

        await trio.sleep(120)
        assert world.size("alice") == D("0.1")
        world.venue.set_price("BTCUSDT", price)
        await trio.sleep(125)
        assert world.size("alice") == D("0.5")
        assert world.holding("alice").wanted is None
        assert len(resolved(world)) == 1
