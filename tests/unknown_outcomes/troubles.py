"""What leaves an order's outcome unknown, one maker a kind: faults that wait for it, and what happens then.

The first fault is the one that has to strike. Times are seconds from the moment at which the order left.
"""

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from exchanges.sandbox.binance.requests import UNKNOWN_ERROR
from tests.simulation.step import Step

FOLLOWER = "alice"
Fields = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Place:
    """What one venue's faults are called."""

    orders: str
    queries: tuple[str, ...]
    stream: str
    entry: str
    """Where the order socket is opened."""
    limits: tuple[int, ...] = (429,)
    """Statuses of a refusal for its rate."""
    garbage: tuple[str, ...] = ()
    lies: tuple[str, ...] = ()
    """Fields of an answer by which it names another request."""


_GARBAGE = ("", "", "<html><h1>502 Bad Gateway</h1></html>", "{}", "[]", "null", "\ufeff{", "NaN", '"ok"')
PLACES: Mapping[str, Place] = {
    "bybit": Place(
        orders="*order*create",
        queries=("/v5/order/realtime", "/v5/order/history", "/v5/execution/list"),
        stream="/v5/private",
        entry="/v5/trade",
        limits=(200, 429),
        garbage=(*_GARBAGE, '{"retCode":0}', '{"retCode":"0","result":{},"data":null}'),
        lies=("reqId", "orderLinkId"),
    ),
    "binance": Place(
        orders="[oP]*rder*",
        queries=("GET /fapi/v1/order",),
        stream="/private*",
        entry="/ws-fapi/v1",
        limits=(429, 418),
        garbage=(*_GARBAGE, '{"status":200}', '{"code":200,"msg":"ok"}'),
        lies=("id", "clientOrderId", "symbol"),
    ),
    "hyperliquid": Place(
        orders="*/order",
        queries=("/info/orderStatus", "/info/userFills*"),
        stream="/ws",
        entry="/ws",
        garbage=(*_GARBAGE, '{"status":"ok"}', '{"channel":"post","data":{}}'),
        lies=("id", "cloid"),
    ),
}


@attrs.frozen(kw_only=True)
class Trouble:
    """One way to lose an answer."""

    waiting: tuple[Fields, ...] = ()
    """Faults of the follower's venue that are switched on before."""
    meanwhile: tuple[Step, ...] = ()
    before: tuple[Step, ...] = ()
    """What is so already when the order leaves."""
    lag_ms: int = 0
    """How long the venue's reads do not know of an order."""


Make = Callable[[random.Random, Place], Trouble]
TROUBLES: dict[str, Make] = {}
ONLY: dict[str, str] = {}
"""Kinds that one venue alone has."""


def _trouble(make: Make) -> Make:
    TROUBLES[make.__name__.strip("_")] = make
    return make


def _step(at: float, act: str, **what: Any) -> Step:
    return Step(at=at, act=act, what=what)


def _order_fault(place: Place, kind: str, **fields: Any) -> Fields:
    return {"kind": kind, "account": FOLLOWER, "endpoint": place.orders, "count": 1, **fields}


def _lost(chance: random.Random, place: Place) -> Fields:
    """Return a fault that loses an answer, accepted or not."""
    kinds = ("LOSE_ANSWER", "RESET_AFTER", "RESET_AFTER", "ERROR_AFTER", "RESET_BEFORE")
    return _order_fault(place, chance.choice(kinds), status=chance.choice((500, 502, 503, 504)))


def _during(chance: random.Random) -> float:
    return chance.choice((3.0, 8.0, 20.0))


@_trouble
def answer_lost(chance: random.Random, place: Place) -> Trouble:
    """Taken; no answer ever."""
    return Trouble(waiting=(_order_fault(place, "LOSE_ANSWER"),))


@_trouble
def reset_after(chance: random.Random, place: Place) -> Trouble:
    """Taken; the connection is reset."""
    return Trouble(waiting=(_order_fault(place, "RESET_AFTER"),))


@_trouble
def reset_before(chance: random.Random, place: Place) -> Trouble:
    """Not taken; the connection is reset."""
    return Trouble(waiting=(_order_fault(place, "RESET_BEFORE"),))


