"""Private reads: positions, wallet, orders, executions, key."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from exchanges.sandbox.account import Account
from exchanges.sandbox.bybit import params as read
from exchanges.sandbox.bybit.codes import VenueError
from exchanges.sandbox.bybit.pages import listing, nothing, page_of
from exchanges.sandbox.bybit.wire import (
    EXEC_TYPES,
    SIDES,
    STATUSES,
    Row,
    execution_row,
    money,
    number,
    order_row,
    order_type,
    position_row,
    wallet_row,
)
from exchanges.sandbox.order import Fill, Order
from exchanges.sandbox.venue import SandboxVenue

Query = Mapping[str, str]
Answer = Callable[[Account, Query], dict[str, Any]]
MARGIN_MODES = {
    "cross": "REGULAR_MARGIN",
    "isolated": "ISOLATED_MARGIN",
    "portfolio": "PORTFOLIO_MARGIN",
}


class Queries:
    """Answers what an account may ask about itself.

    ``visible_after_ms`` hides young orders from the order reads, as the venue's own lag does.
    """

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue
        self.visible_after_ms = 0

    def positions(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/position/list``: a symbol's legs, flat ones too, or all that hold something."""
        if read.is_empty_category(query):
            return nothing(query["category"])
        read.check_category(query)
        symbol = query.get("symbol", "")
        if symbol:
            self._check_symbol(symbol)
            legs = list(account.legs(symbol))
        elif query.get("settleCoin"):
            legs = account.open_positions() if query["settleCoin"] == "USDT" else []
        else:
            raise read.error("symbol or settleCoin is required")
        page, cursor = page_of(legs, query, default=20, most=200)
        rows = [position_row(self._venue, account, leg, rest=True) for leg in page]
        return listing(rows, cursor)

    def symbol_info(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/position/symbol-info``: leverage and legs of a symbol without a position."""
        read.check_category(query)
        symbol = query.get("symbol", "")
        self._check_symbol(symbol)
        sides = {0: "", 1: "Buy", 2: "Sell"}
        leverage = number(account.leverage(symbol))
        rows = [
            {"symbol": symbol, "leverage": leverage, "side": sides[idx], "positionIdx": idx}
            for idx in account.leg_indices(symbol)
        ]
        return {"category": "linear", "list": rows}

    def wallet(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/account/wallet-balance``"""
        if query.get("accountType") != "UNIFIED":
            raise VenueError(10001, "accountType only support UNIFIED.")
        return {"list": [wallet_row(self._venue, account)]}

    def info(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/account/info``: a unified account."""
        return {
            "marginMode": MARGIN_MODES[account.margin_mode],
            "updatedTime": "1697078946000",
            "unifiedMarginStatus": 5,
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def fee_rate(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/account/fee-rate``"""
        symbol = query.get("symbol")
        symbols = [symbol] if symbol else list(self._venue.listings)
        rates = {
            "takerFeeRate": number(self._venue.taker_fee),
            "makerFeeRate": number(self._venue.maker_fee),
        }
        return {"category": "linear", "list": [{"symbol": name, "baseCoin": "", **rates} for name in symbols]}

    def coins(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/asset/coin/query-info``: the one coin, which neither comes nor goes."""
        chain = {
            "chain": "ETH",
            "chainType": "Ethereum (ERC20)",
            "confirmation": "6",
            "withdrawFee": "10",
            "depositMin": "0",
            "withdrawMin": "20",
            "minAccuracy": "6",
            "chainDeposit": "0",
            "chainWithdraw": "0",
            "withdrawPercentageFee": "0",
            "contractAddress": "831ec7",
            "safeConfirmNumber": "65",
        }
        row = {"name": "USDT", "coin": "USDT", "remainAmount": "10000000", "chains": [chain]}
        return {"rows": [row] if query.get("coin") in (None, "", "USDT") else []}

    def open_orders(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/order/realtime``: open ones, newest first; by id closed ones too."""
        read.check_category(query)
        if _ids(query):
            orders = self._by_id(account, query)
        elif not any(query.get(name) for name in ("symbol", "baseCoin", "settleCoin")):
            raise read.error("symbol, baseCoin or settleCoin is required")
        elif query.get("openOnly") == "1":
            closed = [order for order in account.orders.values() if not order.status.is_open]
            orders = self._selected(closed[-500:], query)
        else:
            orders = self._selected(account.open_orders.values(), query)
        return self._orders_page(orders, query)

    def order_history(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/order/history``: ended ones, newest first."""
        read.check_category(query)
        orders = self._by_id(account, query) if _ids(query) else list(account.orders.values())
        status = query.get("orderStatus")
        if status in ("New", "PartiallyFilled", "Untriggered"):
            raise VenueError(181017, "OrderStatus must be final status")
        ended = [
            order
            for order in orders
            if not order.status.is_open and status in (None, "", STATUSES[order.status])
        ]
        return self._orders_page(self._selected(ended, query), query)

    def executions(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/execution/list``: newest first; ids make all other filters void."""
        read.check_category(query)
        start, end = read.integer(query, "startTime", 0), read.integer(query, "endTime", 2**62)
        order_id, link_id = query.get("orderId", ""), query.get("orderLinkId", "")
        order = self._venue.find_order(account, order_id=order_id, client_order_id=link_id)
        fills: Iterable[Fill]
        if order_id or link_id:
            fills = [fill for fill in account.fills if order is not None and fill.order is order]
        else:
            fills = [
                fill
                for fill in account.fills
                if start <= fill.time_ms <= end
                and query.get("symbol") in (None, "", fill.symbol)
                and query.get("execType") in (None, "", EXEC_TYPES[fill.kind])
            ]
        page, cursor = page_of(list(fills)[::-1], query, default=50, most=100)
        return listing([_without_category(execution_row(fill)) for fill in page], cursor)

    def closed_pnl(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/position/closed-pnl``: one row a closing fill, newest first."""
        read.check_category(query)
        symbol = query.get("symbol")
        fills = [fill for fill in account.fills if fill.closed and symbol in (None, "", fill.symbol)]
        page, cursor = page_of(fills[::-1], query, default=50, most=100)
        return listing([_closed_pnl_row(account, fill) for fill in page], cursor)

    def api_key(self, account: Account, query: Query) -> dict[str, Any]:
        """``/v5/user/query-api``"""
        may_transfer = account.may_transfer or account.may_withdraw
        wallet = ["AccountTransfer", "SubMemberTransfer"] if may_transfer else []
        answer = {
            "id": str(account.uid),
            "note": account.name,
            "apiKey": account.api_key,
            "readOnly": int(account.read_only),
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"],
                "Spot": [],
                "Wallet": [*wallet, "Withdraw"] if account.may_withdraw else wallet,
                "Options": [],
                "Derivatives": ["DerivativesTrade"],
                "CopyTrading": [],
                "BlockTrade": [],
                "Exchange": [],
                "NFT": [],
                "Affiliate": [],
                "Earn": [],
            },
            "ips": ["127.0.0.1"] if account.is_ip_bound else ["*"],
            "type": 1,
            "deadlineDay": 90,
            "expiredAt": _moment(account.key_expires_at_ms),
            "createdAt": "2025-10-13T03:20:45Z",
            "unified": 0,
            "uta": 1,
            "userID": account.uid,
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "isMaster": True,
            "parentUid": "0",
            "kycLevel": "LEVEL_1",
            "kycRegion": "",
        }
        if not account.tells_rights:
            del answer["permissions"]
        return answer

    def _check_symbol(self, symbol: str) -> None:
        if symbol not in self._venue.listings:
            raise VenueError(10001, "params error: symbol invalid")

    def _by_id(self, account: Account, query: Query) -> list[Order]:
        order_id, link_id = _ids(query) or ("", "")
        order = self._venue.find_order(account, order_id=order_id, client_order_id=link_id)
        return [] if order is None else [order]

    def _selected(self, orders: Iterable[Order], query: Query) -> list[Order]:
        symbol, base = query.get("symbol"), query.get("baseCoin")
        return [
            order
            for order in orders
            if symbol in (None, "", order.intent.symbol)
            and base in (None, "", self._venue.listing(order.intent.symbol).base)
        ]

    def _orders_page(self, orders: list[Order], query: Query) -> dict[str, Any]:
        before_ms = self._venue.now_ms() - self.visible_after_ms
        seen = [order for order in orders if order.created_ms <= before_ms]
        page, cursor = page_of(seen[::-1], query, default=20, most=50)
        return listing([order_row(order, rest=True) for order in page], cursor)

    def routes(self) -> dict[str, Answer]:
        """Return the paths."""
        return {
            "/v5/position/list": self.positions,
            "/v5/position/symbol-info": self.symbol_info,
            "/v5/position/closed-pnl": self.closed_pnl,
            "/v5/account/wallet-balance": self.wallet,
            "/v5/account/info": self.info,
            "/v5/asset/coin/query-info": self.coins,
            "/v5/account/fee-rate": self.fee_rate,
            "/v5/order/realtime": self.open_orders,
            "/v5/order/history": self.order_history,
            "/v5/execution/list": self.executions,
            "/v5/user/query-api": self.api_key,
        }


def _moment(at_ms: int | None) -> str:
    if at_ms is None:
        return "2099-01-01T00:00:00Z"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ids(query: Query) -> tuple[str, str] | None:
    ids = query.get("orderId", ""), query.get("orderLinkId", "")
    return ids if any(ids) else None


def _without_category(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "category"}


def _closed_pnl_row(account: Account, fill: Fill) -> Row:
    held_sign = -fill.side.sign
    entry = fill.price - fill.profit / (fill.closed * held_sign)
    order = fill.order
    return {
        "symbol": fill.symbol,
        "orderId": fill.order_id,
        "side": SIDES[fill.side],
        "qty": number(fill.quantity),
        "orderPrice": number(order.limit) if order else "0",
        "orderType": order_type(order) if order else "UNKNOWN",
        "execType": EXEC_TYPES[fill.kind],
        "closedSize": number(fill.closed),
        "cumEntryValue": money(entry * fill.closed),
        "avgEntryPrice": money(entry),
        "cumExitValue": money(fill.price * fill.closed),
        "avgExitPrice": number(fill.price),
        "closedPnl": money(fill.profit - fill.fee),
        "fillCount": "1",
        "leverage": number(account.leverage(fill.symbol)),
        "createdTime": str(fill.time_ms),
        "updatedTime": str(fill.time_ms),
    }
