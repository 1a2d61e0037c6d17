"""What was filled just before a start: an account that is read then may not show it yet (R2, R11)."""

from collections.abc import Iterable
from functools import partial

import trio

from actors.follower_desk import FollowerDesk
from actors.placing import READS_LAG_S_MAX
from exchanges.errors import ExchangeError
from model.copy import OrderRecord
from model.leg import Leg

WAIT_S_BASE = 1.0
"""Before a position is read again: the stream may tell it."""


async def confirm_fills(desk: FollowerDesk, orders: Iterable[OrderRecord]) -> None:
    """Wait until the view shows what orders of an earlier life have filled, or no read can lag behind it.

    Nobody knows what the legs held before: a row shows a fill if it is no older, by the venue's clock.
    ``orders`` come oldest first.
    """
    fills: dict[Leg, list[OrderRecord]] = {}
    for order in orders:
        if order.filled:
            fills.setdefault(order.leg, []).append(order)
    async with trio.open_nursery() as nursery:
        for of_leg in fills.values():
            nursery.start_soon(_confirm, desk, of_leg)


async def _confirm(desk: FollowerDesk, fills: list[OrderRecord]) -> None:
    last = fills[-1]
    has_left = last.reduce_only and not desk.owns(last.leg)
    may_be_flat = has_left or all(order.reduce_only for order in fills)
    believed_at = trio.current_time() + READS_LAG_S_MAX
    filled_at_ms: int | None = None
    wait_s = WAIT_S_BASE
    desk.unconfirmed[last.leg] += 1
    try:
        while True:
            if filled_at_ms is None:
                filled_at_ms = await _filled_at_ms(desk, last)
            is_shown = partial(_is_shown, desk, last.leg, filled_at_ms, may_be_flat=may_be_flat)
            if await desk.wait_until(is_shown, min(wait_s, max(0.0, believed_at - trio.current_time()))):
                return
            asked_at = trio.current_time()
            if await _read(desk, last.leg.symbol) and asked_at >= believed_at:
                return
            wait_s *= 2
    finally:
        desk.unconfirmed[last.leg] -= 1


async def _filled_at_ms(desk: FollowerDesk, order: OrderRecord) -> int | None:
    """Return when an order filled by the venue's clock; None while the venue does not say."""
    try:
        found = await desk.gateway.find_order(order.leg, order.client_order_id)
    except ExchangeError:
        return None
    return None if found is None else found.venue_time_ms


def _is_shown(desk: FollowerDesk, leg: Leg, filled_at_ms: int | None, *, may_be_flat: bool) -> bool:
    row = desk.view.positions.get(leg)
    if row is not None and filled_at_ms is not None and row.venue_time_ms >= filled_at_ms:
        return True
    return desk.read_at is not None and not desk.view.size(leg) and may_be_flat


async def _read(desk: FollowerDesk, symbol: str) -> bool:
    try:
        await desk.read_symbol(symbol)
    except ExchangeError:
        await trio.sleep(WAIT_S_BASE)
        return False
    return True
