"""Order operations, the same behind REST and behind the trade WebSocket."""

from collections.abc import Callable
from typing import Any

from exchanges.sandbox.account import Account
from exchanges.sandbox.bybit import params as read
from exchanges.sandbox.bybit.codes import VenueError, as_venue_error
from exchanges.sandbox.bybit.params import Params
from exchanges.sandbox.order import Order
from exchanges.sandbox.refusals import Refused
from exchanges.sandbox.venue import SandboxVenue

Result = dict[str, Any]
BATCH_MAX = 20


class OrderDesk:
    """Turns parameters into orders of the core. Everything raises VenueError, and only that."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue
        self._operations: dict[str, Callable[[Account, Params, str, int], Result]] = {
            "create": self._create,
            "amend": self._amend,
            "cancel": self._cancel,
            "cancel-all": self._cancel_all,
        }

    def perform(
        self, operation: str, account: Account, params: Params, *, via: str, arrived_ns: int
    ) -> tuple[Result, Result]:
        """Return result and retExtInfo of ``create``, ``amend``, ``cancel``, ``cancel-all``, ``…-batch``."""
        single = operation.removesuffix("-batch")
        if single != operation:
            return self._batch(single, account, params, via, arrived_ns)
        return self._one(single, account, params, via, arrived_ns), {}

    def _one(self, operation: str, account: Account, params: Params, via: str, arrived_ns: int) -> Result:
        if account.read_only and operation != "create":  # the core refuses orders itself, and notes them
            raise VenueError(10005, "Permission denied, please check your API key permissions.")
        try:
            return self._operations[operation](account, params, via, arrived_ns)
        except Refused as refused:
            raise as_venue_error(refused) from refused

    def _batch(
        self, operation: str, account: Account, params: Params, via: str, arrived_ns: int
    ) -> tuple[Result, Result]:
        """Success outside, a verdict for each inside."""
        requests = params.get("request")
        if not isinstance(requests, list) or not 0 < len(requests) <= BATCH_MAX:
            raise read.error("request invalid")
        results, verdicts = [], []
        for request in requests:
            try:
                if not isinstance(request, dict):
                    raise read.error("request invalid")
                single = {"category": params.get("category"), **request}
                results.append(self._one(operation, account, single, via, arrived_ns))
                verdicts.append({"code": 0, "msg": "OK"})
            except VenueError as error:
                results.append({"orderId": "", "orderLinkId": ""})
                verdicts.append({"code": error.code, "msg": error.text})
        return {"list": results}, {"list": verdicts}

    def _create(self, account: Account, params: Params, via: str, arrived_ns: int) -> Result:
        intent = read.order_intent(params)
        return _ids(self._venue.place(account, intent, via=via, arrived_ns=arrived_ns))

    def _amend(self, account: Account, params: Params, via: str, arrived_ns: int) -> Result:
        order = self._find(account, params, "order not exists or too late to replace")
        quantity = read.optional_decimal(params, "qty")
        self._venue.amend(order, quantity=quantity, price=read.optional_decimal(params, "price"))
        return _ids(order)

    def _cancel(self, account: Account, params: Params, via: str, arrived_ns: int) -> Result:
        order = self._find(account, params, "order not exists or too late to cancel")
        self._venue.cancel(order)
        return _ids(order)

    def _cancel_all(self, account: Account, params: Params, via: str, arrived_ns: int) -> Result:
        read.check_category(params)
        symbol = read.text(params, "symbol")
        if not symbol and not read.text(params, "baseCoin") and not read.text(params, "settleCoin"):
            raise read.error("symbol, baseCoin or settleCoin is required")
        base = read.text(params, "baseCoin")
        orders = [
            order
            for order in tuple(account.open_orders.values())
            if order.intent.symbol == symbol
            or (not symbol and base in ("", self._venue.listing(order.intent.symbol).base))
        ]
        for order in orders:
            self._venue.cancel(order)
        return {"list": [_ids(order) for order in orders], "success": "1"}

    def _find(self, account: Account, params: Params, missing: str) -> Order:
        read.check_category(params)
        order_id, link_id = read.text(params, "orderId"), read.text(params, "orderLinkId")
        if not order_id and not link_id:
            raise read.error("OrderId or orderLinkId is required")
        order = self._venue.find_order(account, order_id=order_id, client_order_id=link_id)
        if order is None or not order.status.is_open or order.intent.symbol != read.text(params, "symbol"):
            raise VenueError(110001, missing)
        return order


def _ids(order: Order) -> Result:
    return {"orderId": order.order_id, "orderLinkId": order.intent.client_order_id}
