"""One alert: a condition of a subject, from when it is told until it is over."""

import hashlib
from enum import Enum

import attrs

from model.alerts.conditions import Condition

DETAIL_CHARACTERS_MAX = 400
SUBJECT_CHARACTERS_MAX = 120


def _subject(text: str) -> str:
    return _printable(text[:SUBJECT_CHARACTERS_MAX])


def _detail(text: str) -> str:
    return _printable(text[:DETAIL_CHARACTERS_MAX])


def _printable(text: str) -> str:
    """Return text that every ledger and every channel takes."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)


@attrs.frozen(kw_only=True)
class Sighting:
    """Somebody saw a condition, or saw that it is over."""

    condition: Condition
    subject: str = attrs.field(default="", converter=_subject)
    detail: str = attrs.field(default="", converter=_detail)
    """What happened, in words; without secrets."""
    present: bool = True
    """False: it is over."""
    again: bool = False
    """Tell it anew though it is known: it has moved by enough."""

    @property
    def key(self) -> str:
        """Sightings of one key are one alert (dedupe)."""
        return f"{self.condition.name}:{self.subject}"


class AlertState(Enum):
    """Where an alert is."""

    PENDING = "pending"
    """Seen, but not yet for long enough to be told; not kept in the ledger."""
    FIRING = "firing"
    ENDED = "ended"


@attrs.frozen(kw_only=True)
class Alert:
    """One episode of a condition. Times in ms of the engine's own clock, anchored at the wall's."""

    alert_id: str
    """Of the key and the time of telling; "" while pending."""
    condition: Condition
    subject: str
    detail: str
    """Of the last sighting."""
    state: AlertState = AlertState.PENDING
    began_at_ms: int
    seen_at_ms: int
    count: int = 1
    calm_since_ms: int | None = None
    """It was said to be over and has not been seen since."""
    fired_at_ms: int | None = None
    told_at_ms: int | None = None
    count_told: int = 0
    repeats: int = 0
    acknowledged_at_ms: int | None = None
    acknowledged_by: str = ""
    escalated_at_ms: int | None = None
    escalations: int = 0
    ended_at_ms: int | None = None

    @property
    def key(self) -> str:
        """What makes two sightings the same alert."""
        return f"{self.condition.name}:{self.subject}"

    @property
    def title(self) -> str:
        """What it is, in one line without numbers."""
        return self.condition.what.format(subject=self.subject)


def make_alert_id(key: str, fired_at_ms: int) -> str:
    """Return a short id that a person can type."""
    return hashlib.sha256(f"{key} {fired_at_ms}".encode()).hexdigest()[:8]


def begin_alert(sighting: Sighting, now_ms: int) -> Alert:
    """Return the pending alert of a first sighting."""
    return Alert(
        alert_id="",
        condition=sighting.condition,
        subject=sighting.subject,
        detail=sighting.detail,
        began_at_ms=now_ms,
        seen_at_ms=now_ms,
    )
