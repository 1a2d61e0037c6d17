"""Bybit's codes and texts for what the core refuses; texts as recorded where a recording exists."""

from exchanges.sandbox.refusals import Reason, Refused


class VenueError(Exception):
    """An answer other than success: retCode and retMsg."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


ANSWERS: dict[Reason, tuple[int, str]] = {
    Reason.SYMBOL: (10001, "Not supported symbols"),
    Reason.SYMBOL_CLOSED: (110074, "This contract is not live"),
    Reason.PARAMETER: (10001, "params error"),
    Reason.QUANTITY: (10001, "Qty invalid"),
    Reason.QUANTITY_BELOW_MIN: (10001, "The number of contracts exceeds minimum limit allowed"),
    Reason.QUANTITY_ABOVE_MAX: (10001, "The number of contracts exceeds maximum limit allowed"),
    Reason.PRICE: (110003, "Order price is out of permissible range"),
    Reason.PRICE_BAND: (110003, "Order price is out of permissible range"),
    Reason.NOTIONAL_ABOVE_MAX: (10001, "The number of contracts exceeds maximum limit allowed"),
    Reason.POST_ONLY_WINDOW: (110079, "The order is processing and can not be operated, try again later"),
    Reason.NOTIONAL_BELOW_MIN: (110094, "Order does not meet minimum order value 5USDT"),
    Reason.MARGIN: (110007, "ab not enough for new order"),
    Reason.REDUCE_ONLY: (110017, "Reduce-only rule not satisfied"),
    Reason.CLIENT_ID: (10001, "params error: orderLinkId invalid"),
    Reason.CLIENT_ID_DUPLICATE: (110072, "OrderLinkedID is duplicate"),
    Reason.POSITION_IDX: (10001, "position idx not match position mode"),
    Reason.LEVERAGE: (10001, "leverage invalid"),
    Reason.LEVERAGE_TOO_HIGH: (110013, "Cannot set leverage due to risk limit level"),
    Reason.LEVERAGE_UNCHANGED: (110043, "Set leverage not modified"),
    Reason.MODE_UNCHANGED: (110025, "Position mode is not modified"),
    Reason.POSITION_EXISTS: (110024, "You have an existing position, so position mode cannot be switched"),
    Reason.ORDERS_EXIST: (110028, "You have existing open orders, so position mode cannot be switched"),
    Reason.ORDER_NOT_FOUND: (110001, "Order does not exist"),
    Reason.TOO_MANY_ORDERS: (110020, "You cannot have more than 500 active orders"),
    Reason.NO_LIQUIDITY: (110118, "No price for market order"),
    Reason.READ_ONLY_KEY: (10005, "Permission denied, please check your API key permissions."),
    Reason.POSITION_CAP: (110013, "Cannot set leverage due to risk limit level"),
    Reason.MARKET_TOO_FAR: (110118, "No price for market order"),
    Reason.NOT_FILLABLE: (110118, "No price for market order"),
    Reason.WOULD_TAKE: (110118, "No price for market order"),
    Reason.INJECTED: (10001, "params error"),
}


def as_venue_error(refused: Refused) -> VenueError:
    """Return the answer for a refusal of the core."""
    code, text = ANSWERS[refused.reason]
    return VenueError(code if refused.code is None else refused.code, refused.text or text)
