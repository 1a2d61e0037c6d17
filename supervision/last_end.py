"""How a process ends: told at once where that can be, and in any case by the next one (R16)."""

import structlog

from actors.ledger_desk import LedgerDesk
from actors.notifier_desk import NotifierDesk
from model.ledger import LedgerError
from supervision.redaction import REDACTOR

KEY = "process:end"
TOLD_KEY = "process:end_told_ms"
RUNNING = "it was cut off: killed, or the machine went down"
WORDS_MAX = 300
TELL_AGAIN_MS = 1_800_000
"""A process that ends every few seconds is told of once in this time."""

log = structlog.get_logger("supervision.last_end")


async def take_last_end(ledger: LedgerDesk) -> str:
    """Return how the last process ended, "" when it ended well, and note that this one runs.

    Raises: LedgerUnreachable.
    """
    kept = await ledger.read(lambda store: store.meta(KEY))
    await ledger.read(lambda store: store.put_meta({KEY: RUNNING}))
    end = kept.get(KEY)
    return end if isinstance(end, str) else ""


async def note_end(alerts: NotifierDesk, failure: BaseException | None) -> None:
    """Note how this process ends, and tell people when it failed: nothing in a dead process can.

    Without a ledger it is told all the same, and the next one says that this one was cut off.
    """
    words = "" if failure is None else REDACTOR.text(f"{type(failure).__name__}: {failure}")[:WORDS_MAX]
    now_ms = alerts.clock.wall_ms()
    told_ms = 0
    try:
        told = await alerts.ledger.read(lambda store: store.meta(TOLD_KEY))
        told_ms = int(told.get(TOLD_KEY, 0))
        await alerts.ledger.read(lambda store: store.put_meta({KEY: words or None}))
        if words and now_ms - told_ms >= TELL_AGAIN_MS:
            await alerts.ledger.read(lambda store: store.put_meta({TOLD_KEY: now_ms}))
    except LedgerError as error:
        log.warning("process.end_not_kept", error=str(error))
    if words and now_ms - told_ms >= TELL_AGAIN_MS:
        body = f"{words}\nMeans: nothing is copied until it runs again.\nDo: see its log and its service."
        await alerts.tell_at_once("CRITICAL the engine has ended by itself", body)
