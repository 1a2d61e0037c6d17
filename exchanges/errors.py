"""What can go wrong with a venue, sorted by what the caller may do next (R11)."""

from enum import Enum


class Refusal(Enum):
    """Why a venue said no, as far as it decides what we do next."""

    MARGIN = "margin"
    MIN_SIZE = "min_size"
    MAX_SIZE = "max_size"
    PRICE = "price"
    REDUCE_ONLY = "reduce_only"
    """Nothing is left to reduce."""
    DUPLICATE_ID = "duplicate_id"
    """An order of ours with this id arrived before: look it up."""
    POSITION_MODE = "position_mode"
    LEVERAGE = "leverage"
    SYMBOL = "symbol"
    NOT_FOUND = "not_found"
    AUTH = "auth"
    LIQUIDITY = "liquidity"
    PARAMETER = "parameter"
    OTHER = "other"


class ExchangeError(Exception):
    """Base of all; never raised itself. ``code`` is the venue's own, "" where there is none."""

    def __init__(self, message: str, *, exchange: str = "", code: str = "") -> None:
        super().__init__(message)
        self.exchange = exchange
        self.code = code


class RequestNotSent(ExchangeError):
    """Nothing left this process, or the venue certainly did not act. May be sent again."""


class RateLimited(RequestNotSent):
    """Refused for its rate before it was looked at; wait ``retry_after_s`` seconds."""

    def __init__(self, message: str, *, exchange: str = "", code: str = "", retry_after_s: float) -> None:
        super().__init__(message, exchange=exchange, code=code)
        self.retry_after_s = retry_after_s


class RequestRejected(ExchangeError):
    """The venue said no in a code that we know. The same request gets the same no."""

    def __init__(self, message: str, *, refusal: Refusal, exchange: str = "", code: str = "") -> None:
        super().__init__(message, exchange=exchange, code=code)
        self.refusal = refusal


class OutcomeUnknown(ExchangeError):
    """Sent, and no trustworthy answer: timeout, 5xx, dropped socket, unknown code. Look it up."""


class MalformedMessage(ExchangeError):
    """The venue said something that we cannot read. Keep the frame, resync, carry on."""


class StreamLost(ExchangeError):
    """A stream closed, went silent or was refused. Expected trouble: reconnect with backoff."""
