"""What simulation found, each as the shortest scenario that shows it."""

from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.events import MasterChangeSeen
from actors.ledger import LEASE_CHECK_S
from actors.ledger_desk import LedgerDesk
from actors.mark_stream import CLOCK_REFRESH_S
from actors.messages import SetMode
from exchanges.sandbox import FaultKind, LedgerRow
from exchanges.sandbox.listing import ListingStatus
from model.copy import Claim, ClaimAnswer, CopyState
from model.ledger import LedgerUnreachable
from model.leg import Side
from model.reasons import Reason
from model.settings import FollowerMode
from tests.houses import VENUES
from tests.simulation.books import WatchedLedger
from tests.simulation.outage import Outage
from tests.world import MASTER, Cast, mirror, open_world

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


async def test_a_flip_that_was_answered_before_an_older_order_was_known_still_opens(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It closed what that order had opened, and by the last outcome the master had only taken some off."""
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        world.engine.followers["alice"].tell(SetMode(FollowerMode.PAUSED))
        faults, endpoint = world.core("alice").faults, world.house("alice").order_endpoint
        dropped = faults.add(FaultKind.DROP_FRAME, account="alice")
        faults.add(FaultKind.RESET_AFTER, account="alice", endpoint=endpoint, count=2)
        world.close("BTCUSDT")
        world.trade("BTCUSDT", "-0.2")
        await trio.sleep(0.1)
        world.engine.followers["alice"].tell(SetMode(FollowerMode.ACTIVE))
        await world.until(lambda: world.size("alice") == D("-0.2"))
        await world.kill_engine()
        faults.remove(dropped)
        world.trade("BTCUSDT", "0.3")
        await world.start_engine()
        await world.ready()
        await world.settled()

        assert world.size("alice") == D("0.1")
        assert not world.sent_twice()


async def test_an_opening_that_grew_old_while_its_leverage_was_set_does_not_leave(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Its age was looked at before: it could leave half a minute after the master."""
    async with open_world(tmp_path, Cast()) as world:
        endpoint = "/v5/position/set-leverage"
        world.venue.faults.add(FaultKind.DELAY_ANSWER, account="alice", endpoint=endpoint, seconds=6.0)
        world.trade("BTCUSDT", "0.2", leverage=D(7))
        await world.settled()

        (copy,) = world.copies("alice")
        assert not [row for row in world.venue.ledger if row.account == "alice"]
        assert copy.reason is Reason.EXPIRED


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
        kept: list[bool] = []

        def look(row: LedgerRow) -> None:
            if row.account == "alice":
                kept.append(row.client_order_id in (tmp_path / "journal").read_text())

        world.venue.ledger = WatchedLedger(look)
        outage = world.store.database = Outage(world.store.database)
        outage.is_down = True
        world.trade("BTCUSDT", "-0.15", position_idx=2)
        await world.until(lambda: world.size("alice") == D("0.05"))
        outage.is_down = False

        assert kept == [True]


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


class NoClaims(LedgerDesk):
    """A desk whose database can be read, and goes away before anything is claimed."""

    async def claim(self, claim: Claim) -> ClaimAnswer:
        """Refuse."""
        raise LedgerUnreachable("the database is away")


async def test_an_exit_from_before_a_kill_is_not_sent_again_while_the_ledger_is_away(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """What was open when a life began counted as never claimed, and left a second time under its id."""
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        world.venue.faults.add(FaultKind.DELAY_FILL, account="alice", seconds=5.0, count=1)
        world.close("BTCUSDT")
        await trio.sleep(0.1)
        await world.kill_engine()
        ids: list[str] = [row.client_order_id for row in world.venue.ledger if row.account == "alice"]
        world.venue.ledger = WatchedLedger(lambda row: ids.append(row.client_order_id))
        world.make_desk = NoClaims
        await world.start_engine()
        await world.until(lambda: not world.size("alice"))
        await trio.sleep(2)

        assert len(ids) == len(set(ids)) == 2


async def test_the_opening_of_one_leg_that_reduces_a_net_waits_for_no_lost_answer(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Judged by the master's own leg it was an opening, which waits while another order is unknown."""
    async with open_world(tmp_path, Cast(), master_hedges=["BTCUSDT"]) as world:
        world.trade("BTCUSDT", "0.2", position_idx=1)
        await world.settled()
        world.venue.faults.add(FaultKind.RESET_AFTER, account="alice", endpoint="order.create", count=1)
        world.venue.faults.add(FaultKind.DELAY_FILL, account="alice", seconds=20.0, count=1)
        world.trade("BTCUSDT", "0.01", position_idx=1)
        await trio.sleep(1)
        world.trade("BTCUSDT", "-0.15", position_idx=2)
        await trio.sleep(2)
        at_once = world.size("alice")
        await trio.sleep(20)
        await world.settled()

        assert at_once == D("0.06")
        assert world.size("alice") == D("0.06")


@pytest.mark.parametrize(("sold", "left"), [("-0.2", "0"), ("-0.15", "0.05")])
async def test_a_reduction_waits_for_a_symbol_that_the_catalogue_left_out_at_the_start(
    sold: str, left: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Restarted while the symbol was halted the engine did not know it, and gave the exit up for good.

    Later it kept on with exits, but not with what the master had only made smaller.
    """
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        listed = world.venue.listings["BTCUSDT"]
        await world.kill_engine()
        world.trade("BTCUSDT", sold, reduce_only=True)
        world.venue.listings["BTCUSDT"] = attrs.evolve(listed, status=ListingStatus.CLOSED)
        await world.start_engine()
        await trio.sleep(20)
        held = world.size("alice")
        world.venue.listings["BTCUSDT"] = listed
        await trio.sleep(70)

        assert (held, world.size("alice")) == (D("0.2"), D(left))


async def test_an_engine_that_was_taken_over_leaves_exits_to_the_other(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Refused as if the ledger were away, its claim of an exit counted as new: both would have sent it."""
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        await trio.sleep(LEASE_CHECK_S - trio.current_time() % LEASE_CHECK_S + 0.5)
        world.store.put_meta({"engine": "another's"})
        world.close("BTCUSDT")
        await trio.sleep(LEASE_CHECK_S - 1)
        held = world.size("alice")
        await trio.sleep(LEASE_CHECK_S)  # the lease was ours all the time: it writes again

        assert (held, world.size("alice")) == (D("0.2"), 0)


async def test_orders_that_never_left_are_looked_up_together(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Each took seven seconds to be believed lost, one after the other, and held up all openings."""
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        refused = world.venue.faults.add(FaultKind.RATE_LIMIT, account="alice", endpoint="order.create")
        world.trade("BTCUSDT", "-0.1")
        await trio.sleep(20)
        await world.kill_engine()
        planned = len(world.copies("alice")[-1].orders)
        world.venue.faults.remove(refused)
        await world.start_engine()
        await trio.sleep(10)

        assert planned >= 4
        assert world.size("alice") == D("0.1")
        assert world.copies("alice")[-1].state is CopyState.APPLIED


async def test_an_exit_waits_for_no_accepted_order_of_which_nothing_is_heard(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Beside an unknown order it passed, and behind one that was accepted it waited for the last word."""
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        world.venue.faults.add(FaultKind.DELAY_FILL, account="alice", seconds=25.0, count=1)
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(1)
        world.close("BTCUSDT")
        await trio.sleep(4)
        at_once = world.size("alice")
        await trio.sleep(25)
        await world.settled()

        assert (at_once, world.size("alice")) == (0, 0)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(("before_ms", "after_ms"), [(0, 8_000), (8_000, 0), (0, -8_000), (-8_000, 0)])
async def test_a_clock_that_stepped_does_not_hold_up_a_close(
    tmp_path: Path, autojump_clock: MockClock, venue: str, before_ms: int, after_ms: int
) -> None:
    """A venue refused every stamp, or took it for expired, until the clocks were compared again."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        world.host_clock.ahead_ms = before_ms
        await trio.sleep(CLOCK_REFRESH_S + 1)
        world.host_clock.ahead_ms = after_ms
        world.close("BTCUSDT")
        await trio.sleep(1)

        assert world.size("alice") == 0


async def test_an_opening_waits_a_moment_for_a_mark(tmp_path: Path, autojump_clock: MockClock) -> None:
    """While the marks were late the equity was unknown, and the opening was skipped at once."""
    mirrors = {"sizing": mirror()}
    async with open_world(tmp_path, Cast(settings=mirrors)) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        world.server.silence_connections(kind="public")
        world.engine._boards["bybit"].marks._prices.clear()  # what is read every 3 s has been lost
        world.trade("ETHUSDT", "1")
        await trio.sleep(0.1)
        held_back = world.size("alice", "ETHUSDT")
        await trio.sleep(4)

        assert held_back == 0
        assert world.size("alice", "ETHUSDT") > 0


async def test_an_old_row_of_a_flat_leg_disowns_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The view knew better, but the row alone made what had been opened since foreign: never closed."""
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        world.venue.faults.add(FaultKind.DELAY_FRAME, account="alice", topic="position*", seconds=12.0)
        world.close("BTCUSDT")
        await world.settled()
        world.trade("BTCUSDT", "0.3")
        await world.settled()
        await trio.sleep(15)
        world.close("BTCUSDT")
        await world.settled()

        assert world.size("alice") == 0


@pytest.mark.parametrize("venue", ["bybit", *VENUES])
async def test_nothing_is_opened_on_a_fill_that_the_view_does_not_show_yet(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    """A query had told of the fill and the stream had not: a newer change opened on top of it."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        faults = world.core("alice").faults
        faults.add(FaultKind.RESET_AFTER, endpoint=world.house("alice").order_endpoint, count=1)
        faults.add(FaultKind.DROP_FRAME, account="alice")
        world.trade("BTCUSDT", "0.5")
        await trio.sleep(1.5)
        world.trade("BTCUSDT", "-0.2", reduce_only=True)
        await world.settled()

        assert world.size("alice") == D("0.3")
        orders = world.core("alice").ledger.of("alice")
        assert [row.intent.side for row in orders] == [Side.BUY, Side.SELL]


async def test_no_opening_leaves_after_a_long_read_when_the_master_has_turned(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The first read of a symbol took long; what had come meanwhile was not looked at."""
    async with open_world(tmp_path, Cast()) as world:
        world.engine.followers["alice"].tell(SetMode(FollowerMode.PAUSED))
        world.trade("BTCUSDT", "0.2")
        await trio.sleep(1)
        world.venue.faults.add(
            FaultKind.DELAY_ANSWER, account="alice", endpoint="/v5/position/list", seconds=10.0, count=1
        )
        world.engine.followers["alice"].tell(SetMode(FollowerMode.ACTIVE))
        await trio.sleep(5)
        world.close("BTCUSDT")
        await trio.sleep(60)
        opening, *_ = world.copies("alice")

        assert not [row for row in world.venue.ledger if row.account == "alice"]
        assert opening.reason is Reason.SUPERSEDED


async def test_a_net_after_a_pause_is_of_every_change_that_waited(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The first change that was taken opened a side that the second, waiting too, had made wrong."""
    async with open_world(tmp_path, Cast(), master_hedges=["BTCUSDT"]) as world:
        world.engine.followers["alice"].tell(SetMode(FollowerMode.PAUSED))
        world.trade("BTCUSDT", "-0.2", position_idx=2)
        await trio.sleep(1)
        world.trade("BTCUSDT", "0.3", position_idx=1)
        await trio.sleep(5)
        world.engine.followers["alice"].tell(SetMode(FollowerMode.ACTIVE))
        await world.settled()
        sides = [row.intent.side for row in world.venue.ledger if row.account == "alice"]

        assert set(sides) == {Side.BUY}
        assert world.size("alice") == D("0.1")


async def test_what_a_read_of_binance_lags_behind_is_not_opened_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The read left the fill out, and what was flat "as of now" hid the row that came with the next one."""
    async with open_world(tmp_path, Cast(venue="binance")) as world:
        face = world.house("alice").server._face
        world.core("alice").faults.add(FaultKind.DROP_FRAME, account="alice")
        await trio.sleep(1)
        face.states.replicas.lag_ms = face.queries.visible_after_ms = 4_000
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        await trio.sleep(30)
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        await trio.sleep(30)

        assert world.size("alice") == D("0.3")


async def test_what_was_missed_is_not_opened_while_nobody_hears_the_master(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It does not expire by its age: it could leave when the master had closed long ago."""
    async with open_world(tmp_path, Cast(venue="binance")) as world:
        master, alice = world.house(MASTER), world.house("alice")
        deaf = master.core.faults.add(FaultKind.DROP_FRAME, account=MASTER)
        world.trade("BTCUSDT", "0.2")
        alice.core.faults.add(FaultKind.DROP_FRAME, account="alice")
        away = alice.core.faults.add(FaultKind.MAINTENANCE)
        alice.server.drop_connections(account="alice", reset=True)
        await world.until(lambda: bool(world.seen(MasterChangeSeen)))
        refused = master.core.faults.add(FaultKind.REFUSE_CONNECTIONS)
        master.server.drop_connections(account=MASTER, reset=True)
        await trio.sleep(1)
        master.core.faults.remove(deaf)
        world.close("BTCUSDT")
        alice.core.faults.remove(away)
        await trio.sleep(30)
        master.core.faults.remove(refused)
        await trio.sleep(60)

        assert [it.change.caught_up for it in world.seen(MasterChangeSeen)] == [True, True]
        assert not [row for row in alice.core.ledger if row.account == "alice"]
