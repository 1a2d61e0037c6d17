"""Reads of orders and trades."""

from collections.abc import Iterable

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance import params as read
from exchanges.sandbox.binance.codes import VenueError, as_venue_error
from exchanges.sandbox.binance.orders import OrderDesk
from exchanges.sandbox.binance.params import Params
from exchanges.sandbox.binance.records import OrderRecord, Records
from exchanges.sandbox.binance.wire import Row, order_row, trade_row
from exchanges.sandbox.order import FillKind
from exchanges.sandbox.refusals import Refused
from exchanges.sandbox.venue import SandboxVenue

ROWS_MAX = 1000
ROWS_DEFAULT = 500
SPAN_MS_MAX = 7 * 86_400_000
FORGOTTEN_MS = 3 * 86_400_000
"""After so long an order that ended without a fill is found no more."""


class Queries:
    """``visible_after_ms`` hides young orders from reads, as the venue's replicas do."""

    def __init__(self, venue: SandboxVenue, records: Records, desk: OrderDesk) -> None:
        self.visible_after_ms = 0
        self._venue = venue
        self._records = records
        self._desk = desk

    def order(self, account: Account, params: Params) -> Row:
        """Return one order. Raises: VenueError (-2013)."""
        record = self._desk.find(account, params)
        if record is None or not self._is_visible(record):
            raise VenueError(-2013, "Order does not exist.")
        return order_row(record)

    def open_order(self, account: Account, params: Params) -> Row:
        """Return one order that is open. Raises: VenueError (-2013)."""
        record = self._desk.find(account, params)
        if record is None or not record.order.status.is_open:
            raise VenueError(-2013, "Order does not exist.")
        return order_row(record)

    def open_orders(self, account: Account, params: Params) -> list[Row]:
        """Return the open orders of a symbol, or of all."""
        records = self._of(account, params.get("symbol"))
        return [order_row(record) for record in records if record.order.status.is_open]

    def all_orders(self, account: Account, params: Params) -> list[Row]:
        """Return a symbol's orders, oldest first: from an id on, or of a span of at most 7 days."""
        records = [it for it in self._of(account, read.required(params, "symbol")) if self._is_visible(it)]
        if params.get("orderId"):
            least = read.integer(params, "orderId")
            return _page([order_row(it) for it in records if it.number >= least], params, newest=False)
        begin, end = self._span(params)
        rows = [order_row(it) for it in records if begin <= it.order.created_ms <= end]
        return _page(rows, params, newest=not params.get("startTime"))

    def trades(self, account: Account, params: Params) -> list[Row]:
        """Return a symbol's fills, oldest first."""
        symbol = read.required(params, "symbol")
        self._listed(symbol)
        begin, end = self._span(params)
        wanted = read.integer(params, "orderId") if params.get("orderId") else None
        least = read.integer(params, "fromId") if params.get("fromId") else None
        if least is not None and (params.get("startTime") or params.get("endTime")):
            raise VenueError(-1128, "Combination of optional parameters invalid.")
        rows = []
        for fill in account.fills:
            if fill.kind is FillKind.FUNDING or fill.order is None or fill.symbol != symbol:
                continue
            record, trade_id = self._records.of(fill.order), self._records.trade_id(fill)
            if wanted is not None and record.number != wanted:
                continue
            if trade_id >= least if least is not None else begin <= fill.time_ms <= end:
                rows.append(trade_row(fill, record, trade_id))
        return _page(rows, params, newest=least is None and not params.get("startTime"))

    def _of(self, account: Account, symbol: str | None) -> Iterable[OrderRecord]:
        if symbol:
            self._listed(symbol)
        return self._records.of_account(account, symbol or None)

    def _listed(self, symbol: str) -> None:
        try:
            self._venue.listing(symbol)
        except Refused as refused:
            raise as_venue_error(refused) from None

    def _is_visible(self, record: OrderRecord) -> bool:
        order, now_ms = record.order, self._venue.now_ms()
        if now_ms - order.created_ms < self.visible_after_ms:
            return False
        return order.status.is_open or bool(order.filled) or now_ms - order.updated_ms < FORGOTTEN_MS

    def _span(self, params: Params) -> tuple[int, int]:
        now_ms = self._venue.now_ms()
        end = read.integer(params, "endTime", now_ms)
        begin = read.integer(params, "startTime", end - SPAN_MS_MAX)
        if begin > end:
            raise VenueError(-1130, "Data sent for parameter 'startTime' is not valid.")
        if params.get("endTime") and end - begin > SPAN_MS_MAX:
            raise VenueError(-4166, "Search window is restricted to recent 7 days only.")
        return begin, end if params.get("endTime") else min(now_ms, begin + SPAN_MS_MAX)


def _page(rows: list[Row], params: Params, *, newest: bool) -> list[Row]:
    limit = read.integer(params, "limit", ROWS_DEFAULT)
    if not 0 < limit <= ROWS_MAX:
        raise VenueError(-1130, "Data sent for parameter 'limit' is not valid.")
    return rows[-limit:] if newest else rows[:limit]
