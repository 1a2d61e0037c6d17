"""What a fault of Bybit's is called on another venue: endpoints, topics and codes of a schedule's steps."""

from collections.abc import Mapping
from typing import Any

import attrs

from tests.simulation.step import Step
from tests.world import MASTER

HEDGING = frozenset({"bybit", "binance"})


@attrs.frozen(kw_only=True)
class Dialect:
    """Names of one venue. A code that is left out is one that this venue's face makes its own of."""

    orders: str
    topics: Mapping[str, str]
    codes: Mapping[int, int] = attrs.field(factory=dict)
    texts: Mapping[int, str] = attrs.field(factory=dict)
    """What stands for a code where there are none. One that is left out is a text that nobody knows."""


DIALECTS: Mapping[str, Dialect] = {
    "binance": Dialect(
        orders="[oP]*rder*",  # order.place, POST /fapi/v1/order
        topics={
            "execution*": "TRADE_LITE",
            "position*": "ACCOUNT_UPDATE",
            "order*": "ORDER_TRADE_UPDATE",
            "wallet*": "ACCOUNT_*",
        },
        codes={
            110007: -2019,
            110017: -2022,
            110118: -4131,
            110094: -4164,
            110028: -4061,
            110013: -2027,
            110003: -4016,
            10001: -1130,
            10003: -2015,
            110079: -1008,
            10016: -1001,
            99999: -9999,
        },
    ),
    "hyperliquid": Dialect(
        orders="*/order",
        topics={
            "execution*": "userFills",
            "position*": "clearinghouseState",
            "order*": "orderUpdates",
            "wallet*": "spotState",
        },
        texts={
            110007: "Insufficient margin to place order.",
            110017: "Reduce only order would increase position.",
            110118: "No liquidity available for market order.",
            110094: "Order must have minimum value of $10.",
            110028: "Duplicate cloid.",
            110013: "Invalid leverage value",
            110003: "Price must be divisible by tick size.",
            10001: "Order has invalid size.",
            10003: "Must deposit before performing actions.",
            110079: "Only post-only orders allowed immediately after network upgrade",
        },
    ),
}


def translated(step: Step, venue: str) -> Step:
    """Return a step as it is said where the followers are; what strikes the master stays."""
    dialect = DIALECTS.get(venue)
    if dialect is None or step.act != "fault" or step.what.get("account") == MASTER:
        return step
    what: dict[str, Any] = dict(step.what)
    if "create" in str(what.get("endpoint")):
        what["endpoint"] = dialect.orders
    if "topic" in what:
        what["topic"] = dialect.topics.get(what["topic"], what["topic"])
    if "code" in what:
        what["message"] = dialect.texts.get(what["code"], what["message"])
        what["code"] = dialect.codes.get(what["code"], what["code"])
    return attrs.evolve(step, what=what)
