"""Pairing by example: what parks, what leaves, what time and REST end (R4, R5, R14)."""

from decimal import Decimal
from typing import Any

import attrs
import pytest

from model.account import Execution, PositionReport
from model.change import Change, make_change_id
from model.fills import PARKED_MAX
from model.leg import ChangeClass, Leg, PositionMode
from model.order import OrderReport, OrderState
from model.pairing import FILL_WAIT_S, FORGET_S, LEGS_MAX, LONE_WAITS, Pairing
from tests.model.master_session import EPOCH_MS, Master, feed

SOL = Leg("SOLUSDT")
LONG, SHORT = Leg("SOLUSDT", 1), Leg("SOLUSDT", 2)


def make_fill(seq: int, quantity: str, *, price: str = "100", **other: Any) -> Execution:
    signed = Decimal(quantity)
    facts: dict[str, Any] = {
        "execution_id": f"x{seq}",
        "symbol": "SOLUSDT",
        "position_idx": None,
        "side_sign": 1 if signed > 0 else -1,
        "quantity": abs(signed),
        "price": Decimal(price),
        "closed_size": Decimal(0),
        "order_id": f"o{seq}",
        "client_order_id": "",
        "seq": seq,
        "venue_time_ms": EPOCH_MS + seq,
    }
    return Execution(**{**facts, **other})


def make_row(seq: int, size: str, *, leg: Leg = SOL, **other: Any) -> PositionReport:
    flat = not Decimal(size)
    facts: dict[str, Any] = {
        "leg": leg,
        "size": Decimal(size),
        "entry_price": None if flat else Decimal("233.02"),
        "leverage": Decimal(10),
        "initial_margin": Decimal(0) if flat else Decimal("4.6876214"),
        "mark_price": Decimal("233.5"),
        "seq": seq,
        "venue_time_ms": EPOCH_MS + seq,
    }
    return PositionReport(**{**facts, **other})


def make_order(seq: int, leg: Leg) -> OrderReport:
    return OrderReport(
        leg=leg,
        client_order_id="",
        order_id=f"o{seq}",
        state=OrderState.FILLED,
        filled=Decimal(1),
        average_price=None,
        venue_time_ms=EPOCH_MS + seq,
    )


def fills(pairing: Pairing, *rows: Execution, now: float = 0.0, ms: int = EPOCH_MS) -> tuple[Change, ...]:
    return pairing.executions(rows, now=now, received_at_ms=ms)


def rows(pairing: Pairing, *told: PositionReport, now: float = 0.0, ms: int = EPOCH_MS) -> tuple[Change, ...]:
    return pairing.positions(told, now=now, received_at_ms=ms)


def read(pairing: Pairing, *told: PositionReport, now: float = 0.0) -> tuple[Change, ...]:
    return pairing.settled("SOLUSDT", told, now=now, received_at_ms=EPOCH_MS)


@pytest.fixture
def pairing() -> Pairing:
    """Return one whose master is flat and whose symbol is known to be one-way."""
    flat = Pairing({}, wait_s=1.0)
    flat.master_equity = Decimal("11.48")
    assert rows(flat, make_row(1, "0")) == ()
    return flat


@pytest.fixture
def long_two(pairing: Pairing) -> Pairing:
    """Return one whose master is long two."""
    fills(pairing, make_fill(10, "2", price="100"))
    assert len(rows(pairing, make_row(10, "2"))) == 1
    return pairing


# Fill and row meet


def test_a_fill_leaves_with_the_margin_that_its_row_confirms(pairing: Pairing) -> None:
    parked = fills(pairing, make_fill(10, "0.2", price="233.02"), ms=EPOCH_MS + 3)
    (change,) = rows(pairing, make_row(10, "0.2"), ms=EPOCH_MS + 4)

    change_id = make_change_id(SOL, 10, Decimal("0.2"))
    assert parked == ()
    assert change == Change(
        change_id=change_id,
        leg=SOL,
        size_before=Decimal(0),
        size_after=Decimal("0.2"),
        initial_margin=Decimal("4.6876214"),
        leverage=Decimal(10),
        fill_price=Decimal("233.02"),
        master_equity=Decimal("11.48"),
        entry_price=Decimal("233.02"),
        venue_time_ms=EPOCH_MS + 10,
        received_at_ms=EPOCH_MS + 3,
        seq=10,
        episode_id=change_id,
        episode_began_ms=EPOCH_MS + 10,
        peak_size=Decimal("0.2"),
        peak_margin=Decimal("4.6876214"),
    )
    assert pairing.legs == {SOL: change}
    assert pairing.next_deadline() is None


