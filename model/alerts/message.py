"""What is sent: one message by one channel, and how a channel took it."""

from enum import Enum

import attrs

from model.severity import Severity


class ChannelKind(Enum):
    """What a channel is for."""

    MAIN = "main"
    """Hears everything but info."""
    SMS = "sms"
    """Hears what is critical and was not acknowledged, or not delivered otherwise."""


class MessageKind(Enum):
    """Why it is sent."""

    FIRED = "fired"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    ESCALATED = "escalated"
    HEARTBEAT = "heartbeat"


class MessageState(Enum):
    """Where a message is; every one ends in one of the last three."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    """An SMS of what was acknowledged or over before it could be sent, or of a channel that is gone."""
    DROPPED = "dropped"
    """There were too many."""


@attrs.frozen(kw_only=True)
class Message:
    """One message for one channel; unique by both, so that a repetition is no second message."""

    message_id: str
    channel: str
    kind: MessageKind
    severity: Severity
    alert_id: str = ""
    """Of the alert that it tells of; "" for a heartbeat."""
    title: str
    body: str
    created_at_ms: int
    state: MessageState = MessageState.QUEUED
    attempts: int = 0
    settled_at_ms: int | None = None
    error: str = ""
    """Of the last attempt."""

    @property
    def key(self) -> tuple[str, str]:
        """What makes it unique."""
        return self.message_id, self.channel


@attrs.frozen(kw_only=True)
class Delivery:
    """How a channel took a message."""

    delivered: bool
    refused: bool = False
    """It said no in a way that a repetition will not change: a wrong token, an unknown chat."""
    retry_after_s: float | None = None
    """What it asked for."""
    error: str = ""
    """In its words, without secrets."""


@attrs.frozen(kw_only=True)
class ChannelStatus:
    """How a channel is doing."""

    name: str
    kind: ChannelKind
    queued: int
    delivered: int
    """Since the start."""
    dropped: int
    failures: int
    """In a row; 0 while it delivers."""
    failing_since_ms: int | None
    error: str
    next_try_at_ms: int | None
