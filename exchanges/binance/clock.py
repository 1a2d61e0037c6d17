"""The venue's time, as far as it was measured (USD-M "Timing security").

Being ahead of the venue by 1 s gets every request refused, so a measurement moves our clock by no
more than it proves: the venue's answer was made between the sending and the receiving.
"""

from collections import deque

import attrs
import trio

from exchanges.clock import Clock

SAMPLES_MAX = 8


@attrs.frozen
class _Sample:
    """The offset lay within these bounds when it was measured, in milliseconds."""

    least: int
    most: int


class VenueClock:
    """Our wall clock, and the smallest correction of it that the venue's answers demand."""

    __slots__ = ("_clock", "_samples", "measured_at", "measuring", "offset_ms")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES_MAX)
        self.offset_ms = 0
        self.measured_at = float("-inf")
        """trio's time of the last measurement."""
        self.measuring = trio.Lock()
        """Held by whoever measures because a timestamp was refused: one does it for all."""

    def wall_ms(self) -> int:
        """Return our own wall clock's milliseconds."""
        return self._clock.wall_ms()

    def venue_ms(self) -> int:
        """Return the venue's milliseconds."""
        return self._clock.wall_ms() + self.offset_ms

    def measured(self, *, sent_ms: int, venue_ms: int, received_ms: int) -> None:
        """Take one answer of the venue's clock and when it was asked and came, by our wall clock."""
        newest = _Sample(venue_ms - received_ms, max(venue_ms - sent_ms, venue_ms - received_ms))
        self._samples.append(newest)
        least = max(sample.least for sample in self._samples)
        most = min(sample.most for sample in self._samples)
        if least > most:  # one of the clocks was set meanwhile: only the newest answer counts
            self._samples.clear()
            self._samples.append(newest)
            least, most = newest.least, newest.most
        self.offset_ms = min(max(0, least), most)
        self.measured_at = trio.current_time()

    def forget(self) -> None:
        """Drop what was measured: the venue has refused a timestamp."""
        self._samples.clear()