def test_fills_that_one_row_covers_leave_as_one_change_at_their_weighted_price(pairing: Pairing) -> None:
    fills(pairing, make_fill(10, "1", price="100"), make_fill(11, "3", price="104"))

    (change,) = rows(pairing, make_row(12, "4"))

    assert change.fill_price == Decimal(103)
    assert (change.size_before, change.size_after) == (Decimal(0), Decimal(4))


def test_a_row_covers_only_the_fills_up_to_its_seq(pairing: Pairing) -> None:
    fills(pairing, make_fill(10, "1", price="100"), make_fill(20, "1", price="200"))

    first = rows(pairing, make_row(10, "1"))
    second = rows(pairing, make_row(20, "2"))

    assert [it.fill_price for it in (*first, *second)] == [Decimal(100), Decimal(200)]


def test_an_opening_whose_row_comes_first_waits_for_its_last_fill(pairing: Pairing) -> None:
    assert rows(pairing, make_row(11, "2"), now=5.0) == ()
    assert pairing.next_deadline() == 5.0 + FILL_WAIT_S
    assert fills(pairing, make_fill(10, "1", price="100"), now=5.01) == ()

    (change,) = fills(pairing, make_fill(11, "1", price="102"), now=5.02)

    assert change.fill_price == Decimal(101)
    assert not change.from_snapshot


def test_a_move_whose_fills_never_come_leaves_all_the_same(long_two: Pairing) -> None:
    assert rows(long_two, make_row(20, "3"), now=5.0) == ()
    assert long_two.expire(now=5.0 + FILL_WAIT_S / 2) == ()

    (change,) = long_two.expire(now=5.0 + FILL_WAIT_S)

    assert change.change_class is ChangeClass.INCREASE
    assert change.from_snapshot
    assert not change.caught_up
    assert change.fill_price == Decimal("233.5"), "the mark that came with the row"
    assert fills(long_two, make_fill(20, "1"), now=5.1) == (), "too late to matter"
    assert long_two.parked == ()


def test_an_opening_without_fills_has_the_venues_own_average_as_its_price(pairing: Pairing) -> None:
    rows(pairing, make_row(20, "3"))

    (change,) = pairing.expire(now=FILL_WAIT_S)

    assert change.fill_price == Decimal("233.02")


@pytest.mark.parametrize(("size", "kind"), [("0.5", "partial_close"), ("0", "full_close"), ("-1", "flip")])
def test_a_reduction_never_waits_for_its_fills(long_two: Pairing, size: str, kind: str) -> None:
    (change,) = rows(long_two, make_row(20, size))

    assert change.change_class.value == kind
    assert change.from_snapshot
    assert fills(long_two, make_fill(20, "-2")) == ()
    assert long_two.parked == ()


def test_a_reduction_takes_along_what_waits_before_it(long_two: Pairing) -> None:
    assert rows(long_two, make_row(20, "3")) == ()

    changes = rows(long_two, make_row(30, "0"))

    assert [(it.size_before, it.size_after) for it in changes] == [
        (Decimal(2), Decimal(3)),
        (Decimal(3), Decimal(0)),
    ]


def test_a_row_with_blank_margin_leaves_with_no_margin(pairing: Pairing) -> None:
    """Portfolio margin: openings are then skipped by sizing, reductions go on."""
    fills(pairing, make_fill(10, "1"))

    (change,) = rows(pairing, make_row(10, "1", initial_margin=None, leverage=None))

    assert (change.initial_margin, change.leverage, change.peak_margin) == (None, None, None)
    assert pairing.parked == ()


