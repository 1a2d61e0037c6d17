"""Order updates and fills of one stream, put together: an update has no price, a fill no end.

Both speak of an order in frames of their own, in any order. A filled order is reported once its fills are
all there; of a cancelled one nothing is said, for its update does not tell how much was filled.
"""

from typing import TypeVar

import attrs

from exchanges.hyperliquid.wire import FoundOrder, is_followed, with_fills
from model.account import Execution
from model.amounts import ZERO
from model.order import OrderReport, OrderState

ORDERS_MAX = 1_000
"""Orders remembered; both halves of one come within seconds."""

T = TypeVar("T")


@attrs.define(eq=False)
class OrderTape:
    """What a stream has said of recent orders, by the venue's order id."""

    _fills: dict[str, tuple[Execution, ...]] = attrs.field(factory=dict)
    _filled: dict[str, FoundOrder] = attrs.field(factory=dict)

    def take_orders(self, orders: tuple[FoundOrder, ...]) -> tuple[OrderReport, ...]:
        """Take order updates; return the reports that are complete now, acceptances too."""
        reports: list[OrderReport] = []
        for order in orders:
            report = order.report
            if not is_followed(report.leg.symbol):
                continue
            if report.state is OrderState.ACCEPTED:
                reports.append(report)
            elif report.state is OrderState.FILLED:
                _put(self._filled, report.order_id, order)
                reports.extend(self._complete(report.order_id))
        return tuple(reports)

    def take_fills(self, fills: tuple[Execution, ...]) -> tuple[OrderReport, ...]:
        """Take fills; return the reports of filled orders that are complete now."""
        for fill in fills:
            known = self._fills.get(fill.order_id, ())
            if all(fill.execution_id != other.execution_id for other in known):
                _put(self._fills, fill.order_id, (*known, fill))
        ids = dict.fromkeys(fill.order_id for fill in fills)
        return tuple(report for order_id in ids for report in self._complete(order_id))

    def _complete(self, order_id: str) -> tuple[OrderReport, ...]:
        order, fills = self._filled.get(order_id), self._fills.get(order_id, ())
        if order is None or not fills or sum((fill.quantity for fill in fills), ZERO) != order.quantity:
            return ()
        del self._filled[order_id], self._fills[order_id]
        return (with_fills(order, fills),)


def _put(memory: dict[str, T], key: str, value: T) -> None:
    memory[key] = value
    if len(memory) > ORDERS_MAX:
        del memory[next(iter(memory))]
