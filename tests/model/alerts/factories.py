"""Alerts in tests: sightings in a line, and what the book says to them."""

from typing import Any

from model.alerts.alert import Alert, AlertState, Sighting, make_alert_id
from model.alerts.book import AlertBook, Notice
from model.alerts.conditions import Condition
from model.severity import Severity

T0 = 1_790_000_000_000


def condition(name: str = "stateful", severity: Severity = Severity.CRITICAL, **times: Any) -> Condition:
    return Condition(
        name=name, severity=severity, what="{subject} is " + name, meaning="m.", action="a.", **times
    )


def yes(what: Condition, subject: str = "alice", detail: str = "why") -> Sighting:
    return Sighting(condition=what, subject=subject, detail=detail)


def no(what: Condition, subject: str = "alice") -> Sighting:
    return Sighting(condition=what, subject=subject, present=False)


class Story:
    """A book and the time, in seconds."""

    def __init__(self, book: AlertBook | None = None) -> None:
        self.book = book or AlertBook()
        self.undelivered: set[str] = set()
        self.told: list[tuple[float, str, str]] = []
        self.now_s = 0.0

    def at(self, second: float, *sightings: Sighting) -> list[str]:
        """Let time pass up to ``second``, turning whenever the book asks for it; return what was told."""
        before = len(self.told)
        while (due_ms := self.book.next_at_ms()) is not None and due_ms <= T0 + second * 1000:
            self.now_s = max(self.now_s, (due_ms - T0) / 1000)
            self.turn()
        self.now_s = second
        for sighting in sightings:
            self.book.see(sighting, self.now_ms)
        self.turn()
        return [kind for _, kind, _ in self.told[before:]]

    @property
    def now_ms(self) -> int:
        return T0 + round(self.now_s * 1000)

    def turn(self) -> list[Notice]:
        notices = self.book.tick(self.now_ms, is_undelivered=self.undelivered.__contains__)
        self.told += [(self.now_s, notice.kind.value, notice.alert.key) for notice in notices]
        return notices


def make_alert(what: Condition | None = None, subject: str = "alice", **other: Any) -> Alert:
    what = what or condition()
    facts: dict[str, Any] = {
        "alert_id": make_alert_id(f"{what.name}:{subject}", T0),
        "condition": what,
        "subject": subject,
        "detail": "why",
        "state": AlertState.FIRING,
        "began_at_ms": T0,
        "seen_at_ms": T0,
        "fired_at_ms": T0,
        "told_at_ms": T0,
        "count_told": 1,
    }
    return Alert(**{**facts, **other})