def test_fills_that_undo_each_other_within_one_row_are_no_change(pairing: Pairing) -> None:
    fills(pairing, make_fill(10, "1"), make_fill(11, "-1", closed_size=Decimal(1)))

    assert rows(pairing, make_row(11, "0")) == ()
    assert pairing.parked == ()


def test_only_fills_in_the_moves_own_direction_make_its_price(pairing: Pairing) -> None:
    fills(pairing, make_fill(10, "3", price="100"), make_fill(11, "-1", price="90", closed_size=Decimal(1)))

    (change,) = rows(pairing, make_row(11, "2"))

    assert change.fill_price == Decimal(100)


def test_fills_that_an_unmoved_row_covers_are_not_the_next_moves(pairing: Pairing) -> None:
    """Its counterpart is late: both were undone before that row."""
    fills(pairing, make_fill(10, "1", price="50"))
    rows(pairing, make_row(12, "0"))
    fills(pairing, make_fill(20, "1", price="100"))

    (change,) = rows(pairing, make_row(20, "1"))

    assert (change.fill_price, change.from_snapshot) == (Decimal(100), False)
    assert fills(pairing, make_fill(11, "-1", price="60", closed_size=Decimal(1))) == ()
    assert pairing.parked == ()


# Repeats, late frames, rows without a move


def test_repeats_change_nothing(long_two: Pairing) -> None:
    before = dict(long_two.legs)

    assert fills(long_two, make_fill(10, "2", price="100")) == ()
    assert rows(long_two, make_row(10, "2")) == ()

    assert long_two.legs == before
    assert long_two.parked == ()


def test_a_fill_seen_on_the_fast_topic_counts_once(pairing: Pairing) -> None:
    fast = make_fill(10, "1", closed_size=None)
    fills(pairing, fast)
    fills(pairing, attrs.evolve(fast, closed_size=Decimal(0)))

    (change,) = rows(pairing, make_row(10, "1"))

    assert not change.from_snapshot


@pytest.mark.parametrize("stale", [make_row(9, "7"), make_row(10, "7", venue_time_ms=EPOCH_MS + 9)])
def test_an_older_row_is_no_news(long_two: Pairing, stale: PositionReport) -> None:
    assert rows(long_two, stale) == ()
    assert long_two.expire(now=9.0) == ()
    assert long_two.legs[SOL].size_after == 2


def test_of_two_rows_of_one_moment_the_first_stands_until_rest_says_otherwise(long_two: Pairing) -> None:
    rival = make_row(10, "1")

    assert rows(long_two, rival) == ()
    (change,) = read(long_two, rival)

    assert change.size_after == 1


def test_a_venue_that_counts_anew_is_believed_after_an_hour(long_two: Pairing) -> None:
    early = make_row(3, "0", venue_time_ms=EPOCH_MS + 60_000)
    late = make_row(3, "0", venue_time_ms=EPOCH_MS + 7_200_000)

    assert rows(long_two, early) == ()
    assert len(rows(long_two, late)) == 1


def test_a_row_without_a_move_refreshes_what_is_told_later(long_two: Pairing) -> None:
    told = long_two.legs[SOL]
    long_two.master_equity = Decimal(12)

    changes = rows(
        long_two, make_row(15, "2", initial_margin=Decimal(5), leverage=Decimal(8), entry_price=Decimal(99))
    )

    assert changes == ()
    assert long_two.legs[SOL] == attrs.evolve(
        told,
        initial_margin=Decimal(5),
        leverage=Decimal(8),
        entry_price=Decimal(99),
        master_equity=Decimal(12),
    )


# Episodes


