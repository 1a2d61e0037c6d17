"""One master leg by itself: reductions without a row, and legs that a reading does not have (R4)."""

from decimal import Decimal

import attrs
import pytest

from model.account import Execution, PositionReport
from model.fills import ParkedFill
from model.leg import Leg, PositionMode
from model.leg_book import SEQ_RESET_MS, LegBook, flat_row
from model.pairing import Pairing
from tests.model.factories import make_change
from tests.model.test_pairing import SOL, make_fill, make_row

LAST = make_change("0", "2", leg=SOL, seq=10, venue_time_ms=5_000)


def park(execution: Execution, received_at_ms: int) -> ParkedFill:
    return ParkedFill(execution, 0.0, received_at_ms, read_at=1.0)


def take(book: LegBook, row: PositionReport) -> None:
    book.take(row, until=1.0, received_at_ms=1, read=False, began_ms=row.venue_time_ms)


def test_a_reduction_without_a_row_is_as_new_as_its_newest_fill_and_as_old_as_its_first_frame() -> None:
    book = LegBook(SOL, LAST)
    newest, oldest = make_fill(21, "-0.5", price="90"), make_fill(20, "-1", price="96")

    change = book.reduce_alone([park(newest, 7), park(oldest, 9)], equity=Decimal(12))

    assert change is book.last
    assert change == attrs.evolve(
        LAST,
        change_id=change.change_id,
        size_before=Decimal(2),
        size_after=Decimal("0.5"),
        initial_margin=None,
        fill_price=Decimal(94),
        master_equity=Decimal(12),
        venue_time_ms=newest.venue_time_ms,
        received_at_ms=7,
        seq=21,
    ), "leverage and entry are those of before: nothing of them is news"


def test_a_leg_that_its_fills_closed_has_no_entry_any_more() -> None:
    change = LegBook(SOL, LAST).reduce_alone([park(make_fill(20, "-2"), 7)], equity=None)

    assert change is not None
    assert (change.size_after, change.entry_price) == (0, None)


def test_fills_never_overtake_a_move_that_waits_on_their_leg() -> None:
    book = LegBook(SOL, LAST)
    take(book, make_row(15, "3", venue_time_ms=6_000))

    assert book.reduce_alone([park(make_fill(20, "-2"), 7)], equity=None) is None


def test_a_leg_that_a_reading_lacks_is_flat_as_of_the_newest_that_is_known() -> None:
    other = make_row(30, "1")
    unknown, remembered, told = LegBook(SOL), LegBook(SOL, LAST), LegBook(SOL, LAST)
    take(told, make_row(15, "3", venue_time_ms=6_000))

    assert unknown.absent_row(()) == flat_row(SOL, -1, 0)
    assert remembered.absent_row(()) == flat_row(SOL, 10, 5_000)
    assert told.absent_row(()) == flat_row(SOL, 15, 6_000)
    assert told.absent_row((other,)) == flat_row(SOL, 30, other.venue_time_ms)


def test_a_leg_that_a_reading_lacks_teaches_no_mode() -> None:
    """Its fills alone reduced it since; the row of the mode that is now in force is older than they are."""
    pairing, long = Pairing({}, wait_s=1.0), Leg("SOLUSDT", 1)
    pairing.positions([make_row(20, "2", leg=long)], now=0.0, received_at_ms=1)
    pairing.expire(now=1.0)
    pairing.executions([make_fill(40, "-1", closed_size=Decimal(1))], now=1.0, received_at_ms=1)
    assert [it.size_after for it in pairing.expire(now=9.0)] == [Decimal(1)]

    (closed,) = pairing.settled("SOLUSDT", [make_row(35, "0")], now=9.0, received_at_ms=7)

    assert (closed.leg, closed.size_after, closed.received_at_ms) == (long, Decimal(0), 7)
    assert pairing.mode("SOLUSDT") is PositionMode.ONE_WAY


@pytest.mark.parametrize(
    ("size", "mark", "price"),
    [("-1", "90", "95"), ("3", "90", "90"), ("3", None, "95"), ("1", "90", "90"), ("1", None, "95")],
    ids=["flip", "increase", "increase_unmarked", "reduction", "reduction_unmarked"],
)
def test_a_move_without_fills_has_the_venues_average_where_it_began_anew_and_else_the_mark(
    size: str, mark: str | None, price: str
) -> None:
    book = LegBook(SOL, LAST)
    row = make_row(15, size, venue_time_ms=6_000, entry_price=Decimal(95))
    take(book, attrs.evolve(row, mark_price=None if mark is None else Decimal(mark)))

    change = book.confirm([], explained=False, settling=False, equity=None)

    assert change.fill_price == Decimal(price)


def test_what_waits_is_due_when_the_first_of_it_is() -> None:
    pairing = Pairing({}, wait_s=1.0)
    pairing.executions([make_fill(40, "1")], now=7.0, received_at_ms=1)
    pairing.executions([make_fill(41, "1", symbol="BTCUSDT")], now=9.0, received_at_ms=1)

    assert pairing.next_deadline() == 8.0


@pytest.mark.parametrize(
    ("known", "row", "is_news"),
    [
        ((10, 5_000), (0, 6_000), False),
        ((0, 5_000), (1, 4_000), True),
        ((10, 5_000), (9, 5_000 + SEQ_RESET_MS - 1), False),
        ((10, 5_000), (9, 5_000 + SEQ_RESET_MS), True),
    ],
    ids=["zero_is_a_seq", "after_zero", "within_the_hour", "counted_anew"],
)
def test_a_sequence_decides_until_an_hour_shows_that_it_began_anew(
    known: tuple[int, int], row: tuple[int, int], is_news: bool
) -> None:
    book = LegBook(SOL, attrs.evolve(LAST, seq=known[0], venue_time_ms=known[1]))

    take(book, make_row(row[0], "3", venue_time_ms=row[1]))

    assert bool(book.moves) is is_news


@pytest.mark.parametrize(
    ("fill", "row", "is_covered"),
    [
        ((10, 6_000), (10, 5_000), True),
        ((11, 4_000), (10, 5_000), False),
        ((0, 6_000), (1, 5_000), True),
        ((1, 4_000), (0, 5_000), False),
        ((-1, 5_000), (10, 5_000), True),
        ((-1, 5_001), (10, 5_000), False),
        ((10, 5_001), (-1, 5_000), False),
        ((10, 4_999), (-1, 5_000), True),
    ],
)
def test_a_row_covers_the_fills_up_to_its_seq_and_by_time_where_there_is_none(
    fill: tuple[int, int], row: tuple[int, int], is_covered: bool
) -> None:
    parked = park(make_fill(fill[0], "1", venue_time_ms=fill[1]), 7)

    assert parked.comes_before(make_row(row[0], "1", venue_time_ms=row[1])) is is_covered
