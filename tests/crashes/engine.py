"""The engine's process, which kills itself at a named point: ``… engine POINT COUNT FROM run -c FILE``.

The product knows nothing of this: what is patched here is patched in this process alone.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from exchanges.binance.orders import BinanceOrders
from exchanges.bybit.orders import BybitOrders
from exchanges.hyperliquid.orders import HyperliquidOrders
from exchanges.websocket import WebSocket
from model.ledger.connection import LedgerDatabase
from model.ledger.store import Store

NEVER = "any time"
FROM_A_CLAIM, WHEN_TOLD = "claim", "told"
"""From when on points count: the first claim, or SIGUSR1."""
POINTS = ("before_write", "in_write", "after_write", "before_send", "sent", "answered")
"""Around every transaction, and around every order: its call, its bytes, its answer."""


class Killer:
    """Ends the process without warning when a point is passed for the given time."""

    def __init__(self, point: str, count: int, counts_from: str) -> None:
        self._point = point
        self._left = count
        self._counts_from = counts_from
        self._armed = False
        if counts_from == WHEN_TOLD:
            signal.signal(signal.SIGUSR1, lambda *_: self._arm())

    def claimed(self) -> None:
        """Count from here: an order has been thought of, so copying has begun."""
        if self._counts_from == FROM_A_CLAIM:
            self._arm()

    def _arm(self) -> None:
        self._armed = True

    def at(self, point: str) -> None:
        """Pass a point."""
        if not self._armed or point != self._point:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def plant(killer: Killer) -> None:
    """Put the points into the classes that write and send."""
    _plant_in_store(killer)
    for orders in (BybitOrders, BinanceOrders, HyperliquidOrders):
        _plant_in_orders(orders, killer)
    _plant_in_socket(killer)


def _plant_in_store(killer: Killer) -> None:
    unit, write = LedgerDatabase.unit, Store.write

    @contextmanager
    def unit_with_points(self: LedgerDatabase, **options: Any) -> Iterator[Any]:
        is_outermost = self._database.is_closed()
        with unit(self, **options) as database:
            yield database
        if is_outermost and options.get("write", True):
            killer.at("after_write")

    def write_with_points(self: Store, batch: Any, **options: Any) -> Any:
        if batch.claims:
            killer.claimed()
        killer.at("before_write")
        answers = write(self, batch, **options)
        killer.at("in_write")
        return answers

    LedgerDatabase.unit = unit_with_points  # type: ignore[method-assign]
    Store.write = write_with_points  # type: ignore[method-assign]


def _plant_in_orders(orders: type[Any], killer: Killer) -> None:
    place: Callable[..., Awaitable[Any]] = orders.place

    async def place_with_points(self: object, order: object) -> object:
        killer.at("before_send")
        answer = await place(self, order)
        killer.at("answered")
        return answer

    orders.place = place_with_points


def _plant_in_socket(killer: Killer) -> None:
    send = WebSocket.send

    async def send_with_points(self: WebSocket, text: str) -> None:
        await send(self, text)
        if '"order' in text:
            killer.at("sent")

    WebSocket.send = send_with_points  # type: ignore[method-assign]


if __name__ == "__main__":
    from supervision.cli import main

    point, count, counts_from, *arguments = sys.argv[1:]
    if point != NEVER:
        plant(Killer(point, int(count), counts_from))
    main(arguments)
