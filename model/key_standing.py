"""What a key may be used for, by what its checks have said so far (design section 4).

A key that was accepted once and is refused later still takes risk off: what was opened with it has to be
closed with it. Whoever has stolen a key that may withdraw needs no order of ours for that, while a follower
that is left in a position the master has left loses money for certain. So only openings stop. A key that
was never accepted has opened nothing here: it sends nothing at all.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from model.key_check import Finding, Severity, is_refused, of_severity


class KeyState(Enum):
    """How far a key is trusted now."""

    UNCHECKED = "unchecked"
    """It was never accepted and has no verdict yet: it sends nothing."""
    REMEMBERED = "remembered"
    """An earlier run accepted it, this one has no verdict yet: reductions only."""
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    """It was accepted once and is refused now: reductions only."""
    REFUSED = "refused"
    """It was never accepted: it sends nothing."""

    @property
    def may_open(self) -> bool:
        """Tell whether openings may be sent with the key."""
        return self is KeyState.ACCEPTED

    @property
    def may_reduce(self) -> bool:
        """Tell whether anything may be sent with the key."""
        return self not in (KeyState.UNCHECKED, KeyState.REFUSED)

    @property
    def is_judged(self) -> bool:
        """Tell whether there is a verdict to go by."""
        return self not in (KeyState.UNCHECKED, KeyState.REMEMBERED)

    @property
    def is_refused(self) -> bool:
        """Tell whether the last verdict was a refusal."""
        return self in (KeyState.REVOKED, KeyState.REFUSED)


@attrs.frozen(kw_only=True)
class KeyStanding:
    """The last verdict on a key. Times are Unix milliseconds, None where there was none."""

    state: KeyState = KeyState.UNCHECKED
    findings: tuple[Finding, ...] = ()
    """Of the last verdict, also of one that an earlier run kept."""
    checked_at_ms: int | None = None
    accepted_at_ms: int | None = None
    """When this very key was last accepted."""

    @property
    def refusals(self) -> tuple[str, ...]:
        """What is wrong with the key and what to change, as sentences."""
        return of_severity(self.findings, Severity.REFUSE)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be changed, as sentences."""
        return of_severity(self.findings, Severity.WARN)

    def judged(self, findings: tuple[Finding, ...], now_ms: int) -> "KeyStanding":
        """Return the standing after one more verdict."""
        if not is_refused(findings):
            return KeyStanding(
                state=KeyState.ACCEPTED, findings=findings, checked_at_ms=now_ms, accepted_at_ms=now_ms
            )
        state = KeyState.REFUSED if self.accepted_at_ms is None else KeyState.REVOKED
        return attrs.evolve(self, state=state, findings=findings, checked_at_ms=now_ms)

    def to_plain(self, key_mark: str) -> dict[str, Any]:
        """Return the standing as JSON can hold it, for the ledger; ``key_mark`` tells of which key it is."""
        return {
            "key": key_mark,
            "refused": self.state.is_refused,
            "checked_at_ms": self.checked_at_ms,
            "accepted_at_ms": self.accepted_at_ms,
            "findings": [
                {**attrs.asdict(finding), "severity": finding.severity.value} for finding in self.findings
            ],
        }


def remembered_standing(plain: object, key_mark: str, *, trusted_since_ms: int | None = None) -> KeyStanding:
    """Return what was known of the key: nothing of another key's, nor of what cannot be read.

    A refusal is kept as one, an acceptance only as a memory, but for one that is not older than
    ``trusted_since_ms``: both are judged anew.
    """
    if not isinstance(plain, Mapping) or plain.get("key") != key_mark:
        return KeyStanding()
    try:
        accepted_at_ms = _moment(plain["accepted_at_ms"])
        if accepted_at_ms is None:
            return KeyStanding()
        is_of_this_run = trusted_since_ms is not None and accepted_at_ms >= trusted_since_ms
        accepted = KeyState.ACCEPTED if is_of_this_run else KeyState.REMEMBERED
        return KeyStanding(
            state=KeyState.REVOKED if plain["refused"] else accepted,
            findings=tuple(
                Finding(**{**row, "severity": Severity(row["severity"])}) for row in plain["findings"]
            ),
            checked_at_ms=_moment(plain["checked_at_ms"]),
            accepted_at_ms=accepted_at_ms,
        )
    except (KeyError, TypeError, ValueError):
        return KeyStanding()


def _moment(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"no moment: {value!r}")
    return value
