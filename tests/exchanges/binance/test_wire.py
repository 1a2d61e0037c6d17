"""Answers by REST: whatever JSON comes, it is read or refused as malformed, and nothing else."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.binance.catalogue import parse_instrument, parse_tiers
from exchanges.binance.wire import (
    AccountConfig,
    error_of,
    load,
    parse_account_config,
    parse_order,
    parse_position,
    parse_symbol_configs,
    parse_wallet,
    retry_after_of,
)
from exchanges.errors import MalformedMessage
from model.leg import Leg, PositionMode
from tests.exchanges.binance.scripted import balance_row, one_way_config, order_row, position_row
from tests.exchanges.binance.test_events import anything
from tests.exchanges.binance.test_venue import BRACKETS, BTC

SINGLE = AccountConfig(mode=PositionMode.ONE_WAY, multi_assets=False, can_trade=True)
CONFIGS = [{"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 10}]
READERS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "order": (lambda found: parse_order(found, Leg("BTCUSDT")), order_row("id")),
    "position": (lambda found: parse_position(found, read_at_ms=1), position_row()),
    "wallet": (lambda found: parse_wallet(found, SINGLE, read_at_ms=1), [balance_row()]),
    "account": (parse_account_config, one_way_config()),
    "symbols": (parse_symbol_configs, CONFIGS),
    "tiers": (parse_tiers, BRACKETS),
    "instrument": (parse_instrument, BTC),
    "error": (error_of, {"code": -1, "msg": "text"}),
    "wait": (lambda found: retry_after_of(found, 1), {"data": {"retryAfter": 5}}),
}


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40)
@given(data=st.data())
def test_any_answer_is_read_or_refused(name: str, data: st.DataObject) -> None:
    read, good = READERS[name]
    if data.draw(st.booleans()):
        found = data.draw(anything)
    else:
        found = json.loads(json.dumps(good))
        holder: Any = found
        while isinstance(holder, list):
            holder = holder[0]
        holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(anything)
    try:
        read(load(json.dumps(found)))
    except MalformedMessage:
        return


@pytest.mark.parametrize("name", READERS)
def test_the_good_answer_is_read(name: str) -> None:
    read, good = READERS[name]

    assert read(load(json.dumps(good))) is not None


def test_a_missing_price_is_unknown_and_never_zero() -> None:
    leg = Leg("BTCUSDT")

    assert parse_order(order_row("id"), leg).average_price is None
    assert parse_order(order_row("id", avgPrice="0.00000"), leg).average_price is None
    assert parse_order(order_row("id", avgPrice="0", cumQuote="50"), leg).average_price == Decimal(100)


def test_how_long_to_wait_goes_by_the_answers_own_time_where_it_tells_one() -> None:
    """Our clock may have jumped since it was compared: five seconds would be over at once, or never."""
    told = {"serverTime": 1_700_000_000_000, "retryAfter": 1_700_000_005_000}
    ours_ms = told["serverTime"] + 8_000

    assert retry_after_of({"data": told}, ours_ms) == "6"
    assert retry_after_of({"data": {"retryAfter": told["retryAfter"]}}, ours_ms) == "1"
    assert retry_after_of({"data": {**told, "serverTime": "soon"}}, ours_ms - 8_000) == "6"
