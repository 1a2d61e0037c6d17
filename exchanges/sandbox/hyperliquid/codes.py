"""Hyperliquid's words for what the core refuses or ends; there are no codes.

Texts as recorded or documented where they are; those of halted markets and of cloids that come again are
not published.
"""

from exchanges.sandbox.order import CancelCause, Order, OrderStatus
from exchanges.sandbox.refusals import Reason, Refused

UNDESERIALIZABLE = "Failed to deserialize the JSON body into the target type"
NOT_FOUND = "Order was never placed, already canceled, or filled."
POST_ONLY_WINDOW = "Only post-only orders allowed immediately after network upgrade"

TEXTS: dict[Reason, str] = {
    Reason.SYMBOL: "Invalid asset.",
    Reason.SYMBOL_CLOSED: "Trading is halted.",
    Reason.PARAMETER: "Order has invalid price.",
    Reason.QUANTITY: "Order has invalid size.",
    Reason.QUANTITY_BELOW_MIN: "Order has zero size.",
    Reason.QUANTITY_ABOVE_MAX: "Order has invalid size.",
    Reason.NOTIONAL_ABOVE_MAX: "Order value too large.",
    Reason.PRICE: "Price must be divisible by tick size.",
    Reason.PRICE_BAND: "Order price cannot be more than 95% away from the reference price",
    Reason.NOTIONAL_BELOW_MIN: "Order must have minimum value of $10.",
    Reason.MARGIN: "Insufficient margin to place order.",
    Reason.POSITION_CAP: "Order would cause position to exceed margin tier limit at current leverage.",
    Reason.REDUCE_ONLY: "Reduce only order would increase position.",
    Reason.CLIENT_ID_DUPLICATE: "Duplicate cloid.",
    Reason.POST_ONLY_WINDOW: POST_ONLY_WINDOW,
    Reason.TOO_MANY_ORDERS: "Too many open orders.",
    Reason.READ_ONLY_KEY: "Vault may not perform this action.",
    Reason.INJECTED: POST_ONLY_WINDOW,
}

STATUSES: dict[Reason, str] = {
    Reason.PRICE: "tickRejected",
    Reason.NOTIONAL_BELOW_MIN: "minTradeNtlRejected",
    Reason.MARGIN: "perpMarginRejected",
    Reason.POSITION_CAP: "perpMaxPositionRejected",
    Reason.REDUCE_ONLY: "reduceOnlyRejected",
    Reason.TOO_MANY_ORDERS: "tooManyOpenOrdersRejected",
}
"""Of orders that were refused within a block; they get an id and are found. Others never existed."""

WITHOUT_ASSET = frozenset({Reason.PRICE_BAND, Reason.POST_ONLY_WINDOW, Reason.INJECTED})

ENDS: dict[CancelCause, tuple[str, str]] = {
    CancelCause.NO_LIQUIDITY: (
        "iocCancelRejected",
        "Order could not immediately match against any resting orders.",
    ),
    CancelCause.WOULD_TAKE: ("badAloPxRejected", "Post only order would have immediately matched"),
    CancelCause.REDUCE_ONLY: ("reduceOnlyCanceled", "Reduce only order would increase position."),
    CancelCause.LIQUIDATION: ("liquidatedCanceled", "Order was canceled in a liquidation."),
    CancelCause.USER: ("canceled", "Order was canceled."),
    CancelCause.NONE: ("canceled", "Order was canceled."),
}


def refusal_text(refused: Refused, asset: int) -> str:
    """Return the words for an order that is refused."""
    text = refused.text or TEXTS.get(refused.reason, "Order has invalid price.")
    return text if refused.reason in WITHOUT_ASSET else f"{text} asset={asset}"


def status_of(order: Order) -> str:
    """Return the venue's word for where an order is."""
    if order.status.is_open:
        return "open"
    if order.status is OrderStatus.FILLED:
        return "filled"
    if order.filled and order.cancel_cause in (CancelCause.NO_LIQUIDITY, CancelCause.WOULD_TAKE):
        return "canceled"
    return ENDS[order.cancel_cause][0]
