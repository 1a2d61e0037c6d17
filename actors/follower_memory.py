"""What the ledger remembers of one follower, and what it has still to take (R2, R18)."""

import attrs
import trio

from actors.events import TroubleMet
from actors.follower_desk import FollowerDesk
from actors.key_watch import KeyWatch
from actors.risk_watch import RiskWatch
from model.copy import Holding
from model.ledger import LedgerUnreachable, OpenCopy

LEDGER_RETRY_S = 3.0
UNWRITTEN_RETRY_S = 1.0


async def recall(desk: FollowerDesk, key: KeyWatch, risk: RiskWatch) -> tuple[list[Holding], list[OpenCopy]]:
    """Read what is remembered, however long the ledger is away; local disk's part is put into it first.

    What may be told again, and was answered in an earlier life, is noted: the ledger may be away then,
    and an id must not be used twice (R12).
    """
    name = desk.settings.name
    while True:
        try:
            await _merge_journal(desk)
            await risk.read()
            kept = await desk.ledger.read(lambda store: store.meta(key.meta_key))
            key.remember(kept.get(key.meta_key))
            answered = await desk.ledger.read(lambda store: store.answered_of_newest(name))
            for copy_id in answered:
                desk.note_claim(copy_id)
            return await desk.ledger.read(lambda store: (store.holdings(name), store.open_copies(name)))
        except LedgerUnreachable as error:
            desk.bus.publish(TroubleMet(where=name, what=f"ledger: {error}"))
            await trio.sleep(LEDGER_RETRY_S)


async def write_late_outcomes(desk: FollowerDesk) -> None:
    """Write for ever the outcomes that an unreachable ledger did not take."""
    while True:
        await trio.sleep(UNWRITTEN_RETRY_S)
        while desk.unwritten:
            claim, outcome = desk.unwritten[0]
            present = attrs.evolve(outcome, holdings=desk.present(outcome.holdings))
            if not await desk.write_outcomes([(claim, present)]):
                break
            desk.unwritten.popleft()


async def _merge_journal(desk: FollowerDesk) -> None:
    done = await desk.ledger.merge_journal()
    if done.refused:
        what = f"{done.refused} lines of the journal were unreadable and set aside"
        desk.bus.publish(TroubleMet(where=desk.settings.name, what=what))
