"""The numbers by which Binance knows orders and trades, and the client ids that it makes up itself."""

import hashlib
from decimal import Decimal

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.order import Fill, Order, Origin
from exchanges.sandbox.venue import SandboxVenue

ID_PER_MS = 4_000_000
"""Ids begin with the time and so share none with another life of the sandbox; like many of the venue's
they are beyond 2**53."""
MADE_UP_CHARS = 22


@attrs.define(kw_only=True, eq=False)
class OrderRecord:
    """One order under its number. ``told`` is the last status that the user stream has told."""

    number: int
    order: Order
    client_order_id: str
    told: str = ""
    told_terms: tuple[Decimal, Decimal] | None = None
    """Quantity and limit, as last told."""

    @property
    def terms(self) -> tuple[Decimal, Decimal]:
        """Quantity and limit now."""
        return self.order.quantity, self.order.limit


class Records:
    """Made at first sight; looked up per account and symbol."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue
        self._last = 0
        self._by_order: dict[str, OrderRecord] = {}
        self._by_number: dict[tuple[str, str, int], OrderRecord] = {}
        self._by_client_id: dict[tuple[str, str, str], OrderRecord] = {}
        self._trades: dict[str, int] = {}
        self._last_trade: dict[str, int] = {}

    def of(self, order: Order) -> OrderRecord:
        """Return the record of an order of the core."""
        record = self._by_order.get(order.order_id)
        if record is None:
            self._last = max(self._last + 1, self._venue.booked_ms() * ID_PER_MS)
            record = OrderRecord(number=self._last, order=order, client_order_id=_client_id(order))
            account, symbol = order.account.name, order.intent.symbol
            self._by_order[order.order_id] = record
            self._by_number[account, symbol, record.number] = record
            self._by_client_id[account, symbol, record.client_order_id] = record
        return record

    def trade_id(self, fill: Fill) -> int:
        """Return the number of a fill: it grows by one within its symbol."""
        known = self._trades.get(fill.execution_id)
        if known is None:
            known = (self._last_trade.get(fill.symbol) or self._venue.now_ms()) + 1
            self._last_trade[fill.symbol] = known
            self._trades[fill.execution_id] = known
        return known

    def find(
        self, account: Account, symbol: str, *, number: int | None, client_order_id: str
    ) -> OrderRecord | None:
        """Return an order by its number, which wins, or the newest under a client id."""
        if number is not None:
            return self._by_number.get((account.name, symbol, number))
        return self._by_client_id.get((account.name, symbol, client_order_id))

    def of_account(self, account: Account, symbol: str | None) -> list[OrderRecord]:
        """Return an account's orders, oldest first."""
        return [
            self.of(order)
            for order in account.orders.values()
            if symbol is None or order.intent.symbol == symbol
        ]


def made_up_id(seed: str) -> str:
    """Return a client id as the venue gives one to an order that came without."""
    return hashlib.sha256(seed.encode()).hexdigest()[:MADE_UP_CHARS]


def _client_id(order: Order) -> str:
    """Return the order's id: those of the venue's own app, and forced ones, show where they come from."""
    if order.intent.client_order_id:
        return order.intent.client_order_id
    if order.origin is Origin.LIQUIDATION:
        return f"autoclose-{order.created_ms}{made_up_id(order.order_id)[:6]}"
    if order.origin is Origin.DELEVERAGING:
        return "adl_autoclose"
    return f"web_{made_up_id(order.order_id)}"
