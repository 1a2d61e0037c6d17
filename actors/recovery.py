"""What became of a copy that was claimed before a crash and has no outcome (R2, R11)."""

from decimal import Decimal

import attrs
import trio

from actors.copy_record import CopyRecord
from actors.follower_desk import FollowerDesk
from actors.order_life import settle
from exchanges.errors import ExchangeError
from model.amounts import ZERO
from model.change import Change
from model.copy import Holding, OrderRecord
from model.ledger import OpenCopy
from model.leg import HEDGE_LONG, HEDGE_SHORT, Side
from model.order import OrderState

RETRY_S_BASE = 0.2
RETRY_S_MAX = 30.0
ASKED_AT_ONCE_MAX = 10
"""Orders of one copy: each costs a request a second until it is known."""


async def recover_orders(desk: FollowerDesk, open_copy: OpenCopy, symbol: str) -> CopyRecord:
    """Ask the venue for every order of the copy that may have left; return what is known then.

    An order may have been sent at any moment until now, so "not found" is believed only after the
    life of a request that leaves now (R11).
    """
    record = CopyRecord(
        copy_id=open_copy.copy_id,
        follower=desk.settings.name,
        exchange=desk.settings.exchange,
        change=open_copy.change,
    )
    for order in await _settle_all(desk, _orders_that_may_exist(open_copy), symbol):
        record.keep(order)
    if any(order.filled for order in record.orders):
        await _read_position(desk, symbol)  # what was filled is ours, however late its frame comes
    _note_fills(desk, record)
    return record


async def _read_position(desk: FollowerDesk, symbol: str) -> None:
    wait_s = RETRY_S_BASE
    while True:
        try:
            return await desk.read_symbol(symbol)
        except ExchangeError:
            await trio.sleep(wait_s)
            wait_s = min(RETRY_S_MAX, wait_s * 2)


def _orders_that_may_exist(open_copy: OpenCopy) -> tuple[OrderRecord, ...]:
    """Return the copy's orders; the claim makes the first id durable before anything else is."""
    known = open_copy.orders
    if any(order.client_order_id == open_copy.client_order_id for order in known):
        return known
    change = open_copy.change
    grows = change.size_after > change.size_before
    first = OrderRecord(
        client_order_id=open_copy.client_order_id,
        copy_id=open_copy.copy_id,
        part=0,
        attempt=0,
        leg=change.leg,
        side=Side.BUY if grows else Side.SELL,
        quantity=ZERO,
        price=None,
        reduce_only=change.change_class.reduces,
        state=OrderState.CLAIMED,
    )
    return (first, *known)


async def _settle_all(desk: FollowerDesk, orders: tuple[OrderRecord, ...], symbol: str) -> list[OrderRecord]:
    """Ask for all at the same time: it takes seconds to believe that one has never left."""
    settled = {order.client_order_id: order for order in orders}
    asking = trio.CapacityLimiter(ASKED_AT_ONCE_MAX)

    async def ask(order: OrderRecord) -> None:
        async with asking:
            settled[order.client_order_id] = await _settle(desk, order, symbol)

    async with trio.open_nursery() as nursery:
        for order in orders:
            if not order.state.is_final:
                nursery.start_soon(ask, order)
    return list(settled.values())


async def _settle(desk: FollowerDesk, order: OrderRecord, symbol: str) -> OrderRecord:
    asked_from = attrs.evolve(
        order, leg=attrs.evolve(order.leg, symbol=symbol), sent_at_ms=desk.clock.wall_ms()
    )
    desk.awaited.add(order.client_order_id)
    return await settle(desk, asked_from, desk.baseline(symbol))


def _note_fills(desk: FollowerDesk, record: CopyRecord) -> None:
    """Note which legs the copy has begun to move, and own what is there: it was ours or is now."""
    for order in record.orders:
        if not order.filled:
            continue
        holding = desk.own(order.leg)
        record.moving[order.leg] = _answered_size(holding, desk.symbols.own_units(record.change))
        if desk.view.size(order.leg):
            desk.holdings[order.leg] = holding
            record.hold(holding)


def _answered_size(holding: Holding, change: Change) -> Decimal:
    """Return the master's size that the leg answers with what was filled."""
    mine, theirs = holding.leg.position_idx, change.leg.position_idx
    if mine == theirs:
        return change.size_after
    if mine == HEDGE_LONG:
        return max(change.size_after, ZERO)
    if mine == HEDGE_SHORT:
        return min(change.size_after, ZERO)
    return holding.master_size + change.size_after - change.size_before  # the net of two legs
