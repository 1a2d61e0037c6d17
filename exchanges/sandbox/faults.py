"""What goes wrong at the venue, switched on and off while it runs.

A fault names where it strikes (account, endpoint, topic; patterns as in ``fnmatch``), how often (a
count, a probability) and what it does. Chance comes from a seeded generator, so a run repeats.
"""

import random
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum, auto
from fnmatch import fnmatchcase

import attrs


class FaultKind(Enum):
    """What a fault does; in brackets the fields that it uses."""

    DELAY_REQUEST = auto()
    """The request waits before the venue looks at it [endpoint, seconds]."""
    DELAY_ENGINE = auto()
    """The request was let in and waits before it is carried out [endpoint, seconds]."""
    DELAY_ANSWER = auto()
    """The venue has acted, the answer waits [endpoint, seconds]."""
    DELAY_FILL = auto()
    """An accepted order waits before it meets the book [seconds]."""
    DELAY_FRAME = auto()
    """A stream's frames wait, in order [topic, seconds]."""
    RATE_LIMIT = auto()
    """Refused for its rate before it is looked at [endpoint, status: 200, 429 or one that bans, headers]."""
    ERROR_BEFORE = auto()
    """The venue answers an error and has not acted [endpoint, status, message]."""
    RESET_BEFORE = auto()
    """The connection is reset and the venue has not acted [endpoint]."""
    LOSE_REQUEST = auto()
    """The request never gets there; the connection stays [endpoint]."""
    MAINTENANCE = auto()
    """Like ERROR_BEFORE, and new WebSockets are refused with the same status [status]."""
    REFUSE_CONNECTIONS = auto()
    """New connections are closed as soon as they are open."""
    LOSE_ANSWER = auto()
    """The venue acts and never answers; the connection stays [endpoint]."""
    ERROR_AFTER = auto()
    """The venue acts and answers an error [endpoint, status]."""
    RESET_AFTER = auto()
    """The venue acts and resets the connection [endpoint]."""
    MALFORM_ANSWER = auto()
    """The venue acts and its answer cannot be read [endpoint, message: what comes instead of a half]."""
    CROSS_ANSWER = auto()
    """The venue acts and its answer names another request [endpoint, field: the name that lies]."""
    REJECT = auto()
    """An order is refused [code, message]."""
    POST_ONLY_WINDOW = auto()
    """Orders that may take liquidity are refused, as in the minutes after an upgrade."""
    PARTIAL_FILL = auto()
    """Only a part of an order finds liquidity [fraction]."""
    DUPLICATE_FRAME = auto()
    """A frame comes twice [topic]."""
    REORDER_FRAME = auto()
    """A frame comes after the next one, or 0.2 s late [topic]."""
    DROP_FRAME = auto()
    """A frame never comes [topic]."""
    MALFORM_FRAME = auto()
    """A frame is cut in half [topic]."""
    STALE_FRAME = auto()
    """After a frame the one before it on the same topic comes again [topic]."""


@attrs.define(kw_only=True, eq=False)
class Fault:
    """One fault. ``count`` None strikes until it is removed."""

    kind: FaultKind
    account: str | None = None
    endpoint: str | None = None
    """A REST path or a WebSocket operation: ``/v5/order/create``, ``order.*``."""
    topic: str | None = None
    count: int | None = None
    skip: int = 0
    """How many that it could strike are spared first."""
    probability: float = 1.0
    seconds: float | tuple[float, float] = 0.0
    status: int = 503
    code: int = 10001
    message: str = ""
    field: str = ""
    headers: bool = True
    """Whether a rate-limit answer says when to come back."""
    fraction: Decimal = Decimal("0.5")
    struck: int = attrs.field(default=0, init=False)

    def applies(self, account: str | None, endpoint: str | None, topic: str | None) -> bool:
        """Tell whether it strikes there; a name that the fault leaves out matches anything."""
        return (
            _matches(self.account, account)
            and _matches(self.endpoint, endpoint)
            and _matches(self.topic, topic)
        )


def _matches(pattern: str | None, name: str | None) -> bool:
    return pattern is None or (name is not None and fnmatchcase(name, pattern))


class Faults:
    """The faults that are switched on, and the venue clock's error."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._by_kind: dict[FaultKind, list[Fault]] = {}
        self.clock_skew_ms = 0
        """How far the venue's clock runs ahead of the true one."""

    @property
    def any(self) -> bool:
        """Tell whether something is switched on at all."""
        return bool(self._by_kind)

    def __iter__(self) -> Iterator[Fault]:
        return (fault for faults in self._by_kind.values() for fault in tuple(faults))

    def add(self, kind: FaultKind, **fields: object) -> Fault:
        """Switch a fault on and return it; ``fields`` are those of Fault."""
        fault = Fault(kind=kind, **fields)  # type: ignore[arg-type]
        self._by_kind.setdefault(kind, []).append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Switch one off; nothing happens when it is off already."""
        faults = self._by_kind.get(fault.kind, [])
        if fault in faults:
            faults.remove(fault)
        if not faults:
            self._by_kind.pop(fault.kind, None)

    def clear(self) -> None:
        """Switch everything off, clock skew included."""
        self._by_kind.clear()
        self.clock_skew_ms = 0

    def strike(
        self,
        kind: FaultKind,
        *,
        account: str | None = None,
        endpoint: str | None = None,
        topic: str | None = None,
    ) -> Fault | None:
        """Return the fault of this kind that strikes now and spend one of its count; None mostly."""
        for fault in tuple(self._by_kind.get(kind, ())):
            if not fault.applies(account, endpoint, topic):
                continue
            if fault.probability < 1.0 and self._random.random() >= fault.probability:
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            self._spend(fault)
            return fault
        return None

    def delay_s(
        self,
        kind: FaultKind,
        *,
        account: str | None = None,
        endpoint: str | None = None,
        topic: str | None = None,
    ) -> float:
        """Return how long to wait: a fixed time, or one drawn from the fault's range."""
        fault = self.strike(kind, account=account, endpoint=endpoint, topic=topic)
        if fault is None:
            return 0.0
        if isinstance(fault.seconds, tuple):
            return self._random.uniform(*fault.seconds)
        return fault.seconds

    def _spend(self, fault: Fault) -> None:
        fault.struck += 1
        if fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                self.remove(fault)
