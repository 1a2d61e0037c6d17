"""Notices a user stream that is open and dead: an order that was taken must show up on it.

A stream opened at a wrong root, or whose listen key was deleted by another program, stays connected
and never speaks again; only the absence of what must come tells it from a quiet account.
"""

from decimal import Decimal

import attrs
import trio

SHOWS_UP_WITHIN_S = 5.0
REMEMBERED_MAX = 1_000


@attrs.define(eq=False)
class _Order:
    shown: bool = False
    price: Decimal | None = None
    taken_at: float | None = None


class StreamProbe:
    """Our orders that a live stream still owes an event for."""

    __slots__ = ("_is_live", "_orders")

    def __init__(self) -> None:
        self._orders: dict[str, _Order] = {}
        self._is_live = False

    def began(self) -> None:
        """A stream is live: it owes an event for every order that is taken from now on."""
        self._is_live = True
        self._orders.clear()

    def ended(self) -> None:
        """No stream owes anything."""
        self._is_live = False
        self._orders.clear()

    def sent(self, client_order_id: str) -> None:
        """An order leaves; its event may come before its answer."""
        if not self._is_live:
            return
        self._orders[client_order_id] = _Order()
        while len(self._orders) > REMEMBERED_MAX:
            del self._orders[next(iter(self._orders))]

    def taken(self, client_order_id: str) -> Decimal | None:
        """The order's answer says that it was taken; return its average price where the stream told it."""
        order = self._orders.get(client_order_id)
        if order is None:
            return None
        if order.shown:
            del self._orders[client_order_id]
        order.taken_at = trio.current_time()
        return order.price

    def not_taken(self, client_order_id: str) -> None:
        """The order was refused, or nobody knows: no event is owed."""
        self._orders.pop(client_order_id, None)

    def heard(self, client_order_id: str, average_price: Decimal | None) -> None:
        """The stream spoke of an order."""
        order = self._orders.get(client_order_id)
        if order is None:
            return
        order.shown = True
        order.price = average_price or order.price
        if order.taken_at is not None:
            del self._orders[client_order_id]

    def is_suspect(self) -> bool:
        """Tell whether an order was taken and did not show up in time."""
        latest = trio.current_time() - SHOWS_UP_WITHIN_S
        return any(
            order.taken_at is not None and not order.shown and order.taken_at < latest
            for order in self._orders.values()
        )
