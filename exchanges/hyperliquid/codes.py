"""What each of Hyperliquid's texts lets the caller do next (R11; docs: "Error responses").

There are no codes: a refusal is a text, for the whole action or for one order, and both are definitive.
Texts carry suffixes (` asset=5`) and change their case, so they are looked up by part. A text that no
row knows leaves an order's outcome unknown.
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
from exchanges.hyperliquid.limits import ACTIONS_SPENT_WAIT_S, EXCHANGE
from model.order import OrderState

TEXT_MAX = 300
LOAD_RETRY_S = 10.0
"""HTTP 429: the minute's weight is spent."""


class Asked(Enum):
    """What kind of request an answer belongs to."""

    ORDER = auto()
    SETTING = auto()
    READ = auto()


class Verdict(Enum):
    """What a text says, where it is not a refusal."""

    NO_MATCH = auto()
    """The order was taken and ended unfilled: nothing rests inside its limit."""
    NOT_TAKEN = auto()
    """Certainly not acted on; may be sent again."""
    ACTIONS_SPENT = auto()
    UNKNOWN_WALLET = auto()
    """Whose wallet is named decides: an agent without rights, or a signature that is wrong."""
    UNKNOWN = auto()


Meaning = Verdict | Refusal

MEANINGS: tuple[tuple[str, Meaning], ...] = (
    # The first part that is found decides: what is doubtful stands before what is certain.
    ("cloid", Refusal.DUPLICATE_ID),
    ("does not exist", Verdict.UNKNOWN_WALLET),
    ("too many cumulative requests", Verdict.ACTIONS_SPENT),
    ("nonce", Verdict.NOT_TAKEN),
    ("pending agent removal", Verdict.NOT_TAKEN),
    ("only post-only orders allowed", Verdict.NOT_TAKEN),
    ("must deposit before performing actions", Refusal.AUTH),
    ("vault not registered", Refusal.AUTH),
    ("vault may not perform", Refusal.AUTH),
    ("could not immediately match", Verdict.NO_MATCH),
    ("no liquidity available", Refusal.LIQUIDITY),
    ("reduce only order would increase", Refusal.REDUCE_ONLY),
    ("available to decrease leverage", Refusal.LEVERAGE),
    ("cannot switch leverage type", Refusal.LEVERAGE),
    ("invalid leverage value", Refusal.LEVERAGE),
    ("cross margin is not allowed", Refusal.LEVERAGE),
    ("insufficient margin", Refusal.MARGIN),
    ("margin tier limit", Refusal.MARGIN),
    ("insufficient spot balance", Refusal.MARGIN),
    ("minimum value of", Refusal.MIN_SIZE),
    ("zero size", Refusal.MIN_SIZE),
    ("order value too large", Refusal.MAX_SIZE),
    ("divisible by tick size", Refusal.PRICE),
    ("invalid price", Refusal.PRICE),
    ("away from the reference price", Refusal.PRICE),
    ("too far from oracle", Refusal.PRICE),
    ("invalid size", Refusal.PARAMETER),
    ("post only order would have immediately matched", Refusal.OTHER),
    ("more aggressive than oracle", Refusal.OTHER),
    ("open interest", Refusal.OTHER),
    ("too many open orders", Refusal.OTHER),
    ("builder fee has not been approved", Refusal.PARAMETER),
    ("never placed, already canceled, or filled", Refusal.NOT_FOUND),
    ("failed to deserialize", Refusal.PARAMETER),
    # The venue does not publish its words for these: whichever they are, nothing was executed.
    ("expire", Verdict.NOT_TAKEN),
    ("delisted", Refusal.SYMBOL),
    ("halted", Refusal.SYMBOL),
    ("invalid asset", Refusal.SYMBOL),
)

STATES = {"open": OrderState.ACCEPTED, "triggered": OrderState.ACCEPTED, "filled": OrderState.FILLED}
REJECTED_SUFFIX = "Rejected"
"""Of the statuses of orders that were refused within a block; all but one, see below."""
UNMATCHED = "iocCancelRejected"
"""An IOC order that found nothing: it was taken and ended unfilled."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\b")
_HTTP_STATUS = re.compile(r"\s*(\d{3})\b")


def meaning_of(text: str) -> Meaning:
    """Return what a text says; UNKNOWN for one that no row knows."""
    lowered = text.lower()
    return next((meaning for part, meaning in MEANINGS if part in lowered), Verdict.UNKNOWN)


def failure(text: str, *, agent: str = "") -> ExchangeError:
    """Return what a refusing text lets the caller do next; ``agent`` is the address that we sign for."""
    meaning, said = meaning_of(text), text[:TEXT_MAX] or "no text"
    if meaning is Verdict.UNKNOWN_WALLET:
        return _wallet_failure(said, agent)
    if meaning is Verdict.NO_MATCH:
        meaning = Refusal.LIQUIDITY
    if isinstance(meaning, Refusal):
        return RequestRejected(said, refusal=meaning, exchange=EXCHANGE)
    if meaning is Verdict.ACTIONS_SPENT:
        return RateLimited(said, exchange=EXCHANGE, retry_after_s=ACTIONS_SPENT_WAIT_S)
    if meaning is Verdict.NOT_TAKEN:
        return RequestNotSent(said, exchange=EXCHANGE)
    return OutcomeUnknown(said, exchange=EXCHANGE)


def http_failure(status: int, asked: Asked) -> ExchangeError | None:
    """Return what an HTTP status alone decides; None where the body must be asked.

    Whether an action that was answered with 429 can have run is not published: it is looked up.
    """
    said, name = f"HTTP {status}", f"http_{status}"
    if status == 200:
        return None
    if status == 429 and asked is Asked.READ:
        return RateLimited(said, exchange=EXCHANGE, code=name, retry_after_s=LOAD_RETRY_S)
    if status in (400, 404, 405, 422):
        return RequestRejected(said, refusal=Refusal.PARAMETER, exchange=EXCHANGE, code=name)
    return OutcomeUnknown(said, exchange=EXCHANGE, code=name)


def posted_failure(text: str, asked: Asked) -> ExchangeError:
    """Return what the error payload of a WebSocket post means: it begins with an HTTP status."""
    found = _HTTP_STATUS.match(text)
    failed = http_failure(int(found[1]), asked) if found else None
    return failed or OutcomeUnknown(text[:TEXT_MAX], exchange=EXCHANGE)


def _wallet_failure(text: str, agent: str) -> RequestRejected:
    """Tell an agent that may not act from a signature that is wrong: then another address is named."""
    named = _ADDRESS.search(text)
    ours = named is None or named[0].lower() == agent
    refusal = Refusal.AUTH if ours else Refusal.PARAMETER
    said = text if ours else f"our signature was read as another's: {text}"
    return RequestRejected(said[:TEXT_MAX], refusal=refusal, exchange=EXCHANGE)
