"""What each return code of Bybit V5 lets the caller do next (R11; V5 "Error Codes").

Codes mean different things of different requests: "leverage not modified" is success for a setting
and nonsense for an order. A code that no table knows leaves the outcome unknown.
"""

import re
from enum import Enum, auto

from exchanges.errors import (
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    Refusal,
    RequestNotSent,
    RequestRejected,
)

EXCHANGE = "bybit"
STAMP_REFUSED = 10002
"""The request's timestamp is 1 s ahead of the venue's clock, or ``recv_window`` behind it."""
RATE_RETRY_S = 1.0
"""Where an answer does not say when the budget is whole again."""
LOAD_RETRY_S = 2.0
IP_BAN_S = 600.0
"""HTTP 403: this address asked too often, or must not ask at all; everything stops for 10 minutes."""
TEXT_MAX = 300


class Asked(Enum):
    """What kind of request an answer belongs to."""

    ORDER = auto()
    SETTING = auto()
    READ = auto()


class Verdict(Enum):
    """What a code says, where it is not a refusal."""

    SUCCESS = auto()
    NOT_TAKEN = auto()
    """Certainly not acted on; may be sent again."""
    RATE = auto()
    UNKNOWN = auto()
    BY_TEXT = auto()


Meaning = Verdict | Refusal


def _table(*rows: tuple[Meaning, tuple[int, ...]]) -> dict[int, Meaning]:
    return {code: meaning for meaning, codes in rows for code in codes}


_COMMON = _table(
    (Verdict.SUCCESS, (0,)),
    (Verdict.BY_TEXT, (10001,)),
    (Verdict.NOT_TAKEN, (STAMP_REFUSED,)),
    (Verdict.RATE, (10006, 20003, 10403, 170005)),
    (Verdict.UNKNOWN, (10000, 10016, 10019, 429, 10429, 500000, 170001, 170007, 170032)),
    (Refusal.AUTH, (10003, 10004, 10005, 10007, 10008, 10009, 10010, 33004, -2015)),
    (Refusal.AUTH, (10024, 10027, 10028, 100028, 110067, 110088, 110123, 110124, 110125, 110132)),
    (Refusal.DUPLICATE_ID, (10014, 20006, 110030, 110072, 170141)),
    (Refusal.PARAMETER, (10017, 10404, 110092, 110093, 110108, 110109, 181017)),
    (Refusal.PRICE, (110003, 110120, 110121, 30208, 30209)),
    (Refusal.MARGIN, (110004, 110006, 110007, 110012, 110014, 110044, 110045, 110051, 110052, 110053)),
    (Refusal.MARGIN, (110011, 110040, 110046, 170131)),
    (Refusal.LEVERAGE, (110013, 110086, 110090, 110089, 3400139, 110036, 110038, 110077, 110085)),
    (Refusal.REDUCE_ONLY, (110017,)),
    (Refusal.SYMBOL, (10029, 110023, 110042, 30228, 110074, 110066, 110063)),
    (Refusal.POSITION_MODE, (110024, 110028, 110029)),
    (Refusal.MIN_SIZE, (110094, 170136, 170140)),
    (Refusal.LIQUIDITY, (110118,)),
    (Refusal.OTHER, (110005, 110009, 110020, 110061, 110021, 110022)),
    (Refusal.NOT_FOUND, (110001, 170213)),
    (Verdict.NOT_TAKEN, (110079,)),
)

_OF_ORDERS = _table(
    # Answers that speak of an order which is there already, or of something that is no order: none
    # of them says that this order was refused, so it is looked up.
    (Verdict.UNKNOWN, (110001, 170213, 110008, 110010, 110079)),
    (Verdict.UNKNOWN, (110025, 110026, 110027, 110043, 34040, 20001)),
)
_OF_SETTINGS = _table(
    (Verdict.SUCCESS, (110025, 110026, 110027, 110043, 34040, 20001)),
    (Refusal.OTHER, (110008, 110010)),
)
_OF_READS = _table(
    # A read may be asked again: what makes an order doubtful only makes a read late.
    (Verdict.RATE, (429, 10429)),
    (Verdict.NOT_TAKEN, (10019,)),
    (Refusal.NOT_FOUND, (110008, 110010)),
    (Refusal.OTHER, (110025, 110026, 110027, 110043, 34040, 20001)),
)

_MEANINGS: dict[Asked, dict[int, Meaning]] = {
    Asked.ORDER: _COMMON | _OF_ORDERS,
    Asked.SETTING: _COMMON | _OF_SETTINGS,
    Asked.READ: _COMMON | _OF_READS,
}

_TEXTS_OF_10001: tuple[tuple[str, Refusal], ...] = (
    ("position idx not match", Refusal.POSITION_MODE),
    ("position_mode", Refusal.POSITION_MODE),
    ("minimum limit", Refusal.MIN_SIZE),
    ("exceeds maximum limit", Refusal.MAX_SIZE),
    ("exceeds the maximum", Refusal.MAX_SIZE),
    ("not supported symbol", Refusal.SYMBOL),
    ("symbol invalid", Refusal.SYMBOL),
    ("symbol is invalid", Refusal.SYMBOL),
)

_ECHOED = re.compile(r"origin_string\[.*", re.DOTALL)


def meaning_of(code: int, asked: Asked) -> Meaning:
    """Return what a code says of such a request; UNKNOWN for a code that no table has."""
    return _MEANINGS[asked].get(code, Verdict.UNKNOWN)


def failure(
    code: int, text: str, asked: Asked, *, retry_after_s: float = RATE_RETRY_S
) -> ExchangeError | None:
    """Return what an answer's code lets the caller do next; None when it is success."""
    meaning = meaning_of(code, asked)
    said, name = redacted(text) or "no text", str(code)
    if meaning is Verdict.BY_TEXT:
        meaning = _by_text(text)
    if isinstance(meaning, Refusal):
        return RequestRejected(said, refusal=meaning, exchange=EXCHANGE, code=name)
    if meaning is Verdict.RATE:
        return RateLimited(said, exchange=EXCHANGE, code=name, retry_after_s=retry_after_s)
    if meaning is Verdict.NOT_TAKEN:
        return RequestNotSent(said, exchange=EXCHANGE, code=name)
    if meaning is Verdict.UNKNOWN:
        return OutcomeUnknown(said, exchange=EXCHANGE, code=name)
    return None


def http_failure(status: int, asked: Asked) -> ExchangeError | None:
    """Return what an HTTP status alone decides; None where the body must be asked."""
    said, name = f"HTTP {status}", f"http_{status}"
    if status == 403:
        return RateLimited(said, exchange=EXCHANGE, code=name, retry_after_s=IP_BAN_S)
    if status == 429 and asked is Asked.READ:
        return RateLimited(said, exchange=EXCHANGE, code=name, retry_after_s=LOAD_RETRY_S)
    if status == 401:
        return RequestRejected(said, refusal=Refusal.AUTH, exchange=EXCHANGE, code=name)
    if status in (400, 404):
        return RequestRejected(said, refusal=Refusal.PARAMETER, exchange=EXCHANGE, code=name)
    if status != 200:
        return OutcomeUnknown(said, exchange=EXCHANGE, code=name)
    return None


def redacted(text: str) -> str:
    """Return a venue's text without the signed string that 10004 echoes: it holds the API key."""
    return _ECHOED.sub("origin_string[...]", text)[:TEXT_MAX]


def _by_text(text: str) -> Refusal:
    lowered = text.lower()
    return next((refusal for part, refusal in _TEXTS_OF_10001 if part in lowered), Refusal.PARAMETER)
