"""What simulation found, each as the shortest scenario that shows it."""

from decimal import Decimal
from pathlib import Path

import trio
from trio.testing import MockClock

from exchanges.sandbox import FaultKind
from model.copy import CopyState
from model.leg import Side
from model.reasons import Reason
from tests.simulation.outage import Outage
from tests.world import Cast, open_world

D = Decimal


async def test_an_opening_that_the_venue_takes_for_a_reduction_ends_with_a_reason(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Refused as "reduce-only", the opening counted as done, without a reason."""
    async with open_world(tmp_path, Cast()) as world:
        world.venue.faults.add(FaultKind.REJECT, account="alice", code=110017)
        world.trade("BTCUSDT", "0.2")
        await world.settled()

        (copy,) = world.copies("alice")
        assert copy.state is CopyState.FAILED
        assert copy.reason is Reason.VENUE_REJECTED


async def test_nobody_opens_a_net_in_which_one_leg_has_gone_unseen(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A snapshot lists what is open: the leg that it left out still counted when the other was told."""
    async with open_world(tmp_path, Cast(), master_hedges=["BTCUSDT"]) as world:
        world.trade("BTCUSDT", "0.2", position_idx=1)
        world.trade("BTCUSDT", "-0.19", position_idx=2)
        await world.settled()
        await world.kill_engine()
        world.close("BTCUSDT", 1)
        world.trade("BTCUSDT", "0.15", position_idx=2, reduce_only=True)
        sent = len(world.venue.ledger)
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert world.size("alice") == D("-0.04")
        assert [row.intent.side for row in world.venue.ledger.since(sent)] == [Side.SELL] * 2


async def test_the_opening_of_one_leg_that_reduces_a_net_is_kept_when_the_ledger_is_away(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Its class is "open", so it was taken for something that needs no journal."""
    async with open_world(tmp_path, Cast(), master_hedges=["BTCUSDT"]) as world:
        world.trade("BTCUSDT", "0.2", position_idx=1)
        await world.settled()
        outage = world.store.database = Outage(world.store.database)
        outage.is_down = True
        world.trade("BTCUSDT", "-0.15", position_idx=2)
        await world.until(lambda: world.size("alice") == D("0.05"))
        journal = (tmp_path / "journal").read_text()
        outage.is_down = False

        (row,) = world.venue.ledger.of("alice")[1:]
        assert row.intent.reduce_only
        assert row.client_order_id in journal


async def test_a_position_that_was_opened_after_an_outage_stays_the_engines_own(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The close that waited in the journal disowned it; after a restart nobody would have closed it."""
    async with open_world(tmp_path, Cast()) as world:
        outage = world.store.database = Outage(world.store.database)
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        outage.is_down = True
        world.close("BTCUSDT")
        await world.until(lambda: not world.size("alice"))
        outage.is_down = False
        world.trade("BTCUSDT", "0.3")
        await world.until(lambda: world.size("alice") == D("0.3"))
        await trio.sleep(10)
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        world.close("BTCUSDT")
        await world.settled()

        assert world.size("alice") == 0
