"""The master's trades of a run from a slice of a real history: its orders, its moves of price, its haste.

The coins of the slice stand for the symbols of every run, in their lots, and sizes are scaled to what a
run's master can hold; the course of each position is the trader's, from adding to closing and turning.
"""

import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path

from exchanges.sandbox import DEFAULT_PRICES
from model.amounts import floor_to_step
from supervision.demo.history import HistoricalOrder, History, load_history
from tests.simulation.step import LOTS, SYMBOLS, Step

ORDERS = 40
NOTIONAL_MAX = 6_000
GAP_S_MAX = 3.0
"""The trader's longer pauses are shortened to this."""
ZERO = Decimal(0)


@cache
def history_of(path: str) -> History:
    """Return the history in a file; read once."""
    return load_history(Path(path))


def trades_of(chance: random.Random, history: History, length: float) -> list[Step]:
    """Return the steps of a slice that is drawn: for each order its price and its trade, in ``length`` s."""
    first = chance.randrange(max(1, len(history.orders) - ORDERS))
    orders = history.orders[first : first + ORDERS]
    stage_names = _stage_names(orders)
    played = [order for order in orders if order.symbol in stage_names]
    courses = {symbol: _size(history.orders[:first], symbol) for symbol in stage_names}
    ratios = {symbol: _ratio(played, symbol, courses[symbol], name) for symbol, name in stage_names.items()}
    first_prices = {order.symbol: order.fills[-1].price for order in reversed(played)}
    held = dict.fromkeys(SYMBOLS, ZERO)
    steps: list[Step] = []
    for order, at in zip(played, _times(played, length), strict=True):
        symbol = stage_names[order.symbol]
        courses[order.symbol] += order.quantity
        wanted = courses[order.symbol] * ratios[order.symbol]
        size = floor_to_step(abs(wanted), LOTS[symbol]).copy_sign(wanted)
        price = DEFAULT_PRICES[symbol] * order.fills[-1].price / first_prices[order.symbol]
        what = {"symbol": symbol, "price": floor_to_step(price, Decimal("0.0001"))}
        steps.append(Step(at=at, act="price", what=what))
        if size != held[symbol]:
            steps.append(_trade(order, at, symbol, size - held[symbol], chance))
        held[symbol] = size
    return steps


def _trade(order: HistoricalOrder, at: float, symbol: str, quantity: Decimal, chance: random.Random) -> Step:
    parts = min(3, len(order.fills))
    what = {"symbol": symbol, "idx": 0, "quantity": quantity, "parts": parts}
    return Step(at=at, act="trade", what=what | {"one_frame": chance.random() < 0.6})


def _stage_names(orders: Sequence[HistoricalOrder]) -> dict[str, str]:
    """Return which symbol of the run stands for each of the slice's most traded."""
    counts = Counter(order.symbol for order in orders)
    return {
        symbol: name for (symbol, _), name in zip(counts.most_common(len(SYMBOLS)), SYMBOLS, strict=False)
    }


def _size(orders: Sequence[HistoricalOrder], symbol: str) -> Decimal:
    return sum((order.quantity for order in orders if order.symbol == symbol), ZERO)


def _ratio(orders: Sequence[HistoricalOrder], symbol: str, size: Decimal, name: str) -> Decimal:
    """Return by what the trader's sizes are multiplied: then the largest is worth what it may be."""
    largest = ZERO
    for order in orders:
        if order.symbol == symbol:
            size += order.quantity
            largest = max(largest, abs(size))
    return NOTIONAL_MAX / DEFAULT_PRICES[name] / (largest or Decimal(1))


def _times(orders: Sequence[HistoricalOrder], length: float) -> list[float]:
    """Return when each order comes: the trader's own gaps, shortened, and the whole fitted in."""
    gaps = [0.0]
    for before, order in pairwise(orders):
        gaps.append(min(GAP_S_MAX, max(0.0, (order.time_ms - before.time_ms) / 1000)))
    share = min(1.0, length / (sum(gaps) or 1.0))
    return [round(sum(gaps[: number + 1]) * share, 3) for number in range(len(gaps))]
