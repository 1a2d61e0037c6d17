"""Order actions: each order of a batch is taken or refused on its own."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.hyperliquid.codes import ENDS, NOT_FOUND, STATUSES, refusal_text
from exchanges.sandbox.hyperliquid.records import OrderRecord, OrderRecords
from exchanges.sandbox.hyperliquid.universe import Universe
from exchanges.sandbox.hyperliquid.wire import Row, average, number
from exchanges.sandbox.order import Order, OrderIntent, TimeInForce
from exchanges.sandbox.refusals import Reason, Refused
from exchanges.sandbox.venue import SandboxVenue
from model.leg import Side

TIFS = {
    "Gtc": TimeInForce.GTC,
    "Ioc": TimeInForce.IOC,
    "FrontendMarket": TimeInForce.IOC,
    "Alo": TimeInForce.POST_ONLY,
}


@attrs.frozen(kw_only=True)
class Placed:
    """An order that was taken, and its asset."""

    record: OrderRecord
    order: Order
    asset: int

    @property
    def is_decided(self) -> bool:
        """Tell whether there is nothing more to wait for: it ended, rests, or trades on as it rests."""
        order = self.order
        rests = order.intent.time_in_force is not TimeInForce.IOC
        return not order.status.is_open or order.resting or (rests and order.filled > 0)

    def told(self) -> Row:
        """Return its entry in the answer."""
        order = self.order
        ids: Row = {"oid": self.record.oid}
        if order.intent.client_order_id:
            ids["cloid"] = order.intent.client_order_id
        if order.filled and not order.status.is_open and order.average_price is not None:
            filled = {"totalSz": number(order.filled), "avgPx": average(order.average_price)}
            return {"filled": {**filled, **ids}}
        if order.status.is_open:
            return {"resting": ids}
        return {"error": f"{ENDS[order.cancel_cause][1]} asset={self.asset}"}


class OrderDesk:
    """Turns actions into orders of the core."""

    def __init__(self, venue: SandboxVenue, universe: Universe, records: OrderRecords) -> None:
        self._venue = venue
        self._universe = universe
        self._records = records
        self.refused: Callable[[OrderRecord], None] = lambda record: None
        """Is told of every order that was refused within a block."""

    def place(self, account: Account, action: Row, *, via: str, arrived_ns: int) -> list[Any]:
        """Return an entry for each order: Placed, or what refuses it."""
        orders: Any = action["orders"]
        if not orders:
            return [{"error": "Order batch is empty."}]
        if "builder" in action:
            return [{"error": "Builder fee has not been approved."} for _ in orders]
        return [self._place(account, row, via, arrived_ns) for row in orders]

    def cancel(self, account: Account, action: Row) -> list[Any]:
        """Return "success" or an error for each order."""
        cancels: Any = action["cancels"]
        return [self._cancel(account, row) for row in cancels]

    def _place(self, account: Account, row: Row, via: str, arrived_ns: int) -> Any:
        asset = int(str(row["a"]))
        kind: Any = row["t"]
        symbol = self._universe.symbol_at(asset)
        if symbol is None:
            return {"error": f"Invalid asset. asset={asset}"}
        if "limit" not in kind:
            return {"error": f"Trigger orders are not taken here. asset={asset}"}
        price = Decimal(str(row["p"]))
        if price <= 0:
            return {"error": f"Order has invalid price. asset={asset}"}
        intent = OrderIntent(
            symbol=symbol,
            side=Side.BUY if row["b"] else Side.SELL,
            quantity=Decimal(str(row["s"])),
            price=price,
            time_in_force=TIFS[kind["limit"]["tif"]],
            reduce_only=bool(row["r"]),
            client_order_id=str(row.get("c", "")),
        )
        try:
            order = self._venue.place(account, intent, via=via, arrived_ns=arrived_ns)
        except Refused as refused:
            return {"error": self._refuse(account, intent, refused, asset)}
        return Placed(record=self._records.of(order), order=order, asset=asset)

    def _refuse(self, account: Account, intent: OrderIntent, refused: Refused, asset: int) -> str:
        status = STATUSES.get(refused.reason)
        if status is not None:
            self.refused(self._records.refuse(account, intent, status))
        if refused.reason is Reason.NOTIONAL_ABOVE_MAX:
            most = self._venue.listing(intent.symbol).max_notional
            return f"Order value too large. Max is ${most} asset={asset}"
        return refusal_text(refused, asset)

    def _cancel(self, account: Account, row: Row) -> Any:
        asset = int(str(row.get("a", row.get("asset"))))
        key: Any = row["o"] if "o" in row else row["cloid"]
        record = self._records.find(account, key)
        order = record.order if record is not None else None
        if order is None or order.intent.symbol != self._universe.symbol_at(asset):
            return {"error": f"{NOT_FOUND} asset={asset}"}
        try:
            self._venue.cancel(order)
        except Refused:
            return {"error": f"{NOT_FOUND} asset={asset}"}
        return "success"
