"""Bybit's words to ours and back, without I/O: rows of private topics, REST lists and answers.

Unknown keys are ignored and missing optional ones tolerated; what decides (sides, states, kinds,
sizes) is read from closed tables, and anything else is MalformedMessage. Money is text on this wire.
Only USDT perpetuals are followed: rows of other categories or settle coins are left out.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from exchanges.encodable import encodable
from exchanges.errors import MalformedMessage
from exchanges.port import StreamEvent, Unreadable
from model.account import Execution, PositionReport, WalletReport
from model.amounts import INT64, ZERO, decimal_from_text, format_decimal
from model.leg import Leg, Side
from model.order import OrderReport, OrderRequest, OrderState

EXCHANGE = "bybit"
CATEGORY = "linear"
COIN = "USDT"
FRAME_TEXT_MAX = 4_000
EXPONENT_MAX = 40
"""No price or size has more digits than that on one side of the point."""

Row = Mapping[str, Any]
T = TypeVar("T")

SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
SIDE_WORDS = {side: word for word, side in SIDES.items()}
POSITION_SIGNS = {"Buy": 1, "Sell": -1, "": 0, "None": 0, None: 0}

TRADES = frozenset({"Trade", "AdlTrade", "BustTrade"})
NOT_TRADES = frozenset(
    {"Funding", "Delivery", "Settle", "BlockTrade", "MovePosition", "FutureSpread", "CorporateAction"}
)
"""They move money, or a position by other means: its own row tells that (R4)."""

ORDER_STATES = {
    "Created": OrderState.ACCEPTED,
    "New": OrderState.ACCEPTED,
    "PartiallyFilled": OrderState.ACCEPTED,
    "Untriggered": OrderState.ACCEPTED,
    "Triggered": OrderState.ACCEPTED,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.ENDED,
    "PartiallyFilledCanceled": OrderState.ENDED,
    "Deactivated": OrderState.ENDED,
    "Rejected": OrderState.REJECTED,
}
_NO_REASON = frozenset({"", "EC_NoError", "UNKNOWN", None})
_ENCODER = json.JSONEncoder()
"""With its spaces, as the official client writes: the same order is the same bytes under the same signature.