def test_an_episode_keeps_its_peak_and_the_margin_of_it(long_two: Pairing) -> None:
    opening = long_two.legs[SOL]
    (grown,) = fills(long_two, make_fill(20, "1")) or rows(
        long_two, make_row(20, "3", initial_margin=Decimal(7))
    )
    rows(long_two, make_row(25, "3", initial_margin=Decimal(9)))
    (shrunk,) = rows(long_two, make_row(30, "1", initial_margin=Decimal(3)))
    (closed,) = rows(long_two, make_row(40, "0"))
    fills(long_two, make_fill(50, "1"))
    (opened,) = rows(long_two, make_row(50, "1", initial_margin=Decimal(2)))

    for change in (grown, shrunk, closed):
        assert (change.episode_id, change.episode_began_ms) == (opening.change_id, EPOCH_MS + 10)
        assert (change.peak_size, change.peak_margin) == (Decimal(3), Decimal(7))
    assert (opened.episode_id, opened.episode_began_ms) == (opened.change_id, EPOCH_MS + 50)
    assert (opened.peak_size, opened.peak_margin) == (Decimal(1), Decimal(2))


def test_a_flip_in_one_fill_is_one_change_and_begins_an_episode(long_two: Pairing) -> None:
    fills(long_two, make_fill(20, "-5", price="233", closed_size=Decimal(2)))

    (change,) = rows(long_two, make_row(20, "-3"))

    assert change.change_class is ChangeClass.FLIP
    assert (change.size_before, change.size_after) == (Decimal(2), Decimal(-3))
    assert change.fill_price == Decimal(233)
    assert not change.from_snapshot
    assert change.episode_id == change.change_id
    assert change.peak_size == 3


# Legs


@pytest.mark.parametrize(
    ("quantity", "closed", "leg"),
    [("1", "0", LONG), ("1", "1", SHORT), ("-1", "0", SHORT), ("-1", "1", LONG)],
)
def test_in_hedge_mode_side_and_closed_size_tell_the_leg(quantity: str, closed: str, leg: Leg) -> None:
    pairing = Pairing({}, wait_s=1.0)
    rows(pairing, make_row(5, "4", leg=LONG), make_row(5, "-4", leg=SHORT))
    pairing.expire(now=1.0)
    after = pairing.legs[leg].size_after + Decimal(quantity)

    fills(pairing, make_fill(10, quantity, closed_size=Decimal(closed)), now=2.0)
    (change,) = rows(pairing, make_row(10, str(after), leg=leg), now=2.0)

    assert change.leg == leg
    assert not change.from_snapshot
    assert change.fill_price == Decimal(100)


def test_the_order_row_overrules_what_was_derived() -> None:
    pairing = Pairing({}, wait_s=1.0)
    rows(pairing, make_row(5, "0", leg=LONG), make_row(5, "0", leg=SHORT))
    fills(pairing, make_fill(10, "-1"))  # looks like an opening of the short leg
    assert rows(pairing, make_row(10, "-1", leg=LONG)) == (), "its fill seems to be another leg's"

    (change,) = pairing.order(make_order(10, LONG), now=0.0)

    assert change.leg == LONG
    assert not change.from_snapshot


def test_a_fill_of_a_symbol_in_unknown_mode_finds_its_leg_with_the_first_row() -> None:
    pairing = Pairing({}, wait_s=1.0)
    assert pairing.mode("SOLUSDT") is None
    fills(pairing, make_fill(10, "-1"))

    (change,) = rows(pairing, make_row(10, "0", leg=LONG), make_row(10, "-1", leg=SHORT))

    assert change.leg == SHORT
    assert not change.from_snapshot
    assert pairing.mode("SOLUSDT") is PositionMode.HEDGE


def test_a_fast_fill_in_hedge_mode_waits_for_its_full_row() -> None:
    pairing = Pairing({}, wait_s=1.0)
    rows(pairing, make_row(5, "0", leg=LONG))
    fast = make_fill(10, "1", closed_size=None)
    fills(pairing, fast)
    assert rows(pairing, make_row(10, "1", leg=LONG)) == ()

    (change,) = fills(pairing, attrs.evolve(fast, closed_size=Decimal(0)))

    assert not change.from_snapshot


