"""Who tells people: reads the bus, keeps the alerts and their queue, sends (R16).

Nothing here is called from the copy path: it listens to the bus, which never waits for it.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
import trio

from actors.alert_channels import Channel
from actors.bus import Gap, Published
from actors.events import AlertAcknowledged, AlertChannelChanged, AlertTold
from actors.messages import AcknowledgeAlerts, AskedToCrash, CrashNow, Describe, NotifierStatus
from actors.notifier_desk import NotifierDesk
from actors.runtime import TrioActor
from model.alerts.alert import Alert, Sighting
from model.alerts.book import Notice
from model.alerts.conditions import ALERTS_LOST, EVENTS_MISSED, LEDGER_AWAY
from model.alerts.heartbeat import HeartbeatClock
from model.alerts.message import Message
from model.alerts.words import heartbeat_text
from model.ledger import LedgerRefused, LedgerUnreachable

EVENTS_WAITING_MAX = 10_000
EVENTS_AT_ONCE = 50
PAUSE_S = 0.05
BUSY_PAUSE_S = 0.01
"""After a handful of events those who trade go first; a handful costs 4 ms at most."""
LOAD_WAIT_S = 5.0
LEDGER_RETRY_S = 5.0
SAVE_GAP_S = 2.0
"""Mere counts are written together; what was told or delivered is written at once."""
SAVE_ROWS_MAX = 100
"""In one transaction: claims that want the ledger meanwhile wait no longer than for that."""
HEARTBEAT_LOOK_S = 60.0
SUMMARY_S = 5.0
LAST_SAVE_S = 2.0
HEARTBEAT_KEY = "alerts:heartbeat_day"

log = structlog.get_logger("actors.notifier")


class _Bell:
    """Wakes everybody who waits for news now; who asks before it looks misses none."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def ring(self) -> None:
        self._event.set()
        self._event = trio.Event()

    @property
    def next(self) -> trio.Event:
        return self._event


