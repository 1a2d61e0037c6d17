"""Binance's words to ours and back, without I/O: rows of REST answers, answers to orders, requests.

Unknown keys are ignored and missing optional ones tolerated; what decides (sides, states, sizes) is
read from closed tables, and anything else is MalformedMessage. Order ids go beyond 2**53: JSON's
integers stay integers here, its fractions become Decimal.

Only the account's USDT pool is followed: rows margined in another asset (USDC, COIN-M's coins) are
of other pools and left out. BNFCR is the pool of accounts in the EU's credits mode.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NoReturn

import attrs

from exchanges.binance.codes import EXCHANGE
from exchanges.binance.signing import Params
from exchanges.encodable import encodable
from exchanges.errors import MalformedMessage, Refusal, RequestRejected
from model.account import PositionReport, WalletReport
from model.amounts import INT64, ZERO, decimal_from_text, format_decimal
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg, PositionMode, Side
from model.order import OrderReport, OrderRequest, OrderState

ASSET = "USDT"
POOL_ASSETS = frozenset({ASSET, "BNFCR"})
EXPONENT_MAX = 40
"""No price or size has more digits than that on one side of the point."""

Row = Mapping[str, Any]

SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
POSITION_IDX = {"BOTH": ONE_WAY, "LONG": HEDGE_LONG, "SHORT": HEDGE_SHORT}
POSITION_SIDES = {HEDGE_LONG: "LONG", HEDGE_SHORT: "SHORT"}
LEG_SIDES = {HEDGE_LONG: Side.BUY, HEDGE_SHORT: Side.SELL}
MARGIN_TYPES = {"CROSSED": False, "ISOLATED": True}

ORDER_STATES = {
    "NEW": OrderState.ACCEPTED,
    "PARTIALLY_FILLED": OrderState.ACCEPTED,
    "NEW_INSURANCE": OrderState.ACCEPTED,
    "NEW_ADL": OrderState.ACCEPTED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.ENDED,
    "EXPIRED": OrderState.ENDED,
    "EXPIRED_IN_MATCH": OrderState.ENDED,
    "REJECTED": OrderState.REJECTED,
}


@attrs.frozen(kw_only=True)
class AccountConfig:
    """What holds for a whole account."""

    mode: PositionMode
    multi_assets: bool
    can_trade: bool


@attrs.frozen(kw_only=True)
class SymbolConfig:
    """What an account has set for one symbol."""

    leverage: Decimal
    is_isolated: bool


def load(text: str | bytes) -> Any:
    """Return what a frame or body holds; raises MalformedMessage."""
    try:
        return encodable(json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant), text)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise MalformedMessage(f"not JSON: {error}", exchange=EXCHANGE) from error


def load_object(text: str | bytes) -> dict[str, Any]:
    """Return the object that a frame or body holds; raises MalformedMessage."""
    found = load(text)
    if not isinstance(found, dict):
        raise MalformedMessage(f"not an object: {type(found).__name__}", exchange=EXCHANGE)
    return found


def rows_of(found: object) -> list[Any]:
    """Return the rows of a listing: an empty one is only believed when it is a list."""
    if not isinstance(found, list):
        raise MalformedMessage(f"no list: {str(found)[:200]}", exchange=EXCHANGE)
    return found


def error_of(found: object) -> tuple[int | None, str]:
    """Return code and text of an error's body; no code where it has none that can be read."""
    if not isinstance(found, dict):
        return None, ""
    text = found.get("msg")
    return _integer_of(found, "code"), text if isinstance(text, str) else ""