@_trouble
def request_lost(chance: random.Random, place: Place) -> Trouble:
    """It never gets there, and the line stays."""
    return Trouble(waiting=(_order_fault(place, "LOSE_REQUEST"),))


@_trouble
def half_open_line(chance: random.Random, place: Place) -> Trouble:
    """The order socket takes everything and says nothing any more."""
    return Trouble(before=(_step(0, "silence_orders"),))


@_trouble
def error_after(chance: random.Random, place: Place) -> Trouble:
    """Taken; the answer is an error: 5xx, Binance's -1007 or 503 "unknown", Bybit's 10016."""
    status = chance.choice((500, 502, 503, 504))
    return Trouble(waiting=(_order_fault(place, "ERROR_AFTER", status=status),))


@_trouble
def error_before(chance: random.Random, place: Place) -> Trouble:
    """Not taken; the answer is the same error."""
    fields = {"status": chance.choice((500, 502, 503, 504)), "message": UNKNOWN_ERROR}
    return Trouble(waiting=(_order_fault(place, "ERROR_BEFORE", **fields),))


@_trouble
def backend_timeout(chance: random.Random, place: Place) -> Trouble:
    """Taken; -1007, "execution status unknown"."""
    return Trouble(waiting=(_order_fault(place, "ERROR_AFTER", status=408),))


@_trouble
def unknown_503(chance: random.Random, place: Place) -> Trouble:
    """HTTP 503, "Unknown error": taken, or not."""
    kind = chance.choice(("ERROR_AFTER", "ERROR_BEFORE"))
    return Trouble(waiting=(_order_fault(place, kind, status=503, message=UNKNOWN_ERROR),))


ONLY.update(backend_timeout="binance", unknown_503="binance")


@_trouble
def answer_late(chance: random.Random, place: Place) -> Trouble:
    """Taken; the answer comes when nobody waits for it any more."""
    seconds = chance.choice((15.5, 20.0, 32.0))
    return Trouble(waiting=(_order_fault(place, "DELAY_ANSWER", seconds=seconds),))


@_trouble
def request_late(chance: random.Random, place: Place) -> Trouble:
    """The line breaks while the request is still under way: it is taken after it was asked for."""
    kind, seconds = chance.choice(("DELAY_REQUEST", "DELAY_ENGINE")), chance.choice((0.4, 1.5, 2.7, 6.0))
    if place.entry == "/v5/trade":
        kind = "DELAY_REQUEST"
    waiting = (_order_fault(place, kind, seconds=seconds),)
    return Trouble(waiting=waiting, meanwhile=(_step(0.1, "drop_orders"),))


@_trouble
def answer_garbled(chance: random.Random, place: Place) -> Trouble:
    """Taken; the answer is cut in half, or something else altogether."""
    message = chance.choice(place.garbage)
    return Trouble(waiting=(_order_fault(place, "MALFORM_ANSWER", message=message),))


@_trouble
def answer_of_another(chance: random.Random, place: Place) -> Trouble:
    """Taken; the answer names another request or another order."""
    return Trouble(waiting=(_order_fault(place, "CROSS_ANSWER", field=chance.choice(place.lies)),))


@_trouble
def queries_limited(chance: random.Random, place: Place) -> Trouble:
    """Who asks after it is refused for the rate: 429, a ban, a code."""
    lasts_s, status = chance.choice((2.0, 8.0)), chance.choice(place.limits)
    limited = {"kind": "RATE_LIMIT", "account": FOLLOWER, "status": status, "headers": chance.random() < 0.5}
    steps = (_step(0, "fault", lasts_s=lasts_s, **limited, endpoint=it) for it in place.queries)
    return Trouble(waiting=(_lost(chance, place),), meanwhile=tuple(steps))


@_trouble
def queries_fail(chance: random.Random, place: Place) -> Trouble:
    """Who asks after it gets errors, nonsense, nothing, or waits."""
    kind = chance.choice(("ERROR_BEFORE", "LOSE_ANSWER", "RESET_AFTER", "MALFORM_ANSWER", "DELAY_ANSWER"))
    fields = {"kind": kind, "account": FOLLOWER, "seconds": (0.5, 9.0), "message": chance.choice(_GARBAGE)}
    if kind == "ERROR_BEFORE":
        del fields["message"]
    lasts_s = _during(chance)
    steps = (_step(0, "fault", lasts_s=lasts_s, **fields, endpoint=it) for it in place.queries)
    return Trouble(waiting=(_lost(chance, place),), meanwhile=tuple(steps))