Built once, like _READER: json.dumps and json.loads build one for every frame.
"""


def load(text: str | bytes) -> Any:
    """Return what a frame or body holds; raises MalformedMessage."""
    try:
        if isinstance(text, str):
            return encodable(_READER.decode(text), text)
        return encodable(json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant), text)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise MalformedMessage(f"not JSON: {error}", exchange=EXCHANGE) from error


def load_object(text: str | bytes) -> dict[str, Any]:
    """Return the object that a frame or body holds; raises MalformedMessage."""
    found = load(text)
    if not isinstance(found, dict):
        raise MalformedMessage(f"not an object: {type(found).__name__}", exchange=EXCHANGE)
    return found


def parse_frame(frame: Row, text: str) -> tuple[StreamEvent, ...]:
    """Return the news in one frame of a private topic, in our words; empty when it has none.

    A row that cannot be read becomes one Unreadable beside the others.
    """
    topic = frame.get("topic")
    reader = _TOPICS.get(topic.partition(".")[0]) if isinstance(topic, str) else None
    if reader is None:
        return (Unreadable(text[:FRAME_TEXT_MAX], f"a frame of topic {str(topic)[:80]!r}"),)
    try:
        with reading("frame"):
            rows = tuple(frame["data"])
            sent_ms = _milliseconds(frame.get("creationTime"))
    except MalformedMessage as error:
        return (Unreadable(text[:FRAME_TEXT_MAX], str(error)),)
    return reader(rows, sent_ms, text)


def is_followed(row: Row) -> bool:
    """Tell whether a row speaks of a USDT perpetual: other categories and coins are not copied."""
    symbol = row["symbol"]
    if not isinstance(symbol, str) or not symbol:
        raise ValueError(f"no symbol: {symbol!r}")
    return row.get("category") in (None, "", CATEGORY) and symbol.endswith(COIN)


def parse_execution(row: Row) -> Execution | None:
    """Return the fill in a row of `execution` or execution/list; None when it is no trade (R4).

    The row does not say which leg was filled. Raises: MalformedMessage, also for an unknown kind.
    """
    with reading("execution"):
        if not is_followed(row):
            return None
        kind = row["execType"]
        if kind in NOT_TRADES:
            return None
        if kind not in TRADES:
            raise ValueError(f"execType {kind!r}")
        return Execution(
            execution_id=text_of(row["execId"]),
            symbol=row["symbol"],
            position_idx=None,
            side_sign=SIDES[row["side"]].sign,
            quantity=positive(row["execQty"]),
            price=positive(row["execPrice"]),
            closed_size=number_or_none(row.get("closedSize")),
            order_id=text_of(row["orderId"]),
            client_order_id=_word(row.get("orderLinkId")),
            seq=_sequence(row.get("seq")),
            venue_time_ms=_milliseconds(row["execTime"]),
        )


def parse_position(row: Row) -> PositionReport | None:
    """Return one leg of `position` or position/list; None when it is not followed.

    The entry is `entryPrice` on the stream and `avgPrice` by REST. Raises: MalformedMessage.
    """
    with reading("position"):
        if not is_followed(row):
            return None
        size = _signed_size(row)
        return PositionReport(
            leg=Leg(row["symbol"], _index(row["positionIdx"])),
            size=size,
            entry_price=_price(row.get("entryPrice", row.get("avgPrice"))),
            leverage=_price(row.get("leverage")),
            initial_margin=number_or_none(row.get("positionIM")),
            mark_price=_price(row.get("markPrice")),
            seq=_sequence(row.get("seq")),
            # A row of a symbol that was never traded has no time: older than anything else known.
            venue_time_ms=_milliseconds(row.get("updatedTime") or 0),
            opened_at_ms=_milliseconds(row.get("openTime") or 0) or None,
        )


def parse_order(row: Row) -> OrderReport | None:
    """Return one row of `order`, order/realtime or order/history; None when it is not followed.

    A cancelled order may carry fills: that is how a partly filled IOC ends. Raises: MalformedMessage.
    """
    with reading("order"):
        if not is_followed(row):
            return None
        filled = number_or_none(row["cumExecQty"]) or ZERO
        if filled < 0:
            raise ValueError(f"cumExecQty {filled}")
        return OrderReport(
            leg=Leg(row["symbol"], _index(row.get("positionIdx", 0))),
            client_order_id=_word(row.get("orderLinkId")),
            order_id=text_of(row["orderId"]),
            state=_order_state(row["orderStatus"], filled),
            filled=filled,
            average_price=_price(row.get("avgPrice")),
            venue_time_ms=_milliseconds(row.get("updatedTime") or row.get("createdTime") or 0),
            reject_reason=_end_reason(row),
            side=SIDES.get(row.get("side", "")),
        )


def parse_wallet(row: Row, *, venue_time_ms: int) -> WalletReport | None:
    """Return the USDT balances in a row of `wallet` or wallet-balance; None where USDT is not in it.

    ``coin`` is partial on the stream: a coin that is left out did not change. The balance is what
    equity is without the unrealised profit of positions. Raises: MalformedMessage.
    """
    with reading("wallet"):
        coin = next((coin for coin in row["coin"] if coin["coin"] == COIN), None)
        if coin is None:
            return None
        equity = number_or_none(coin.get("equity"))
        return WalletReport(
            wallet_balance=_balance(coin, equity),
            equity=equity,
            available=_available(row, coin),
            venue_time_ms=venue_time_ms,
        )


def format_order(order: OrderRequest) -> str:
    """Return the JSON text of order/create's parameters: an IOC limit, or a market order."""
    leg = order.leg
    fields: dict[str, str | int | bool] = {
        "category": CATEGORY,
        "symbol": leg.symbol,
        "side": SIDE_WORDS[order.side],
        "orderType": "Market",
        "qty": format_decimal(order.quantity),
        "positionIdx": leg.position_idx,
        "reduceOnly": order.reduce_only,
        "orderLinkId": order.client_order_id,
    }
    if order.price is not None:
        fields["orderType"] = "Limit"
        fields["price"] = format_decimal(order.price)
        fields["timeInForce"] = "IOC"
    return _ENCODER.encode(fields)


def format_leverage(symbol: str, leverage: Decimal) -> str:
    """Return the JSON text of set-leverage's parameters: both sides get the same."""
    value = format_decimal(leverage)
    fields = {"category": CATEGORY, "symbol": symbol, "buyLeverage": value, "sellLeverage": value}
    return _ENCODER.encode(fields)


def parse_order_ack(data: object, order: OrderRequest, *, venue_time_ms: int) -> OrderReport:
    """Return the acceptance in the data of a successful answer to order/create.

    Raises: MalformedMessage, also when the answer names an order that is not ours.
    """
    with reading("order acknowledgement"):
        if not isinstance(data, dict):
            raise TypeError(type(data).__name__)
        if data.get("orderLinkId") not in (None, "", order.client_order_id):
            raise ValueError("it names another order")
        return OrderReport(
            leg=order.leg,
            client_order_id=order.client_order_id,
            order_id=text_of(data["orderId"]),
            state=OrderState.ACCEPTED,
            filled=ZERO,
            average_price=None,
            venue_time_ms=venue_time_ms,
        )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever goes wrong while words are read into MalformedMessage."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise MalformedMessage(f"{what}: {type(error).__name__}: {error}", exchange=EXCHANGE) from error


