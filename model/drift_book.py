"""Everything that is wrong now, follower by follower, and what operators know of it (R15)."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import attrs

from model.drift import AuditRules, Drift, Step, Told, Verdict, step, tell
from model.finding import Aspect, Finding
from model.leg import Leg

T = TypeVar("T")

_SPEAKS = frozenset({Verdict.FIRE, Verdict.FIRE_AGAIN})

Key = tuple[Leg, Aspect]


@attrs.frozen(kw_only=True)
class Weighed:
    """What looking at one aspect of one leg came to."""

    follower: str
    verdict: Verdict
    finding: Finding | None
    """None: it is resolved."""
    told: Told | None
    """What was told of it until now."""

    @property
    def speaks(self) -> bool:
        """Tell whether operators are to be told of it, first or again."""
        return self.verdict in _SPEAKS

    @property
    def is_over_its_grace(self) -> bool:
        """Tell whether a finding is one that operators know, or are to be told of now."""
        return self.finding is not None and (self.speaks or self.told is not None)


class DriftBook:
    """Drifts by follower, leg and aspect. Times are the caller's seconds."""

    def __init__(self, told: Iterable[Told], *, rules: AuditRules) -> None:
        """Go on from what was told before."""
        self._rules = rules
        self._drifts: dict[str, dict[Key, Drift]] = {}
        self._due_at: dict[str, dict[Key, float]] = {}
        for it in told:
            self._drifts.setdefault(it.follower, {})[it.leg, it.aspect] = Drift(told=it)

    def weigh(self, follower: str, findings: Iterable[Finding], *, now: float) -> tuple[Weighed, ...]:
        """Return what a look at a whole follower would come to; nothing is changed."""
        return tuple(weighed for weighed, _, _ in self._steps(follower, findings, now))

    def take(self, follower: str, findings: Iterable[Finding], *, now: float) -> tuple[Weighed, ...]:
        """Take a look at a whole follower; return what it comes to. What is to be told, `note` once told."""
        taken = tuple(self._steps(follower, findings, now))
        drifts = {key: after.drift for _, key, after in taken if after.drift is not None}
        due_at = {key: after.due_at for _, key, after in taken if after.due_at is not None}
        _put(self._drifts, follower, drifts)
        _put(self._due_at, follower, due_at)
        return tuple(weighed for weighed, _, _ in taken)

    def note(self, follower: str, finding: Finding, *, now_ms: int) -> Told:
        """Remember that a finding was told; return what the ledger shall keep."""
        drifts, key = self._drifts[follower], (finding.leg, finding.kind.aspect)
        told = tell(follower, finding, before=drifts[key].told, now_ms=now_ms)
        drifts[key] = attrs.evolve(drifts[key], told=told)
        return told

    def forget(self, follower: str) -> tuple[Told, ...]:
        """Drop everything about a follower; return what operators had been told."""
        self._due_at.pop(follower, None)
        drifts = self._drifts.pop(follower, {})
        return tuple(drift.told for drift in drifts.values() if drift.told is not None)

    @property
    def followers(self) -> frozenset[str]:
        """Those of whom anything is known."""
        return frozenset(self._drifts)

    def due_at(self) -> dict[str, float]:
        """Return, by follower, when the first grace of its findings is over."""
        return {follower: min(due.values()) for follower, due in self._due_at.items()}

    def standing_now(self) -> Iterator[tuple[str, Drift, float | None]]:
        """Yield what is wrong now: follower, drift, and when its grace is over while it is not."""
        for follower in sorted(self._drifts):
            due = self._due_at.get(follower, {})
            for key, drift in sorted(self._drifts[follower].items(), key=_place):
                yield follower, drift, due.get(key)

    def _steps(
        self, follower: str, findings: Iterable[Finding], now: float
    ) -> Iterator[tuple[Weighed, Key, Step]]:
        known = self._drifts.get(follower, {})
        found: dict[Key, Finding | None] = dict.fromkeys(known)
        found.update({(it.leg, it.kind.aspect): it for it in findings})
        for key, finding in found.items():
            before = known.get(key)
            after = step(before, finding, now=now, rules=self._rules)
            told = None if before is None else before.told
            weighed = Weighed(follower=follower, verdict=after.verdict, finding=finding, told=told)
            yield weighed, key, after


def _put(book: dict[str, dict[Key, T]], follower: str, values: dict[Key, T]) -> None:
    if values:
        book[follower] = values
    else:
        book.pop(follower, None)


def _place(item: tuple[Key, Drift]) -> tuple[Leg, str]:
    (leg, aspect), _ = item
    return leg, aspect.value
