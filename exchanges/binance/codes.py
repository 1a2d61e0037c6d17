"""What each error code of Binance USD-M futures lets the caller do next (R11; "Error Codes").

The code decides, then the HTTP status, then the text. A code that no table knows leaves the outcome
unknown, whatever the status: a new code is no proof that nothing happened.
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

EXCHANGE = "binance"
TEXT_MAX = 300
WEIGHT_RETRY_S = 60.0
"""Weights are counted per minute; where an answer names no time, a minute is enough."""
ORDERS_RETRY_S = 10.0
BAN_RETRY_S = 120.0
"""The shortest ban that HTTP 418 stands for."""
RETRY_S_MAX = 3 * 86_400.0
"""The longest ban that the venue announces."""

LISTEN_KEY_GONE = -1125
NO_SUCH_ORDER = -2013


class Verdict(Enum):
    """What a code says, where it is not a refusal."""

    SUCCESS = auto()
    """The setting was so already."""
    NOT_TAKEN = auto()
    """Certainly not acted on; may be sent again."""
    CLOCK = auto()
    """Not acted on: the timestamp was outside of the window, or the window had passed in the engine."""
    RATE_WEIGHT = auto()
    """The address asked too much."""
    RATE_ORDERS = auto()
    """The account sent too many orders."""
    UNKNOWN = auto()
    BY_TEXT = auto()


Meaning = Verdict | Refusal


def _table(*rows: tuple[Meaning, tuple[int, ...]]) -> dict[int, Meaning]:
    return {code: meaning for meaning, codes in rows for code in codes}


CODES: dict[int, Meaning] = _table(
    (Verdict.UNKNOWN, (-1000, -1006, -1007)),
    (Verdict.BY_TEXT, (-1001, -1106, -4028)),
    (Verdict.NOT_TAKEN, (-1008, -1016)),
    (Verdict.CLOCK, (-1021, -5028)),
    (Verdict.RATE_WEIGHT, (-1003,)),
    (Verdict.RATE_ORDERS, (-1015,)),
    (Verdict.SUCCESS, (-4046, -4059, -4171)),
    (Refusal.AUTH, (-2014, -2015, -1002, -1022, -2017, -4056, -4057, -1099, -1011)),
    # The account may only close, or nothing at all.
    (Refusal.OTHER, (-4088, -4087, -4189, -4192, -4400, -4401, -4402, -4109, -2023, -1109)),
    (Refusal.SYMBOL, (-1121, -1122, -4140, -4141, -4105, -4106, -4107, -2016, -4411)),
    (Refusal.MARGIN, (-2019, -2018, -4050, -4051)),
    (Refusal.LEVERAGE, (-2027, -2028)),
    (Refusal.MIN_SIZE, (-4003, -4004, -4164, -5029)),
    (Refusal.MAX_SIZE, (-4005,)),
    (Refusal.PRICE, (-4001, -4002, -4013, -4014, -4016, -4024, -4183, -4184, -2021)),
    # -2024, "position is not sufficient", is of a close: what is held must be read again.
    (Refusal.REDUCE_ONLY, (-2022, -4118, -4062, -2026, -5047, -2024)),
    (Refusal.DUPLICATE_ID, (-4116,)),
    (Refusal.POSITION_MODE, (-4061, -4060)),
    (Refusal.LEVERAGE, (-4161, -4202, -4203, -4205, -4206, -4208, -4209, -4403)),
    # Settings that need a flat account, or that another setting forbids.
    (Refusal.OTHER, (-4067, -4068, -4531, -4047, -4048, -4049, -4167, -4168, -4169, -4170, -4172)),
    (Refusal.NOT_FOUND, (NO_SUCH_ORDER, -2011)),
    # -4131: the best opposite price is outside of the price band, at this moment.
    (Refusal.LIQUIDITY, (-2020, -5021, -5022, -4131)),
    (Refusal.OTHER, (-5041, -2025, -4045, LISTEN_KEY_GONE)),
    (Refusal.PARAMETER, (-1111, -4023, -4015, -4120, -4104, -4144)),
    (Refusal.PARAMETER, (-1100, -1101, -1102, -1103, -1104, -1105, -1115, -1116, -1117, -1128, -1130, -1136)),
)

NOT_EXECUTED_TEXTS = (
    "service unavailable",
    "internal error; unable to process your request. please try again",
)
"""HTTP 503 with one of these was not executed; "Unknown error" and everything else may have been."""

_BANNED_UNTIL = re.compile(r"banned until (\d{13})\b")


def failure(
    code: int | None, text: str, *, status: int, retry_after: str | None = None, venue_ms: int = 0
) -> ExchangeError | None:
    """Return what a refused request lets its sender do next; None where the setting was so already.

    Args:
        code: the venue's; None where the answer had none that could be read.
        status: HTTP's, or the like of it in an answer by WebSocket.
        retry_after: the header, in seconds.
        venue_ms: the venue's time, to which an announced ban is relative.
    """
    said, name = text[:TEXT_MAX] or f"HTTP {status}", f"http_{status}" if code is None else str(code)
    meaning = _meaning(code, text, status)
    if isinstance(meaning, Refusal):
        return RequestRejected(said, refusal=meaning, exchange=EXCHANGE, code=name)
    if meaning in (Verdict.RATE_WEIGHT, Verdict.RATE_ORDERS):
        wait_s = _retry_after_s(meaning, text, status, retry_after, venue_ms)
        return RateLimited(said, exchange=EXCHANGE, code=name, retry_after_s=wait_s)
    if meaning in (Verdict.NOT_TAKEN, Verdict.CLOCK):
        return RequestNotSent(said, exchange=EXCHANGE, code=name)
    if meaning is Verdict.SUCCESS:
        return None
    return OutcomeUnknown(said, exchange=EXCHANGE, code=name)


def is_clock(error: ExchangeError) -> bool:
    """Tell whether a request was refused for its timestamp: the venue's clock must be read again."""
    return error.code.lstrip("-").isdigit() and CODES.get(int(error.code)) is Verdict.CLOCK


