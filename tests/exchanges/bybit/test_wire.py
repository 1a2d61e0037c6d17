"""The codec: recorded frames read, rules hold, and garbage of any shape is refused by one name."""

import json
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.bybit.catalogue import parse_instrument
from exchanges.bybit.marks import parse_ticker_frame
from exchanges.bybit.stream import read_events
from exchanges.bybit.wire import (
    NOT_TRADES,
    ORDER_STATES,
    format_order,
    load_object,
    parse_execution,
    parse_frame,
    parse_order,
    parse_order_ack,
    parse_position,
    parse_wallet,
)
from exchanges.errors import MalformedMessage
from exchanges.port import Heard, Unreadable
from model.account import Execution, PositionReport, WalletReport
from model.instrument import InstrumentStatus
from model.leg import Leg, Side
from model.order import OrderReport, OrderRequest, OrderState
from tests.exchanges.bybit import samples

D = Decimal
ORDER = OrderRequest(
    client_order_id="ab" * 16,
    leg=Leg("SOLUSDT", 2),
    side=Side.SELL,
    quantity=D("10.50"),
    price=D("1E+2"),
    reduce_only=False,
)


def test_an_execution_is_a_fill_without_a_leg() -> None:
    assert parse_execution(samples.execution(side="Sell", closedSize="0.1")) == Execution(
        execution_id="3fb94d67",
        symbol="SOLUSDT",
        position_idx=None,
        side_sign=-1,
        quantity=D("0.2"),
        price=D("233.02"),
        closed_size=D("0.1"),
        order_id="373b6927",
        client_order_id="ab12",
        seq=227170130491,
        venue_time_ms=1759432560940,
    )


@pytest.mark.parametrize("kind", sorted(NOT_TRADES))
def test_what_is_no_trade_is_no_execution(kind: str) -> None:
    assert parse_execution(samples.execution(execType=kind, side="odd")) is None


@pytest.mark.parametrize("kind", ["AdlTrade", "BustTrade"])
def test_forced_trades_are_executions(kind: str) -> None:
    assert parse_execution(samples.execution(execType=kind, orderLinkId="")) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"execType": "UNKNOWN"},
        {"execType": "Trade2"},
        {"side": "buy"},
        {"execQty": "0"},
        {"execQty": "-1"},
        {"execQty": ""},
        {"execQty": 0.2},
        {"execQty": "NaN"},
        {"execQty": "1e400"},
        {"execQty": "1_0"},
        {"execPrice": "0"},
        {"execTime": "soon"},
        {"execId": ""},
        {"seq": True},
        {"seq": 1.5},
        {"symbol": None},
    ],
)
def test_an_execution_that_cannot_be_read_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        parse_execution(samples.execution(**changes))


@pytest.mark.parametrize(
    "changes", [{"category": "spot"}, {"category": "inverse"}, {"symbol": "BTCPERP"}, {"symbol": "BTCUSD"}]
)
def test_other_markets_are_not_followed(changes: dict[str, Any]) -> None:
    assert parse_execution(samples.execution(**changes)) is None
    assert parse_position(samples.position(**changes)) is None
    assert parse_order(samples.order(**changes)) is None


def test_a_position_has_a_signed_size() -> None:
    report = parse_position(samples.position(side="Sell", positionIdx=2, openTime=1759432560000))

    assert report == PositionReport(
        leg=Leg("SOLUSDT", 2),
        size=D("-0.2"),
        entry_price=D("233.02"),
        leverage=D(10),
        initial_margin=D("4.6876214"),
        mark_price=D("233.029"),
        seq=227170130491,
        venue_time_ms=1759432560942,
        opened_at_ms=1759432560000,
    )


def test_the_entry_has_another_name_by_rest() -> None:
    row = samples.position(avgPrice="12.5")
    del row["entryPrice"]
    report = parse_position(row)

    assert report is not None
    assert report.entry_price == D("12.5")


@pytest.mark.parametrize("side", ["", "None", None])
def test_a_flat_row_is_flat_and_its_blanks_are_unknown(side: str | None) -> None:
    report = parse_position(
        samples.position(
            side=side,
            size="0",
            entryPrice="",
            leverage="",
            positionIM="",
            markPrice="",
            seq="-1",
            updatedTime="",
        )
    )

    assert report is not None
    assert report.size == 0
    assert (report.entry_price, report.leverage, report.initial_margin, report.mark_price) == (None,) * 4
    assert (report.seq, report.venue_time_ms, report.opened_at_ms) == (-1, 0, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "", "size": "1"},
        {"side": "Long"},
        {"side": "Buy", "size": ""},
        {"size": "-0.2"},
        {"positionIdx": 3},
        {"positionIdx": "x"},
        {"positionIM": "lots"},
        {"entryPrice": "-1"},
    ],
)
def test_a_position_that_contradicts_itself_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        parse_position(samples.position(**changes))


