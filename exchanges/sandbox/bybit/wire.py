"""Rows as Bybit writes them: numbers are strings, blanks mean "not applicable".

Keys follow the documentation of mid 2026; REST and WebSocket differ where the venue's do.
"""

import json
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from exchanges.sandbox.account import Account
from exchanges.sandbox.listing import notional_max_at
from exchanges.sandbox.order import CancelCause, Fill, FillKind, Order, OrderStatus, Origin
from exchanges.sandbox.position import Position
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import format_decimal
from model.leg import Side

Row = dict[str, object]

ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
CENT = Decimal("0.00000001")
RATE = Decimal("0.0001")
SIDES = {Side.BUY: "Buy", Side.SELL: "Sell"}
STATUSES = {
    OrderStatus.NEW: "New",
    OrderStatus.PARTLY_FILLED: "PartiallyFilled",
    OrderStatus.FILLED: "Filled",
    OrderStatus.CANCELLED: "Cancelled",
}
CANCEL_TYPES = {
    CancelCause.USER: "CancelByUser",
    CancelCause.REDUCE_ONLY: "CancelByReduceOnly",
    CancelCause.LIQUIDATION: "CancelAllBeforeLiq",
}
REJECT_REASONS = {
    CancelCause.USER: "EC_PerCancelRequest",
    CancelCause.NO_LIQUIDITY: "EC_NoImmediateQtyToFill",
    CancelCause.WOULD_TAKE: "EC_PostOnlyWillTakeLiquidity",
}
CREATE_TYPES = {
    Origin.USER: "CreateByUser",
    Origin.CLOSING: "CreateByClosing",
    Origin.LIQUIDATION: "CreateByLiq",
    Origin.DELEVERAGING: "CreateByAdl_PassThrough",
}
EXEC_TYPES = {
    FillKind.TRADE: "Trade",
    FillKind.LIQUIDATION: "BustTrade",
    FillKind.DELEVERAGING: "AdlTrade",
    FillKind.FUNDING: "Funding",
}


def dump(value: object) -> str:
    """Return compact JSON."""
    return ENCODER.encode(value)


def money(value: Decimal) -> str:
    """Return at most eight decimals."""
    return format_decimal(value.quantize(CENT, rounding=ROUND_HALF_EVEN))


def number(value: Decimal) -> str:
    """Return a quantity or price as it is."""
    return format_decimal(value)


def execution_row(fill: Fill) -> Row:
    """Return a row of the topic ``execution``; it carries no position index, as on the venue."""
    order = fill.order
    return {
        "category": "linear",
        "symbol": fill.symbol,
        "closedSize": number(fill.closed),
        "execFee": money(fill.fee),
        "execId": fill.execution_id,
        "execPrice": number(fill.price),
        "execQty": number(fill.quantity),
        "execType": EXEC_TYPES[fill.kind],
        "execValue": money(fill.price * fill.quantity),
        "feeRate": number(fill.fee_rate),
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "markPrice": number(fill.mark),
        "indexPrice": "",
        "underlyingPrice": "",
        "leavesQty": number(fill.leaves),
        "orderId": fill.order_id,
        "orderLinkId": order.intent.client_order_id if order else "",
        "orderPrice": number(order.limit) if order else "0",
        "orderQty": number(order.quantity) if order else "0",
        "orderType": order_type(order) if order else "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "side": SIDES[fill.side],
        "execTime": str(fill.time_ms),
        "isLeverage": "0",
        "isMaker": fill.is_maker,
        "seq": fill.seq,
        "marketUnit": "",
        "execPnl": money(fill.profit),
        "createType": CREATE_TYPES[order.origin] if order else "",
        "extraFees": "",
        "feeCurrency": "USDT" if order else "",
    }


def fast_execution_row(fill: Fill) -> Row:
    """Return a row of ``execution.fast``: no fee, no closed size, no link id for makers."""
    order = fill.order
    return {
        "category": "linear",
        "symbol": fill.symbol,
        "execId": fill.execution_id,
        "execPrice": number(fill.price),
        "execQty": number(fill.quantity),
        "orderId": fill.order_id,
        "isMaker": fill.is_maker,
        "orderLinkId": order.intent.client_order_id if order and not fill.is_maker else "",
        "side": SIDES[fill.side],
        "execTime": str(fill.time_ms),
        "seq": fill.seq,
    }


