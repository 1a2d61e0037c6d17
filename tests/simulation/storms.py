"""Storms: the master turns about faster than anybody can follow, and there the engine dies.

What one claim answers may be several of his changes, in both directions; a crash just then leaves a
copy whose orders, fills and target say different things. Trades of one every second never come to it.
"""

import random
from collections.abc import Iterator

from tests.simulation.step import SYMBOLS, Step
from tests.simulation.trades import Kind, Trader

KINDS = (Kind.FLIP, Kind.FLIP, Kind.FLIP, Kind.CLOSE, Kind.CLOSE, Kind.ADD, Kind.REDUCE)
"""Of a storm's trades, most turn or leave."""


def storms_of(
    chance: random.Random, hedged: tuple[str, ...], names: tuple[str, ...], length: float
) -> list[Step]:
    """Return the trades and crashes of ``length`` s: storms with pauses in which nearly all is done."""
    trader, steps, at = Trader(chance), list[Step](), 0.0
    symbols = SYMBOLS[: chance.choice((1, 1, 2))]
    while at < length:
        at += chance.uniform(1.0, 8.0)
        trades = list(_storm(trader, hedged, symbols, at))
        steps += trades
        if chance.random() < 0.5:
            steps.append(_slowness(chance, names, at))
        if chance.random() < 0.8:
            steps.append(_end(chance, names, at, trades[-1].at))
        at = trades[-1].at
    return steps


def _storm(trader: Trader, hedged: tuple[str, ...], symbols: tuple[str, ...], at: float) -> Iterator[Step]:
    chance = trader.chance
    gap_s = chance.choice((0.0, 0.02, 0.1, 0.4))
    for _ in range(chance.choice((2, 3, 5, 8))):
        symbol = chance.choice(symbols)
        idx = chance.choice((1, 2)) if symbol in hedged else 0
        yield trader.trade(at, symbol, idx, chance.choice(KINDS))
        at += gap_s * chance.random() * 2


def _slowness(chance: random.Random, names: tuple[str, ...], at: float) -> Step:
    """Let answers or fills take their time, so that several changes wait for the next claim."""
    what = {
        "kind": chance.choice(("DELAY_REQUEST", "DELAY_ANSWER", "DELAY_FILL")),
        "account": chance.choice(names),
        "seconds": chance.choice(((0.0, 0.3), (0.2, 1.0))),
        "probability": chance.choice((0.5, 1.0)),
        "lasts_s": chance.choice((0.5, 2.0)),
    }
    return Step(at=round(at, 3), act="fault", what=what)


def _end(chance: random.Random, names: tuple[str, ...], begins: float, ends: float) -> Step:
    """Kill the engine or one of its actors within a storm, or just after it."""
    at = round(chance.uniform(begins, ends + chance.choice((0.05, 0.5, 2.0))), 3)
    kind = chance.random()
    if kind < 0.4:
        return Step(at=at, act="kill", what={"away_s": chance.choice((0.0, 0.5))})
    if kind < 0.7:
        after_s, times = chance.choice((0.0, 0.001, 0.02, 0.2)), chance.choice((1, 2))
        what = {"after_s": after_s, "times": times, "away_s": chance.choice((0.0, 0.5))}
        return Step(at=at, act="ambush", what=what)
    followers = [f"follower:{name}" for name in names]
    return Step(at=at, act="crash", what={"actor": chance.choice([*followers, "pairing", "ledger"])})