@pytest.mark.parametrize("word", sorted(ORDER_STATES))
def test_every_order_state_has_a_meaning(word: str) -> None:
    report = parse_order(samples.order(orderStatus=word, cumExecQty="0"))

    assert report is not None
    assert report.state is ORDER_STATES[word]


def test_a_cancelled_order_keeps_what_it_filled_and_says_why() -> None:
    report = parse_order(
        samples.order(orderStatus="Cancelled", cumExecQty="0.1", cancelType="CancelByReduceOnly")
    )

    assert report is not None
    assert (report.state, report.filled, report.reject_reason) == (
        OrderState.ENDED,
        D("0.1"),
        "CancelByReduceOnly",
    )


def test_a_rejected_order_with_fills_has_ended() -> None:
    report = parse_order(samples.order(orderStatus="Rejected", rejectReason="EC_Others"))

    assert report is not None
    assert (report.state, report.reject_reason) == (OrderState.ENDED, "EC_Others")


@pytest.mark.parametrize("changes", [{"orderStatus": "Gone"}, {"orderStatus": None}, {"cumExecQty": "-1"}])
def test_an_order_that_cannot_be_read_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        parse_order(samples.order(**changes))


def test_the_balance_is_equity_without_what_moves() -> None:
    row = samples.wallet()
    row["coin"][0] |= {"walletBalance": "20", "spotBorrow": "8.52275476"}

    assert parse_wallet(row, venue_time_ms=7) == WalletReport(
        wallet_balance=D("11.47724524"),
        equity=D("11.47904524"),
        available=D("6.79608275"),
        venue_time_ms=7,
    )


def test_a_wallet_without_usdt_says_nothing_of_it() -> None:
    row = samples.wallet(coin=[{"coin": "BTC", "equity": "1"}])

    assert parse_wallet(row, venue_time_ms=7) is None
    assert read_events(json.dumps(samples.frame("wallet", row))) == (Heard(),)


def test_a_blank_wallet_is_unknown_not_zero() -> None:
    row = samples.wallet(totalAvailableBalance="")
    row["coin"][0] |= {"equity": "", "walletBalance": "", "unrealisedPnl": ""}

    assert parse_wallet(row, venue_time_ms=7) == WalletReport(
        wallet_balance=None, equity=None, available=None, venue_time_ms=7
    )


def test_isolated_margin_leaves_the_coin_to_tell_what_is_available() -> None:
    report = parse_wallet(samples.wallet(totalAvailableBalance=""), venue_time_ms=7)

    assert report is not None
    assert report.available == D("11.47724524") - D("4.6876214")


def test_a_frame_gives_its_fills_together_and_its_orders_one_by_one() -> None:
    fills = parse_frame(samples.frame("execution", samples.execution(), samples.execution(execId="2")), "")
    orders = parse_frame(samples.frame("order.linear", samples.order(), samples.order(orderId="2")), "")

    assert len(fills) == 1
    assert isinstance(fills[0], tuple)
    assert len(fills[0]) == 2
    assert [type(event) for event in orders] == [OrderReport, OrderReport]


def test_a_bad_row_spoils_no_other() -> None:
    frame = samples.frame("execution", samples.execution(), samples.execution(side="?"), "row")
    fills, bad = parse_frame(frame, "the frame")

    assert isinstance(fills, tuple)
    assert len(fills) == 1
    assert isinstance(bad, Unreadable)
    assert bad.frame == "the frame"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", '"x"', "NaN", '{"topic":"execution"}', '{"topic":"odd","data":[]}']
)
def test_frames_that_cannot_be_read_are_kept(text: str) -> None:
    (event,) = read_events(text)

    assert isinstance(event, Unreadable)
    assert event.frame == text


def test_a_funding_frame_was_only_heard() -> None:
    frame = samples.frame("execution", samples.execution(execType="Funding"))

    assert read_events(json.dumps(frame)) == (Heard(),)


def test_an_order_with_a_price_is_an_ioc_limit_in_plain_digits() -> None:
    assert json.loads(format_order(ORDER)) == {
        "category": "linear",
        "symbol": "SOLUSDT",
        "side": "Sell",
        "orderType": "Limit",
        "qty": "10.5",
        "price": "100",
        "timeInForce": "IOC",
        "positionIdx": 2,
        "reduceOnly": False,
        "orderLinkId": "ab" * 16,
    }


def test_an_order_without_a_price_is_a_market_order() -> None:
    sent = json.loads(format_order(attrs.evolve(ORDER, price=None, side=Side.BUY, reduce_only=True)))

    assert (sent["orderType"], sent["side"], sent["reduceOnly"]) == ("Market", "Buy", True)
    assert not {"price", "timeInForce"} & sent.keys()


