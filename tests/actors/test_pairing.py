"""Pairing as an actor: whom it tells what, and what it survives (R4, R14)."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from actors.change_keeper import WAITING_MAX, ChangeKeeper
from actors.messages import (
    Describe,
    Drain,
    FollowerReady,
    MasterChanged,
    MasterLost,
    MasterStatus,
    ReadSymbols,
    WalletReported,
    WatchMarks,
)
from model.account import WalletReport
from model.ledger import LedgerRefused
from model.leg import Leg
from tests.actors.master_house import PairingHouse, pairing_house
from tests.model.ledger.factories import make_change
from tests.model.master_session import Master

WRITTEN_S = 0.1
"""After this long a change is in the ledger."""
A, H_LONG, H_SHORT = Leg("AUSDT"), Leg("HUSDT", 1), Leg("HUSDT", 2)


async def test_every_follower_hears_each_change_and_every_venue_watches_its_mark(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()

        await house.say_frames(master.trade("AUSDT", "2", price="100"))

        for name in ("alice", "bob"):
            (told,) = house.changes(name)
            assert (told.change.size_after, told.change.fill_price) == (Decimal(2), Decimal(100))
            assert told.change.master_equity == Decimal(1000)
            assert told.received_at == trio.current_time()
        for venue in ("marks:bybit", "marks:binance"):
            assert WatchMarks(frozenset({"AUSDT"})) in house.told[venue]
        assert [event.change.leg for event in house.seen("master.changed")] == [A]
        await trio.sleep(WRITTEN_S)
        assert house.ledger._store.last_changes() == {A: told.change}


async def test_a_change_comes_with_the_symbols_other_legs(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master(hedge=["HUSDT"])
    async with pairing_house(tmp_path) as house:
        await house.say_read()

        await house.say_frames(master.trade("HUSDT", "3", idx=1))
        await house.say_frames(master.trade("HUSDT", "-1", idx=2))

        first, second = house.changes("alice")
        assert first.others == ()
        assert [(it.leg, it.size_after) for it in second.others] == [(H_LONG, Decimal(3))]


async def test_a_wallet_push_counts_for_the_next_change_and_an_older_one_does_not(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read(equity="1000")
        now_ms = house.clock.wall_ms()

        for equity, at_ms in (("1200", now_ms + 5), ("900", now_ms + 1)):
            known = Decimal(equity)
            report = WalletReport(wallet_balance=known, equity=known, available=known, venue_time_ms=at_ms)
            await house.say(WalletReported(report))
        await house.say_frames(master.trade("AUSDT", "2"))

        assert house.changes("alice")[0].change.master_equity == Decimal(1200)


async def test_nobody_is_told_from_memory_before_the_master_is_read(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say_frames(master.trade("AUSDT", "2"))
        await house.say(MasterLost("dropped"))
        heard = len(house.changes("alice"))
        master.trade("AUSDT", "1")

        await house.say(FollowerReady("alice"))
        assert len(house.changes("alice")) == heard
        await house.say_read(*master.listing())

        for name in ("alice", "bob"):
            *_, told = house.changes(name)[heard:]
            assert (told.change.size_before, told.change.size_after) == (Decimal(2), Decimal(3))
            assert (told.change.from_snapshot, told.change.caught_up) == (True, True)
            assert told.superseded == ()


async def test_a_follower_that_comes_back_hears_flat_legs_too_with_refreshed_margin(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say_frames(master.trade("AUSDT", "2") + master.trade("BUSDT", "1"))
        await house.say_frames(master.trade("AUSDT", "-2"))
        (drifted,) = (row for row in master.listing() if row.size)
        drifted = attrs.evolve(drifted, initial_margin=Decimal(77))
        await house.say_read(drifted, reconnected=False, equity="1500")
        heard = len(house.changes("bob"))

        await house.say(FollowerReady("bob"))

        told = {it.change.leg: it.change for it in house.changes("bob")[heard:]}
        assert {leg: change.size_after for leg, change in told.items()} == {
            A: Decimal(0),
            Leg("BUSDT"): Decimal(1),
        }
        assert (told[Leg("BUSDT")].initial_margin, told[Leg("BUSDT")].master_equity) == (
            Decimal(77),
            Decimal(1500),
        )
        assert all(change.caught_up for change in told.values())


async def test_a_restarted_pairing_tells_everyone_where_every_leg_stands(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say_frames(master.trade("AUSDT", "2"))

        house.pairing.tell("garbage")
        await trio.testing.wait_all_tasks_blocked()
        assert len(house.changes("alice")) == 1
        await house.say_read(*master.listing())
        await trio.sleep(WRITTEN_S)

        first, again = house.changes("alice")
        assert again.change.change_id == first.change.change_id
        assert again.change.caught_up
        assert len(house.changes("bob")) == 2


async def test_an_absent_leg_is_asked_for_before_anybody_hears_of_it(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say_frames(master.trade("AUSDT", "2"))
        await house.say(MasterLost("dropped"))
        heard = len(house.changes("alice"))
        master.trade("AUSDT", "-2")

        await house.say(FollowerReady("alice"))
        await house.say_read()
        assert house.told["stream"] == [ReadSymbols(frozenset({"AUSDT"}))]
        assert not await reconciled(house)
        assert len(house.changes("alice")) == heard
        await house.say_symbol("AUSDT", *master.reading("AUSDT"))

        assert await reconciled(house)
        told = house.changes("alice")[heard:]
        assert {it.change.size_after for it in told} == {Decimal(0)}
        assert told[-1].superseded == ()


async def test_an_absence_of_an_earlier_stream_holds_nobody_up(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say_frames(master.trade("AUSDT", "2"))
        await house.say_read()  # the listing is older than the trade; whoever was asked dies
        assert not await reconciled(house)

        await house.say(MasterLost("dropped"))
        await house.say_read(*master.listing())

        assert await reconciled(house)


async def test_a_stream_that_ended_without_a_word_leaves_nothing_parked(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say_frames(master.trade("AUSDT", "2")[:1])

        await house.say_read()
        await trio.sleep(5)

        assert house.told["stream"] == []


async def test_a_periodic_reading_lets_frames_on_their_way_explain_what_it_shows(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        frames = master.trade("AUSDT", "2")

        await house.say_read(*master.listing(), reconnected=False)
        await house.say_frames(frames)

        (told,) = house.changes("alice")
        assert (told.change.from_snapshot, told.change.caught_up) == (False, False)


async def test_every_reading_reminds_the_mark_streams_of_what_the_master_holds(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say_frames(master.trade("AUSDT", "2"))
        house.told["marks:binance"].clear()

        await house.say_read(*master.listing(), reconnected=False)

        assert house.told["marks:binance"] == [WatchMarks(frozenset({"AUSDT"}))]


class Meddler:
    """A follower's address; when it is told where the legs stand, the master trades on."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.told: list[MasterChanged] = []
        self._then = then

    def tell(self, message: MasterChanged) -> None:
        self.told.append(message)
        if message.change.caught_up:
            self._then()
            self._then = lambda: None


