"""Where wall-clock time comes from: it labels and signs, it never decides order (R20)."""

import time
from collections import deque
from typing import Protocol

import attrs
import trio

VIRTUAL_EPOCH_MS = 1_750_000_000_000
SAMPLES_MAX = 8


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


@attrs.frozen
class _Sample:
    """The offset lay within these bounds when it was measured, in milliseconds."""

    least: int
    most: int


class ProvenOffset:
    """How far a venue's clock is ahead of ours, and no more than that than its answers prove.

    Each was made between its sending and its receiving, however long it waited for its turn or took.
    """

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES_MAX)

    def take(self, *, sent_ms: int, venue_ms: int, received_ms: int) -> int:
        """Take an answer of the venue's clock, asked and come by our wall clock; return the offset in ms."""
        newest = _Sample(venue_ms - received_ms, max(venue_ms - sent_ms, venue_ms - received_ms))
        self._samples.append(newest)
        least = max(sample.least for sample in self._samples)
        most = min(sample.most for sample in self._samples)
        if least > most:  # one of the clocks was set meanwhile: only the newest answer counts
            self.forget()
            self._samples.append(newest)
            least, most = newest.least, newest.most
        return min(max(0, least), most)

    def forget(self) -> None:
        """Drop what was measured."""
        self._samples.clear()