def test_a_frame_of_both_hedge_legs_moves_only_what_moved() -> None:
    """The shape recorded in bybit.md 9.7: the flat leg's row carries an older seq."""
    pairing = Pairing({}, wait_s=1.0)
    fills(pairing, make_fill(8793822126, "0.02"))

    changes = rows(pairing, make_row(8793822126, "0.02", leg=LONG), make_row(8793673384, "0", leg=SHORT))

    assert [it.leg for it in changes] == [LONG]
    assert pairing.others(SHORT) == changes
    assert pairing.others(LONG) == ()


def test_an_old_row_does_not_bring_an_old_mode_back() -> None:
    pairing = Pairing({}, wait_s=1.0)
    rows(pairing, make_row(20, "0", leg=LONG))

    rows(pairing, make_row(10, "0"))

    assert pairing.mode("SOLUSDT") is PositionMode.HEDGE


# A fill that no row covers


def test_a_fill_that_waited_too_long_asks_for_its_symbol_and_asks_again(pairing: Pairing) -> None:
    fills(pairing, make_fill(10, "1"), now=5.0)

    assert pairing.next_deadline() == 6.0
    assert pairing.overdue(5.9) == frozenset()
    assert pairing.overdue(6.0) == {"SOLUSDT"}
    assert pairing.next_deadline() == 8.0
    assert pairing.overdue(8.0) == {"SOLUSDT"}
    assert pairing.overdue(8.1) == frozenset()


def test_a_reading_settles_the_fill_that_waited(pairing: Pairing) -> None:
    fills(pairing, make_fill(10, "1", price="100"))

    (change,) = read(pairing, make_row(10, "1"), now=1.1)

    assert change.fill_price == Decimal(100)
    assert change.initial_margin is not None
    assert change.caught_up, "too old to be judged by its age"
    assert pairing.next_deadline() is None


def test_a_reading_that_shows_no_move_ends_the_wait(long_two: Pairing) -> None:
    fills(long_two, make_fill(15, "1"))

    assert read(long_two, make_row(15, "2"), now=1.1) == ()
    assert long_two.parked == ()
    assert fills(long_two, make_fill(15, "1"), now=1.2) == ()
    assert long_two.parked == (), "a repeat of what was settled waits for nothing"


def test_a_reading_from_before_the_fill_settles_nothing(long_two: Pairing) -> None:
    fills(long_two, make_fill(15, "1"))

    assert read(long_two, make_row(10, "2"), now=1.1) == ()
    assert len(long_two.parked) == 1
    (change,) = read(long_two, make_row(15, "3"), now=2.1)
    assert change.size_after == 3


@pytest.mark.parametrize(("sold", "after"), [("0.5", "1.5"), ("2", "0"), ("3", "0")])
def test_a_reduction_that_nobody_can_confirm_leaves_on_its_fills(
    long_two: Pairing, sold: str, after: str
) -> None:
    fills(long_two, make_fill(20, f"-{sold}", price="90"), now=5.0)
    lone_at = 5.0 + LONE_WAITS
    assert long_two.expire(now=lone_at - 0.1) == ()

    (change,) = long_two.expire(now=lone_at)

    assert (change.size_before, change.size_after) == (Decimal(2), Decimal(after))
    assert change.change_class.reduces
    assert (change.initial_margin, change.fill_price) == (None, Decimal(90))
    assert change.change_id == make_change_id(SOL, 20, Decimal(after)), "as its row would have named it"
    assert long_two.next_deadline() is None


def test_fills_that_a_row_covers_are_no_reduction_of_their_own(long_two: Pairing) -> None:
    """Of a way out and back one fill was lost: the rest looked like a move that the row had denied."""
    assert long_two.snapshot([make_row(30, "2")], now=5.0, received_at_ms=EPOCH_MS) == ()
    fills(long_two, make_fill(20, "-0.5"), make_fill(25, "0.2"), now=5.0)

    assert long_two.expire(now=5.0 + LONE_WAITS) == ()
    assert len(long_two.parked) == 2, "the position is read once more"
    assert read(long_two, make_row(30, "2"), now=8.1) == ()
    assert long_two.parked == ()


