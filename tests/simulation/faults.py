"""The faults that a schedule draws from, one maker a kind; each returns steps without their time."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from exchanges.sandbox import Liquidity
from tests.simulation.step import LOTS, SYMBOLS, Step

Make = Callable[[random.Random, tuple[str, ...]], list[Step]]
FAULTS: dict[str, Make] = {}

REJECTS = (110007, 110017, 110118, 110094, 110028, 110013, 110003, 10001, 10003, 110079, 10016, 99999)
"""Margin, reduce-only, liquidity, size, mode, leverage, price, parameter, key, busy, and two unknown ones."""


def _fault(make: Make) -> Make:
    FAULTS[make.__name__.strip("_")] = make
    return make


def _step(act: str, **what: Any) -> list[Step]:
    return [Step(at=0.0, act=act, what=what)]


def _someone(chance: random.Random, names: tuple[str, ...]) -> str:
    return chance.choice(("master", *names, *names))


@_fault
def _drop(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    kind, reset = chance.choice((None, "private", "trade", "rest", "public")), chance.random() < 0.5
    return _step(
        "drop", account=None if kind == "public" else _someone(chance, names), kind=kind, reset=reset
    )


@_fault
def _silence(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    return _step("silence", account=_someone(chance, names), kind=chance.choice(("private", "trade", None)))


@_fault
def _lose_answer(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    kind = chance.choice(("LOSE_ANSWER", "RESET_AFTER", "ERROR_AFTER"))
    count = chance.choice((1, 2, 3))
    return _step("fault", kind=kind, account=chance.choice(names), endpoint="*order*create", count=count)


@_fault
def _error_before(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    return _step(
        "fault",
        kind="ERROR_BEFORE",
        account=_someone(chance, names),
        status=chance.choice((500, 502, 503, 504)),
        probability=chance.choice((0.3, 1.0)),
        lasts_s=chance.choice((0.5, 3.0, 12.0)),
    )


@_fault
def _rate_limit(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    return _step(
        "fault",
        kind="RATE_LIMIT",
        account=_someone(chance, names),
        status=chance.choice((200, 429)),
        headers=chance.random() < 0.5,
        probability=chance.choice((0.5, 1.0)),
        lasts_s=chance.choice((0.5, 3.0, 8.0)),
    )


@_fault
def _reject(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    code, count = chance.choice(REJECTS), chance.choice((1, 3, 8))
    return _step("fault", kind="REJECT", account=chance.choice(names), code=code, message="no", count=count)


@_fault
def _slow(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    return _step(
        "fault",
        kind=chance.choice(("DELAY_REQUEST", "DELAY_ANSWER", "DELAY_FILL")),
        account=_someone(chance, names),
        seconds=chance.choice(((0.0, 0.3), (0.2, 2.0), (1.0, 9.0))),
        probability=chance.choice((0.5, 1.0)),
        lasts_s=chance.choice((2.0, 10.0)),
    )


@_fault
def _frames(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    kinds = ("DUPLICATE_FRAME", "REORDER_FRAME", "DROP_FRAME", "MALFORM_FRAME", "STALE_FRAME", "DELAY_FRAME")
    kind = chance.choice(kinds)
    return _step(
        "fault",
        kind=kind,
        account=_someone(chance, names),
        topic=chance.choice(("*", "execution*", "position*", "order*", "wallet*")),
        probability=chance.choice((0.2, 0.6, 1.0)),
        lasts_s=chance.choice((1.0, 5.0, 20.0)),
        **({"seconds": (0.1, 3.0)} if kind == "DELAY_FRAME" else {}),
    )


@_fault
def _partial(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    return _step(
        "fault",
        kind="PARTIAL_FILL",
        account=chance.choice(names),
        fraction=Decimal(chance.choice(("0", "0.3", "0.9"))),
        count=chance.choice((1, 4)),
    )


@_fault
def _thin(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    symbol = chance.choice(SYMBOLS)
    liquidity = Liquidity(
        depth=LOTS[symbol] * chance.choice((0, 2, 500)) if chance.random() < 0.6 else None,
        fill_parts=chance.choice((1, 3)),
        part_gap_s=chance.choice((0.0, 0.4)),
    )
    lasts_s = chance.choice((2.0, 8.0))
    return _step("thin", symbol=symbol, liquidity=liquidity, lasts_s=lasts_s)


@_fault
def _maintenance(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    account = None if chance.random() < 0.5 else _someone(chance, names)
    lasts_s = chance.choice((1.0, 6.0))
    return [
        *_step("fault", kind="MAINTENANCE", account=account, lasts_s=lasts_s),
        *_step("drop", account=account, kind=None, reset=True),
    ]


@_fault
def _refuse(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    lasts_s = chance.choice((1.0, 6.0))
    return [
        *_step("fault", kind="REFUSE_CONNECTIONS", lasts_s=lasts_s),
        *_step("drop", account=_someone(chance, names), kind=None, reset=False),
    ]


@_fault
def _skew(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    return _step("skew", ms=chance.choice((8000, 1500, -900, -4000)), lasts_s=chance.choice((2.0, 40.0)))


@_fault
def _outage(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    if chance.random() < 0.5:
        return _step("commits", lost=chance.choice((1, 3)))
    return _step("outage", lasts_s=chance.choice((0.3, 3.0, 12.0)))


@_fault
def _crash(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    actors = [f"follower:{name}" for name in names] * 3 + [f"stream:{name}" for name in names]
    return _step("crash", actor=chance.choice([*actors, "master_stream", "pairing", "ledger"]))


@_fault
def _kill(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    act = chance.choice(("kill", "kill", "drain"))
    return _step(act, away_s=chance.choice((0.0, 1.0, 10.0)))


@_fault
def _ambush(chance: random.Random, names: tuple[str, ...]) -> list[Step]:
    """Kill the engine just after an order has left, and perhaps its successors too."""
    return _step(
        "ambush",
        after_s=chance.choice((0.0, 0.001, 0.02, 0.2)),
        times=chance.choice((1, 2, 3)),
        away_s=chance.choice((0.0, 0.5)),
    )
