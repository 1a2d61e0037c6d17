"""The venue's time, as far as it was measured (USD-M "Timing security").

Being ahead of the venue by 1 s gets every request refused, so a measurement moves our clock by no
more than it proves: the venue's answer was made between the sending and the receiving.
"""

import trio

from exchanges.clock import Clock, ProvenOffset


class VenueClock:
    """Our wall clock, and the smallest correction of it that the venue's answers demand."""

    __slots__ = ("_clock", "_proven", "measured_at", "measuring", "offset_ms")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._proven = ProvenOffset()
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
        self.offset_ms = self._proven.take(sent_ms=sent_ms, venue_ms=venue_ms, received_ms=received_ms)
        self.measured_at = trio.current_time()

    def forget(self) -> None:
        """Drop what was measured: the venue has refused a timestamp."""
        self._proven.forget()