def test_the_row_of_a_reduction_that_left_alone_is_no_second_change(long_two: Pairing) -> None:
    fills(long_two, make_fill(20, "-0.5"))
    long_two.expire(now=3.0)

    assert rows(long_two, make_row(19, "2"), now=3.1) == (), "from before it"
    assert rows(long_two, make_row(20, "1.5"), now=3.2) == ()
    assert long_two.legs[SOL].initial_margin == Decimal("4.6876214")


def test_the_other_side_of_a_flip_that_left_alone_comes_with_its_row(long_two: Pairing) -> None:
    fills(long_two, make_fill(20, "-3", closed_size=Decimal(2)))
    (closed,) = long_two.expire(now=3.0)

    opened = (*rows(long_two, make_row(20, "-1"), now=4.0), *long_two.expire(now=4.1))

    assert (closed.size_after, [it.size_after for it in opened]) == (Decimal(0), [Decimal(-1)])


def test_an_opening_that_nobody_can_confirm_never_leaves_without_its_margin(long_two: Pairing) -> None:
    fills(long_two, make_fill(20, "1"))

    assert long_two.expire(now=LONE_WAITS * 1.0) == ()
    assert long_two.expire(now=FORGET_S - 1) == ()
    assert len(long_two.parked) == 1
    assert long_two.expire(now=FORGET_S) == ()
    assert (long_two.parked, long_two.next_deadline()) == ((), None)


def test_a_lost_stream_drops_what_was_parked_but_not_what_was_confirmed(long_two: Pairing) -> None:
    fills(long_two, make_fill(21, "1"))
    rows(long_two, make_row(20, "3"))

    long_two.stream_lost()

    assert long_two.parked == ()
    assert [it.size_after for it in long_two.expire(now=1.0)] == [Decimal(3)]


# Catch-up


def test_a_snapshot_tells_what_was_missed_against_memory(long_two: Pairing) -> None:
    restarted = Pairing(long_two.legs, wait_s=1.0)

    (change,) = restarted.snapshot([make_row(30, "5")], now=0.0, received_at_ms=EPOCH_MS)

    assert (change.size_before, change.size_after) == (Decimal(2), Decimal(5))
    assert change.from_snapshot
    assert change.caught_up
    assert change.episode_id == long_two.legs[SOL].episode_id
    assert change.peak_size == 5


def test_a_snapshot_of_the_remembered_state_tells_nothing(long_two: Pairing) -> None:
    restarted = Pairing(long_two.legs, wait_s=1.0)

    assert restarted.snapshot([make_row(12, "2")], now=0.0, received_at_ms=EPOCH_MS) == ()


def test_the_same_state_has_the_same_id_by_stream_and_by_snapshot(long_two: Pairing) -> None:
    other = Pairing({}, wait_s=1.0)

    (change,) = other.snapshot([make_row(10, "2")], now=0.0, received_at_ms=EPOCH_MS)

    assert change.change_id == long_two.legs[SOL].change_id


def test_an_absence_is_asked_about_and_believed_by_symbol_only(long_two: Pairing) -> None:
    restarted = Pairing(long_two.legs, wait_s=1.0)

    assert restarted.snapshot([], now=0.0, received_at_ms=EPOCH_MS) == ()
    assert restarted.unlisted([]) == {"SOLUSDT"}
    (change,) = read(restarted, make_row(30, "0"))

    assert change.change_class is ChangeClass.FULL_CLOSE
    assert change.caught_up
    assert restarted.unlisted([]) == frozenset()


def test_a_leg_with_a_move_in_waiting_counts_as_open(pairing: Pairing) -> None:
    rows(pairing, make_row(20, "3"))

    assert pairing.unlisted([]) == {"SOLUSDT"}


@pytest.mark.parametrize("told", [(), (make_row(4, "0", leg=LONG), make_row(4, "0", leg=SHORT))])
def test_a_leg_that_its_symbols_reading_lacks_is_flat(
    long_two: Pairing, told: tuple[PositionReport, ...]
) -> None:
    """The symbol is gone, or its mode was switched, which takes flat legs."""
    (change,) = read(long_two, *told)

    assert (change.leg, change.size_after) == (SOL, Decimal(0))


