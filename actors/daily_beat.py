"""The notifier's daily sign of life: a day after a day, over restarts (R16)."""

from collections.abc import AsyncIterator
from contextlib import suppress

import structlog
import trio

from actors.ledger_desk import LedgerDesk
from actors.notifier_desk import NotifierDesk
from model.alerts.heartbeat import HeartbeatClock
from model.ledger import LedgerUnreachable

LOOK_S = 60.0
"""A wall clock may be set: it is looked at so often."""
SUMMARY_S = 5.0
KEY = "alerts:heartbeat_day"

log = structlog.get_logger("actors.daily_beat")


async def daily_beats(desk: NotifierDesk, minute: int) -> AsyncIterator[tuple[int, str]]:
    """Yield a day's number and how the engine is, when it is due; for ever."""
    wall_ms = desk.clock.wall_ms
    known = await _last_day(desk.ledger)
    clock = HeartbeatClock(minute, last_day=known, now_ms=wall_ms())
    if known is None:
        await _keep_day(desk.ledger, clock.last_day)
    while True:
        wait_ms = clock.due_in_ms(wall_ms())
        if wait_ms > 0:
            await trio.sleep(min(wait_ms / 1000, LOOK_S))
            continue
        summary = await _summary(desk)
        day = clock.told(wall_ms())
        yield day, summary
        await _keep_day(desk.ledger, day)


async def _summary(desk: NotifierDesk) -> str:
    try:
        with trio.move_on_after(SUMMARY_S):
            return await desk.summary()
    except Exception:  # whatever it is, the sign of life must not die of it
        log.exception("alerts.summary_failed")
    return "how it is could not be found out"


async def _last_day(ledger: LedgerDesk) -> int | None:
    try:
        kept = await ledger.read(lambda store: store.meta(KEY))
    except LedgerUnreachable:
        return None
    day = kept.get(KEY)
    return day if isinstance(day, int) else None


async def _keep_day(ledger: LedgerDesk, day: int) -> None:
    with suppress(LedgerUnreachable):  # the next day's is kept again
        await ledger.read(lambda store: store.put_meta({KEY: day}))
