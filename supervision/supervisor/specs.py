"""What a supervision tree is made of, as data."""

from collections.abc import Callable
from enum import Enum

import attrs

from actors.runtime import TrioActor
from supervision.restarts import Backoff, Intensity, QuarantineLimit

SHUTDOWN_S = 5.0
START_S = 60.0


class Strategy(Enum):
    """Who is restarted when one child ends."""

    ONE_FOR_ONE = "one_for_one"
    """The child alone. Its siblings start, run and stop beside it and never wait for it."""
    REST_FOR_ONE = "rest_for_one"
    """The child and those after it, which wait for it; it starts in order."""
    ONE_FOR_ALL = "one_for_all"
    """All of them; they start in order."""


class Restart(Enum):
    """When a child is started again."""

    PERMANENT = "permanent"
    """Whatever ended it; ending without an error counts as an unexpected failure."""
    TRANSIENT = "transient"
    """Only after an error."""
    TEMPORARY = "temporary"
    """Never."""


class Exhausted(Enum):
    """What a supervisor does once its window is spent."""

    ESCALATE = "escalate"
    """Stop its children and crash: its parent counts one failure; at the root the process ends."""
    QUARANTINE = "quarantine"
    """Stop its children and try again now and then; for its parent it goes on running."""


@attrs.frozen(kw_only=True)
class ChildSpec:
    """One actor in the tree."""

    name: str
    """Unique in the tree."""
    make: Callable[[], TrioActor]
    """Called for every incarnation; an error is a failed start."""
    restart: Restart = Restart.PERMANENT
    expected: tuple[type[BaseException], ...] = ()
    """Trouble that is retried for ever and spends no window; every leaf of a group has to be one."""
    fatal: tuple[type[BaseException], ...] = ()
    """What no restart can mend: the whole tree ends at once, without grace, and `run` raises it."""
    shutdown_s: float = SHUTDOWN_S
    """For the message in hand and on_stop; then it is cancelled. 0 cancels at once."""
    fall_s: float | None = None
    """The same where it only falls with another one, which waits for that; None: ``shutdown_s``."""

    @property
    def expects_anything(self) -> bool:
        """Tell whether no error of it matters to others: then its bugs are told like everybody's."""
        return Exception in self.expected

    start_s: float = START_S
    """For on_start; longer counts as hung."""
    backoff: Backoff = attrs.field(factory=Backoff)


@attrs.frozen(kw_only=True)
class SupervisorSpec:
    """A group of children that are watched together.

    It counts as started, so that what comes after it may start:
    rest_for_one and one_for_all when every child runs; one_for_one when every child has run or failed
    once, or after 10 s, for one account or venue that is away must not hold up the others.
    """

    name: str
    strategy: Strategy
    intensity: Intensity
    children: tuple["ChildSpec | SupervisorSpec", ...] = ()
    on_exhausted: Exhausted = Exhausted.ESCALATE
    backoff: Backoff = attrs.field(factory=Backoff)
    """Between restarts of the group as a whole, by its parent."""
    quarantine_limit: QuarantineLimit = attrs.field(factory=QuarantineLimit)
    """More children than this quarantined at once is a crash of this supervisor."""
