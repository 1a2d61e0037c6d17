"""Alerts as people read them: what happened, what it means, what to do."""

from collections.abc import Sequence

from model.alerts.alert import Alert
from model.alerts.book import NoticeKind
from model.alerts.message import ChannelStatus, Message, MessageKind

SMS_CHARACTERS = 160
DIGEST_LINES = 20
_HEADS = {
    NoticeKind.FIRED: "",
    NoticeKind.REPEATED: "still: ",
    NoticeKind.RESOLVED: "resolved: ",
    NoticeKind.ESCALATED: "",
}


def alert_title(kind: NoticeKind, alert: Alert) -> str:
    """Return the first line: how loud it is, and what it is."""
    loud = "" if kind is NoticeKind.RESOLVED else f"{alert.condition.severity.value.upper()} "
    return f"{loud}{_HEADS[kind]}{alert.title}"


def alert_body(kind: NoticeKind, alert: Alert) -> str:
    """Return the lines below it."""
    if kind is NoticeKind.RESOLVED:
        return f"It lasted {duration(_lasted_ms(alert))} and was seen {times(alert.count)}."
    lines = [alert.detail, f"Means: {alert.condition.meaning}", f"Do: {alert.condition.action}"]
    if alert.count > 1:
        lines.insert(1, f"Seen {times(alert.count)} in {duration(alert.seen_at_ms - alert.began_at_ms)}.")
    lines.append(f"Ack: copytrader alerts ack {alert.alert_id}")
    return "\n".join(line for line in lines if line)


def sms_text(messages: Sequence[Message]) -> str:
    """Return one SMS of all of them: titles only, no details, for anybody may read a phone's screen."""
    (first, *others) = messages
    if not others:
        end = f". Ack: copytrader alerts ack {first.alert_id}"
        return f"{first.title[: SMS_CHARACTERS - len(end)]}{end}"
    text = f"{len(messages)} critical alerts, none acknowledged: " + "; ".join(
        message.title.removeprefix("CRITICAL ") for message in messages
    )
    end = ". copytrader alerts list"
    room = SMS_CHARACTERS - len(end)
    return f"{text if len(text) <= room else text[: room - 3] + '...'}{end}"


def digest(messages: Sequence[Message], *, now_ms: int) -> tuple[str, str]:
    """Return title and body of one message that stands for many, the loudest first."""
    loud = sorted(messages, key=lambda it: (-it.severity.rank, it.created_at_ms))
    counts: dict[str, int] = {}
    for message in loud:
        over = message.kind in (MessageKind.RESOLVED, MessageKind.HEARTBEAT)
        word = message.kind.value if over else message.severity.value
        counts[word] = counts.get(word, 0) + 1
    head = ", ".join(f"{count} {word}" for word, count in counts.items())
    lines = [f"- {message.title}{_age(now_ms - message.created_at_ms)}" for message in loud[:DIGEST_LINES]]
    if len(loud) > DIGEST_LINES:
        lines.append(f"and {len(loud) - DIGEST_LINES} more")
    lines.append("All of them: copytrader alerts list --all")
    return f"{len(loud)} messages: {head}", "\n".join(lines)


def heartbeat_text(
    summary: str, firing: Sequence[Alert], channels: Sequence[ChannelStatus]
) -> tuple[str, str]:
    """Return title and body of the daily sign of life, with what is open, info included."""
    lines = [summary] if summary else []
    lines.append(f"Open alerts: {len(firing) or 'none'}")
    lines += [f"- {alert.condition.severity.value} {alert.title}" for alert in firing[:DIGEST_LINES]]
    if len(firing) > DIGEST_LINES:
        lines.append(f"and {len(firing) - DIGEST_LINES} more")
    for channel in channels:
        state = f"failing: {channel.error}" if channel.failures else "works"
        lines.append(f"{channel.name}: {channel.delivered} delivered since the start, {state}")
    return "The engine is alive", "\n".join(lines)


def duration(ms: int) -> str:
    """Return a time span in its largest fitting unit."""
    for unit_ms, word in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        if ms >= 2 * unit_ms:
            return f"{ms // unit_ms} {word}"
    return f"{ms // 1000} s"


def times(count: int) -> str:
    """Return how often, in words."""
    return "once" if count == 1 else f"{count} times"


def _lasted_ms(alert: Alert) -> int:
    return (alert.calm_since_ms or alert.ended_at_ms or alert.seen_at_ms) - alert.began_at_ms


def _age(ms: int) -> str:
    return f" ({duration(ms)} ago)" if ms >= 60_000 else ""
