"""Real traders' courses under faults: safety at every step, and everybody where R6 says in the end."""

import os
import random
from decimal import Decimal as D
from pathlib import Path

import pytest

from exchanges.sandbox import DEFAULT_PRICES
from supervision.demo.history import HistoricalFill, HistoricalOrder, History
from tests.simulation.histories import NOTIONAL_MAX, trades_of
from tests.simulation.jobs import Job, assert_nothing_violated

DATA = os.environ.get("COPYTRADER_DATA")
FILES = sorted((Path(DATA) / "fills").glob("*.json.gz")) if DATA else []
SEEDS = [("bybit", 101), ("binance", 102), ("hyperliquid", 103), ("bybit", 104)]


@pytest.mark.skipif(not FILES, reason="COPYTRADER_DATA names no folder of trading histories")
@pytest.mark.parametrize(("venue", "seed"), SEEDS)
def test_a_real_trader_is_followed_through_faults(venue: str, seed: int) -> None:
    assert_nothing_violated(Job(venue, seed, history=str(FILES[seed % len(FILES)])))


def test_the_masters_course_is_the_traders() -> None:
    """An increase, a turn and a close stay what they are; pauses are shortened, prices move alike."""
    rows = [("2", "100", 0), ("2", "102", 500), ("-8", "110", 86_400_000), ("4", "90", 86_401_000)]
    orders = tuple(_order(D(quantity), D(price), time_ms) for quantity, price, time_ms in rows)
    history = History(orders=orders, skipped={}, lots={"COINUSDT": D(1)}, ticks={})

    steps = trades_of(random.Random(1), history, 30.0)

    trades = [(step.at, step.what["quantity"]) for step in steps if step.act == "trade"]
    prices = [step.what["price"] for step in steps if step.act == "price"]
    full = D(NOTIONAL_MAX) / DEFAULT_PRICES["BTCUSDT"]
    assert trades == [(0.0, full / 2), (0.5, full / 2), (3.5, -2 * full), (4.5, full)]
    assert prices == [DEFAULT_PRICES["BTCUSDT"] * D(share) for share in ("1", "1.02", "1.1", "0.9")]


def _order(quantity: D, price: D, time_ms: int) -> HistoricalOrder:
    fill = HistoricalFill(price=price, quantity=quantity)
    return HistoricalOrder(coin="COIN", symbol="COINUSDT", time_ms=time_ms, fills=(fill,))