def retry_after_of(error: object, venue_ms: int) -> str | None:
    """Return the seconds to wait that an error by WebSocket tells as a time, None where it does not.

    Its own `serverTime` says from when on; ``venue_ms``, by a clock that may have jumped, where it has none.
    """
    data = error.get("data") if isinstance(error, dict) else None
    if not isinstance(data, dict):
        return None
    until, told_ms = _integer_of(data, "retryAfter"), _integer_of(data, "serverTime")
    if until is None:
        return None
    return str(max(1, (until - (venue_ms if told_ms is None else told_ms)) // 1000 + 1))


def _integer_of(row: dict[str, Any], key: str) -> int | None:
    found = row.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


# Account


def parse_account_config(found: object) -> AccountConfig:
    """Return what accountConfig says; raises MalformedMessage."""
    with reading("accountConfig"):
        row = _mapping(found)
        return AccountConfig(
            mode=PositionMode.HEDGE if _boolean(row["dualSidePosition"]) else PositionMode.ONE_WAY,
            multi_assets=_boolean(row["multiAssetsMargin"]),
            can_trade=_boolean(row.get("canTrade", True)),
        )


def parse_symbol_configs(found: object) -> dict[str, SymbolConfig]:
    """Return what symbolConfig says, by symbol; raises MalformedMessage."""
    with reading("symbolConfig"):
        return {
            word(row["symbol"]): SymbolConfig(
                leverage=positive(row["leverage"]), is_isolated=MARGIN_TYPES[row["marginType"]]
            )
            for row in rows_of(found)
        }


def parse_position(row: Row, *, read_at_ms: int) -> PositionReport | None:
    """Return one row of positionRisk v3, leverage left out; None for a row of another pool.

    Args:
        read_at_ms: the time of a row that carries none: it says how things were at this moment. One that
            is flat keeps none: nobody knows since when, and zero is older than anything.
    """
    with reading("positionRisk"):
        if row.get("marginAsset", ASSET) not in POOL_ASSETS:
            return None
        leg = leg_of(row)
        size = signed_size(leg, row["positionAmt"])
        updated_ms = whole(row.get("updateTime") or 0) or (read_at_ms if size else 0)
        return PositionReport(
            leg=leg,
            size=size,
            entry_price=_price(row["entryPrice"]),
            leverage=None,
            initial_margin=number_or_none(row.get("positionInitialMargin", row.get("initialMargin"))),
            mark_price=_price(row.get("markPrice")),
            seq=updated_ms,
            venue_time_ms=updated_ms,
        )


def parse_wallet(found: object, config: AccountConfig, *, read_at_ms: int) -> WalletReport:
    """Return the USDT pool's wallet from balance v3; raises MalformedMessage.

    With multi-assets margin the pool is every asset at a haircut, which no event tells; in credits
    mode it is BNFCR. In both the balances stay unknown: nothing is opened, what closes goes on (R6).
    """
    with reading("balance"):
        row = next((row for row in rows_of(found) if row["asset"] == ASSET), None)
        if row is None or config.multi_assets:
            return unknown_wallet(read_at_ms)
        return WalletReport(
            wallet_balance=number_or_none(row["balance"]),
            equity=None,
            available=number_or_none(row.get("availableBalance")),
            venue_time_ms=whole(row.get("updateTime") or 0) or read_at_ms,
        )


def unknown_wallet(venue_time_ms: int) -> WalletReport:
    """Return a wallet of which nothing is known."""
    return WalletReport(wallet_balance=None, equity=None, available=None, venue_time_ms=venue_time_ms)


# Orders


def format_order(order: OrderRequest) -> Params:
    """Return the parameters of a new order, without time and signature, in the official client's order.

    In hedge mode ``reduceOnly`` must not be sent; there the position side and the side together say
    whether an order opens or closes, and a close larger than the position is refused.

    Raises: RequestRejected (PARAMETER) for an order that would do the opposite of what it says.
    """
    market = order.price is None
    params = [
        ("symbol", order.leg.symbol),
        ("side", order.side.name),
        ("type", "MARKET" if market else "LIMIT"),
    ]
    position_side = POSITION_SIDES.get(order.leg.position_idx)
    if position_side is not None:
        closes = order.side is not LEG_SIDES[order.leg.position_idx]
        if closes is not order.reduce_only:
            raise RequestRejected(
                f"{order.side.name} {position_side} with reduce_only={order.reduce_only}",
                refusal=Refusal.PARAMETER,
                exchange=EXCHANGE,
            )
        params.append(("positionSide", position_side))
    if not market:
        params.append(("timeInForce", "IOC"))
    if order.reduce_only and position_side is None:
        params.append(("reduceOnly", "true"))
    params.append(("quantity", format_decimal(order.quantity)))
    if order.price is not None:
        params.append(("price", format_decimal(order.price)))
    return (*params, ("newClientOrderId", order.client_order_id), ("newOrderRespType", "RESULT"))


def format_leverage(symbol: str, leverage: Decimal) -> Params:
    """Return the parameters that set a symbol's leverage, a whole number."""
    return (("symbol", symbol), ("leverage", format_decimal(leverage)))


def parse_order(found: object, leg: Leg) -> OrderReport:
    """Return an order as order, order.place or order.status tell it; raises MalformedMessage.

    ``leg`` is the order's where the answer does not tell it.
    Answers to new orders carry no average price since July 2026: it is unknown then, never zero.
    """
    with reading("order"):
        row = _mapping(found)
        filled = number(row["executedQty"])
        return OrderReport(
            leg=leg_of(row) if row.get("positionSide") else Leg(word(row["symbol"]), leg.position_idx),
            client_order_id=word(row["clientOrderId"]),
            order_id=str(whole(row["orderId"])),
            state=order_state(row["status"], filled),
            filled=_not_negative(filled),
            average_price=_average_price(row, filled),
            venue_time_ms=whole(row.get("updateTime") or 0),
            side=SIDES.get(row.get("side", "")),
        )


def order_state(status: object, filled: Decimal) -> OrderState:
    """Return the state that a status word stands for; what filled something is never rejected."""
    state = ORDER_STATES[word(status)]
    return OrderState.ENDED if state is OrderState.REJECTED and filled else state


# Words


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever goes wrong while words are read into MalformedMessage."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise MalformedMessage(f"{what}: {type(error).__name__}: {error}", exchange=EXCHANGE) from error


def leg_of(row: Row, symbol: str = "symbol", side: str = "positionSide") -> Leg:
    """Return the leg that a row speaks of; raises LookupError, TypeError or ValueError."""
    return Leg(word(row[symbol]), POSITION_IDX[word(row[side])])


def signed_size(leg: Leg, text: object) -> Decimal:
    """Return a position's amount; raises ValueError when its sign is not its side's."""
    size = number(text)
    side = LEG_SIDES.get(leg.position_idx)
    if side is not None and size and (size > 0) is not (side is Side.BUY):
        raise ValueError(f"{leg}: {size}")
    return size


def number(text: object) -> Decimal:
    """Return a finite decimal of sane size; raises ValueError."""
    value = decimal_from_text(text)
    if value and abs(value.adjusted()) > EXPONENT_MAX:
        raise ValueError(f"out of any range: {str(text)[:60]}")
    return value


def number_or_none(text: object) -> Decimal | None:
    """Return None for an absent or blank text (R21)."""
    return None if text is None or text == "" else number(text)


def positive(text: object) -> Decimal:
    """Return a decimal > 0; raises ValueError."""
    value = number(text)
    if value <= 0:
        raise ValueError(f"not positive: {text!r}")
    return value


def positive_or_none(text: object) -> Decimal | None:
    """Return None for an absent, blank or zero text, where zero stands for "none yet"."""
    return _price(text)


def whole(value: object) -> int:
    """Return an integer that is one, or its text; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"not an integer: {value!r}")
    found = int(value)
    if found not in INT64:
        raise ValueError(f"out of any range: {str(value)[:60]}")
    return found


def word(value: object) -> str:
    """Return a text that is not empty; raises ValueError."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"no text: {value!r}")
    return value


def _average_price(row: Row, filled: Decimal) -> Decimal | None:
    told = _price(row.get("avgPrice"))
    value = number_or_none(row.get("cumQuote"))
    return told if told is not None or not filled or not value else value / filled


def _price(text: object) -> Decimal | None:
    return _not_negative(number_or_none(text) or ZERO) or None


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError(f"negative: {value}")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"no boolean: {value!r}")
    return value


def _mapping(found: object) -> Row:
    if not isinstance(found, dict):
        raise TypeError(f"no object: {str(found)[:200]}")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
