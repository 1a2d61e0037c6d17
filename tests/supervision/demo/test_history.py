"""A trader's history becomes orders with their fills, and nothing of it is lost unsaid."""

import gzip
import json
from decimal import Decimal

import pytest

from supervision.demo.history import BadHistory, load_history, read_history, symbol_of


def row(**changes: object) -> dict[str, object]:
    """Return one fill row of the venue: 2 HYPE bought at 40.5 by order 1."""
    fill: dict[str, object] = {
        "coin": "HYPE",
        "px": "40.5",
        "sz": "2.0",
        "side": "B",
        "time": 1_000,
        "startPosition": "0.0",
        "dir": "Open Long",
        "oid": 1,
    }
    return fill | changes


def test_fills_of_one_order_stay_together_and_in_time_order() -> None:
    newest_first = [
        row(sz="1.0", startPosition="5.0", oid=2, time=2_000),
        row(sz="3.0", startPosition="2.0"),
        row(sz="2.0", startPosition="0.0"),
    ]

    history = read_history(newest_first)

    assert [[fill.quantity for fill in order.fills] for order in history.orders] == [[2, 3], [1]]
    assert history.fills == 3


def test_rows_that_are_no_trade_of_this_dex_are_counted() -> None:
    rows = [
        row(),
        row(coin="@107", dir="Buy"),
        row(coin="PURR/USDC", dir="Sell"),
        row(coin="xyz:MSTR"),
        row(dir="Settlement"),
        row(coin="#1020", dir="Buy"),
    ]

    history = read_history(rows)

    assert history.skipped == {"spot": 2, "foreign dex": 1, "settlement": 1, "outcome market": 1}
    assert len(history.orders) == 1


def test_a_history_that_begins_inside_a_position_says_so() -> None:
    history = read_history([row(startPosition="7.5", side="A")])

    first, second = history.orders
    assert first.unrecorded
    assert first.quantity == Decimal("7.5")
    assert second.quantity == Decimal("-2.0")


def test_lots_and_ticks_divide_every_amount() -> None:
    history = read_history([row(sz="0.125", startPosition="1000"), row(sz="1000.0", px="41", time=10)])

    assert history.lots == {"HYPEUSDT": Decimal("0.001")}
    assert history.ticks == {"HYPEUSDT": Decimal("0.1")}


def test_multiplied_coins_have_their_bybit_name() -> None:
    assert symbol_of("kPEPE") == "1000PEPEUSDT"
    assert symbol_of("BTC") == "BTCUSDT"


@pytest.mark.parametrize(
    "broken",
    [{"sz": "NaN"}, {"px": "0"}, {"side": "X"}, {"oid": "one"}, {"startPosition": ""}, {"sz": 1.5}],
)
def test_a_broken_row_is_named(broken: dict[str, object]) -> None:
    with pytest.raises(BadHistory, match="row 0"):
        read_history([row(**broken)])


def test_a_gzipped_file_reads_like_a_plain_one(tmp_path) -> None:
    plain, packed = tmp_path / "fills.json", tmp_path / "fills.json.gz"
    plain.write_text(json.dumps([row()]))
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    assert load_history(plain) == load_history(packed)


@pytest.mark.parametrize("content", [b"{", b'{"a": 1}', b"\xff\xfe"])
def test_a_file_of_something_else_is_refused(tmp_path, content: bytes) -> None:
    file = tmp_path / "fills.json"
    file.write_bytes(content)

    with pytest.raises(BadHistory, match=r"fills\.json"):
        load_history(file)
