"""Rows as Hyperliquid writes them: numbers are strings, whole ones with ".0" in most places."""

import hashlib
import json
from decimal import ROUND_HALF_EVEN, Context, Decimal

from exchanges.sandbox.hyperliquid.records import OrderRecord
from exchanges.sandbox.order import Fill, FillKind, TimeInForce
from model.amounts import format_decimal
from model.leg import Side

Row = dict[str, object]

ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
MICRO = Decimal("0.000001")
ENTRY_DIGITS = Context(prec=6, rounding=ROUND_HALF_EVEN)
SIDES = {Side.BUY: "B", Side.SELL: "A"}
TIFS = {TimeInForce.GTC: "Gtc", TimeInForce.IOC: "Ioc", TimeInForce.POST_ONLY: "Alo"}


def dump(value: object) -> str:
    """Return compact JSON."""
    return ENCODER.encode(value)


def number(value: Decimal) -> str:
    """Return a quantity or price with at least one decimal."""
    text = format_decimal(value)
    return text if "." in text else f"{text}.0"


def money(value: Decimal) -> str:
    """Return USDC with at most six decimals."""
    return number(value.quantize(MICRO, rounding=ROUND_HALF_EVEN))


def average(value: Decimal) -> str:
    """Return an average price with six significant figures."""
    return number(ENTRY_DIGITS.plus(value))


def order_row(record: OrderRecord, *, keeps_rest: bool) -> Row:
    """Return an order as orderUpdates and openOrders have it.

    ``keeps_rest``: a cancelled order still counts what was not filled, else nothing.
    """
    order, intent = record.order, record.intent
    quantity = order.quantity if order is not None else intent.quantity
    rest = quantity - (order.filled if order is not None else 0)
    if order is not None and not order.status.is_open and not keeps_rest:
        rest = Decimal(0)
    row: Row = {
        "coin": intent.symbol,
        "side": SIDES[intent.side],
        "limitPx": number(intent.price or Decimal(0)),
        "sz": number(rest),
        "oid": record.oid,
        "timestamp": record.placed_ms,
        "origSz": number(quantity),
    }
    if intent.client_order_id:
        row["cloid"] = intent.client_order_id
    return row


def full_order_row(record: OrderRecord, *, keeps_rest: bool) -> Row:
    """Return an order as orderStatus and frontendOpenOrders have it; cloid is null where there is none."""
    intent = record.intent
    return {
        **order_row(record, keeps_rest=keeps_rest),
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": intent.reduce_only,
        "orderType": "Limit" if intent.price is not None else "Market",
        "tif": TIFS.get(intent.time_in_force),
        "cloid": intent.client_order_id or None,
    }


def update_row(record: OrderRecord, *, keeps_rest: bool) -> Row:
    """Return an order with its status."""
    return {
        "order": order_row(record, keeps_rest=keeps_rest),
        "status": record.status,
        "statusTimestamp": record.changed_ms,
    }


def opened_row(record: OrderRecord) -> Row:
    """Return the update with which an order begins: open, and whole."""
    row = order_row(record, keeps_rest=True)
    return {
        "order": {**row, "sz": row["origSz"]},
        "status": "open",
        "statusTimestamp": record.placed_ms,
    }


def direction(fill: Fill) -> str:
    """Return what a fill did to its position, in the venue's words."""
    before, after = fill.size_before, fill.size_before + fill.signed_quantity
    if before and after and (before > 0) != (after > 0):
        return "Long > Short" if before > 0 else "Short > Long"
    long = (before or after) > 0
    return f"{'Close' if fill.closed else 'Open'} {'Long' if long else 'Short'}"


def fill_row(fill: Fill, oid: int, address: str) -> Row:
    """Return one fill; ``cloid`` and ``liquidation`` are there only where they apply."""
    row: Row = {
        "coin": fill.symbol,
        "px": number(fill.price),
        "sz": number(fill.quantity),
        "side": SIDES[fill.side],
        "time": fill.time_ms,
        "startPosition": number(fill.size_before),
        "dir": direction(fill),
        "closedPnl": money(fill.profit),
        "hash": "0x" + hashlib.sha256(f"{fill.order_id}:{fill.seq}".encode()).hexdigest(),
        "oid": oid,
        "crossed": not fill.is_maker,
        "fee": money(fill.fee),
        "tid": int.from_bytes(hashlib.sha256(fill.execution_id.encode()).digest()[:6], "big"),
        "feeToken": "USDC",
        "twapId": None,
    }
    if fill.order is not None and fill.order.intent.client_order_id:
        row["cloid"] = fill.order.intent.client_order_id
    if fill.kind is FillKind.LIQUIDATION:
        row["liquidation"] = {"liquidatedUser": address, "markPx": number(fill.mark), "method": "market"}
    return row


def funding_row(fill: Fill) -> Row:
    """Return one payment of funding; what is paid is negative."""
    sign = 1 if fill.side is Side.BUY else -1
    return {
        "time": fill.time_ms,
        "coin": fill.symbol,
        "usdc": money(-fill.fee),
        "szi": number(fill.quantity * sign),
        "fundingRate": number(fill.fee_rate),
    }