def order_type(order: Order) -> str:
    """Return ``Market`` or ``Limit``."""
    return "Market" if order.is_market else "Limit"


def order_row(order: Order, *, rest: bool) -> Row:
    """Return a row of the topic ``order``, or of realtime and history with ``rest``."""
    intent, average = order.intent, order.average_price
    unset = "UNKNOWN" if rest else ""
    row: Row = {
        "symbol": intent.symbol,
        "orderId": order.order_id,
        "orderLinkId": intent.client_order_id,
        "blockTradeId": "",
        "side": SIDES[intent.side],
        "positionIdx": intent.position_idx,
        "orderStatus": STATUSES[order.status],
        "cancelType": CANCEL_TYPES.get(order.cancel_cause, "UNKNOWN"),
        "rejectReason": REJECT_REASONS.get(order.cancel_cause, "EC_NoError"),
        "timeInForce": "IOC" if order.is_market else intent.time_in_force.value,
        "isLeverage": "",
        "price": number(order.limit),
        "qty": number(order.quantity),
        "avgPrice": ("0" if rest else "") if average is None else money(average),
        "leavesQty": number(order.leaves),
        "leavesValue": money(order.leaves * order.limit),
        "cumExecQty": number(order.filled),
        "cumExecValue": money(order.value),
        "cumExecFee": money(order.fee),
        "closedPnl": money(order.closed_profit),
        "orderType": order_type(order),
        "stopOrderType": unset,
        "orderIv": "",
        "triggerPrice": "",
        "takeProfit": "",
        "stopLoss": "",
        "triggerBy": unset,
        "tpTriggerBy": unset,
        "slTriggerBy": unset,
        "triggerDirection": 0,
        "placeType": "",
        "lastPriceOnCreated": number(order.mark_at_creation),
        "closeOnTrigger": intent.close_on_trigger,
        "reduceOnly": intent.reduce_only,
        "smpGroup": 0,
        "smpType": "None",
        "smpOrderId": "",
        "slLimitPrice": "0",
        "tpLimitPrice": "0",
        "tpslMode": "" if rest else "UNKNOWN",
        "createType": CREATE_TYPES[order.origin],
        "marketUnit": "",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
        "feeCurrency": "",
        "slippageToleranceType": "UNKNOWN",
        "slippageTolerance": "",
        "cumFeeDetail": {"USDT": money(order.fee)} if order.fee else {},
        "extraFees": "",
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
    }
    return row if rest else {"category": "linear", **row}


def position_row(venue: SandboxVenue, account: Account, position: Position, *, rest: bool) -> Row:
    """Return a row of the topic ``position``; REST calls the entry price ``avgPrice``."""
    if rest and position.seq < 0:
        return _never_traded_row(account, position)
    mark = venue.mark(position.symbol)
    margin = venue.margin(account, position)
    entry = money(position.entry_price)
    row: Row = {
        "positionIdx": position.position_idx,
        "tradeMode": 0,
        "riskId": 1,
        "riskLimitValue": _risk_limit(venue, account, position.symbol),
        "symbol": position.symbol,
        "side": _position_side(position),
        "size": number(abs(position.size)),
        "avgPrice" if rest else "entryPrice": entry,
        "leverage": number(account.leverage(position.symbol)),
        "breakEvenPrice": _break_even(venue, position),
        "positionValue": money(abs(position.cost)),
        "positionBalance": "0",
        "markPrice": number(mark),
        "positionIM": money(margin.initial),
        "positionIMByMp": money(margin.initial_by_mark),
        "positionMM": money(margin.maintenance),
        "positionMMByMp": money(margin.maintenance_by_mark),
        "takeProfit": "0",
        "stopLoss": "0",
        "trailingStop": "0",
        "unrealisedPnl": money(position.unrealised(mark)),
        "curRealisedPnl": money(position.realised),
        "cumRealisedPnl": money(position.realised_total),
        "sessionAvgPrice": "",
        "createdTime": str(position.created_ms),
        "updatedTime": str(position.updated_ms),
        "openTime": position.opened_ms,
        "tpslMode": "Full",
        "liqPrice": _liquidation_price(venue, account, position),
        "bustPrice": "",
        "positionStatus": "Normal",
        "adlRankIndicator": 2 if position.size else 0,
        "autoAddMargin": 0,
        "leverageSysUpdatedTime": "",
        "mmrSysUpdateTime" if rest else "mmrSysUpdatedTime": "",
        "seq": position.seq,
        "isReduceOnly": False,
    }
    return row if rest else {**row, "category": "linear"}


