"""How the notifier's alerts and queue get into the ledger and back, and what it does without one."""

from collections.abc import Callable, Sequence

import structlog
import trio

from actors.bell import Bell
from actors.notifier_desk import NotifierDesk
from model.alerts.alert import Alert, Sighting
from model.alerts.book import AlertBook
from model.alerts.conditions import LEDGER_AWAY
from model.alerts.message import Message
from model.alerts.outbox import Outbox
from model.ledger import LedgerRefused, LedgerUnreachable

LOAD_WAIT_S = 5.0
RETRY_S = 5.0
SAVE_GAP_S = 2.0
"""Mere counts are written together; what was told or delivered is written at once."""
SAVE_ROWS_MAX = 100
"""In one transaction: claims that want the ledger meanwhile wait no longer than for that."""

log = structlog.get_logger("actors.alert_keeper")


class AlertKeeper:
    """Writes what changes in a book and an outbox, and fills them at the start."""

    def __init__(
        self, desk: NotifierDesk, book: AlertBook, outbox: Outbox, *, see: Callable[[Sighting | None], None]
    ) -> None:
        """Keep ``book`` and ``outbox``.

        Args:
            see: is given what is seen of the ledger itself; None: only look at the book again.
        """
        self._desk = desk
        self._book = book
        self._outbox = outbox
        self._see = see
        self._urgent = Bell()
        self.counted = Bell()
        """To be rung when something has changed that can wait a moment."""
        self.loaded = trio.Event()
        """Set once nothing need be waited for: what was told before is known, or cannot be."""
        self.lost = 0
        """Rows that the ledger refused."""
        self.trouble = ""
        """Why the queue is in memory only; "" when it is not."""

    async def remember(self) -> None:
        """Take up what was going on; when the ledger is away, begin without it and do that later."""
        with trio.move_on_after(LOAD_WAIT_S) as patience:
            await self._load()
        self.loaded.set()
        if patience.cancelled_caught:
            await self._load()

    async def save_for_ever(self) -> None:
        """Write what changes, soon."""
        await self.loaded.wait()
        while True:
            counted, urgent = self.counted.next, self._urgent.next
            if not await self.save():
                await trio.sleep(RETRY_S)
                continue
            await counted.wait()
            with trio.move_on_after(SAVE_GAP_S):
                await urgent.wait()

    def save_soon(self) -> None:
        """Something was told or delivered: write that now."""
        self._urgent.ring()
        self.counted.ring()

    async def save(self) -> bool:
        """Write what has changed, little by little; return False when the ledger is away."""
        while alerts := self._book.take_changed():
            some, rest = alerts[:SAVE_ROWS_MAX], alerts[SAVE_ROWS_MAX:]
            self._book.put_back(rest)
            # An alert without its message would never be told after a crash: they go together.
            messages = self._outbox.take_changed({alert.alert_id for alert in some})
            if not await self._write(some, messages):
                return False
        while messages := self._outbox.take_changed():
            now, later = messages[:SAVE_ROWS_MAX], messages[SAVE_ROWS_MAX:]
            self._outbox.put_back(later)
            if not await self._write([], now):
                return False
        await trio.lowlevel.checkpoint()
        return True

    def hand_down(self) -> None:
        """Leave to the next life what could not be written."""
        self._desk.leave_unsaved(self._book.take_changed(), self._outbox.take_changed())

    async def _load(self) -> None:
        now_ms = self._desk.now_ms()
        while True:
            try:
                memory = await self._desk.ledger.read(lambda store: store.recall_alerts(now_ms=now_ms))
                break
            except LedgerUnreachable as error:
                self._note(str(error))
                await trio.sleep(RETRY_S)
        alerts, messages = self._desk.take_unsaved()
        self._put_back(alerts, messages)
        self._book.load({alert.alert_id: alert for alert in (*memory.alerts, *alerts)}.values())
        newest = {message.key: message for message in (*memory.messages, *messages)}
        self._outbox.load(newest.values(), now_ms=now_ms)

    async def _write(self, alerts: Sequence[Alert], messages: Sequence[Message]) -> bool:
        try:
            await self._desk.ledger.read(lambda store: store.save_alerts(alerts, messages))
        except LedgerUnreachable as error:
            self._put_back(alerts, messages)
            self._note(str(error))
            return False
        except LedgerRefused as error:  # a bug, but one that must not silence everybody
            self.lost += len(alerts) + len(messages)
            log.error("alerts.refused", error=str(error), alerts=len(alerts), messages=len(messages))
            self._see(None)
        except BaseException:
            self._put_back(alerts, messages)
            raise
        self._note("")
        return True

    def _put_back(self, alerts: Sequence[Alert], messages: Sequence[Message]) -> None:
        self._book.put_back(alerts)
        self._outbox.put_back(messages)

    def _note(self, trouble: str) -> None:
        """Note that the ledger is away: an alert in itself, and one that cannot wait for the ledger."""
        if bool(trouble) is not bool(self.trouble):
            self._see(Sighting(condition=LEDGER_AWAY, detail=trouble, present=bool(trouble)))
        self.trouble = trouble
