"""What became of a copy that was claimed before a crash and has no outcome (R2, R11)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import product

import attrs
import trio

from actors.copy_record import CopyRecord, Opened
from actors.copy_situation import goals_for
from actors.follower_desk import FollowerDesk
from actors.last_fills import confirm_fills
from actors.messages import MasterChanged
from actors.order_life import settle
from exchanges.errors import ExchangeError
from model.amounts import ZERO
from model.change import Change
from model.copy import Holding, OrderRecord
from model.ledger import OpenCopy
from model.leg import HEDGE_LONG, ONE_WAY, Leg, PositionMode, Side
from model.order import OrderState

RETRY_S_BASE = 0.2
RETRY_S_MAX = 30.0
ASKED_AT_ONCE_MAX = 30
"""Orders of one copy: each costs a request a second until it is known."""


async def recover_orders(
    desk: FollowerDesk, open_copy: OpenCopy, symbol: str, *, is_alone: bool
) -> CopyRecord:
    """Ask the venue for every order of the copy that may have left; return what is known then.

    An order may have been sent at any moment until now, so "not found" is believed only after the
    life of a request that leaves now (R11). ``is_alone``: no other copy of the symbol lacks its outcome.
    """
    record = CopyRecord(
        copy_id=open_copy.copy_id,
        follower=desk.settings.name,
        exchange=desk.settings.exchange,
        change=open_copy.change,
    )
    for order in await _settle_all(desk, _orders_that_may_exist(open_copy), symbol):
        record.keep(order)
    orders = sorted(record.orders, key=lambda order: (order.attempt, order.part))
    await confirm_fills(desk, orders, left={})
    goals = _goals(desk, open_copy, symbol)
    _note_fills(desk, record, goals=goals)
    _note_opened(desk, record, goals=goals, is_alone=is_alone)
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
    """Ask for all at the same time: it takes seconds to believe that one has never left.

    What one has filled is owned at once, so that it can be left while another is not known yet; and it
    is seen to be shown at once, for until then it moves what the other is compared with.
    """
    settled = {order.client_order_id: order for order in orders}
    newest = max(order.attempt for order in orders)
    asking = trio.CapacityLimiter(ASKED_AT_ONCE_MAX)

    async def ask(order: OrderRecord) -> None:
        async with asking:
            found = order
            if not order.state.is_final:
                found = await _settle(desk, order, symbol, is_newest=order.attempt == newest)
            settled[order.client_order_id] = found
            if found.filled:
                await _read_position(desk, symbol)  # what was filled is ours, however late its frame comes
                _own(desk, found.leg)
        if not order.state.is_final:
            await confirm_fills(desk, [found], left={})

    async with trio.open_nursery() as nursery:
        for order in orders:
            nursery.start_soon(ask, order)
    return list(settled.values())


async def _settle(desk: FollowerDesk, order: OrderRecord, symbol: str, *, is_newest: bool) -> OrderRecord:
    """Ask until the venue has said how the order ended; an older try had ended before the next was made."""
    asked_from = attrs.evolve(
        order, leg=attrs.evolve(order.leg, symbol=symbol), sent_at_ms=desk.clock.wall_ms()
    )
    desk.awaited.add(order.client_order_id)
    return await settle(desk, asked_from, desk.baseline(symbol) if is_newest else None)


def _goals(desk: FollowerDesk, open_copy: OpenCopy, symbol: str) -> dict[Leg, tuple[Decimal, ...]]:
    """Return the master's sizes that each leg of the follower may answer with what the copy filled there.

    Several are the largest and the smallest net that the copy may have known.
    """
    mode = desk.view.mode(symbol) or PositionMode.ONE_WAY
    found: dict[Leg, tuple[Decimal, ...]] = {}
    for others in _sets_beside(open_copy):
        asked = MasterChanged(change=open_copy.change, others=others, received_at=0.0)
        for goal in goals_for(desk, asked, symbol=symbol, mode=mode):
            sizes = found.get(goal.leg, ())
            found[goal.leg] = sizes if goal.after in sizes else (*sizes, goal.after)
    return found


def _sets_beside(open_copy: OpenCopy) -> Iterable[tuple[Change, ...]]:
    """Return what the master's other legs may have been together when the copy's orders were sized."""
    legs: dict[Leg, list[Change]] = {}
    for change in open_copy.beside:
        legs.setdefault(change.leg, []).append(change)
    return product(*((min(rows, key=_size), max(rows, key=_size)) for rows in legs.values()))


def _size(change: Change) -> Decimal:
    return change.size_after


def _note_fills(desk: FollowerDesk, record: CopyRecord, *, goals: Mapping[Leg, tuple[Decimal, ...]]) -> None:
    """Note which legs the copy has begun to move, and own what is there: it was ours or is now."""
    for order in record.orders:
        if not order.filled:
            continue
        holding = _own(desk, order.leg)
        # Of a leg that the account's mode has no more: where it was before.
        record.moving[order.leg] = goals.get(order.leg, (holding.master_size,))
        if desk.view.size(order.leg):
            record.hold(holding)


def _note_opened(
    desk: FollowerDesk, record: CopyRecord, *, goals: Mapping[Leg, tuple[Decimal, ...]], is_alone: bool
) -> None:
    """Note the leg that the copy's last try has opened whole: what others took there is not opened again."""
    newest = max(order.attempt for order in record.orders)
    last = [order for order in record.orders if order.attempt == newest]
    if all(order.state is OrderState.FILLED and _opens(desk, order, is_alone=is_alone) for order in last):
        for leg in {order.leg for order in last if len(goals.get(order.leg, ())) == 1}:
            moved = sum((it.side.sign * it.filled for it in record.orders if it.leg == leg), ZERO)
            record.opened[leg] = Opened(goals[leg][0], desk.own(leg).target + moved if is_alone else None)


def _opens(desk: FollowerDesk, order: OrderRecord, *, is_alone: bool) -> bool:
    """Tell whether an order was one to open.

    Of a claim's first order only the side is known, by the venue's word: what reduces a leg of the master's
    may grow their net, and his last move may be the other way than all that the copy answered. On a leg
    without a side of its own it may also have closed the other one: where the last copy left the leg tells,
    unless another copy moved it since.
    """
    if order.quantity:
        return not order.reduce_only
    if order.leg.position_idx != ONE_WAY:
        return (order.side is Side.BUY) is (order.leg.position_idx == HEDGE_LONG)
    return is_alone and desk.own(order.leg).target * order.side.sign >= 0


def _own(desk: FollowerDesk, leg: Leg) -> Holding:
    """Return a leg as one of ours, and hold it so if anything is there."""
    holding = desk.own(leg)
    if desk.view.size(leg):
        desk.holdings[leg] = holding
    return holding