@pytest.mark.parametrize("data", [None, {}, [], {"orderId": ""}, {"orderId": "1", "orderLinkId": "another"}])
def test_an_acceptance_that_is_not_ours_is_malformed(data: object) -> None:
    with pytest.raises(MalformedMessage):
        parse_order_ack(data, ORDER, venue_time_ms=1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
READERS: list[Callable[[Any], object]] = [
    parse_execution,
    parse_position,
    parse_order,
    parse_instrument,
    lambda row: parse_wallet(row, venue_time_ms=0),
    lambda row: parse_order_ack(row, ORDER, venue_time_ms=0),
]
ROWS = [samples.execution, samples.position, samples.order, samples.wallet]


@pytest.mark.parametrize("coin", ["baseCoin", "quoteCoin"])
@pytest.mark.parametrize("value", [7, "", None, ["SOL"]])
def test_an_instrument_whose_coins_are_no_texts_is_malformed(coin: str, value: object) -> None:
    """A number went through, and ended the actor that looked for the asset in it."""
    with pytest.raises(MalformedMessage):
        parse_instrument(samples.instrument(**{coin: value}))


@given(JSON, st.sampled_from(READERS))
def test_garbage_of_any_shape_is_malformed_and_nothing_else(
    garbage: Any, read: Callable[[Any], object]
) -> None:
    try:
        read(garbage)
    except MalformedMessage:
        return


@given(st.data(), st.sampled_from(READERS[:3] + READERS[4:5]), JSON)
def test_one_garbled_value_is_read_or_malformed(
    data: st.DataObject, read: Callable[[Any], object], garbage: Any
) -> None:
    row = data.draw(st.sampled_from(ROWS))()
    row[data.draw(st.sampled_from(sorted(row)))] = garbage
    try:
        read(row)
    except MalformedMessage:
        return


@given(st.text() | JSON.map(lambda value: json.dumps(value)))
def test_any_text_is_an_event(text: str) -> None:
    assert read_events(text)
    try:
        parse_ticker_frame(text)
    except MalformedMessage:
        return


@given(st.sampled_from(["execution", "order", "position", "wallet"]), JSON, JSON)
def test_any_data_of_a_topic_is_events(topic: str, rows: Any, sent: Any) -> None:
    for event in parse_frame({"topic": topic, "data": rows, "creationTime": sent}, "text"):
        assert isinstance(event, (tuple, OrderReport, WalletReport, Unreadable))


def test_a_deep_frame_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        load_object("[" * 100_000)


def recorded() -> Iterator[tuple[str, str, dict[str, Any]]]:
    folder = os.environ.get("COPYTRADER_RECORDINGS")
    if not folder or not (Path(folder) / "bybit").is_dir():
        pytest.skip("COPYTRADER_RECORDINGS names no folder with recordings of Bybit")
    for path in sorted((Path(folder) / "bybit").glob("*.json")):
        for row in json.loads(path.read_text())["frames"]:
            yield path.name, row["conn"], row["msg"]


def test_recorded_private_frames_are_read() -> None:
    seen = 0
    for name, conn, message in recorded():
        if conn != "private" or "topic" not in message:
            continue
        events = read_events(json.dumps(message))
        if message["topic"] == "execution.fast":
            # Never subscribed: it has no kind, so liquidations cannot be told from trades.
            assert isinstance(events[0], Unreadable)
            continue
        assert not [event for event in events if isinstance(event, Unreadable)], name
        seen += 1
    assert seen >= 9


RECORDED: dict[str, Callable[[Any], object]] = {
    "rest:/v5/position/list": parse_position,
    "rest:/v5/order/realtime": parse_order,
    "rest:/v5/order/history": parse_order,
    "rest:/v5/execution/list": parse_execution,
    "rest:/v5/account/wallet-balance": lambda row: parse_wallet(row, venue_time_ms=0),
}


def test_recorded_answers_are_read() -> None:
    seen = set()
    for _, conn, message in recorded():
        read = RECORDED.get(conn)
        for row in message["result"]["list"] if read else ():
            assert read is not None
            read(row)
            seen.add(conn)
    assert seen == RECORDED.keys()


def test_recorded_instruments_are_read() -> None:
    found = {}
    for _, conn, message in recorded():
        if conn == "rest:/v5/market/instruments-info" and message["result"]["category"] == "linear":
            for row in message["result"]["list"]:
                instrument = parse_instrument(row)
                assert instrument is not None
                found[instrument.symbol] = instrument

    assert found["BTCUSDT"].lot_size == D("0.001")
    assert found["BTCUSDT"].max_market_quantity == D(500)
    assert found["BTCUSDT"].status is InstrumentStatus.TRADING
    assert found["BIOUSDT"].status is InstrumentStatus.TRADING
