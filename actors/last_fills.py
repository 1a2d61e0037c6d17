"""What was filled just before a start: an account that is read then may not show it yet (R2, R11)."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import accumulate

import trio

from actors.follower_desk import FollowerDesk
from actors.placing import READS_LAG_S_MAX
from exchanges.errors import ExchangeError
from model.copy import OrderRecord
from model.leg import Leg

WAIT_S_BASE = 1.0
"""Before a position is read again: the stream may tell it."""


async def confirm_fills(
    desk: FollowerDesk, orders: Iterable[OrderRecord], *, left: Mapping[Leg, Decimal]
) -> None:
    """Wait until the view shows what orders of an earlier life have filled, or no read can lag behind it.

    A leg that holds what it was left with shows it. Of another one nobody knows what it held before: its
    row shows a fill if it is no older, by the venue's clock.

    Args:
        orders: oldest first.
        left: what legs held after these orders, as far as the ledger knows.
    """
    fills: dict[Leg, list[OrderRecord]] = {}
    for order in orders:
        if order.filled:
            fills.setdefault(order.leg, []).append(order)
    async with trio.open_nursery() as nursery:
        for of_leg in fills.values():
            nursery.start_soon(_confirm, desk, of_leg, left.get(of_leg[-1].leg))


async def _confirm(desk: FollowerDesk, fills: list[OrderRecord], left: Decimal | None) -> None:
    last, leg = fills[-1], fills[-1].leg
    only_reduced = all(order.reduce_only for order in fills)
    believed_at = trio.current_time() + READS_LAG_S_MAX
    filled_at_ms: int | None = None
    wait_s = WAIT_S_BASE

    def is_shown() -> bool:
        row, size = desk.view.positions.get(leg), desk.view.size(leg)
        if row is not None and filled_at_ms is not None and row.venue_time_ms >= filled_at_ms:
            return True
        return size == left or (only_reduced and not size)

    desk.unconfirmed[leg] += 1
    try:
        await desk.wait_until(lambda: desk.read_at is not None, math.inf)
        is_hidden = not is_shown()
        while not is_shown():
            filled_at_ms = filled_at_ms or await _filled_at_ms(desk, last)
            if await desk.wait_until(is_shown, min(wait_s, max(0.0, believed_at - trio.current_time()))):
                break
            asked_at = trio.current_time()
            if await _read(desk, leg.symbol) and asked_at >= believed_at:
                break
            wait_s *= 2
        if is_hidden:
            # Of an order on its way the view may show the fill before it is known for ours, or after.
            wait_s = max(wait_s, believed_at - trio.current_time())
            is_hidden = await desk.wait_until(lambda: not desk.placing[leg.symbol], wait_s)
        if is_hidden or _explain(fills, desk.unexplained(leg)):
            desk.rebase(leg.symbol)
    finally:
        desk.unconfirmed[leg] -= 1


def _explain(fills: list[OrderRecord], moved: Decimal) -> bool:
    """Tell whether a leg has moved by the newest of its fills: a read from before showed only the others."""
    newest = accumulate(order.side.sign * order.filled for order in reversed(fills))
    return moved in newest


async def _filled_at_ms(desk: FollowerDesk, order: OrderRecord) -> int | None:
    """Return when an order filled by the venue's clock; None while the venue does not say."""
    try:
        found = await desk.gateway.find_order(order.leg, order.client_order_id)
    except ExchangeError:
        return None
    return None if found is None else found.venue_time_ms


async def _read(desk: FollowerDesk, symbol: str) -> bool:
    try:
        await desk.read_symbol(symbol)
    except ExchangeError:
        await trio.sleep(WAIT_S_BASE)
        return False
    return True
