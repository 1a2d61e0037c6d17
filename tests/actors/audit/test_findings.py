"""Whole engines in virtual time: what the auditor finds, when it says so, and when it stops (R15)."""

from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import trio
from pykka import ActorDeadError
from trio.testing import MockClock

from actors.events import AuditFinished
from actors.messages import CrashNow, SetMode
from exchanges.sandbox import FaultKind
from model.finding import Cause, FindingKind
from model.reasons import Reason
from model.settings import FollowerMode, Join, Limits
from model.severity import Severity
from tests.actors.audit.hands import audited, by_hand, found, only, resolved, set_leverage
from tests.world import Cast, World, fixed_ratio, open_world

D = Decimal
HALF = Cast(settings={"sizing": fixed_ratio("0.5")})


async def copied(world: World, quantity: str = "1") -> None:
    world.trade("BTCUSDT", quantity)
    await world.settled()
    await trio.sleep(5)


async def test_where_everybody_is_where_the_master_is_nothing_is_found(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue, settings=HALF.settings), Cast(name="bob")) as world:
        world.trade("BTCUSDT", "1")
        await trio.sleep(100)
        world.trade("BTCUSDT", "-0.4")
        world.trade("ETHUSDT", "-3")
        await trio.sleep(100)
        world.close("BTCUSDT")
        report = await audited(world)
        await trio.sleep(200)

        assert (report.audited, report.unheard) == (2, {})
        assert not found(world)
        passes = world.seen(AuditFinished)
        assert len(passes) >= 6
        assert {it.audited for it in passes} == {2}
        assert [it.findings for it in passes[-2:]] == [0, 0]


async def test_a_position_closed_by_hand_is_manual_after_the_grace_and_not_before(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue, settings=HALF.settings)) as world:
        await copied(world)
        orders = len(world.core("alice").ledger.of("alice"))
        by_hand(world, "-0.5")
        closed_at = trio.current_time()
        await trio.sleep(1)
        pending = only(await audited(world))
        assert (pending.told_at_ms, pending.finding.cause) == (None, Cause.MANUAL)
        assert pending.due_in_s is not None

        await trio.sleep_until(closed_at + 59.9)
        assert not found(world)
        await trio.sleep_until(closed_at + 62)

        (drift,) = found(world)
        assert (drift.kind, drift.cause, drift.severity) == (
            FindingKind.MISSING_POSITION,
            Cause.MANUAL,
            Severity.WARNING,
        )
        assert (drift.expected, drift.actual, drift.deviation_pct) == ("0.5", "0", "100")
        assert (drift.again, drift.repaired) == (False, False)
        await trio.sleep(600)
        assert len(found(world)) == 1
        assert len(world.core("alice").ledger.of("alice")) == orders + 1, "the operator's hand is not fought"


async def test_what_was_told_is_resolved_when_the_master_leaves_too(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, HALF) as world:
        await copied(world)
        by_hand(world, "-0.5")
        await trio.sleep(150)
        world.close("BTCUSDT")
        await trio.sleep(130)

        assert len(found(world)) == len(resolved(world)) == 1
        assert resolved(world)[0].kind is FindingKind.MISSING_POSITION
        assert world.store.drifts() == []


async def test_it_is_told_again_at_exactly_one_point(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, HALF) as world:
        await copied(world)
        told = []
        for quantity in ("-0.1", "-0.004", "-0.001", "0.002", "0.003"):  # 20, 20.8, 21, 20.6, 20 %
            by_hand(world, quantity)
            await trio.sleep(125)
            told.append([it.deviation_pct for it in found(world)])

        assert told == [["20"], ["20"], ["20", "21"], ["20", "21"], ["20", "21", "20"]]
        assert [it.again for it in found(world)] == [False, True, True]
        assert {it.kind for it in found(world)} == {FindingKind.SIZE_MISMATCH}


async def test_a_restart_forgets_nothing_that_was_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, HALF) as world:
        await copied(world)
        by_hand(world, "-0.1")
        await trio.sleep(125)
        (told,) = world.store.drifts()
        assert (told.follower, told.actual, told.expected) == ("alice", D("0.4"), D("0.5"))
        await world.stop_engine()
        await world.start_engine()
        await world.ready()
        await trio.sleep(300)
        assert len(found(world)) == 1
        by_hand(world, "-0.1")
        await trio.sleep(125)
        assert [it.deviation_pct for it in found(world)] == ["20", "40"]

        await world.kill_engine()
        by_hand(world, "0.2")
        await world.start_engine()
        await world.ready()
        await trio.sleep(125)
        assert len(resolved(world)) == 1
        assert world.store.drifts() == []


