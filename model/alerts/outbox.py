"""What waits to be sent, by channel: pacing, storms, retries and limits, as a pure queue (R16).

At least once: a message leaves the queue when its channel took it. What waits together is sent
together, so a storm is one message, and so is what piled up while a channel was away.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence

import attrs

from model.alerts.alert import Alert
from model.alerts.book import Notice, NoticeKind
from model.alerts.message import (
    ChannelKind,
    ChannelStatus,
    Delivery,
    Message,
    MessageKind,
    MessageState,
)
from model.alerts.words import alert_body, alert_title, digest, sms_text
from model.severity import Severity

GATHER_MS = 10_000
"""What is not critical waits so long for company."""
DIGEST_ABOVE = 5
"""More than these that wait are one message."""
GAP_MS = {ChannelKind.MAIN: 3_000, ChannelKind.SMS: 60_000}
"""Telegram takes 20 messages a minute to a group; a storm must not use up the SMS of a day."""
SMS_A_DAY = 10
DAY_MS = 86_400_000
RETRY_MS = 2_000
RETRY_MS_MAX = 300_000
REFUSED_RETRY_MS = 60_000
"""A token is put right outside, so that is tried again too."""
GIVEN_UP_AFTER = 3
"""Failures in a row after which others have to be told by SMS; one that is a refusal is enough."""
QUEUED_MAX = 1_000
CHANGED_MAX = 4_000


@attrs.frozen
class Plan:
    """One sending, and the messages that it stands for."""

    channel: str
    title: str
    body: str
    covers: tuple[Message, ...]


@attrs.define(kw_only=True)
class _Line:
    """One channel's queue and state."""

    name: str
    kind: ChannelKind
    queue: dict[str, Message] = attrs.field(factory=dict)
    failures: int = 0
    refused: bool = False
    failing_since_ms: int | None = None
    error: str = ""
    not_before_ms: int = 0
    sent_at_ms: deque[int] = attrs.field(factory=lambda: deque(maxlen=SMS_A_DAY))
    delivered: int = 0
    dropped: int = 0

    @property
    def has_given_up(self) -> bool:
        return self.refused or self.failures >= GIVEN_UP_AFTER