def number(text: object) -> Decimal:
    """Return a finite decimal of sane size; raises ValueError."""
    value = decimal_from_text(text)
    if value and abs(value.adjusted()) > EXPONENT_MAX:
        raise ValueError(f"out of any range: {str(text)[:60]}")
    return value


def number_or_none(text: object) -> Decimal | None:
    """Return None for an absent or blank text: Bybit's "not applicable" (R21)."""
    return None if text is None or text == "" else number(text)


def positive(text: object) -> Decimal:
    """Return a decimal > 0; raises ValueError."""
    value = number(text)
    if value <= 0:
        raise ValueError(f"not positive: {text!r}")
    return value


def whole(value: object) -> int:
    """Return an integer that is one, or its text; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"not an integer: {value!r}")
    found = int(value)
    if found not in INT64:
        raise ValueError(f"out of any range: {str(value)[:60]}")
    return found


def _read_executions(rows: tuple[Row, ...], sent_ms: int, text: str) -> tuple[StreamEvent, ...]:
    good, bad = _read_each(rows, parse_execution, text)
    return (good, *bad) if good else bad


def _read_positions(rows: tuple[Row, ...], sent_ms: int, text: str) -> tuple[StreamEvent, ...]:
    good, bad = _read_each(rows, parse_position, text)
    return (good, *bad) if good else bad


def _read_orders(rows: tuple[Row, ...], sent_ms: int, text: str) -> tuple[StreamEvent, ...]:
    good, bad = _read_each(rows, parse_order, text)
    return (*good, *bad)


def _read_wallets(rows: tuple[Row, ...], sent_ms: int, text: str) -> tuple[StreamEvent, ...]:
    good, bad = _read_each(rows, lambda row: parse_wallet(row, venue_time_ms=sent_ms), text)
    return (*good, *bad)


_TOPICS: dict[str, Callable[[tuple[Row, ...], int, str], tuple[StreamEvent, ...]]] = {
    "execution": _read_executions,
    "position": _read_positions,
    "order": _read_orders,
    "wallet": _read_wallets,
}


def _read_each(
    rows: tuple[Row, ...], parse: Callable[[Row], T | None], text: str
) -> tuple[tuple[T, ...], tuple[Unreadable, ...]]:
    good: list[T] = []
    bad: tuple[Unreadable, ...] = ()
    for row in rows:
        try:
            found = parse(row)
        except MalformedMessage as error:
            bad = (Unreadable(text[:FRAME_TEXT_MAX], str(error)),)
            continue
        if found is not None:
            good.append(found)
    return tuple(good), bad


def _signed_size(row: Row) -> Decimal:
    sign = POSITION_SIGNS[row.get("side")]
    size = number_or_none(row["size"]) or ZERO  # blank is zero only because the side must agree
    if size < 0 or (size and not sign):
        raise ValueError(f"size {size} of side {row.get('side')!r}")
    if row["size"] == "" and sign:
        raise ValueError("a side without a size")
    return size * sign


def _order_state(word: object, filled: Decimal) -> OrderState:
    state = ORDER_STATES[text_of(word)]
    return OrderState.ENDED if state is OrderState.REJECTED and filled else state


def _end_reason(row: Row) -> str:
    words = (row.get("rejectReason"), row.get("cancelType"))
    return " ".join(str(word) for word in words if word not in _NO_REASON)


def _balance(coin: Row, equity: Decimal | None) -> Decimal | None:
    unrealised = number_or_none(coin.get("unrealisedPnl"))
    if equity is None or unrealised is None:
        return number_or_none(coin.get("walletBalance"))
    return equity - unrealised  # without what was borrowed, unlike walletBalance


def _available(row: Row, coin: Row) -> Decimal | None:
    """Return what may be committed; accounts with isolated margin leave the account's own blank."""
    available = number_or_none(row.get("totalAvailableBalance"))
    if available is not None:
        return available
    balance = number_or_none(coin.get("walletBalance"))
    taken = [number_or_none(coin.get(key)) for key in ("totalPositionIM", "totalOrderIM", "locked", "bonus")]
    if balance is None or any(part is None for part in taken):
        return None
    return balance - sum((part for part in taken if part is not None), ZERO)


def _price(text: object) -> Decimal | None:
    value = number_or_none(text)
    if value is not None and value < 0:
        raise ValueError(f"negative: {text!r}")
    return value or None


def _index(value: object) -> int:
    index = whole(value)
    if index not in (0, 1, 2):
        raise ValueError(f"positionIdx {index}")
    return index


def _sequence(value: object) -> int:
    return -1 if value is None or value == "" else whole(value)


def _milliseconds(value: object) -> int:
    return whole(value or 0)


def text_of(value: object) -> str:
    """Return a text that is not empty; raises ValueError."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"no text: {value!r}")
    return value


def _word(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"no text: {value!r}")
    return value


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_READER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
