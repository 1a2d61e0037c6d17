"""Where wall-clock time comes from: it labels and signs, it never decides order (R20)."""

import time
from typing import Protocol

import trio

VIRTUAL_EPOCH_MS = 1_750_000_000_000


class Clock(Protocol):
    """Tells the wall clock's time."""

    def wall_ms(self) -> int:
        """Return Unix time in milliseconds."""


class SystemClock:
    """The machine's own clock."""

    def wall_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return time.time_ns() // 1_000_000


class TrioClock:
    """A wall clock that follows trio's, so that virtual time moves it too.

    ``ahead_ms`` is how far it runs ahead: a venue's skewed clock, or a host's.
    """

    def __init__(self, *, epoch_ms: int = VIRTUAL_EPOCH_MS, ahead_ms: int = 0) -> None:
        self._epoch_ms = epoch_ms
        self.ahead_ms = ahead_ms

    def wall_ms(self) -> int:
        """Return milliseconds since the epoch that was given."""
        return self._epoch_ms + int(trio.current_time() * 1000) + self.ahead_ms
