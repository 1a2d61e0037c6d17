"""Writes the master's changes into the ledger, in their order and beside the copy path (R8, R14)."""

from collections import deque

import trio

from actors.bus import Bus
from actors.events import TroubleMet
from actors.ledger_desk import LedgerDesk
from model.change import Change
from model.ledger import LedgerUnreachable
from model.ledger.store import WriteBatch

RETRY_S = 1.0
BATCH_MAX = 100
WAITING_MAX = 10_000
"""Changes kept while the ledger is away. Claims carry theirs too, and a restart compares a snapshot."""


class ChangeKeeper:
    """A queue in front of the ledger. Nothing that happens here is raised in whoever fills it."""

    def __init__(self, *, ledger: LedgerDesk, bus: Bus) -> None:
        self._ledger = ledger
        self._bus = bus
        self._waiting: deque[Change] = deque()
        self._wanted = trio.Event()
        self._told_unreachable = False
        self.written = trio.Event()
        """Set while nothing waits; another one whenever something does."""
        self.written.set()

    def keep(self, change: Change) -> None:
        """Queue a change; returns at once. The oldest one goes where too many wait."""
        self._waiting.append(change)
        if len(self._waiting) > WAITING_MAX:
            lost = self._waiting.popleft()
            self._tell(f"change {lost.change_id} not remembered: too many wait for the ledger")
        self._wanted.set()
        if self.written.is_set():
            self.written = trio.Event()

    async def run(self) -> None:
        """Write what is queued; runs until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            while self._waiting:
                await self._write_some()
            self.written.set()

    async def _write_some(self) -> None:
        """Write the oldest changes in one transaction; wait a moment where the ledger is away."""
        batch = tuple(self._waiting)[:BATCH_MAX]
        try:
            await self._write(batch)
        except LedgerUnreachable as error:
            if not self._told_unreachable:
                self._told_unreachable = True
                self._tell(f"changes wait for the ledger: {error}")
            await trio.sleep(RETRY_S)
            return
        self._told_unreachable = False
        for change in batch:
            if self._waiting and self._waiting[0] is change:
                self._waiting.popleft()

    async def _write(self, batch: tuple[Change, ...]) -> None:
        try:
            await self._ledger.write(WriteBatch(changes=batch))
        except LedgerUnreachable:
            raise
        except Exception as error:  # noqa: BLE001 - what the ledger refuses must not stop the copying
            if len(batch) == 1:
                self._tell(f"change {batch[0].change_id} not remembered: {error}")
                return
            for change in batch:
                await self._write((change,))

    def _tell(self, what: str) -> None:
        self._bus.publish(TroubleMet(where="pairing", what=what))
