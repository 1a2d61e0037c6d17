"""What the ledger remembers of one follower, and what it has still to take (R2, R18)."""

from functools import partial

import attrs
import trio

from actors.events import TroubleMet
from actors.follower_desk import FollowerDesk
from actors.key_watch import KeyWatch
from actors.risk_watch import RiskWatch
from model.copy import Holding, OrderRecord
from model.ledger import LedgerUnreachable, OpenCopy, Store

LEDGER_RETRY_S = 3.0
UNWRITTEN_RETRY_S = 1.0
FILLS_SINCE_MS = 60_000
"""Far longer than a read lags behind: the host's clock may have been set meanwhile."""


@attrs.frozen(kw_only=True)
class Recalled:
    """What a follower begins with."""

    holdings: list[Holding]
    open_copies: list[OpenCopy]
    last_fills: list[OrderRecord]
    """Orders so young that a read of the account may not show what they filled."""


async def recall(desk: FollowerDesk, key: KeyWatch, risk: RiskWatch) -> Recalled:
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
            since_ms = desk.clock.wall_ms() - FILLS_SINCE_MS
            return await desk.ledger.read(partial(_recall, name=name, fills_since_ms=since_ms))
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


def _recall(store: Store, *, name: str, fills_since_ms: int) -> Recalled:
    return Recalled(
        holdings=store.holdings(name),
        open_copies=store.open_copies(name),
        last_fills=store.last_fills(name, since_ms=fills_since_ms),
    )


async def _merge_journal(desk: FollowerDesk) -> None:
    done = await desk.ledger.merge_journal()
    if done.refused:
        what = f"{done.refused} lines of the journal were unreadable and set aside"
        desk.bus.publish(TroubleMet(where=desk.settings.name, what=what))