def is_mode(error: ExchangeError) -> bool:
    """Tell whether a refusal puts in doubt what is known of the account's position mode."""
    return isinstance(error, RequestRejected) and error.refusal is Refusal.POSITION_MODE


def stops_address(error: RateLimited) -> bool:
    """Tell whether the whole address is refused, and not only one account's orders."""
    return error.code.lstrip("-").isdigit() is False or CODES.get(int(error.code)) is not Verdict.RATE_ORDERS


def _meaning(code: int | None, text: str, status: int) -> Meaning:
    meaning = None if code is None else CODES.get(code)
    if status in (418, 429, 403) and meaning is not Verdict.RATE_ORDERS:
        return meaning if isinstance(meaning, Refusal) and status == 403 else Verdict.RATE_WEIGHT
    if meaning is Verdict.BY_TEXT:
        return _by_text(code, text, status)
    if meaning is not None:
        return meaning
    if code is None and status == 401:
        return Refusal.AUTH
    return _of_status(status, text)


def _by_text(code: int | None, text: str, status: int) -> Meaning:
    lowered = text.lower()
    if code == -1106:  # "Parameter 'reduceonly' sent when not required.": the account is in hedge mode
        of_mode = "reduceonly" in lowered or "positionside" in lowered
        return Refusal.POSITION_MODE if of_mode else Refusal.PARAMETER
    if code == -4028:
        return Verdict.SUCCESS if "already" in lowered else Refusal.LEVERAGE
    return _of_status(status, text)


def _of_status(status: int, text: str) -> Meaning:
    lowered = text.lower()
    if status == 503 and any(known in lowered for known in NOT_EXECUTED_TEXTS):
        return Verdict.NOT_TAKEN
    return Verdict.UNKNOWN


def _retry_after_s(verdict: Meaning, text: str, status: int, retry_after: str | None, venue_ms: int) -> float:
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        return min(RETRY_S_MAX, max(1.0, float(retry_after[:9])))
    announced = _BANNED_UNTIL.search(text)
    if announced is not None and venue_ms:
        return min(RETRY_S_MAX, max(1.0, (int(announced[1]) - venue_ms) / 1000))
    if status == 418:
        return BAN_RETRY_S
    return ORDERS_RETRY_S if verdict is Verdict.RATE_ORDERS else WEIGHT_RETRY_S
