"""Who owns the ledger: one engine at a time, and old rows leave it."""

import time
from collections.abc import Callable
from uuid import uuid4

import attrs
import trio

from actors.events import LedgerStateChanged, TroubleMet
from actors.ledger_desk import LedgerDesk, Mode
from actors.messages import AskedToCrash, CrashNow, Describe
from actors.runtime import TrioActor
from model.ledger import LeaseLost, LeaseTaken, LedgerUnreachable, Store
from model.ledger.lease import Lease

__all__ = ["LedgerDesk", "LedgerKeeper", "LedgerStatus", "Mode"]

LEASE_CHECK_S = 5.0
PURGE_EVERY_S = 600.0


@attrs.frozen(kw_only=True)
class LedgerStatus:
    """The ledger's part of `status` and `health`."""

    where: str
    lease_held: bool
    """False while the database cannot be asked: no openings then, reductions go on (R18)."""
    trouble: str
    transactions: int


class LedgerKeeper(TrioActor):
    """Holds the lease, merges the journal, and purges.

    A lease that another engine took ends this one: `LeaseLost`. One that went away with the
    database is taken again when the database is back; meanwhile nothing can be claimed, so no
    opening leaves, and reductions must not be stopped for it (R18).
    """

    def __init__(
        self,
        *,
        desk: LedgerDesk,
        lease: Lease,
        publish: Callable[[object], None] = lambda event: None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Keep the ledger behind ``desk``; ``publish`` is given the begin and end of each outage."""
        super().__init__()
        self._desk = desk
        self._lease = lease
        self._publish = publish
        self._now_ms = now_ms
        self._token = uuid4().hex
        self._held = False
        self._trouble = ""

    async def on_start(self) -> None:
        """Take the lease. Raises: LeaseTaken, LedgerUnreachable."""
        await self._desk.read(self._acquire)
        self._held = True
        await self._merge_journal()
        self.nursery.start_soon(self._check_for_ever)
        self.nursery.start_soon(self._purge_for_ever)

    async def on_stop(self) -> None:
        """Give the lease back."""
        self._held = False
        await self._desk.read(lambda store: self._lease.release())

    async def on_receive(self, message: object) -> object:
        """Answer Describe."""
        match message:
            case Describe():
                return LedgerStatus(
                    where=self._desk.where,
                    lease_held=self._held,
                    trouble=self._trouble,
                    transactions=self._desk.transactions,
                )
            case CrashNow(why=why):
                raise AskedToCrash(why)
            case _:
                raise TypeError(f"LedgerKeeper does not know {message!r}")

    async def _check_for_ever(self) -> None:
        while True:
            await trio.sleep(LEASE_CHECK_S)
            await self._check()

    async def _check(self) -> None:
        try:
            self._held = await self._desk.read(self._confirm)
        except LedgerUnreachable as error:
            # It must not end this actor: everybody else would be stopped, exits too, until it is back.
            self._held = False
            self._tell(str(error))
            return
        if not self._held:
            await self._take_again()
        if self._held:
            await self._merge_journal()

    async def _take_again(self) -> None:
        self._held = False
        try:
            await self._desk.read(self._acquire)
        except LeaseTaken as error:
            raise LeaseLost(str(error)) from error
        except LedgerUnreachable as error:
            self._tell(str(error))
        else:
            self._held = True
            self._tell("")

    def _acquire(self, store: Store) -> None:
        self._lease.acquire()
        store.take_over(self._token)

    def _confirm(self, store: Store) -> bool:
        """Tell whether the lease is ours; then we are the one that writes, whoever was slow to leave."""
        held = self._lease.still_held()
        if held:
            store.take_over(self._token)
        return held

    async def _merge_journal(self) -> None:
        """Merge before anyone trusts the ledger's memory; what cannot be read is told (R18)."""
        try:
            done = await self._desk.merge_journal()
        except LedgerUnreachable as error:
            self._tell(str(error))
            return
        self._tell("")
        if done.refused:
            what = f"{done.refused} lines of the journal were unreadable and set aside"
            self._publish(TroubleMet(where="ledger", what=what))

    async def _purge_for_ever(self) -> None:
        while True:
            await trio.sleep(PURGE_EVERY_S)
            try:
                await self._purge()
            except LedgerUnreachable as error:
                self._publish(TroubleMet(where="ledger", what=f"not purged: {error}"))

    async def _purge(self) -> None:
        more = True
        while more:
            purged = await self._desk.read(lambda store: store.purge(now_ms=self._now_ms()))
            more = purged.more

    def _tell(self, trouble: str) -> None:
        if bool(trouble) is not bool(self._trouble):
            self._publish(LedgerStateChanged(reachable=not trouble, detail=trouble))
        self._trouble = trouble
