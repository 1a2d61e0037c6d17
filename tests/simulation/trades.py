"""The master's trades of a run, made up: one at a time, each from what a leg holds by then."""

import random
from collections import defaultdict
from decimal import Decimal
from enum import Enum, auto

import attrs

from exchanges.sandbox import DEFAULT_PRICES
from model.amounts import ZERO, floor_to_step
from tests.simulation.step import LOTS, SYMBOLS, Step

NOTIONAL_MAX = 6_000
TRADES_MAX = 40


class Kind(Enum):
    """What a trade does to what is held."""

    ADD = auto()
    REDUCE = auto()
    FLIP = auto()
    CLOSE = auto()


def draw_kind(chance: random.Random) -> Kind:
    """Return what a master does next, mostly adding or reducing."""
    drawn = chance.random()
    if drawn < 0.6:
        return Kind.ADD if drawn < 0.3 else Kind.REDUCE
    return Kind.FLIP if drawn < 0.7 else Kind.CLOSE


@attrs.define
class Trader:
    """Draws trades and knows what is held after them."""

    chance: random.Random
    held: defaultdict[tuple[str, int], Decimal] = attrs.field(factory=lambda: defaultdict(lambda: ZERO))

    def trade(self, at: float, symbol: str, idx: int, kind: Kind) -> Step:
        """Return the next trade of a leg, or the nearest to it that the leg allows."""
        chance, held = self.chance, self.held
        quantity = self._quantity(symbol, idx, kind)
        held[symbol, idx] += quantity
        parts = chance.choice((1, 1, 1, 2, 3))
        what = {"symbol": symbol, "idx": idx, "quantity": quantity, "parts": parts}
        if chance.random() < 0.1 and not held[symbol, idx] - quantity:
            what["leverage"] = Decimal(chance.choice((5, 20)))
        what["one_frame"] = chance.random() < 0.6
        return Step(at=round(at, 3), act="trade", what=what)

    def _quantity(self, symbol: str, idx: int, kind: Kind) -> Decimal:
        """Return an opening, an increase, a reduction, a close or a flip of what is held."""
        chance, held = self.chance, self.held[symbol, idx]
        lot, price = LOTS[symbol], DEFAULT_PRICES[symbol]
        size = max(lot, floor_to_step(Decimal(chance.randint(10, 2500)) / price, lot))
        sign = {0: chance.choice((1, -1)), 1: 1, 2: -1}[idx]
        if not held:
            return size * sign
        sign = 1 if held > 0 else -1
        if kind is Kind.ADD and abs(held) * price < NOTIONAL_MAX:
            return size * sign
        if kind in (Kind.ADD, Kind.REDUCE):
            part = max(lot, floor_to_step(abs(held) * Decimal(chance.choice(("0.1", "0.5", "0.9"))), lot))
            return -min(part, abs(held)) * sign
        if kind is Kind.FLIP and not idx:
            return -(abs(held) + size) * sign
        return -held


def made_up(chance: random.Random, hedged: tuple[str, ...], length: float) -> list[Step]:
    """Return the trades of ``length`` s, in bursts and pauses as they come."""
    trader, steps, at = Trader(chance), list[Step](), 0.0
    symbols = SYMBOLS[: chance.choice((1, 2, 4))]
    while at < length and len(steps) < TRADES_MAX:
        at += chance.choice((0.0, 0.01, 0.05, 0.3, 1.0, 3.0)) * chance.random() * 2
        symbol = chance.choice(symbols)
        idx = chance.choice((1, 2)) if symbol in hedged else 0
        steps.append(trader.trade(at, symbol, idx, draw_kind(chance)))
    return steps


def at_one_leverage(step: Step) -> Step:
    """Fixed margin is sized by the margin at the peak: with less leverage an increase asks for less."""
    return attrs.evolve(step, what={key: it for key, it in step.what.items() if key != "leverage"})
