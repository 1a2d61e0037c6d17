"""What people and markets do meanwhile, one maker a kind: owners, operators, liquidations, new filters.

Drawn from a generator of their own, so that the trades and faults of a seed stay what they are.
"""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from model.settings import FollowerMode
from tests.simulation.step import LOTS, SYMBOLS, Step

Make = Callable[[random.Random, tuple[str, ...]], Step]
HANDS: dict[str, Make] = {}
MASTER = "master"


def _hand(make: Make) -> Make:
    HANDS[make.__name__.strip("_")] = make
    return make


def _step(act: str, **what: Any) -> Step:
    return Step(at=0.0, act=act, what=what)


@_hand
def _funding(chance: random.Random, names: tuple[str, ...]) -> Step:
    rate = Decimal(chance.choice(("0.0001", "-0.0003", "0.001")))
    return _step("fund", symbol=chance.choice(SYMBOLS), rate=rate)


@_hand
def _deposit(chance: random.Random, names: tuple[str, ...]) -> Step:
    return _step(
        "deposit", account=chance.choice(names), share=Decimal(chance.choice(("-0.2", "0.1", "0.5")))
    )


@_hand
def _owner(chance: random.Random, names: tuple[str, ...]) -> Step:
    """An owner trades by hand: takes something off, or opens what nobody copies."""
    how = chance.choice(("half", "all", "foreign"))
    return _step("owner", account=chance.choice(names), how=how, which=chance.randrange(8))


@_hand
def _leverage(chance: random.Random, names: tuple[str, ...]) -> Step:
    leverage = Decimal(chance.choice((2, 3, 25)))
    return _step("leverage", account=chance.choice(names), symbol=chance.choice(SYMBOLS), leverage=leverage)


@_hand
def _operator(chance: random.Random, names: tuple[str, ...]) -> Step:
    mode = chance.choice((FollowerMode.PAUSED, FollowerMode.CLOSE_ONLY))
    return _step("operator", account=chance.choice(names), mode=mode, lasts_s=chance.choice((0.5, 4.0, 20.0)))


@_hand
def _liquidation(chance: random.Random, names: tuple[str, ...]) -> Step:
    return _step("liquidation", account=chance.choice((MASTER, *names)))


@_hand
def _deleveraging(chance: random.Random, names: tuple[str, ...]) -> Step:
    share = Decimal(chance.choice(("0.3", "1")))
    account = chance.choice((MASTER, MASTER, *names))
    return _step("deleveraging", account=account, which=chance.randrange(8), share=share)


@_hand
def _filters(chance: random.Random, names: tuple[str, ...]) -> Step:
    """A venue changes what it takes of a symbol, or halts it for a while."""
    what = chance.choice(("lot_size", "lot_size", "min_notional", "tick_size", "max_market_quantity", "halt"))
    lasts_s = chance.choice((3.0, 30.0))
    return _step(
        "filters", account=chance.choice(names), symbol=chance.choice(SYMBOLS), what=what, lasts_s=lasts_s
    )


SMALL = {
    symbol: lot * lots for (symbol, lot), lots in zip(LOTS.items(), (20, 100, 100, 1000, 1), strict=False)
}
"""What an owner opens by hand."""
