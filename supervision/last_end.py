"""How the process before this one ended: an end that nobody asked for is told by the next one (R16)."""

from actors.ledger_desk import LedgerDesk
from model.ledger import LedgerError

KEY = "process:end"
RUNNING = "it was cut off: killed, or the machine went down"
WORDS_MAX = 300


async def take_last_end(ledger: LedgerDesk) -> str:
    """Return how the last process ended, "" when it ended well, and note that this one runs.

    Raises: LedgerUnreachable.
    """
    kept = await ledger.read(lambda store: store.meta(KEY))
    await ledger.read(lambda store: store.put_meta({KEY: RUNNING}))
    end = kept.get(KEY)
    return end if isinstance(end, str) else ""


async def note_end(ledger: LedgerDesk, failure: BaseException | None) -> None:
    """Note how this process ends; without a ledger the next one tells that it was cut off."""
    end = None if failure is None else f"{type(failure).__name__}: {failure}"[:WORDS_MAX]
    try:
        await ledger.read(lambda store: store.put_meta({KEY: end}))
    except LedgerError:
        return
