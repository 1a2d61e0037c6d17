"""What the sandbox's venues say when they refuse an order, our codecs know: no doubtful outcome (R11)."""

import pytest

from exchanges.binance.codes import failure as binance_failure
from exchanges.bybit.codes import Asked
from exchanges.bybit.codes import failure as bybit_failure
from exchanges.errors import ExchangeError, Refusal, RequestNotSent, RequestRejected
from exchanges.hyperliquid.codes import failure as hyperliquid_failure
from exchanges.sandbox.binance.codes import as_venue_error as binance_answer
from exchanges.sandbox.bybit.codes import as_venue_error as bybit_answer
from exchanges.sandbox.hyperliquid.codes import TEXTS, refusal_text
from exchanges.sandbox.refusals import Reason, Refused

OF_ORDERS: dict[Reason, set[Refusal]] = {
    Reason.SYMBOL: {Refusal.SYMBOL},
    Reason.SYMBOL_CLOSED: {Refusal.SYMBOL},
    Reason.QUANTITY: {Refusal.PARAMETER},
    Reason.QUANTITY_BELOW_MIN: {Refusal.MIN_SIZE},
    Reason.QUANTITY_ABOVE_MAX: {Refusal.MAX_SIZE, Refusal.PARAMETER},
    Reason.NOTIONAL_ABOVE_MAX: {Refusal.MAX_SIZE},
    Reason.NOTIONAL_BELOW_MIN: {Refusal.MIN_SIZE},
    Reason.PRICE: {Refusal.PRICE},
    Reason.PRICE_BAND: {Refusal.PRICE},
    Reason.MARGIN: {Refusal.MARGIN},
    Reason.POSITION_CAP: {Refusal.LEVERAGE, Refusal.MARGIN},
    Reason.REDUCE_ONLY: {Refusal.REDUCE_ONLY},
    Reason.CLIENT_ID_DUPLICATE: {Refusal.DUPLICATE_ID},
    Reason.POSITION_IDX: {Refusal.POSITION_MODE},
    Reason.TOO_MANY_ORDERS: {Refusal.OTHER},
    Reason.READ_ONLY_KEY: {Refusal.AUTH},
    Reason.NO_LIQUIDITY: {Refusal.LIQUIDITY},
    Reason.MARKET_TOO_FAR: {Refusal.LIQUIDITY},
    Reason.NOT_FILLABLE: {Refusal.LIQUIDITY},
}
PASSES_BY_ITSELF = {Reason.POST_ONLY_WINDOW}
"""The venue certainly did not look at the order: it may be sent again."""
NOT_HYPERLIQUIDS = {Reason.POSITION_IDX, Reason.NO_LIQUIDITY, Reason.MARKET_TOO_FAR, Reason.NOT_FILLABLE}


def bybit(reason: Reason) -> ExchangeError | None:
    error = bybit_answer(Refused(reason))
    return bybit_failure(error.code, error.text, Asked.ORDER)


def binance(reason: Reason) -> ExchangeError | None:
    error = binance_answer(Refused(reason), value=5)
    return binance_failure(error.code, error.text, status=error.status)


def hyperliquid(reason: Reason) -> ExchangeError | None:
    assert reason in TEXTS
    return hyperliquid_failure(refusal_text(Refused(reason), 5))


SPEAKERS = {"bybit": bybit, "binance": binance, "hyperliquid": hyperliquid}


@pytest.mark.parametrize("venue", SPEAKERS)
@pytest.mark.parametrize("reason", OF_ORDERS, ids=lambda reason: str(reason.name))
def test_a_refused_order_is_known_to_be_refused(venue: str, reason: Reason) -> None:
    if venue == "hyperliquid" and reason in NOT_HYPERLIQUIDS:
        return

    failed = SPEAKERS[venue](reason)

    assert isinstance(failed, RequestRejected)
    assert failed.refusal in OF_ORDERS[reason]


@pytest.mark.parametrize("venue", ["binance", "hyperliquid"])
@pytest.mark.parametrize("reason", PASSES_BY_ITSELF, ids=lambda reason: str(reason.name))
def test_what_was_not_looked_at_may_be_sent_again(venue: str, reason: Reason) -> None:
    assert type(SPEAKERS[venue](reason)) is RequestNotSent


def test_every_reason_for_which_an_order_is_refused_is_asked_about() -> None:
    others = {
        *(Reason.PARAMETER, Reason.CLIENT_ID, Reason.INJECTED, Reason.WOULD_TAKE, Reason.ORDER_NOT_FOUND),
        *(Reason.LEVERAGE, Reason.LEVERAGE_TOO_HIGH, Reason.LEVERAGE_UNCHANGED),
        *(Reason.MODE_UNCHANGED, Reason.POSITION_EXISTS, Reason.ORDERS_EXIST),
    }

    assert set(Reason) == OF_ORDERS.keys() | PASSES_BY_ITSELF | others