def _risk_limit(venue: SandboxVenue, account: Account, symbol: str) -> str:
    most = notional_max_at(venue.listing(symbol), account.leverage(symbol))
    return "" if most is None else number(most)


def _never_traded_row(account: Account, position: Position) -> Row:
    """Almost everything is blank, as recorded."""
    blank = (
        "avgPrice breakEvenPrice positionValue positionBalance markPrice positionIM positionIMByMp "
        "positionMM positionMMByMp takeProfit stopLoss trailingStop unrealisedPnl curRealisedPnl "
        "cumRealisedPnl sessionAvgPrice createdTime updatedTime side liqPrice bustPrice positionStatus "
        "tpslMode leverageSysUpdatedTime mmrSysUpdateTime riskLimitValue"
    )
    return {
        **dict.fromkeys(blank.split(), ""),
        "symbol": position.symbol,
        "positionIdx": position.position_idx,
        "leverage": number(account.leverage(position.symbol)),
        "size": "0",
        "seq": -1,
        "tradeMode": 0,
        "riskId": 0,
        "autoAddMargin": 0,
        "adlRankIndicator": 0,
        "openTime": 0,
        "isReduceOnly": False,
    }


def _position_side(position: Position) -> str:
    if not position.size:
        return ""
    return "Buy" if position.size > 0 else "Sell"


def _break_even(venue: SandboxVenue, position: Position) -> str:
    """The price at which closing pays for itself, fees of both ends included."""
    if not position.size:
        return ""
    fee = venue.taker_fee if position.size > 0 else -venue.taker_fee
    return money((position.cost - position.realised) / (position.size * (1 - fee)))


def _liquidation_price(venue: SandboxVenue, account: Account, position: Position) -> str:
    """The price of this symbol at which the account's maintenance margin is breached; blank if none."""
    if not position.size:
        return ""
    balance = venue.balance(account)
    price = venue.mark(position.symbol) - (balance.equity - balance.maintenance) / position.size
    return money(price) if price > 0 else ""


def wallet_row(venue: SandboxVenue, account: Account) -> Row:
    """Return the account's row: totals in USD at one dollar a USDT, and its one coin."""
    balance = venue.balance(account)
    return {
        "accountIMRate": _rate(balance.initial, balance.equity),
        "accountIMRateByMp": _rate(balance.initial, balance.equity),
        "accountMMRate": _rate(balance.maintenance, balance.equity),
        "accountMMRateByMp": _rate(balance.maintenance, balance.equity),
        "totalEquity": money(balance.equity),
        "totalWalletBalance": money(balance.wallet),
        "totalMarginBalance": money(balance.equity),
        "totalAvailableBalance": money(balance.available),
        "totalPerpUPL": money(balance.unrealised),
        "totalInitialMargin": money(balance.initial),
        "totalInitialMarginByMp": money(balance.initial),
        "totalMaintenanceMargin": money(balance.maintenance),
        "totalMaintenanceMarginByMp": money(balance.maintenance),
        "coin": [
            {
                "coin": "USDT",
                "equity": money(balance.equity),
                "usdValue": money(balance.equity),
                "walletBalance": money(balance.wallet),
                "availableToWithdraw": "",
                "availableToBorrow": "",
                "borrowAmount": "0",
                "accruedInterest": "0",
                "totalOrderIM": money(balance.order_initial),
                "totalPositionIM": money(balance.position_initial),
                "totalPositionMM": money(balance.maintenance),
                "unrealisedPnl": money(balance.unrealised),
                "cumRealisedPnl": money(account.realised - account.fees_paid),
                "bonus": "0",
                "collateralSwitch": True,
                "marginCollateral": True,
                "locked": "0",
                "spotHedgingQty": "0",
                "spotBorrow": "0",
            }
        ],
        "accountLTV": "0",
        "accountType": "UNIFIED",
    }


def _rate(part: Decimal, whole: Decimal) -> str:
    return number((part / whole).quantize(RATE, rounding=ROUND_DOWN)) if whole > 0 else "0"