class Notifier(TrioActor):
    """Owns the alerts, the queue of their messages and the channels' state."""

    def __init__(self, *, desk: NotifierDesk) -> None:
        """Serve the channels of ``desk``."""
        super().__init__()
        self._desk = desk
        self._book = desk.make_book()
        self._outbox = desk.make_outbox()
        self._ledger_trouble = ""
        self._missed = 0
        self._lost = 0
        self._lost_told = 0
        self._loaded = trio.Event()
        self._seen = _Bell()
        self._queued = _Bell()
        self._counted = _Bell()
        self._urgent = _Bell()

    async def on_start(self) -> None:
        """Begin to listen at once, and to tell when the ledger has said what was told before."""
        desk, nursery = self._desk, self.nursery
        nursery.start_soon(self._remember)
        nursery.start_soon(self._listen)
        nursery.start_soon(self._keep_time)
        nursery.start_soon(self._save_for_ever)
        for channel in desk.channels:
            nursery.start_soon(self._serve, channel)
        if desk.heartbeat_minute is not None and desk.channels:
            nursery.start_soon(self._beat_daily, desk.heartbeat_minute)

    async def on_receive(self, message: object) -> object:
        """Answer Describe and AcknowledgeAlerts."""
        match message:
            case Describe():
                return NotifierStatus(
                    firing=tuple(self._book),
                    channels=self._outbox.status(),
                    lost=self._count_lost() + self._missed,
                    ledger_trouble=self._ledger_trouble,
                )
            case AcknowledgeAlerts(alert_ids=ids, by=by):
                return self._acknowledge(ids or tuple(alert.alert_id for alert in self._book), by)
            case CrashNow(why=why):
                raise AskedToCrash(why)
            case _:
                raise TypeError(f"Notifier does not know {message!r}")

    async def on_stop(self) -> None:
        """Write what is not written; what is queued is sent after the next start."""
        with trio.move_on_after(LAST_SAVE_S):
            await self._save()
        self._hand_down()

    async def on_failure(self, error: BaseException) -> None:
        """Leave to the next life what could not be written."""
        self._hand_down()
        await trio.lowlevel.checkpoint()

    # Memory

    async def _remember(self) -> None:
        """Take up what was going on; when the ledger is away, begin without it and do that later."""
        with trio.move_on_after(LOAD_WAIT_S) as patience:
            await self._load()
        self._loaded.set()
        if patience.cancelled_caught:
            await self._load()
        self._seen.ring()
        self._queued.ring()

    async def _load(self) -> None:
        now_ms = self._desk.now_ms()
        while True:
            try:
                memory = await self._desk.ledger.read(lambda store: store.recall_alerts(now_ms=now_ms))
                break
            except LedgerUnreachable as error:
                self._see_ledger(str(error))
                await trio.sleep(LEDGER_RETRY_S)
        alerts, messages = self._desk.take_unsaved()
        self._put_back(alerts, messages)
        self._book.load({alert.alert_id: alert for alert in (*memory.alerts, *alerts)}.values())
        newest = {message.key: message for message in (*memory.messages, *messages)}
        self._outbox.load(newest.values(), now_ms=now_ms)

    async def _save_for_ever(self) -> None:
        await self._loaded.wait()
        while True:
            counted, urgent = self._counted.next, self._urgent.next
            if not await self._save():
                await trio.sleep(LEDGER_RETRY_S)
                continue
            await counted.wait()
            with trio.move_on_after(SAVE_GAP_S):
                await urgent.wait()

    async def _save(self) -> bool:
        """Write what has changed, little by little; return False when the ledger is away."""
        while alerts := self._book.take_changed():
            part, rest = alerts[:SAVE_ROWS_MAX], alerts[SAVE_ROWS_MAX:]
            self._book.put_back(rest)
            ids = {alert.alert_id for alert in part}
            # An alert without its message would never be told after a crash: they go together.
            if not await self._write(part, self._outbox.take_changed(ids)):
                return False
        while messages := self._outbox.take_changed():
            part_, rest_ = messages[:SAVE_ROWS_MAX], messages[SAVE_ROWS_MAX:]
            self._outbox.put_back(rest_)
            if not await self._write([], part_):
                return False
        await trio.lowlevel.checkpoint()
        return True

    async def _write(self, alerts: Sequence[Alert], messages: Sequence[Message]) -> bool:
        try:
            await self._desk.ledger.read(lambda store: store.save_alerts(alerts, messages))
        except LedgerUnreachable as error:
            self._put_back(alerts, messages)
            self._see_ledger(str(error))
            return False
        except LedgerRefused as error:  # a bug, but one that must not silence everybody
            self._lost += len(alerts) + len(messages)
            log.error("alerts.refused", error=str(error), alerts=len(alerts), messages=len(messages))
            self._seen.ring()
        except BaseException:
            self._put_back(alerts, messages)
            raise
        self._see_ledger("")
        return True

    def _save_soon(self) -> None:
        self._urgent.ring()
        self._counted.ring()

    def _put_back(self, alerts: Sequence[Alert], messages: Sequence[Message]) -> None:
        self._book.put_back(alerts)
        self._outbox.put_back(messages)

    def _hand_down(self) -> None:
        self._desk.leave_unsaved(self._book.take_changed(), self._outbox.take_changed())

    def _see_ledger(self, trouble: str) -> None:
        """Note that the ledger is away: an alert in itself, and one that cannot wait for the ledger."""
        if bool(trouble) is not bool(self._ledger_trouble):
            self._see(Sighting(condition=LEDGER_AWAY, detail=trouble, present=bool(trouble)))
            self._seen.ring()
        self._ledger_trouble = trouble

    # Listening

    async def _listen(self) -> None:
        desk = self._desk
        for sighting in desk.take_first_sightings():
            self._see(sighting)
        with desk.bus.subscribe(
            topics=desk.topics, capacity=EVENTS_WAITING_MAX, from_seq=desk.heard_seq + 1
        ) as events:
            while batch := await events.batch(EVENTS_AT_ONCE):
                for item in batch:
                    self._hear(item)
                self._seen.ring()
                self._counted.ring()
                await trio.sleep(BUSY_PAUSE_S if events.waiting else PAUSE_S)

    def _hear(self, item: Published | Gap) -> None:
        if isinstance(item, Gap):
            self._missed += item.count
            self._see(Sighting(condition=EVENTS_MISSED, detail=f"{self._missed} events were not looked at."))
            return
        self._desk.heard_seq = item.seq
        for sighting in self._desk.sightings_of(item.event):
            self._see(sighting)

    def _see(self, sighting: Sighting) -> None:
        self._book.see(sighting, self._desk.now_ms())

    def _acknowledge(self, alert_ids: Sequence[str], by: str) -> tuple[Alert, ...]:
        now_ms = self._desk.now_ms()
        done = [self._book.acknowledge(alert_id, by=by, now_ms=now_ms) for alert_id in alert_ids]
        found = tuple(alert for alert in done if alert is not None)
        for alert in found:
            self._outbox.withdraw(alert, now_ms)
            self._desk.bus.publish(AlertAcknowledged(alert_id=alert.alert_id, title=alert.title, by=by))
        self._save_soon()
        self._seen.ring()
        return found

    # Telling

    async def _keep_time(self) -> None:
        await self._loaded.wait()
        while True:
            news = self._seen.next
            self._turn()
            next_ms = self._book.next_at_ms()
            with trio.move_on_at(math.inf if next_ms is None else self._desk.trio_time(next_ms)):
                await news.wait()

    def _turn(self) -> None:
        """Let the book decide what is told now, and queue it."""
        now_ms = self._desk.now_ms()
        lost = self._count_lost()
        if lost > self._lost_told:
            self._lost_told = lost
            self._see(Sighting(condition=ALERTS_LOST, detail=f"{lost} since the start."))
        # What is queued just now may be known to get through nowhere: look again until there is nothing new.
        while notices := self._book.tick(now_ms, is_undelivered=self._undelivered()):
            for notice in notices:
                self._outbox.post(notice, now_ms)
                self._publish(notice)
            self._queued.ring()
            self._save_soon()
        if self._book.has_changed:  # an end that nobody is told of
            self._counted.ring()

    def _undelivered(self) -> Callable[[str], bool] | None:
        return self._outbox.is_undelivered if self._outbox.gets_nothing_through else None

    def _publish(self, notice: Notice) -> None:
        alert = notice.alert
        self._desk.bus.publish(
            AlertTold(
                alert_id=alert.alert_id,
                kind=notice.kind.value,
                severity=alert.condition.severity.value,
                title=alert.title,
                detail=alert.detail,
            )
        )

    def _count_lost(self) -> int:
        dropped = sum(channel.dropped for channel in self._outbox.status())
        return self._lost + self._book.lost + self._outbox.lost + dropped

    # Sending

    async def _serve(self, channel: Channel) -> None:
        await self._loaded.wait()
        while True:
            news = self._queued.next
            plan = self._outbox.plan(channel.name, self._desk.now_ms())
            if plan is None:
                due_ms = self._outbox.due_at_ms(channel.name)
                with trio.move_on_at(math.inf if due_ms is None else self._desk.trio_time(due_ms)):
                    await news.wait()
                continue
            delivery = await channel.send(plan.title, plan.body)
            if self._outbox.settle(plan, delivery, self._desk.now_ms()):
                self._desk.bus.publish(
                    AlertChannelChanged(
                        channel=channel.name, delivers=delivery.delivered, detail=delivery.error
                    )
                )
            self._save_soon()
            self._seen.ring()

    async def _beat_daily(self, minute: int) -> None:
        await self._loaded.wait()
        wall_ms = self._desk.clock.wall_ms
        known = await self._last_beat()
        clock = HeartbeatClock(minute, last_day=known, now_ms=wall_ms())
        if known is None:
            await self._keep_beat(clock.last_day)
        while True:
            wait_ms = clock.due_in_ms(wall_ms())
            if wait_ms > 0:
                await trio.sleep(min(wait_ms / 1000, HEARTBEAT_LOOK_S))
                continue
            summary = await self._summary()
            day = clock.told(wall_ms())
            title, body = heartbeat_text(summary, tuple(self._book), self._outbox.status())
            self._outbox.post_heartbeat(f"heartbeat-{day}", title, body, self._desk.now_ms())
            self._queued.ring()
            self._save_soon()
            await self._keep_beat(day)

    async def _summary(self) -> str:
        try:
            with trio.move_on_after(SUMMARY_S):
                return await self._desk.summary()
        except Exception:  # whatever it is, the sign of life must not die of it
            log.exception("alerts.summary_failed")
        return "how it is could not be found out"

    async def _last_beat(self) -> int | None:
        try:
            kept = await self._desk.ledger.read(lambda store: store.meta(HEARTBEAT_KEY))
        except LedgerUnreachable:
            return None
        day = kept.get(HEARTBEAT_KEY)
        return day if isinstance(day, int) else None

    async def _keep_beat(self, day: int) -> None:
        with suppress(LedgerUnreachable):  # the next day's is kept again
            await self._desk.ledger.read(lambda store: store.put_meta({HEARTBEAT_KEY: day}))