@_trouble
def queries_lag(chance: random.Random, place: Place) -> Trouble:
    """Taken, and for a while no query finds it."""
    lag_ms = chance.choice((400, 2_500, 9_000, 25_000))
    kind = chance.choice(("LOSE_ANSWER", "RESET_AFTER", "ERROR_AFTER"))
    return Trouble(waiting=(_order_fault(place, kind),), lag_ms=lag_ms)


@_trouble
def no_name(chance: random.Random, place: Place) -> Trouble:
    """The venue's name is not found by who asks after it; old connections are gone too."""
    steps = (_step(0, "cut_off", why="dns", lasts_s=_during(chance)), _step(0, "drop_reads"))
    return Trouble(waiting=(_lost(chance, place),), meanwhile=steps)


@_trouble
def refused_connections(chance: random.Random, place: Place) -> Trouble:
    """New connections are refused."""
    steps = (_step(0, "cut_off", why="refused", lasts_s=_during(chance)), _step(0, "drop_reads"))
    return Trouble(waiting=(_lost(chance, place),), meanwhile=steps)


@_trouble
def part_filled(chance: random.Random, place: Place) -> Trouble:
    """Only a part finds somebody, and the answer is lost."""
    part = {"kind": "PARTIAL_FILL", "account": FOLLOWER, "count": chance.choice((1, 1, 3))}
    part["fraction"] = Decimal(chance.choice(("0", "0.3", "0.5", "0.9")))
    kind = chance.choice(("LOSE_ANSWER", "RESET_AFTER", "ERROR_AFTER"))
    return Trouble(waiting=(_order_fault(place, kind), part))


@_trouble
def filled_late(chance: random.Random, place: Place) -> Trouble:
    """Taken at once, filled when it has been asked for already."""
    delay = {
        "kind": "DELAY_FILL",
        "account": FOLLOWER,
        "seconds": chance.choice((0.5, 4.0, 12.0)),
        "count": 1,
    }
    return Trouble(waiting=(_order_fault(place, chance.choice(("LOSE_ANSWER", "RESET_AFTER"))), delay))


@_trouble
def stream_down(chance: random.Random, place: Place) -> Trouble:
    """The private stream goes with the answer, and does not come back at once."""
    closed = {"kind": "MAINTENANCE", "endpoint": place.stream}
    steps = (
        _step(0, "fault", lasts_s=_during(chance), **closed),
        _step(0, "drop", account=FOLLOWER, kind="private", reset=True),
    )
    return Trouble(waiting=(_lost(chance, place),), meanwhile=steps)


@_trouble
def stream_silent(chance: random.Random, place: Place) -> Trouble:
    """The private stream is open and dead."""
    steps = (_step(0, "silence", account=FOLLOWER, kind="private"),)
    return Trouble(waiting=(_lost(chance, place),), before=steps)


@_trouble
def killed(chance: random.Random, place: Place) -> Trouble:
    """The engine is killed while the order is unknown, perhaps twice."""
    at, away_s = chance.choice((0.0, 0.001, 0.5, 3.0, 8.0)), chance.choice((0.0, 1.0, 10.0))
    steps = [_step(at, "kill", away_s=away_s)]
    if chance.random() < 0.3:
        steps.append(_step(at + away_s + chance.choice((0.3, 2.0, 6.0)), "kill", away_s=0.0))
    return Trouble(waiting=(_lost(chance, place),), meanwhile=tuple(steps))


@_trouble
def no_ledger(chance: random.Random, place: Place) -> Trouble:
    """The database is away while the order is unknown, or loses what it was told."""
    at = chance.choice((0.0, 0.5, 4.0))
    step = (
        _step(at, "outage", lasts_s=_during(chance))
        if chance.random() < 0.8
        else _step(at, "commits", lost=2)
    )
    return Trouble(waiting=(_lost(chance, place),), meanwhile=(step,))