def test_a_live_snapshot_waits_for_frames_that_are_on_their_way(pairing: Pairing) -> None:
    row = make_row(20, "3")
    assert pairing.snapshot([row], now=0.0, received_at_ms=EPOCH_MS, live=True) == ()

    (change,) = fills(pairing, make_fill(20, "3"), now=0.01)

    assert (change.from_snapshot, change.caught_up) == (False, False)


def test_a_live_snapshot_whose_row_the_stream_repeats_is_nothing_missed(pairing: Pairing) -> None:
    pairing.snapshot([make_row(20, "3")], now=0.0, received_at_ms=EPOCH_MS, live=True)
    rows(pairing, make_row(20, "3"), now=0.01)

    (change,) = pairing.expire(now=FILL_WAIT_S)

    assert (change.from_snapshot, change.caught_up) == (True, False)


def test_a_live_snapshot_tells_what_no_frame_told(pairing: Pairing) -> None:
    pairing.snapshot([make_row(20, "3")], now=0.0, received_at_ms=EPOCH_MS, live=True)

    (change,) = pairing.expire(now=FILL_WAIT_S)

    assert (change.from_snapshot, change.caught_up) == (True, True)


@pytest.mark.parametrize(
    ("opened_at_ms", "watched", "began_ms"),
    [
        (EPOCH_MS - 500, False, EPOCH_MS - 500),
        (EPOCH_MS - 500, True, EPOCH_MS - 500),
        (None, True, EPOCH_MS + 20),
        (None, False, 0),
    ],
)
def test_a_position_found_by_rest_began_when_the_venue_says_or_before_we_watched(
    opened_at_ms: int | None, watched: bool, began_ms: int
) -> None:
    pairing = Pairing({}, wait_s=1.0)
    if watched:
        pairing.snapshot([], now=0.0, received_at_ms=EPOCH_MS)

    (change,) = pairing.snapshot(
        [make_row(20, "3", opened_at_ms=opened_at_ms)], now=0.0, received_at_ms=EPOCH_MS
    )

    assert change.episode_began_ms == began_ms


# Bounds


def test_memory_of_executions_and_orders_is_bounded(
    pairing: Pairing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.fills.SEEN_MAX", 50)
    monkeypatch.setattr("model.fills.ORDERS_MAX", 20)
    for number in range(60):
        fills(pairing, make_fill(100 + number, "1"))
        pairing.order(make_order(100 + number, SOL), now=0.0)
    assert len(rows(pairing, make_row(159, "60"))) == 1

    remembered, forgotten = make_fill(159, "1"), attrs.evolve(make_fill(100, "1"), seq=200)
    fills(pairing, remembered, forgotten)

    assert [it.execution_id for it in pairing.parked] == ["x100"]
    assert len(pairing._fills._order_idx) == 20


def test_a_flood_of_fills_without_rows_keeps_the_newest(pairing: Pairing) -> None:
    for number in range(PARKED_MAX + 3):
        fills(pairing, make_fill(100 + number, "1"), now=float(number))

    assert [it.seq for it in pairing.parked] == list(range(103, 103 + PARKED_MAX))


def test_flat_legs_are_forgotten_only_past_a_number_that_no_venue_lists(long_two: Pairing) -> None:
    for number in range(LEGS_MAX + 5):
        leg = Leg(f"X{number}USDT")
        rows(long_two, make_row(20 + 2 * number, "1", leg=leg))
        rows(long_two, make_row(21 + 2 * number, "0", leg=leg))

    assert len(long_two.legs) == LEGS_MAX
    assert SOL in long_two.legs, "open legs stay"
    assert Leg("X0USDT") not in long_two.legs
    assert Leg(f"X{LEGS_MAX + 4}USDT") in long_two.legs


def test_a_session_with_unknown_margins_goes_through() -> None:
    master, pairing = Master(margin_known=False), Pairing({}, wait_s=1.0)
    master.trade("AUSDT", "2")
    master.trade("AUSDT", "-3")

    changes = feed(pairing, master.frames)

    assert [(it.size_after, it.initial_margin) for it in changes] == [(Decimal(2), None), (Decimal(-1), None)]
