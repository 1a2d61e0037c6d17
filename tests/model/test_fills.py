"""Parked fills: whose leg they are, and that every memory of them is bounded (R4)."""

from decimal import Decimal

import attrs
import pytest

from model.account import Execution
from model.fills import Fills
from model.leg import Leg, PositionMode
from model.pairing import Pairing
from tests.model.master_session import EPOCH_MS
from tests.model.test_pairing import LONG, SOL, make_fill, make_row


def park(fills: Fills, *rows: Execution) -> None:
    for row in rows:
        fills.park(row, now=float(row.seq), received_at_ms=1, wait_s=1.0)


def parked(fills: Fills) -> list[int]:
    return [fill.execution.seq for fill in fills.every()]


def test_what_was_dropped_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.fills.PARKED_MAX", 3)
    fills = Fills()
    for seq in range(5):
        park(fills, make_fill(seq, "1"))
        fills.drop(fills.every())

    park(fills, *(make_fill(seq, "1") for seq in (10, 11, 12)))
    assert parked(fills) == [10, 11, 12]
    park(fills, make_fill(13, "1"))
    assert parked(fills) == [11, 12, 13]


def test_what_is_dropped_twice_makes_room_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.fills.PARKED_MAX", 3)
    fills = Fills()
    park(fills, *(make_fill(seq, "1") for seq in (1, 2, 3)))
    (first, *others) = fills.every()
    fills.drop([first, first])
    park(fills, *(make_fill(seq, "1") for seq in (4, 5)))

    assert parked(fills) == [3, 4, 5]
    every = [*others, *fills.every()]
    fills.drop(every)
    fills.drop(every)
    assert (parked(fills), fills._parked) == ([], {})


def test_of_two_words_of_one_moment_the_last_tells_the_mode_even_at_the_beginning_of_time() -> None:
    fills = Fills()
    fills.learn_mode(LONG, 0)
    assert fills.mode("SOLUSDT") is PositionMode.HEDGE

    fills.learn_mode(SOL, 0)

    assert fills.mode("SOLUSDT") is PositionMode.ONE_WAY


def test_a_fill_that_says_its_leg_needs_nothing_else() -> None:
    fills = Fills()

    assert fills.idx_of(make_fill(1, "-1", position_idx=2)) == 2
    assert fills.idx_of(make_fill(1, "-1")) is None


def test_of_too_many_orders_the_one_that_was_longest_not_heard_of_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("model.fills.ORDERS_MAX", 2)
    fills = Fills()
    for order_id in ("a", "b", "a", "c"):
        fills.learn_order(order_id, LONG)

    known = {it: fills.idx_of(make_fill(1, "1", order_id=it)) for it in "abc"}
    assert known == {"a": 1, "b": None, "c": 1}


# What a pairing makes of it


def test_a_leg_that_is_closed_is_not_refreshed() -> None:
    pairing = Pairing({}, wait_s=1.0)
    for seq, size in ((10, "2"), (20, "0")):
        pairing.positions([make_row(seq, size)], now=0.0, received_at_ms=1)
        pairing.expire(now=1.0)
    closed = pairing.legs[SOL]
    pairing.master_equity = Decimal(12)

    pairing.positions([make_row(25, "0", leverage=Decimal(3))], now=2.0, received_at_ms=1)

    assert closed.master_equity is None, "nobody had told it"
    assert pairing.legs[SOL] == closed


def test_who_remembers_a_leg_has_watched_before() -> None:
    """What is found beside it by REST began when its row says, and not before anybody joined."""
    before = Pairing({}, wait_s=1.0)
    before.snapshot([make_row(10, "2")], now=0.0, received_at_ms=1)
    restarted = Pairing(before.legs, wait_s=1.0)
    other = attrs.evolve(make_row(20, "3"), leg=Leg("BTCUSDT"))

    (change,) = restarted.snapshot([other], now=0.0, received_at_ms=1)

    assert change.episode_began_ms == EPOCH_MS + 20


def test_a_fill_that_no_read_covers_is_asked_for_ever_less_often() -> None:
    pairing = Pairing({}, wait_s=0.5)
    pairing.executions([make_fill(10, "1")], now=0.0, received_at_ms=1)
    asked = []
    for _ in range(6):
        at = pairing.next_deadline()
        assert at is not None
        assert pairing.overdue(at) == {"SOLUSDT"}
        asked.append(at)

    assert asked == [0.5, 1.5, 3.5, 7.5, 12.5, 17.5]


def test_a_reduction_alone_leaves_after_three_waits_with_the_equity_of_then() -> None:
    pairing = Pairing({}, wait_s=0.5)
    pairing.snapshot([make_row(10, "2")], now=0.0, received_at_ms=1)
    pairing.master_equity = Decimal(12)
    pairing.executions([make_fill(20, "-1")], now=1.0, received_at_ms=1)

    assert pairing.expire(now=2.4) == ()
    (change,) = pairing.expire(now=2.5)
    assert change.master_equity == 12
