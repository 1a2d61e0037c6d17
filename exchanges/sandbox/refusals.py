"""Why the venue core says no, before any face puts it into its protocol's code."""

from enum import Enum, auto


class Reason(Enum):
    """One entry a rule; faces map each to a code and a text."""

    SYMBOL = auto()
    SYMBOL_CLOSED = auto()
    PARAMETER = auto()
    QUANTITY = auto()
    QUANTITY_BELOW_MIN = auto()
    QUANTITY_ABOVE_MAX = auto()
    NOTIONAL_ABOVE_MAX = auto()
    PRICE = auto()
    PRICE_BAND = auto()
    NOTIONAL_BELOW_MIN = auto()
    MARGIN = auto()
    REDUCE_ONLY = auto()
    CLIENT_ID = auto()
    CLIENT_ID_DUPLICATE = auto()
    POSITION_IDX = auto()
    LEVERAGE = auto()
    LEVERAGE_TOO_HIGH = auto()
    LEVERAGE_UNCHANGED = auto()
    MODE_UNCHANGED = auto()
    POSITION_EXISTS = auto()
    ORDERS_EXIST = auto()
    ORDER_NOT_FOUND = auto()
    TOO_MANY_ORDERS = auto()
    NO_LIQUIDITY = auto()
    POST_ONLY_WINDOW = auto()
    READ_ONLY_KEY = auto()
    POSITION_CAP = auto()
    """More than the leverage that is set allows to hold."""
    MARKET_TOO_FAR = auto()
    NOT_FILLABLE = auto()
    WOULD_TAKE = auto()
    INJECTED = auto()
    """By a fault; ``code`` is what the face shall answer."""


class Refused(Exception):
    """The venue does not do it; nothing was changed."""

    def __init__(self, reason: Reason, text: str = "", *, code: int | None = None) -> None:
        super().__init__(text or reason.name.lower())
        self.reason = reason
        self.text = text
        self.code = code
