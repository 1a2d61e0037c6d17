"""Binance's codes and texts for what the core refuses; texts as recorded or documented where they are."""

import attrs

from exchanges.sandbox.order import CancelCause, Order, OrderStatus
from exchanges.sandbox.refusals import Reason, Refused


class VenueError(Exception):
    """An answer other than success: HTTP status, code and text."""

    def __init__(self, code: int, text: str, *, status: int = 400) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.status = status


ANSWERS: dict[Reason, tuple[int, str]] = {
    Reason.SYMBOL: (-1121, "Invalid symbol."),
    Reason.SYMBOL_CLOSED: (-4140, "Invalid symbol status for opening position."),
    Reason.PARAMETER: (-1130, "Data sent for parameter is not valid."),
    Reason.QUANTITY: (-4023, "Qty not increased by step size."),
    Reason.QUANTITY_BELOW_MIN: (-4004, "Quantity less than min quantity."),
    Reason.QUANTITY_ABOVE_MAX: (-4005, "Quantity greater than max quantity."),
    Reason.NOTIONAL_ABOVE_MAX: (-4005, "Quantity greater than max quantity."),
    Reason.PRICE: (-4014, "Price not increased by tick size."),
    Reason.PRICE_BAND: (-4016, "Limit price is too far from the mark price."),
    Reason.NOTIONAL_BELOW_MIN: (
        -4164,
        "Order's notional must be no smaller than {} (unless you choose reduce only).",
    ),
    Reason.MARGIN: (-2019, "Margin is insufficient."),
    Reason.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Reason.CLIENT_ID: (-4015, "Client order id is not valid."),
    Reason.CLIENT_ID_DUPLICATE: (-4116, "ClientOrderId is duplicated."),
    Reason.POSITION_IDX: (-4061, "Order's position side does not match user's setting."),
    Reason.LEVERAGE: (-4028, "Leverage {} is not valid."),
    Reason.LEVERAGE_TOO_HIGH: (-4028, "Leverage {} is not valid."),
    Reason.MODE_UNCHANGED: (-4059, "No need to change position side."),
    Reason.POSITION_EXISTS: (-4068, "Position side cannot be changed if there exists position."),
    Reason.ORDERS_EXIST: (-4067, "Position side cannot be changed if there exists open orders."),
    Reason.ORDER_NOT_FOUND: (-2011, "Unknown order sent."),
    Reason.TOO_MANY_ORDERS: (-2025, "Reach max open order limit."),
    Reason.NO_LIQUIDITY: (-2020, "Unable to fill."),
    Reason.POST_ONLY_WINDOW: (
        -1008,
        "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. "
        "Please try again.",
    ),
    Reason.READ_ONLY_KEY: (-2015, "Invalid API-key, IP, or permissions for action."),
    Reason.POSITION_CAP: (-2027, "Exceeded the maximum allowable position at current leverage."),
    Reason.MARKET_TOO_FAR: (
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    ),
    Reason.NOT_FILLABLE: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    ),
    Reason.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
}
STATUSES = {-2014: 401, -2015: 401, -1008: 503, -1003: 429, -1015: 429}
INJECTED = ANSWERS[Reason.MARKET_TOO_FAR]
"""What a fault refuses with where it names no code of this venue, all of which are negative."""


@attrs.frozen
class End:
    """How an order ended: the status word, and the reason in events."""

    status: str
    reason: str


_ENDS = {
    CancelCause.USER: End("CANCELED", "0"),
    CancelCause.NONE: End("CANCELED", "0"),
    CancelCause.WOULD_TAKE: End("EXPIRED", "0"),
    CancelCause.REDUCE_ONLY: End("EXPIRED", "4"),
    CancelCause.LIQUIDATION: End("EXPIRED", "5"),
}


def end_of(order: Order) -> End:
    """Return how an order ended that was not filled whole."""
    if order.cancel_cause is CancelCause.NO_LIQUIDITY:
        return End("EXPIRED", "9" if order.is_market else "2")
    return _ENDS[order.cancel_cause]


def status_of(order: Order) -> str:
    """Return the venue's word for where an order is."""
    match order.status:
        case OrderStatus.NEW:
            return "NEW"
        case OrderStatus.PARTLY_FILLED:
            return "PARTIALLY_FILLED"
        case OrderStatus.FILLED:
            return "FILLED"
        case _:
            return end_of(order).status


def as_venue_error(refused: Refused, value: object = "") -> VenueError:
    """Return the answer for a refusal of the core; ``value`` is what its text names."""
    if refused.reason is Reason.INJECTED:
        code, text = INJECTED
        if refused.code is not None and refused.code < 0:
            code, text = refused.code, refused.text
        return VenueError(code, refused.text or text, status=STATUSES.get(code, 400))
    code, text = ANSWERS[refused.reason]
    return VenueError(code, refused.text or text.format(value), status=STATUSES.get(code, 400))
