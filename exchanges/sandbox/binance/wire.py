"""Orders and trades as Binance writes them: numbers are strings, ids are integers."""

import json
from decimal import ROUND_DOWN, Decimal

from exchanges.sandbox import rules
from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.codes import status_of
from exchanges.sandbox.binance.records import OrderRecord
from exchanges.sandbox.order import Fill, Order, Origin, TimeInForce
from exchanges.sandbox.position import Position
from model.amounts import ZERO, format_decimal
from model.leg import Side

Row = dict[str, object]

ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
CENTS = Decimal("0.00000001")
ASSET = "USDT"
SIDES = {Side.BUY: "BUY", Side.SELL: "SELL"}
POSITION_SIDES = {0: "BOTH", 1: "LONG", 2: "SHORT"}
TIFS = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "GTX",
}
STP = "EXPIRE_MAKER"


def dump(value: object) -> str:
    """Return compact JSON."""
    return ENCODER.encode(value)


def number(value: Decimal) -> str:
    """Return a quantity or price."""
    return format_decimal(value)


def money(value: Decimal) -> str:
    """Return an amount of USDT, cut to eight decimals."""
    return format(value.quantize(CENTS, rounding=ROUND_DOWN), "f")


def average(value: Decimal | None) -> str:
    """Return an average price; "0" where there is none."""
    return "0" if value is None else format_decimal(value.quantize(CENTS, rounding=ROUND_DOWN))


def break_even(leg: Position, taker_fee: Decimal) -> Decimal:
    """Return the price at which a close would bring back the fee of the opening as well."""
    sign = 1 if leg.size > 0 else -1
    return leg.entry_price * (1 + sign * taker_fee)


def order_type(order: Order) -> str:
    """Return what kind of order it is now."""
    if order.origin is Origin.LIQUIDATION:
        return "LIQUIDATION"
    return "MARKET" if order.is_market else "LIMIT"


def time_in_force(order: Order) -> str:
    """Return its time in force: market orders show GTC."""
    return "GTC" if order.is_market else TIFS[order.intent.time_in_force]


def _price(order: Order) -> str:
    return "0.00" if order.intent.price is None else number(order.intent.price)


def placed_row(record: OrderRecord, *, tells_price: bool, acknowledged: bool = False) -> Row:
    """Return the answer to a new, amended or cancelled order.

    ``tells_price``: with average price and value, as before July 2026.
    ``acknowledged``: as it was taken, whatever has become of it since.
    """
    order = record.order
    filled = ZERO if acknowledged else order.filled
    row: Row = {
        "orderId": record.number,
        "symbol": order.intent.symbol,
        "status": "NEW" if acknowledged else status_of(order),
        "clientOrderId": record.client_order_id,
        "price": _price(order),
        "origQty": number(order.quantity),
        "executedQty": number(filled),
        "cumQty": number(filled),
        "timeInForce": time_in_force(order),
        "type": order_type(order),
        "reduceOnly": order.intent.reduce_only,
        "closePosition": False,
        "side": SIDES[order.intent.side],
        "positionSide": POSITION_SIDES[order.intent.position_idx],
        "stopPrice": "0.00",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order_type(order),
        "priceMatch": "NONE",
        "selfTradePreventionMode": STP,
        "goodTillDate": 0,
        "updateTime": order.created_ms if acknowledged else order.updated_ms,
    }
    if tells_price:
        row["avgPrice"] = average(None if acknowledged else order.average_price)
        row["cumQuote"] = number(ZERO if acknowledged else order.value)
    return row


def order_row(record: OrderRecord) -> Row:
    """Return an order as it is read: with its price and value."""
    row = placed_row(record, tells_price=True)
    del row["cumQty"]
    return {**row, "time": record.order.created_ms}


def trade_row(fill: Fill, record: OrderRecord, trade_id: int) -> Row:
    """Return one fill as userTrades has it."""
    return {
        "symbol": fill.symbol,
        "id": trade_id,
        "orderId": record.number,
        "side": SIDES[fill.side],
        "price": number(fill.price),
        "qty": number(fill.quantity),
        "realizedPnl": money(fill.profit),
        "marginAsset": ASSET,
        "quoteQty": number(fill.price * fill.quantity),
        "commission": money(fill.fee),
        "commissionAsset": ASSET,
        "time": fill.time_ms,
        "positionSide": POSITION_SIDES[fill.position_idx],
        "buyer": fill.side is Side.BUY,
        "maker": fill.is_maker,
    }


def event_row(record: OrderRecord, account: Account) -> Row:
    """Return an order as it is told when it was taken: new, with nothing filled."""
    order = record.order
    kind = order_type(order)
    bids, asks = open_notional(account, order.intent.symbol)
    return {
        "s": order.intent.symbol,
        "c": record.client_order_id,
        "S": SIDES[order.intent.side],
        "o": kind,
        "f": time_in_force(order),
        "q": number(order.quantity),
        "p": "0" if order.intent.price is None else number(order.intent.price),
        "ap": "0",
        "sp": "0",
        "x": "NEW",
        "X": "NEW",
        "i": record.number,
        "l": "0",
        "z": "0",
        "L": "0",
        "n": "0",
        "N": ASSET,
        "T": order.created_ms,
        "t": 0,
        "b": number(bids),
        "a": number(asks),
        "m": False,
        "R": rules.only_reduces(order.intent),
        "wt": "CONTRACT_PRICE",
        "ot": kind,
        "ps": POSITION_SIDES[order.intent.position_idx],
        "cp": False,
        "rp": "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": STP,
        "pm": "NONE",
        "gtd": 0,
        "er": "0",
    }


def open_notional(account: Account, symbol: str) -> tuple[Decimal, Decimal]:
    """Return the value of the account's resting bids and asks of a symbol."""
    bids = asks = ZERO
    for order in account.open_orders_of(symbol):
        if order.is_market:
            continue
        if order.intent.side is Side.BUY:
            bids += order.leaves * order.limit
        else:
            asks += order.leaves * order.limit
    return bids, asks