async def test_nobody_is_told_an_old_state_after_a_newer_one(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say_frames(master.trade("AUSDT", "2"))

        def trade_on() -> None:
            for frame in master.trade("AUSDT", "1"):
                house.pairing.tell(house.as_message(frame))

        crowd = [Meddler(trade_on), *(Meddler() for _ in range(30))]
        names = [f"f{number}" for number in range(len(crowd))]
        house.followers.update(dict(zip(names, crowd, strict=True)))  # type: ignore[arg-type]

        await house.say(*(FollowerReady(name) for name in names))

        assert [one.told[-1].change.size_after for one in crowd] == [Decimal(3)] * len(crowd)


async def test_who_waits_is_not_told_while_the_stream_is_lost(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say_frames(master.trade("AUSDT", "2"))
        crowd = [Meddler(lambda: house.pairing.tell(MasterLost("dropped"))), *(Meddler() for _ in range(30))]
        names = [f"f{number}" for number in range(len(crowd))]
        house.followers.update(dict(zip(names, crowd, strict=True)))  # type: ignore[arg-type]

        await house.say(*(FollowerReady(name) for name in names))
        told_before = [one for one in crowd if one.told]
        await house.say_read(*master.listing())

        assert len(told_before) < len(crowd) / 2
        assert all(len(one.told) == 1 for one in crowd)


async def reconciled(house: PairingHouse) -> bool:
    status: MasterStatus = await house.pairing.ask(Describe())
    return status.reconciled


async def test_a_fill_without_its_row_is_read_by_symbol(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        fills, order, _ = master.trade("AUSDT", "2", price="100")
        began = trio.current_time()

        await house.say_frames([fills, order])
        await trio.sleep(0.99)
        assert house.told["stream"] == []
        await trio.sleep(0.02)
        assert house.told["stream"] == [ReadSymbols(frozenset({"AUSDT"}))]
        await house.say_symbol("AUSDT", *master.reading("AUSDT"))

        (told,) = house.changes("alice")
        assert told.change.fill_price == Decimal(100)
        await trio.sleep(30)
        assert len(house.told["stream"]) == 1
        assert trio.current_time() - began < 60


async def test_a_row_whose_fills_never_come_is_told_after_a_moment(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()

        await house.say_frames(master.trade("AUSDT", "2")[-1:])
        assert house.changes("alice") == []
        await trio.sleep(0.06)

        (told,) = house.changes("alice")
        assert told.change.from_snapshot


async def test_a_change_is_as_old_as_the_first_that_was_heard_of_it(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    """It counted from when it was complete: an opening could leave long after the master's (R13)."""
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        fills, _, rows = master.trade("AUSDT", "2")
        began = trio.current_time()

        await house.say_frames([fills])
        await trio.sleep(0.9)
        await house.say_frames([rows])

        (told,) = house.changes("alice")
        assert told.received_at == pytest.approx(began)
        assert not told.change.caught_up


async def test_a_closing_fill_is_told_although_neither_row_nor_rest_can_be_had(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say_frames(master.trade("AUSDT", "2"))

        await house.say_frames(master.trade("AUSDT", "-2")[:1])
        await trio.sleep(3.5)

        assert house.changes("alice")[-1].change.size_after == 0


async def test_a_draining_pairing_tells_and_remembers_nothing_more(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.say(Drain())

        await house.say_frames(master.trade("AUSDT", "2"))
        await house.say(FollowerReady("alice"))

        assert house.changes("alice") == []
        assert house.ledger._store.last_changes() == {}, "the next start finds it missed"


async def test_a_removed_or_quarantined_follower_harms_nobody(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        await house.supervisor.stop_child("bob")

        await house.say(FollowerReady("nobody"), FollowerReady("bob"))
        await house.say_frames(master.trade("AUSDT", "2"))

        assert len(house.changes("alice")) == 1
        assert house.changes("bob") == []
        assert house.seen("actor.crashed") == []


async def test_status_shows_open_legs_and_equity(tmp_path: Path, autojump_clock: trio.abc.Clock) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        assert await house.pairing.ask(Describe()) == MasterStatus(reconciled=False, equity=None, legs=())
        await house.say_read(equity="1000")
        await house.say_frames(
            master.trade("AUSDT", "2") + master.trade("BUSDT", "2") + master.trade("BUSDT", "-2")
        )

        status = await house.pairing.ask(Describe())

        assert (status.reconciled, status.equity) == (True, "1000")
        assert [change.leg for change in status.legs] == [A]


# The ledger


async def test_changes_wait_for_a_ledger_that_is_away_and_keep_their_order(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        house.ledger.go_away()

        for delta in ("2", "1", "-3"):
            await house.say_frames(master.trade("AUSDT", delta))
        await trio.sleep(10)
        assert len(house.changes("alice")) == 3, "copying does not wait"
        assert len(house.seen("trouble.met")) == 1, "told once"
        house.ledger.error = None
        await trio.sleep(1.1)

        written = [change.size_after for batch in house.ledger.batches for change in batch.changes]
        assert written == [Decimal(2), Decimal(3), Decimal(0)]


async def test_a_change_that_the_ledger_refuses_is_told_and_copied_all_the_same(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        house.ledger.error = LedgerRefused("not such data")

        await house.say_frames(master.trade("AUSDT", "2") + master.trade("BUSDT", "2"))

        assert len(house.changes("alice")) == 2
        assert len(house.seen("trouble.met")) == 2
        assert house.seen("actor.crashed") == []


async def test_the_last_changes_are_written_before_it_stops(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        house.ledger.go_away()
        await house.say_frames(master.trade("AUSDT", "2"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.supervisor.stop)
            await trio.sleep(0.5)
            house.ledger.error = None

        assert house.ledger._store.last_changes().keys() == {A}


async def test_a_ledger_that_stays_away_holds_up_a_stop_for_two_seconds(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    master = Master()
    async with pairing_house(tmp_path) as house:
        await house.say_read()
        house.ledger.go_away()
        await house.say_frames(master.trade("AUSDT", "2"))
        began = trio.current_time()

        await house.supervisor.stop()

        assert trio.current_time() - began <= 2.1


async def test_the_queue_to_the_ledger_is_bounded_and_says_what_it_loses(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with pairing_house(tmp_path) as house:
        keeper = ChangeKeeper(ledger=house.ledger, bus=house.bus)

        for _ in range(WAITING_MAX + 1):
            keeper.keep(make_change())

        (trouble,) = house.seen("trouble.met")
        assert "not remembered" in trouble.what
        assert not keeper.written.is_set()
