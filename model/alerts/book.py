"""Every alert that is open, as a state machine: sightings in, notices out (R16).

pending -> firing -> ended, by key. One episode is told once when it begins, again at most every
``REPEAT_MS``, and once when it is over. Pure: time is passed in, in ms.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum

import attrs

from model.alerts.alert import Alert, AlertState, Sighting, begin_alert, make_alert_id
from model.alerts.conditions import ALERTS_LOST, Condition
from model.severity import Severity

ALERTS_MAX = 2_000
CHANGED_MAX = 4_000
ESCALATE_AFTER_MS = 300_000
ESCALATE_AGAIN_MS = 1_800_000
"""At most one SMS of a key in this time, over episodes too."""
REPEAT_MS: Mapping[Severity, int | None] = {
    Severity.CRITICAL: 1_800_000,
    Severity.WARNING: 6 * 3_600_000,
    Severity.INFO: None,
}
FORGET_MS = 7 * 24 * 3_600_000
"""What was not seen for so long is over, though nobody said so: its subject may be gone."""
FORGET_ACKNOWLEDGED_MS = 24 * 3_600_000


class NoticeKind(Enum):
    """Why people are told."""

    FIRED = "fired"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    ESCALATED = "escalated"
    """Critical, and nobody acknowledged it or nothing delivered it: by SMS."""


@attrs.frozen
class Notice:
    """Something to tell of an alert, as it is then."""

    kind: NoticeKind
    alert: Alert


class AlertBook:
    """The open alerts by key."""

    def __init__(self, *, escalate_after_ms: int | None = ESCALATE_AFTER_MS) -> None:
        """Begin empty; `load` brings back what the ledger remembers.

        Args:
            escalate_after_ms: how long a critical alert waits for somebody; None where there is no SMS.
        """
        self._escalate_after_ms = escalate_after_ms
        self._open: dict[str, Alert] = {}
        self._again: set[str] = set()
        self._calls: list[tuple[int, str]] = []
        self._called_at: dict[str, int] = {}
        self._escalated_at: dict[str, int] = {}
        self._changed: dict[str, Alert] = {}
        self.lost = 0
        """Alerts that were not kept, for there were too many."""

    def __iter__(self) -> Iterator[Alert]:
        """Walk the alerts that fire, the loudest and then the oldest first."""
        firing = (alert for alert in self._open.values() if alert.state is AlertState.FIRING)
        return iter(sorted(firing, key=lambda it: (-it.condition.severity.rank, it.fired_at_ms or 0)))

    def load(self, alerts: Iterable[Alert]) -> None:
        """Take what was firing before a restart: it goes on, and is not told again."""
        for alert in alerts:
            if alert.escalated_at_ms is not None:
                self._note_escalation(alert.key, alert.escalated_at_ms)
            known = self._open.get(alert.key)
            if alert.state is AlertState.FIRING and (known is None or known.state is AlertState.PENDING):
                seen_ms = alert.seen_at_ms if known is None else known.seen_at_ms
                loaded = attrs.evolve(alert, seen_at_ms=max(seen_ms, alert.seen_at_ms))
                self._open[alert.key] = loaded
                self._call(loaded)

    def see(self, sighting: Sighting, now_ms: int) -> None:
        """Take a sighting; `tick` says what is to be told of it."""
        alert = self._open.get(sighting.key)
        if not sighting.present:
            self._see_end(alert, now_ms)
        elif alert is not None:
            again = attrs.evolve(
                alert,
                detail=sighting.detail or alert.detail,
                seen_at_ms=now_ms,
                count=alert.count + 1,
                calm_since_ms=None,
            )
            if sighting.again and alert.state is AlertState.FIRING:
                self._again.add(alert.key)
            self._put(again)
        elif len(self._open) < ALERTS_MAX or sighting.condition is ALERTS_LOST:
            self._put(begin_alert(sighting, now_ms))
        else:
            self.lost += 1
            self.see(_lost(self.lost), now_ms)

    def acknowledge(self, alert_id: str, *, by: str, now_ms: int) -> Alert | None:
        """Note that somebody takes care of it: no repeats, no SMS. None when no such alert fires."""
        for alert in self:
            if alert.alert_id == alert_id:
                done = attrs.evolve(alert, acknowledged_at_ms=now_ms, acknowledged_by=by)
                self._put(done)
                return done
        return None

    def tick(self, now_ms: int, *, is_undelivered: Callable[[str], bool] | None = None) -> list[Notice]:
        """Let time pass; return what is to be told now. Costs nothing for what is not due.

        Args:
            is_undelivered: whether an alert, by its id, gets through by nothing but SMS; None while
                something gets through at all.
        """
        notices: list[Notice] = []
        while self._calls and self._calls[0][0] <= now_ms:
            at_ms, key = heapq.heappop(self._calls)
            if self._called_at.get(key) == at_ms:
                del self._called_at[key]
                notices += self._look(self._open.get(key), now_ms)
        if is_undelivered is not None and self._escalate_after_ms is not None:
            critical = [it for it in self._open.values() if it.condition.severity is Severity.CRITICAL]
            for alert in critical:
                if alert.state is AlertState.FIRING and is_undelivered(alert.alert_id):
                    notices += self._escalate(alert, now_ms, undelivered=True)
        return notices

    def next_at_ms(self) -> int | None:
        """Return when `tick` may have something to do again, if nothing is seen before."""
        while self._calls and self._called_at.get(self._calls[0][1]) != self._calls[0][0]:
            heapq.heappop(self._calls)
        return self._calls[0][0] if self._calls else None

    @property
    def has_changed(self) -> bool:
        """Tell whether something waits to be written."""
        return bool(self._changed)

    def take_changed(self) -> list[Alert]:
        """Return every alert that has changed since the last call, pending ones left out."""
        changed, self._changed = self._changed, {}
        return list(changed.values())

    def put_back(self, alerts: Iterable[Alert]) -> None:
        """Give back what could not be written; what has changed meanwhile is newer and stays."""
        for alert in alerts:
            self._changed.setdefault(alert.alert_id, alert)
        while len(self._changed) > CHANGED_MAX:
            del self._changed[next(iter(self._changed))]
            self.lost += 1

    # One alert

    def _see_end(self, alert: Alert | None, now_ms: int) -> None:
        if alert is None:
            return
        if alert.state is AlertState.PENDING:
            del self._open[alert.key]
        elif alert.calm_since_ms is None:
            self._put(attrs.evolve(alert, calm_since_ms=now_ms))

    def _look(self, alert: Alert | None, now_ms: int) -> list[Notice]:
        if alert is None:
            return []
        if alert.state is AlertState.PENDING:
            notices = self._ripen(alert, now_ms)
        else:
            notices = self._go_on(alert, now_ms)
        here = self._open.get(alert.key)
        if here is not None and here.state is AlertState.FIRING:
            notices += self._escalate(here, now_ms, undelivered=False)
            self._call(self._open[alert.key])
        elif here is not None:
            self._call(here)
        return notices

    def _call(self, alert: Alert) -> None:
        """See to it that the alert is looked at when it is due; earlier than that does no harm."""
        due_ms = 0 if alert.key in self._again else min(self._times(alert))
        called_ms = self._called_at.get(alert.key)
        if called_ms is None or due_ms < called_ms:
            self._called_at[alert.key] = due_ms
            heapq.heappush(self._calls, (due_ms, alert.key))

    def _ripen(self, alert: Alert, now_ms: int) -> list[Notice]:
        if _is_quiet(alert, now_ms):
            del self._open[alert.key]
        elif now_ms >= _ripe_at(alert):
            fired = attrs.evolve(
                alert,
                alert_id=make_alert_id(alert.key, now_ms),
                state=AlertState.FIRING,
                fired_at_ms=now_ms,
                told_at_ms=now_ms,
                count_told=alert.count,
            )
            self._put(fired)
            return [Notice(NoticeKind.FIRED, fired)]
        return []

    def _go_on(self, alert: Alert, now_ms: int) -> list[Notice]:
        if now_ms >= _over_at(alert):
            return self._end(alert, now_ms)
        repeat_at_ms = now_ms if alert.key in self._again else _repeat_at(alert)
        if repeat_at_ms is not None and now_ms >= repeat_at_ms:
            self._again.discard(alert.key)
            again = attrs.evolve(alert, told_at_ms=now_ms, count_told=alert.count, repeats=alert.repeats + 1)
            self._put(again)
            return [Notice(NoticeKind.REPEATED, again)]
        return []

    def _end(self, alert: Alert, now_ms: int) -> list[Notice]:
        ended = attrs.evolve(alert, state=AlertState.ENDED, ended_at_ms=now_ms)
        del self._open[alert.key]
        self._again.discard(alert.key)
        self._changed[ended.alert_id] = ended
        was_said = alert.calm_since_ms is not None and alert.condition.tells_its_end
        return [Notice(NoticeKind.RESOLVED, ended)] if was_said else []

    def _escalate(self, alert: Alert, now_ms: int, *, undelivered: bool) -> list[Notice]:
        at_ms = self._escalate_at(alert, undelivered=undelivered)
        if at_ms is None or now_ms < at_ms:
            return []
        again = attrs.evolve(alert, escalated_at_ms=now_ms, escalations=alert.escalations + 1)
        self._put(again)
        self._note_escalation(alert.key, now_ms)
        return [Notice(NoticeKind.ESCALATED, again)]

    def _escalate_at(self, alert: Alert, *, undelivered: bool = False) -> int | None:
        fired_ms = alert.fired_at_ms
        wait_ms = self._escalate_after_ms
        if alert.condition.severity is not Severity.CRITICAL or fired_ms is None or wait_ms is None:
            return None
        if alert.acknowledged_at_ms is not None or alert.calm_since_ms is not None:
            return None
        last_ms = self._escalated_at.get(alert.key)
        due_ms = fired_ms if undelivered else fired_ms + wait_ms
        return due_ms if last_ms is None else max(due_ms, last_ms + ESCALATE_AGAIN_MS)

    def _times(self, alert: Alert) -> Iterator[int]:
        if alert.state is AlertState.PENDING:
            yield _ripe_at(alert)
            return
        yield _over_at(alert)
        for at_ms in (_repeat_at(alert), self._escalate_at(alert)):
            if at_ms is not None:
                yield at_ms

    def _note_escalation(self, key: str, at_ms: int) -> None:
        self._escalated_at[key] = max(at_ms, self._escalated_at.get(key, 0))
        if len(self._escalated_at) > ALERTS_MAX:
            del self._escalated_at[min(self._escalated_at, key=lambda it: self._escalated_at[it])]

    def _put(self, alert: Alert) -> None:
        self._open[alert.key] = alert
        self._call(alert)
        if alert.state is not AlertState.PENDING:
            self._changed[alert.alert_id] = alert


def _lost(count: int) -> Sighting:
    return Sighting(condition=ALERTS_LOST, detail=f"{count} were not kept")


def _ms(span_s: float) -> int:
    return round(span_s * 1000)


def _ripe_at(alert: Alert) -> int:
    return alert.began_at_ms + _ms(alert.condition.hold_s)


def _is_quiet(alert: Alert, now_ms: int) -> bool:
    quiet_s = alert.condition.quiet_s
    held = alert.condition.hold_s
    return quiet_s is not None and held > 0 and now_ms - alert.seen_at_ms >= _ms(quiet_s)


def _over_at(alert: Alert) -> int:
    """Return when the alert is over if nothing is seen of it until then."""
    condition = alert.condition
    if alert.calm_since_ms is not None:
        return alert.calm_since_ms + _ms(condition.calm_s)
    if condition.quiet_s is not None:
        return alert.seen_at_ms + _ms(condition.quiet_s)
    forget_ms = FORGET_MS if alert.acknowledged_at_ms is None else FORGET_ACKNOWLEDGED_MS
    return max(alert.seen_at_ms, alert.acknowledged_at_ms or 0) + forget_ms


def _repeat_at(alert: Alert) -> int | None:
    """Return when it is told again: a condition that lasts, or an incident that was seen again."""
    every_ms = REPEAT_MS[alert.condition.severity]
    if (
        every_ms is None
        or not alert.condition.repeats
        or alert.acknowledged_at_ms is not None
        or alert.calm_since_ms is not None
    ):
        return None
    if alert.condition.quiet_s is not None and alert.count == alert.count_told:
        return None
    return (alert.told_at_ms or 0) + every_ms


__all__ = ["ALERTS_MAX", "AlertBook", "Condition", "Notice", "NoticeKind"]
