"""What the user stream says, by recorded frames, and what nonsense it may say."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.binance.events import (
    LeverageChanged,
    ListenKeyExpired,
    MultiAssetsChanged,
    is_answer,
    parse_event,
)
from exchanges.binance.wire import load, load_object
from exchanges.errors import MalformedMessage
from model.account import Execution, PositionReport
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg, Side
from model.order import OrderReport, OrderState

ORDER_NEW = json.loads(
    '{"e":"ORDER_TRADE_UPDATE","T":1731955175166,"E":1731955175166,"o":{"s":"BTCUSDT",'
    '"c":"android_WrDCjqlzTWlU9FGcNp1Q","S":"SELL","o":"MARKET","f":"GTC","q":"0.002","p":"0","ap":"0",'
    '"sp":"0","x":"NEW","X":"NEW","i":482277363667,"l":"0","z":"0","L":"0","n":"0","N":"USDT",'
    '"T":1731955175166,"t":0,"b":"0","a":"0","m":false,"R":true,"wt":"CONTRACT_PRICE","ot":"MARKET",'
    '"ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,"ss":0,"V":"NONE","pm":"NONE","gtd":0}}'
)
ORDER_TRADE = json.loads(
    '{"e":"ORDER_TRADE_UPDATE","T":1731955175166,"E":1731955175166,"o":{"s":"BTCUSDT",'
    '"c":"android_WrDCjqlzTWlU9FGcNp1Q","S":"SELL","o":"MARKET","f":"GTC","q":"0.002","p":"0",'
    '"ap":"90853.20000","sp":"0","x":"TRADE","X":"FILLED","i":482277363667,"l":"0.002","z":"0.002",'
    '"L":"90853.20","n":"0.09085320","N":"USDT","T":1731955175166,"t":5612520599,"b":"0","a":"0",'
    '"m":false,"R":true,"wt":"CONTRACT_PRICE","ot":"MARKET","ps":"BOTH","cp":false,"rp":"-1.77340000",'
    '"pP":false,"si":0,"ss":0,"V":"NONE","pm":"NONE","gtd":0}}'
)
CLOSED = json.loads(
    '{"e":"ACCOUNT_UPDATE","T":1731955175166,"E":1731955175166,"a":{"B":[{"a":"USDT","wb":"640.89671759",'
    '"cw":"640.89671759","bc":"0"}],"P":[{"s":"BTCUSDT","pa":"0","ep":"0","cr":"-1.77340000","up":"0",'
    '"mt":"cross","iw":"0","ps":"BOTH","ma":"USDT","bep":"0"}],"m":"ORDER"}}'
)
SHORT_IN_USDC = json.loads(
    '{"e":"ACCOUNT_UPDATE","T":1788231624647,"E":1788231624647,"a":{"B":[{"a":"USDC","wb":"291",'
    '"cw":"291","bc":"0"}],"P":[{"s":"ETHUSDC","pa":"-0.473","ep":"2463.26","cr":"-48571.11968048",'
    '"up":"0.04257","mt":"cross","iw":"0","ps":"SHORT","ma":"USDC","bep":"2463.26"}],"m":"ORDER"}}'
)
FRAMES = [ORDER_NEW, ORDER_TRADE, CLOSED, SHORT_IN_USDC]


def recordings(name: str) -> Any:
    folder = os.environ.get("COPYTRADER_RECORDINGS")
    if not folder:
        pytest.skip("COPYTRADER_RECORDINGS does not name a folder of recorded frames")
    return json.loads((Path(folder) / "binance" / name).read_text())


def test_a_market_order_is_accepted_then_filled() -> None:
    (accepted,) = parse_event(ORDER_NEW)
    fill, filled = parse_event(ORDER_TRADE)

    assert isinstance(accepted, OrderReport)
    assert (accepted.state, accepted.filled, accepted.average_price) == (OrderState.ACCEPTED, 0, None)
    assert isinstance(filled, OrderReport)
    assert (filled.state, filled.filled, filled.side) == (OrderState.FILLED, Decimal("0.002"), Side.SELL)
    assert filled.average_price == Decimal("90853.2")
    assert isinstance(fill, Execution)
    assert (fill.execution_id, fill.position_idx, fill.side_sign) == ("5612520599", ONE_WAY, -1)
    assert fill.order_id == filled.order_id == "482277363667"


def test_a_market_order_may_end_partly_filled() -> None:
    row = ORDER_TRADE["o"] | {"x": "EXPIRED", "X": "EXPIRED", "l": "0", "t": 0, "er": "9", "z": "0.001"}

    (report,) = parse_event(ORDER_TRADE | {"o": row})

    assert isinstance(report, OrderReport)
    assert (report.state, report.filled) == (OrderState.ENDED, Decimal("0.001"))
    assert "depth" in report.reject_reason


def test_a_closed_position_and_the_wallet() -> None:
    wallet, rows = parse_event(CLOSED)  # the wallet first: who waits for the position sizes from both

    assert isinstance(rows, tuple)
    (row,) = rows
    assert (row.leg, row.size, row.entry_price, row.seq) == (Leg("BTCUSDT"), 0, None, 1731955175166)
    assert wallet.wallet_balance == Decimal("640.89671759")
    assert wallet.venue_time_ms == row.venue_time_ms == 1731955175166


def test_other_pools_are_left_out() -> None:
    assert parse_event(SHORT_IN_USDC) == ()


def test_a_position_whose_sign_is_not_its_side_is_refused() -> None:
    row = CLOSED["a"]["P"][0] | {"ps": "SHORT", "pa": "0.5", "ep": "1"}

    with pytest.raises(MalformedMessage):
        parse_event(CLOSED | {"a": CLOSED["a"] | {"P": [row]}})


def test_settings_and_the_end_of_the_key() -> None:
    leverage = {"e": "ACCOUNT_CONFIG_UPDATE", "T": 1, "E": 2, "ac": {"s": "BTCUSDT", "l": 19}}
    margin = {"e": "ACCOUNT_CONFIG_UPDATE", "T": 1, "E": 2, "ai": {"j": True}}

    assert parse_event(leverage) == (LeverageChanged("BTCUSDT", Decimal(19)),)
    assert parse_event(margin) == (MultiAssetsChanged(True),)
    for time in (1576653824250, "1576653824250"):
        assert parse_event({"e": "listenKeyExpired", "E": time}) == (ListenKeyExpired(),)


def test_a_margin_call_is_read_and_no_news() -> None:
    row = {"s": "ETHUSDT", "ps": "LONG", "pa": "1.327", "mt": "CROSSED", "iw": "0", "mp": "187.1", "up": "-1"}

    assert parse_event({"e": "MARGIN_CALL", "E": 1, "cw": "3.16", "p": [row]}) == ()
    with pytest.raises(MalformedMessage):
        parse_event({"e": "MARGIN_CALL", "E": 1, "p": [row | {"pa": "much"}]})


def test_an_envelope_changes_nothing() -> None:
    assert parse_event({"stream": "some-key", "data": CLOSED}) == parse_event(CLOSED)


def test_unknown_kinds_are_no_news() -> None:
    for kind in ("STRATEGY_UPDATE", "GRID_UPDATE", "ALGO_UPDATE", "SOMETHING_NEW"):
        assert parse_event({"e": kind, "E": 1}) == ()


def test_answers_are_told_from_events() -> None:
    assert is_answer({"result": None, "id": 1})
    assert is_answer({"id": None, "code": 2, "msg": "?"})
    assert not any(is_answer(frame) for frame in FRAMES)


def test_recorded_trade_lite_keeps_an_order_id_beyond_a_float() -> None:
    frame = recordings("nautilus_ws_trade_lite_2024-09.json")

    (fill,) = parse_event(load_object(json.dumps(frame)))

    assert isinstance(fill, Execution)
    assert fill.order_id == "8389765739703625592"
    assert (fill.execution_id, fill.position_idx, fill.price) == ("4467432841", None, Decimal("2631.9"))


def test_recorded_frames_of_2021() -> None:
    frames = recordings("unicornfy_ws_user_2021-04.json")

    account, order, leverage, margin = (parse_event(frame) for frame in frames)

    wallet, rows = account
    assert [(row.leg, row.size) for row in rows] == [
        (Leg("CHZUSDT", ONE_WAY), 0),
        (Leg("CHZUSDT", HEDGE_LONG), 2684),
    ]
    assert wallet.wallet_balance == Decimal("1790.86605837")
    assert order[0].leg == Leg("SANDUSDT", HEDGE_LONG)
    assert leverage == (LeverageChanged("BTCUSDT", Decimal(19)),)
    assert margin == (MultiAssetsChanged(False),)


def test_recorded_account_in_credits_mode_tells_no_usdt() -> None:
    assert parse_event(recordings("nautilus_ws_account_update_bnfcr_2026-06.json")) == ()


def test_a_hedge_short_is_negative() -> None:
    row = CLOSED["a"]["P"][0] | {"ps": "SHORT", "pa": "-0.473", "ep": "2463.26"}

    _, rows = parse_event(CLOSED | {"a": CLOSED["a"] | {"P": [row]}})

    assert isinstance(rows[0], PositionReport)
    assert (rows[0].leg.position_idx, rows[0].size) == (HEDGE_SHORT, Decimal("-0.473"))


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


@given(value=anything)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        frame = load_object(json.dumps(value))
    except MalformedMessage:
        return
    try:
        parse_event(frame)
    except MalformedMessage:
        return


@given(data=st.data())
def test_a_known_frame_with_one_thing_wrong_is_read_or_refused(data: st.DataObject) -> None:
    frame = json.loads(json.dumps(data.draw(st.sampled_from(FRAMES))))
    holder: Any = frame
    while True:
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        if not isinstance(holder[key], (dict, list)) or not holder[key] or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = data.draw(anything)
    try:
        parse_event(load_object(json.dumps(frame)))
    except MalformedMessage:
        return


@given(text=st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "replace")))
def test_any_text_is_json_or_refused(text: str) -> None:
    try:
        load(text)
    except MalformedMessage:
        return


def test_depth_and_endless_digits_are_refused() -> None:
    for text in (
        "[" * 100_000,
        '{"e":"ACCOUNT_UPDATE","T":' + "9" * 5000 + "}",
        '{"a":NaN}',
        '{"e":"ACCOUNT_CONFIG_UPDATE","T":1,"ac":{"s":"BTCUSDT","l":1e999999}}',
    ):
        with pytest.raises(MalformedMessage):
            parse_event(load_object(text))
