"""The view of an account: what is fresh, what is old, what is unknown (R21)."""

from decimal import Decimal

import attrs
import pytest

from model.account import AccountSnapshot, PositionReport, WalletReport
from model.account_view import AccountView
from model.leg import Leg, PositionMode
from model.marks import Marks
from tests.model.factories import make_instrument

BTC = Leg("BTCUSDT", 0)


def position(size: str, *, seq: int = 1, leg: Leg = BTC, time_ms: int = 0) -> PositionReport:
    """Return a row of a position entered at 100."""
    return PositionReport(
        leg=leg,
        size=Decimal(size),
        entry_price=Decimal(100),
        leverage=Decimal(10),
        initial_margin=Decimal(1),
        mark_price=None,
        seq=seq,
        venue_time_ms=time_ms,
    )


def wallet(balance: str | None, *, time_ms: int = 0) -> WalletReport:
    """Return a wallet with this balance."""
    amount = None if balance is None else Decimal(balance)
    return WalletReport(wallet_balance=amount, equity=amount, available=amount, venue_time_ms=time_ms)


def fresh_view() -> tuple[AccountView, Marks]:
    """Return a view at second 0 with 2 BTC entered at 100, balance 1000, mark 110."""
    view, marks = AccountView(heard_at=0.0), Marks()
    view.apply_snapshot(AccountSnapshot(positions=(position("2"),), wallet=wallet("1000")), {})
    marks.put("BTCUSDT", Decimal(110), 0.0)
    return view, marks


def test_equity_is_balance_and_unrealised_profit_at_the_mark() -> None:
    view, marks = fresh_view()

    assert view.equity(marks, 1.0) == Decimal(1020)


def test_equity_is_unknown_without_a_young_mark_or_a_balance() -> None:
    view, marks = fresh_view()

    assert view.equity(marks, 5.1) is None
    view.apply_wallet(wallet(None, time_ms=1))
    assert view.equity(marks, 1.0) is None


def test_an_older_row_or_wallet_changes_nothing() -> None:
    view, _ = fresh_view()
    view.apply_positions((position("3", seq=5),))
    view.apply_positions((position("1", seq=4),))
    view.apply_wallet(wallet("7", time_ms=-1))

    assert view.size(BTC) == 3
    assert view.wallet == wallet("1000")


def test_the_view_is_fresh_only_while_stream_marks_and_snapshot_agree() -> None:
    view, marks = fresh_view()
    assert view.is_fresh(marks, 4.0)

    assert not view.is_fresh(marks, 5.1)  # marks too old
    marks.put("BTCUSDT", Decimal(110), 26.0)
    assert not view.is_fresh(marks, 26.0)  # the stream was silent for 26 s
    view.heard_at = 26.0
    assert view.is_fresh(marks, 26.0)
    view.heard_at = None
    assert not view.is_fresh(marks, 26.0)


def test_a_snapshot_that_disagrees_makes_the_view_stale_until_the_next_agrees() -> None:
    view, marks = fresh_view()
    moved = AccountSnapshot(positions=(position("5", seq=9),), wallet=wallet("1000", time_ms=2))

    assert not view.apply_snapshot(moved, {})
    assert not view.is_fresh(marks, 1.0)
    assert view.apply_snapshot(moved, {})
    assert view.is_fresh(marks, 1.0)


def test_a_balance_off_by_more_than_a_thousandth_disagrees() -> None:
    view, _ = fresh_view()
    rows = (position("2"),)

    assert view.apply_snapshot(AccountSnapshot(positions=rows, wallet=wallet("1000.9", time_ms=1)), {})
    assert not view.apply_snapshot(AccountSnapshot(positions=rows, wallet=wallet("1003", time_ms=2)), {})


def test_the_tolerance_is_of_equity_and_not_of_the_balance() -> None:
    view, _ = fresh_view()
    rows = (position("2"),)
    richer = attrs.evolve(wallet("1003", time_ms=1), equity=Decimal(4000))

    assert view.apply_snapshot(AccountSnapshot(positions=rows, wallet=richer), {})


def test_a_balance_from_before_the_streams_last_word_is_no_disagreement() -> None:
    view, _ = fresh_view()
    view.apply_wallet(wallet("500", time_ms=9))

    assert view.apply_snapshot(
        AccountSnapshot(positions=(position("2"),), wallet=wallet("1000", time_ms=8)), {}
    )
    assert view.wallet == wallet("500", time_ms=9)


def test_an_absent_leg_is_asked_for_and_not_believed() -> None:
    view, _ = fresh_view()
    empty = AccountSnapshot(positions=(), wallet=wallet("1000"))

    assert view.missing_from(empty) == {"BTCUSDT"}
    view.apply_snapshot(empty, {})
    assert view.size(BTC) == 2


def test_rows_tell_the_mode_and_the_leverage() -> None:
    view, _ = fresh_view()
    view.apply_positions((position("1", leg=Leg("ETHUSDT", 2)),))

    assert view.mode("BTCUSDT") is PositionMode.ONE_WAY
    assert view.mode("ETHUSDT") is PositionMode.HEDGE
    assert view.leverages["ETHUSDT"] == 10
    assert view.legs_of("ETHUSDT") == (Leg("ETHUSDT", 1), Leg("ETHUSDT", 2))
    assert view.sizes_of("ETHUSDT") == {2: Decimal(1)}


