"""Who tells people: reads the bus, keeps the alerts and their queue, sends (R16).

Nothing here is called from the copy path: it listens to the bus, which never waits for it.
"""

import math
from collections.abc import Callable, Sequence

import trio

from actors.alert_channels import Channel
from actors.alert_keeper import AlertKeeper
from actors.bell import Bell
from actors.bus import Gap, Published
from actors.daily_beat import daily_beats
from actors.events import AlertAcknowledged, AlertChannelChanged, AlertTold
from actors.messages import AcknowledgeAlerts, AskedToCrash, CrashNow, Describe, NotifierStatus
from actors.notifier_desk import NotifierDesk
from actors.runtime import TrioActor
from model.alerts.alert import Alert, Sighting
from model.alerts.book import Notice
from model.alerts.conditions import ALERTS_LOST, EVENTS_MISSED
from model.alerts.words import heartbeat_text

EVENTS_WAITING_MAX = 10_000
EVENTS_AT_ONCE = 50
PAUSE_S = 0.05
BUSY_PAUSE_S = 0.01
"""After a handful of events those who trade go first; a handful costs 4 ms at most."""
LAST_SAVE_S = 2.0


class Notifier(TrioActor):
    """Owns the alerts, the queue of their messages and the channels' state."""

    def __init__(self, *, desk: NotifierDesk) -> None:
        """Serve the channels of ``desk``."""
        super().__init__()
        self._desk = desk
        self._book = desk.make_book()
        self._outbox = desk.make_outbox()
        self._missed = 0
        self._lost_told = 0
        self._seen = Bell()
        self._queued = Bell()
        self._keeper = AlertKeeper(desk, self._book, self._outbox, see=self._see_and_turn)

    async def on_start(self) -> None:
        """Begin to listen at once, and to tell when the ledger has said what was told before."""
        desk, nursery = self._desk, self.nursery
        nursery.start_soon(self._remember)
        nursery.start_soon(self._listen)
        nursery.start_soon(self._keep_time)
        nursery.start_soon(self._keeper.save_for_ever)
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
                    ledger_trouble=self._keeper.trouble,
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
            await self._keeper.save()
        self._keeper.hand_down()

    async def on_failure(self, error: BaseException) -> None:
        """Leave to the next life what could not be written."""
        self._keeper.hand_down()
        await trio.lowlevel.checkpoint()

    async def _remember(self) -> None:
        """Take up what was going on; when the ledger is away, begin without it and do that later."""
        await self._keeper.remember()
        self._seen.ring()
        self._queued.ring()

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
                self._keeper.counted.ring()
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

    def _see_and_turn(self, sighting: Sighting | None) -> None:
        if sighting is not None:
            self._see(sighting)
        self._seen.ring()

    def _acknowledge(self, alert_ids: Sequence[str], by: str) -> tuple[Alert, ...]:
        now_ms = self._desk.now_ms()
        done = [self._book.acknowledge(alert_id, by=by, now_ms=now_ms) for alert_id in alert_ids]
        found = tuple(alert for alert in done if alert is not None)
        for alert in found:
            self._outbox.withdraw(alert, now_ms)
            self._desk.bus.publish(AlertAcknowledged(alert_id=alert.alert_id, title=alert.title, by=by))
        self._keeper.save_soon()
        self._seen.ring()
        return found

    # Telling

    async def _keep_time(self) -> None:
        await self._keeper.loaded.wait()
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
            self._keeper.save_soon()
        if self._book.has_changed:  # an end that nobody is told of
            self._keeper.counted.ring()

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
        return self._keeper.lost + self._book.lost + self._outbox.lost + dropped

    # Sending

    async def _serve(self, channel: Channel) -> None:
        await self._keeper.loaded.wait()
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
            self._keeper.save_soon()
            self._seen.ring()

    async def _beat_daily(self, minute: int) -> None:
        await self._keeper.loaded.wait()
        async for day, summary in daily_beats(self._desk, minute):
            title, body = heartbeat_text(summary, tuple(self._book), self._outbox.status())
            self._outbox.post_heartbeat(f"heartbeat-{day}", title, body, self._desk.now_ms())
            self._queued.ring()
            self._keeper.save_soon()