async def test_a_crashed_auditor_goes_on_with_what_was_told(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, HALF) as world:
        await copied(world)
        by_hand(world, "-0.1")
        await trio.sleep(125)
        for _ in range(15):
            world.engine.address("auditor").tell(CrashNow("a drill"))
        await trio.sleep(900)  # each restart finds the next one in its mailbox, and waits longer

        assert len(found(world)) == 1
        by_hand(world, "0.1")
        await trio.sleep(125)
        assert len(resolved(world)) == 1
        assert world.copies("alice")[-1].state.is_final
        world.trade("BTCUSDT", "1")
        await world.settled()
        assert world.size("alice") == 1, "an auditor that keeps crashing stops nobody"


async def test_the_wrong_side_is_critical(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, HALF) as world:
        await copied(world)
        by_hand(world, "-0.9")
        await trio.sleep(125)

        (drift,) = found(world)
        assert (drift.actual, drift.expected) == ("-0.4", "0.5")
        assert drift.cause in (Cause.MANUAL, Cause.FOREIGN)
        assert drift.severity is (Severity.CRITICAL if drift.cause is Cause.MANUAL else Severity.WARNING)


async def test_a_leverage_that_was_changed_by_hand_is_found_and_resolved(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue, settings=HALF.settings)) as world:
        await copied(world)
        set_leverage(world, "7")
        await trio.sleep(185)

        (drift,) = found(world)
        assert (drift.kind, drift.cause) == (FindingKind.LEVERAGE_MISMATCH, Cause.NEXT_OPENING)
        assert (drift.expected, drift.actual, drift.deviation_pct) == ("10", "7", "30")
        set_leverage(world, "10")
        await trio.sleep(125)
        assert len(resolved(world)) == 1


