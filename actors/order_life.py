"""One order from its first byte to the venue's last word on it (R11)."""

from collections.abc import Callable

import attrs
import trio

from actors.events import OrderMoved
from actors.follower_desk import Baseline, FollowerDesk
from exchanges.errors import (
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    Refusal,
    RequestNotSent,
    RequestRejected,
)
from model.copy import OrderRecord
from model.order import OrderReport, OrderRequest, OrderState, advance

LOOK_UP_AFTER_S = 1.0
"""The stream is asked first; a look-up costs a request."""
LOOK_UP_EVERY_S = 1.0
REQUEST_LIFE_S = 3.0
"""recv_window at most: after it the venue refuses the request if it still arrives."""
NOT_FOUND_GRACE_S = 2.0
MOVED_GRACE_S = 60.0
ACCEPTED_GRACE_S = 30.0
"""An accepted order that cannot be found is asked for this long before it counts as lost."""


@attrs.frozen(kw_only=True)
class Sent:
    """How the sending of one order ended, before anything is known of its fills."""

    record: OrderRecord
    refusal: Refusal | None = None
    not_sent: bool = False
    retry_after_s: float = 0.0
    acknowledged_at_ms: int | None = None


async def send(desk: FollowerDesk, record: OrderRecord, request: OrderRequest) -> Sent:
    """Send one order at most once; never raises an ExchangeError."""
    desk.awaited.add(request.client_order_id)
    record = attrs.evolve(record, sent_at_ms=desk.clock.wall_ms())
    try:
        report = await desk.gateway.orders.place(request)
    except RateLimited as error:
        return Sent(record=record, not_sent=True, retry_after_s=error.retry_after_s)
    except RequestNotSent as error:
        return Sent(record=attrs.evolve(record, detail=str(error)), not_sent=True)
    except RequestRejected as error:
        return _refused(desk, record, error)
    except OutcomeUnknown as error:
        return Sent(record=_move(desk, record, OrderState.UNKNOWN, detail=str(error)))
    acknowledged = desk.clock.wall_ms()
    return Sent(record=_take(desk, record, report), acknowledged_at_ms=acknowledged)


def _refused(desk: FollowerDesk, record: OrderRecord, error: RequestRejected) -> Sent:
    detail = f"{error.code} {error}".strip()
    if error.refusal is Refusal.DUPLICATE_ID:
        # An order with this id arrived before: it is ours, and only a look-up tells what came of it.
        return Sent(record=_move(desk, record, OrderState.UNKNOWN, detail=detail))
    moved = _move(desk, record, OrderState.REJECTED, detail=detail)
    return Sent(record=moved, refusal=error.refusal, acknowledged_at_ms=desk.clock.wall_ms())


async def settle(desk: FollowerDesk, record: OrderRecord, baseline: Baseline | None) -> OrderRecord:
    """Wait until the venue has said how the order ended; for ever, if it must be (R11).

    ``baseline`` is how the symbol stood before the order: "not found" is believed only while
    nothing but our settled orders has moved it since. None: it had ended before another one was tried.
    """
    try:
        return await _until_final(desk, record, baseline)
    finally:
        desk.awaited.discard(record.client_order_id)
        desk.reports.pop(record.client_order_id, None)


async def _until_final(desk: FollowerDesk, record: OrderRecord, baseline: Baseline | None) -> OrderRecord:
    missing_since: float | None = None
    began = trio.current_time()
    wait_s = LOOK_UP_AFTER_S
    while not record.state.is_final:
        if await desk.wait_until(_has_ended(desk, record), wait_s):
            return _take(desk, record, desk.reports[record.client_order_id])
        wait_s = LOOK_UP_EVERY_S
        try:
            found = await desk.gateway.find_order(record.leg, record.client_order_id)
        except ExchangeError:
            missing_since = None  # a network error is not evidence
            continue
        if found is not None:
            missing_since = None
            record = _take(desk, record, found)
        elif not _may_be_missing(desk, record, began):
            missing_since = None
        elif missing_since is None:
            missing_since = trio.current_time()
        elif await _never_came(desk, record, baseline, trio.current_time() - missing_since):
            return _move(desk, record, OrderState.LOST, detail="not found twice, too late for it to arrive")
    return record


def _has_ended(desk: FollowerDesk, record: OrderRecord) -> Callable[[], bool]:
    def has_ended() -> bool:
        report = desk.reports.get(record.client_order_id)
        return report is not None and report.state.is_final

    return has_ended


def _may_be_missing(desk: FollowerDesk, record: OrderRecord, began: float) -> bool:
    """Tell whether a request that has not arrived by now can no longer arrive."""
    if record.state is OrderState.ACCEPTED:
        return trio.current_time() - began > ACCEPTED_GRACE_S
    sent_at_ms = record.sent_at_ms
    if sent_at_ms is None:
        return False
    return desk.clock.wall_ms() - sent_at_ms > (REQUEST_LIFE_S + NOT_FOUND_GRACE_S) * 1000


async def _never_came(
    desk: FollowerDesk, record: OrderRecord, baseline: Baseline | None, missing_s: float
) -> bool:
    """Tell whether the position agrees that the order never came.

    Where something else moved it (the operator, a liquidation), it can neither confirm nor deny;
    then the venue's "not found" must last for a minute.
    """
    if baseline is None:
        return True
    try:
        await desk.read_symbol(record.leg.symbol, for_exit=record.reduce_only)
    except ExchangeError:
        return False
    return missing_s > MOVED_GRACE_S or not desk.moved_by_others(record.leg.symbol, baseline)


def _take(desk: FollowerDesk, record: OrderRecord, report: OrderReport) -> OrderRecord:
    known = attrs.evolve(
        record,
        leg=report.leg,
        side=report.side or record.side,
        order_id=report.order_id or record.order_id,
        filled=max(record.filled, report.filled),
        average_price=report.average_price or record.average_price,
    )
    moved = _move(desk, known, report.state, detail=report.reject_reason or record.detail)
    if moved.state.is_final and moved.settled_at_ms is None:
        return attrs.evolve(moved, settled_at_ms=desk.clock.wall_ms())
    return moved


def _move(desk: FollowerDesk, record: OrderRecord, to: OrderState, *, detail: str = "") -> OrderRecord:
    if record.state is to:
        return record
    moved = attrs.evolve(record, state=advance(record.state, to), detail=detail)
    desk.bus.publish(
        OrderMoved(
            copy_id=record.copy_id,
            client_order_id=record.client_order_id,
            follower=desk.settings.name,
            symbol=record.leg.symbol,
            state=moved.state,
            detail=detail,
        )
    )
    return moved
