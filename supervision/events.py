"""What supervision says, once each, to log, metrics, alerts and the control socket (R3, R19)."""

from typing import ClassVar

import attrs


@attrs.frozen(kw_only=True)
class ActorStarted:
    """An actor's on_start returned: it takes messages."""

    topic: ClassVar[str] = "actor.started"
    name: str
    generation: int
    """Counts the incarnations in this place, from 1."""


@attrs.frozen(kw_only=True)
class ActorCrashed:
    """An actor, or a whole supervisor, ended with an error, or without one when it should not have."""

    topic: ClassVar[str] = "actor.crashed"
    name: str
    generation: int
    error: str
    """Type and message of every error; no traceback."""
    expected: bool
    """True for trouble that is retried for ever and spends no window."""
    trace: str = ""
    """The traceback of an unexpected error, its end where it is long."""


@attrs.frozen(kw_only=True)
class ActorRestarting:
    """A crashed actor, or supervisor, is started again after a delay."""

    topic: ClassVar[str] = "actor.restarting"
    name: str
    failures: int
    """In a row, this one included."""
    delay_s: float


@attrs.frozen(kw_only=True)
class ActorHung:
    """An actor did not beat for too long and was cancelled; `actor.crashed` follows when it is gone."""

    topic: ClassVar[str] = "actor.hung"
    name: str
    generation: int
    silent_s: float


@attrs.frozen(kw_only=True)
class ActorStopped:
    """An actor ended without an error."""

    topic: ClassVar[str] = "actor.stopped"
    name: str
    generation: int
    cut_short: bool
    """True when it was cancelled because its grace was over."""


@attrs.frozen(kw_only=True)
class SupervisorExhausted:
    """Too many unexpected failures in a supervisor's window: it stops its children."""

    topic: ClassVar[str] = "supervisor.exhausted"
    name: str
    failures: int
    period_s: float
    error: str
    """The last failure."""
    quarantined: bool
    """True when it waits by itself; False when its parent, or the whole process, has to answer."""


@attrs.frozen(kw_only=True)
class AccountQuarantined:
    """A follower's group failed too often: nothing runs for it but a slow retry. Needs an operator."""

    topic: ClassVar[str] = "account.quarantined"
    name: str
    error: str
    retry_s: float


@attrs.frozen(kw_only=True)
class AccountRecovered:
    """A quarantined group is in service again."""

    topic: ClassVar[str] = "account.recovered"
    name: str
    by_operator: bool
    """True when it was revived, False when a slow retry held."""
