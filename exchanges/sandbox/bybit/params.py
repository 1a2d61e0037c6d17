"""Order parameters from the wire, strictly: what this venue does not do is refused, never ignored."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from exchanges.sandbox.bybit.codes import VenueError
from exchanges.sandbox.order import OrderIntent, TimeInForce
from model.amounts import decimal_from_text
from model.leg import Side

Params = Mapping[str, object]
T = TypeVar("T")

OTHER_CATEGORIES = ("spot", "inverse", "option")
UNSUPPORTED = (
    "triggerPrice",
    "takeProfit",
    "stopLoss",
    "trailingStop",
    "slippageTolerance",
    "orderIv",
)


def error(what: str) -> VenueError:
    """Return ``params error: ...``."""
    return VenueError(10001, f"params error: {what}")


def check_category(params: Params) -> None:
    """Only linear is there."""
    if params.get("category") != "linear":
        raise VenueError(10001, "Illegal category")


def is_empty_category(params: Params) -> bool:
    """Tell whether a list is asked for of a category that exists, and of which nothing is here."""
    return params.get("category") in OTHER_CATEGORIES


def text(params: Params, name: str) -> str:
    """Return a string parameter, "" when absent."""
    value = params.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise error(f"{name} invalid")
    return value


def required(params: Params, name: str) -> str:
    """Return a string parameter that has to be there."""
    value = text(params, name)
    if not value:
        raise error(f"{name} is required")
    return value


def decimal(params: Params, name: str) -> Decimal:
    """Return a number, which has to be sent as a string."""
    value = required(params, name)
    try:
        return decimal_from_text(value)
    except ValueError:
        raise error(f"{name} invalid") from None


def optional_decimal(params: Params, name: str) -> Decimal | None:
    """Return a number sent as a string, None when absent."""
    return decimal(params, name) if text(params, name) else None


def integer(params: Params, name: str, default: int) -> int:
    """Return a whole number, sent as such or (in a query) as digits."""
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise error(f"{name} invalid")
    try:
        return int(value) if value != "" else default
    except ValueError:
        raise error(f"{name} invalid") from None


def flag(params: Params, name: str) -> bool:
    """Return a JSON boolean, False when absent."""
    value = params.get(name, False)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise error(f"{name} invalid")
    return value


def order_intent(params: Params) -> OrderIntent:
    """Return what ``order.create`` asks for; raise VenueError 10001."""
    check_category(params)
    for name in UNSUPPORTED:
        if params.get(name) not in (None, "", "0"):
            raise error(f"{name} is not supported")
    market = _word(params, "orderType", {"Market": True, "Limit": False})
    tif = _time_in_force(params, market=market)
    link_id = text(params, "orderLinkId")
    if len(link_id) > 36:
        raise VenueError(10001, "order link id is longer than 36")
    return OrderIntent(
        symbol=required(params, "symbol"),
        side=_word(params, "side", {"Buy": Side.BUY, "Sell": Side.SELL}),
        quantity=decimal(params, "qty"),
        price=None if market else decimal(params, "price"),
        time_in_force=tif,
        position_idx=integer(params, "positionIdx", 0),
        reduce_only=flag(params, "reduceOnly"),
        close_on_trigger=flag(params, "closeOnTrigger"),
        client_order_id=link_id,
    )


def _time_in_force(params: Params, *, market: bool) -> TimeInForce:
    try:
        asked = TimeInForce(text(params, "timeInForce") or "GTC")
    except ValueError:
        raise error("timeInForce invalid") from None
    return TimeInForce.IOC if market else asked


def _word(params: Params, name: str, table: Mapping[str, T]) -> T:
    value = text(params, name)
    if value not in table:
        raise error(f"{name} invalid")
    return table[value]