class Outbox:
    """The queues of all channels."""

    def __init__(self, channels: Iterable[tuple[str, ChannelKind]]) -> None:
        """Serve these channels, by names that are their own."""
        self._lines = {name: _Line(name=name, kind=kind) for name, kind in channels}
        self._changed: dict[tuple[str, str], Message] = {}
        self.lost = 0
        """Messages whose fate could not be written down."""

    def load(self, messages: Iterable[Message], *, now_ms: int) -> None:
        """Take what was queued before a restart, and remember the SMS of the last day."""
        for message in sorted(messages, key=lambda it: it.settled_at_ms or it.created_at_ms):
            line = self._lines.get(message.channel)
            if message.state is MessageState.DELIVERED:
                if line is not None and message.settled_at_ms not in (None, *line.sent_at_ms):
                    line.sent_at_ms.append(message.settled_at_ms or 0)
            elif message.state is MessageState.QUEUED and message.key not in self._changed:
                if line is None:
                    self._settle(None, message, MessageState.CANCELLED, now_ms)
                else:
                    line.queue.setdefault(message.message_id, message)

    def post(self, notice: Notice, now_ms: int) -> None:
        """Queue what a notice says: by SMS what is escalated, else by every main channel."""
        alert, kind = notice.alert, notice.kind
        if notice.kind is NoticeKind.ESCALATED:
            number = alert.escalations
        else:
            number = alert.repeats
            if alert.condition.severity is Severity.INFO:
                return
        message = Message(
            message_id=f"{alert.alert_id}-{kind.value}-{number}",
            channel="",
            kind=MessageKind(kind.value),
            severity=alert.condition.severity,
            alert_id=alert.alert_id,
            title=alert_title(kind, alert),
            body=alert_body(kind, alert),
            created_at_ms=now_ms,
        )
        self._queue(message, ChannelKind.SMS if kind is NoticeKind.ESCALATED else ChannelKind.MAIN, now_ms)
        if kind is NoticeKind.RESOLVED:
            self.withdraw(alert, now_ms)

    def post_heartbeat(self, message_id: str, title: str, body: str, now_ms: int) -> None:
        """Queue the daily sign of life."""
        message = Message(
            message_id=message_id,
            channel="",
            kind=MessageKind.HEARTBEAT,
            severity=Severity.INFO,
            title=title,
            body=body,
            created_at_ms=now_ms,
        )
        self._queue(message, ChannelKind.MAIN, now_ms)

    def withdraw(self, alert: Alert, now_ms: int) -> None:
        """Cancel the SMS of an alert that was acknowledged or is over."""
        for line in self._of(ChannelKind.SMS):
            for message in [it for it in line.queue.values() if it.alert_id == alert.alert_id]:
                self._settle(line, message, MessageState.CANCELLED, now_ms)

    @property
    def gets_nothing_through(self) -> bool:
        """Tell whether no main channel delivers, or there is none."""
        return all(line.has_given_up for line in self._of(ChannelKind.MAIN))

    def is_undelivered(self, alert_id: str) -> bool:
        """Tell whether an alert waits in every main channel, none of which gets anything through."""
        lines = list(self._of(ChannelKind.MAIN))
        return all(
            line.has_given_up and any(it.alert_id == alert_id for it in line.queue.values()) for line in lines
        )

    # Sending

    def plan(self, channel: str, now_ms: int) -> Plan | None:
        """Return what to send by a channel now; None until `due_at_ms`."""
        line = self._lines[channel]
        due_ms = self.due_at_ms(channel)
        if due_ms is None or now_ms < due_ms:
            return None
        if line.kind is ChannelKind.SMS:
            return self._plan_sms(line, now_ms)
        waiting = sorted(line.queue.values(), key=lambda it: (_due(it), -it.severity.rank))
        if len(waiting) > DIGEST_ABOVE:
            title, body = digest(waiting, now_ms=now_ms)
            return Plan(channel, title, body, tuple(waiting))
        first = waiting[0]
        return Plan(channel, first.title, first.body, (first,))

    def due_at_ms(self, channel: str) -> int | None:
        """Return when there is something to send, None while the queue is empty."""
        line = self._lines[channel]
        first_ms = min((_due(message) for message in line.queue.values()), default=None)
        return None if first_ms is None else max(first_ms, line.not_before_ms)

    def settle(self, plan: Plan, delivery: Delivery, now_ms: int) -> bool:
        """Take how a sending went; return whether the channel works now and did not, or the reverse."""
        line = self._lines[plan.channel]
        was_failing = line.failures > 0
        if delivery.delivered:
            line.failures, line.refused, line.failing_since_ms, line.error = 0, False, None, ""
            line.not_before_ms = now_ms + GAP_MS[line.kind]
            line.sent_at_ms.append(now_ms)
        else:
            self._note_failure(line, delivery, now_ms)
        for message in plan.covers:
            tried = attrs.evolve(message, attempts=message.attempts + 1, error=delivery.error)
            if delivery.delivered:
                self._settle(line, tried, MessageState.DELIVERED, now_ms)
            elif message.message_id in line.queue:  # else it was withdrawn meanwhile
                line.queue[message.message_id] = tried
                self._note(tried)
        return was_failing is delivery.delivered

    def status(self) -> tuple[ChannelStatus, ...]:
        """Return how every channel is doing."""
        return tuple(
            ChannelStatus(
                name=line.name,
                kind=line.kind,
                queued=len(line.queue),
                delivered=line.delivered,
                dropped=line.dropped,
                failures=line.failures,
                failing_since_ms=line.failing_since_ms,
                error=line.error,
                next_try_at_ms=line.not_before_ms if line.failures and line.queue else None,
            )
            for line in self._lines.values()
        )

    def take_changed(self, alert_ids: Collection[str] | None = None) -> list[Message]:
        """Return the messages, of these alerts or all, that have changed since they were last returned."""
        taken = {
            key: message
            for key, message in self._changed.items()
            if alert_ids is None or message.alert_id in alert_ids
        }
        for key in taken:
            del self._changed[key]
        return list(taken.values())

    def put_back(self, messages: Sequence[Message]) -> None:
        """Give back what could not be written; what has changed meanwhile is newer and stays."""
        for message in messages:
            self._changed.setdefault(message.key, message)
        while len(self._changed) > CHANGED_MAX:
            del self._changed[next(iter(self._changed))]
            self.lost += 1

    # One channel

    def _of(self, kind: ChannelKind) -> Iterator[_Line]:
        return (line for line in self._lines.values() if line.kind is kind)

    def _queue(self, message: Message, kind: ChannelKind, now_ms: int) -> None:
        for line in self._of(kind):
            own = attrs.evolve(message, channel=line.name)
            line.queue[own.message_id] = own
            self._note(own)
            if len(line.queue) > QUEUED_MAX:
                oldest = min(line.queue.values(), key=lambda it: (it.severity.rank, it.created_at_ms))
                line.dropped += 1
                self._settle(line, oldest, MessageState.DROPPED, now_ms)

    def _plan_sms(self, line: _Line, now_ms: int) -> Plan | None:
        waiting = tuple(line.queue.values())
        if len(line.sent_at_ms) == SMS_A_DAY and line.sent_at_ms[0] > now_ms - DAY_MS:
            line.dropped += len(waiting)
            for message in waiting:
                refused = attrs.evolve(message, error=f"{SMS_A_DAY} SMS were sent within a day")
                self._settle(line, refused, MessageState.DROPPED, now_ms)
            return None
        return Plan(line.name, "", sms_text(waiting), waiting)

    def _note_failure(self, line: _Line, delivery: Delivery, now_ms: int) -> None:
        line.failures += 1
        line.refused = line.refused or delivery.refused
        line.error = delivery.error
        if line.failing_since_ms is None:
            line.failing_since_ms = now_ms
        wait_ms = min(RETRY_MS_MAX, RETRY_MS * 2 ** min(line.failures - 1, 20))
        if delivery.refused:
            wait_ms = max(wait_ms, REFUSED_RETRY_MS)
        if delivery.retry_after_s is not None:
            wait_ms = max(wait_ms, min(round(delivery.retry_after_s * 1000), DAY_MS))
        line.not_before_ms = now_ms + wait_ms

    def _settle(self, line: _Line | None, message: Message, state: MessageState, now_ms: int) -> None:
        if line is not None:
            line.queue.pop(message.message_id, None)
            line.delivered += state is MessageState.DELIVERED
        self._note(attrs.evolve(message, state=state, settled_at_ms=now_ms))

    def _note(self, message: Message) -> None:
        self._changed[message.key] = message


def _due(message: Message) -> int:
    urgent = message.severity is Severity.CRITICAL or message.kind is MessageKind.HEARTBEAT
    resolved = message.kind is MessageKind.RESOLVED
    return message.created_at_ms + (0 if urgent and not resolved else GATHER_MS)