async def test_a_leverage_below_the_masters_is_right_where_the_follower_has_a_cap(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    capped = Cast(settings={"sizing": fixed_ratio("0.5"), "limits": Limits(max_leverage=D(5))})
    async with open_world(tmp_path, capped) as world:
        world.core("master").set_leverage("master", "BTCUSDT", D(20))
        await copied(world)
        await trio.sleep(200)

        assert not found(world)


async def test_a_foreign_position_is_reported_and_not_traded(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, HALF) as world:
        by_hand(world, "2", symbol="ETHUSDT")
        await trio.sleep(185)

        (drift,) = found(world)
        assert (drift.kind, drift.cause, drift.severity) == (
            FindingKind.EXTRA_POSITION,
            Cause.FOREIGN,
            Severity.WARNING,
        )
        assert world.size("alice", "ETHUSDT") == 2


async def test_what_a_copy_skipped_for_good_is_no_drift(tmp_path: Path, autojump_clock: MockClock) -> None:
    small = Cast(settings={"sizing": fixed_ratio("0.5"), "limits": Limits(max_notional=D(100))})
    denied = Cast(name="bob", settings={"limits": Limits(deny=frozenset({"BTCUSDT"}))})
    async with open_world(tmp_path, small, denied) as world:
        await copied(world)
        await trio.sleep(200)

        assert {copy.reason for copy in world.copies()} <= {
            Reason.LIMIT_NOTIONAL,
            Reason.ROUNDED_TO_ZERO,
            Reason.SYMBOL_DENIED,
        }
        assert not found(world)


async def test_what_a_follower_did_not_join_is_no_drift(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    late = Cast(venue=venue, settings={"sizing": fixed_ratio("0.5"), "join": Join.NEXT})
    async with open_world(tmp_path, late, start=False) as world:
        (account,) = world.followers
        settings = attrs.evolve(account.settings, joined_at_ms=world.clock.wall_ms() + 5_000)
        world.followers = (attrs.evolve(account, settings=settings),)
        world.trade("BTCUSDT", "1")
        await world.start_engine()
        await world.ready()
        await trio.sleep(200)
        world.trade("BTCUSDT", "1")
        world.trade("ETHUSDT", "2")
        await trio.sleep(200)

        assert (world.size("alice"), world.size("alice", "ETHUSDT")) == (0, 1)
        assert not found(world)


async def test_a_reduction_that_is_too_small_for_the_venue_is_told(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    small = Cast(venue="hyperliquid", settings={"sizing": fixed_ratio("0.01")})
    async with open_world(tmp_path, small) as world:
        await copied(world, "0.5")
        held = world.size("alice")
        world.trade("BTCUSDT", "-0.005")
        await trio.sleep(125)

        assert world.size("alice") == held
        (drift,) = found(world)
        assert (drift.kind, drift.cause, drift.reason) == (
            FindingKind.SIZE_MISMATCH,
            Cause.MISSED,
            Reason.DEFERRED,
        )
        assert not drift.repaired
        world.trade("BTCUSDT", "-0.295")
        await trio.sleep(125)
        assert world.size("alice") == D("0.002")
        assert len(resolved(world)) == 1


async def test_a_reduction_that_does_not_get_there_is_told_while_it_is_tried(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, HALF) as world:
        await copied(world)
        fault = world.venue.faults.add(FaultKind.REJECT, account="alice", code=110079, count=10_000)
        world.close("BTCUSDT")
        await trio.sleep(125)

        (drift,) = found(world)
        assert (drift.kind, drift.cause, drift.severity) == (
            FindingKind.EXTRA_POSITION,
            Cause.IN_HAND,
            Severity.CRITICAL,
        )
        world.venue.faults.remove(fault)
        await trio.sleep(125)
        assert world.size("alice") == 0
        assert len(resolved(world)) == 1


async def test_what_a_paused_follower_holds_against_the_master_is_told(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, HALF) as world:
        await copied(world)
        world.engine.followers["alice"].tell(SetMode(FollowerMode.PAUSED))
        world.close("BTCUSDT")
        await trio.sleep(125)

        (drift,) = found(world)
        assert (drift.kind, drift.cause) == (FindingKind.EXTRA_POSITION, Cause.PAUSED)
        assert drift.severity is Severity.WARNING
        world.engine.followers["alice"].tell(SetMode(FollowerMode.ACTIVE))
        await trio.sleep(125)
        assert (world.size("alice"), len(resolved(world))) == (0, 1)


async def test_whoever_cannot_be_looked_at_holds_up_nobody_and_is_named(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    cast = [Cast(name=name, settings=HALF.settings) for name in ("alice", "bob", "carol")]
    async with open_world(tmp_path, *cast) as world:
        await copied(world)
        world.core("alice").faults.add(FaultKind.ERROR_BEFORE, account="alice", count=100_000)
        world.engine.followers["alice"].tell(CrashNow("a drill"))
        with suppress(ActorDeadError):
            while True:
                world.engine.followers["bob"].tell(CrashNow("a drill"))
                await trio.sleep(2)
        by_hand(world, "-0.5", name="carol")
        began = trio.current_time()
        report = await audited(world)

        assert trio.current_time() - began < 1
        assert report.audited == 1
        assert report.unheard == {"alice": "starting", "bob": "not running: follower:bob is quarantined"}
        await trio.sleep(62)
        assert [it.follower for it in found(world)] == ["carol"]


async def test_what_was_told_of_a_follower_that_is_not_there_now_stands(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, HALF) as world:
        await copied(world)
        by_hand(world, "-0.1")
        await trio.sleep(125)
        world.core("alice").faults.add(FaultKind.ERROR_BEFORE, account="alice", count=100_000)
        world.engine.followers["alice"].tell(CrashNow("a drill"))
        await trio.sleep(300)
        assert world.seen(AuditFinished)[-1].unheard == ("alice",)

        assert len(found(world)) == 1
        assert not resolved(world)


async def test_without_a_reconciled_master_nothing_is_judged(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, HALF) as world:
        await copied(world)
        world.venue.faults.add(FaultKind.ERROR_BEFORE, account="master", count=100_000)
        world.server.drop_connections(account="master", kind="private")
        await trio.sleep(5)
        by_hand(world, "-0.5")
        report = await audited(world)
        await trio.sleep(200)

        assert report.audited == 0
        assert set(report.unheard) == {"alice"}
        assert not found(world)


@pytest.mark.parametrize("hedge", [False, True], ids=["one_way", "hedge"])
async def test_followers_of_a_hedging_master_are_judged_by_their_own_legs(
    tmp_path: Path, autojump_clock: MockClock, hedge: bool
) -> None:
    cast = Cast(hedge=hedge, settings=HALF.settings)
    async with open_world(tmp_path, cast, master_hedges=["BTCUSDT"]) as world:
        world.trade("BTCUSDT", "1", position_idx=1)
        world.trade("BTCUSDT", "-0.4", position_idx=2)
        await world.settled()
        await trio.sleep(200)
        assert not found(world)
        by_hand(world, "-0.1", position_idx=1) if hedge else by_hand(world, "-0.1")
        await trio.sleep(125)

        (drift,) = found(world)
        assert drift.expected == ("0.5" if hedge else "0.3")
        assert drift.position_idx == (1 if hedge else 0)