def test_a_row_without_leverage_keeps_the_known_one() -> None:
    view, _ = fresh_view()
    view.apply_positions((attrs.evolve(position("0", seq=2), leverage=None),))

    assert view.leverages["BTCUSDT"] == 10
    assert not view.open_legs()


def test_a_leg_never_heard_of_is_flat_and_one_way() -> None:
    view, _ = fresh_view()

    assert view.size(Leg("ETHUSDT")) == 0
    assert view.rows_of("ETHUSDT") == ()
    assert view.mode("ETHUSDT") is None
    assert view.legs_of("ETHUSDT") == (Leg("ETHUSDT", 0),)


def test_flat_legs_keep_their_rows_and_count_for_nothing() -> None:
    view, marks = fresh_view()
    flat, ether = position("0", seq=2), position("1", leg=Leg("ETHUSDT"))
    view.apply_positions((flat, ether))
    marks.put("ETHUSDT", Decimal(103), 0.0)

    assert view.rows_of("BTCUSDT") == (flat,)
    assert view.open_legs() == (Leg("ETHUSDT"),)
    assert view.equity(marks, 1.0) == 1003, "the legs after a flat one count"


@pytest.mark.parametrize(
    ("known", "row", "is_taken"),
    [
        ((5, 10), (4, 20), False),
        ((5, 10), (6, 9), True),
        ((5, 10), (5, 9), False),
        ((5, 10), (5, 10), True),
        ((5, 10), (0, 20), False),
        ((0, 10), (1, 9), True),
        ((5, 10), (-1, 11), True),
        ((5, 10), (-1, 9), False),
        ((-1, 10), (5, 9), False),
    ],
)
def test_the_venues_order_decides_and_time_only_where_it_has_none(
    known: tuple[int, int], row: tuple[int, int], is_taken: bool
) -> None:
    view = AccountView()
    view.apply_positions((position("1", seq=known[0], time_ms=known[1]),))

    view.apply_positions((position("2", seq=row[0], time_ms=row[1]), position("3", leg=Leg("ETHUSDT"))))

    assert view.size(BTC) == (2 if is_taken else 1)
    assert view.size(Leg("ETHUSDT")) == 3, "what comes after an old row is taken all the same"


def test_of_two_rows_of_one_moment_the_first_is_not_believed_again() -> None:
    """An exit and the opening after it may fall into one millisecond; the exit's row came twice."""
    view = AccountView()
    for size in ("0", "-2", "0"):
        view.apply_positions([position(size, seq=-1, time_ms=7)])
    held = view.size(BTC)
    view.apply_positions([position("0", seq=-1, time_ms=8)])
    view.apply_positions([position("-2", seq=-1, time_ms=8)])

    assert (held, view.size(BTC)) == (Decimal(-2), Decimal(-2))


def test_of_two_wallets_of_one_moment_the_last_word_stands() -> None:
    view, _ = fresh_view()

    view.apply_wallet(wallet("7", time_ms=0))

    assert view.wallet == wallet("7")


def test_a_stream_may_be_silent_for_25_s_and_a_mark_5_s_old() -> None:
    view, marks = fresh_view()
    assert view.is_fresh(marks, 5.0)
    assert view.equity(marks, 5.0) is not None
    assert marks.latest("BTCUSDT") == 110
    assert marks.latest("ETHUSDT") is None

    view.apply_positions((position("0", seq=2),))
    assert view.is_fresh(marks, 25.0)
    assert not view.is_fresh(marks, 25.1)


def test_a_snapshot_agrees_within_a_lot_and_an_older_row_says_nothing() -> None:
    view, _ = fresh_view()
    ether = Leg("ETHUSDT")
    view.apply_positions((position("2", seq=5), position("1", leg=ether)))
    lots = {symbol: make_instrument(symbol=symbol) for symbol in ("BTCUSDT", "ETHUSDT")}

    def agrees(*rows: PositionReport) -> bool:
        return attrs.evolve(view, positions=dict(view.positions)).apply_snapshot(
            AccountSnapshot(positions=rows, wallet=wallet("1000")), lots
        )

    assert agrees(position("2.001", seq=6), position("0.999", leg=ether))
    assert not agrees(position("2.0011", seq=6))
    assert agrees(position("9", seq=4))
    assert not agrees(position("9", seq=4), position("1.1", leg=ether)), "the next row is compared"


@pytest.mark.parametrize(
    ("theirs", "agrees"),
    [
        (wallet(None, time_ms=1), True),
        (wallet("1001", time_ms=1), True),
        (wallet("1001.1", time_ms=1), False),
        (wallet("1001.1", time_ms=0), False),
        (attrs.evolve(wallet("1001", time_ms=1), equity=None), True),
        (attrs.evolve(wallet("999", time_ms=1), equity=Decimal(1000)), True),
    ],
)
def test_balances_agree_to_a_thousandth_and_a_blank_one_says_nothing(
    theirs: WalletReport, agrees: bool
) -> None:
    view, _ = fresh_view()
    blank, _ = fresh_view()
    blank.apply_wallet(wallet(None, time_ms=0))
    snapshot = AccountSnapshot(positions=(), wallet=theirs)

    assert view.apply_snapshot(snapshot, {}) is agrees
    assert blank.apply_snapshot(snapshot, {})
