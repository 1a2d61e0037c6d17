"""When the daily sign of life is due: a notifier that is silent must be noticed (R16)."""

DAY_MS = 86_400_000
MINUTE_MS = 60_000


class HeartbeatClock:
    """Tells once a day, at a minute of the day in UTC; a day that was slept through is told late."""

    def __init__(self, minute_of_day: int, *, last_day: int | None, now_ms: int) -> None:
        """Begin at ``now_ms``, wall-clock.

        Args:
            last_day: the last day that was told, counted from 1970; None at the very first start, which
                tells none for a time that has passed.
        """
        self._at_ms = minute_of_day * MINUTE_MS
        self.last_day = self._latest_day(now_ms) if last_day is None else last_day

    def due_in_ms(self, now_ms: int) -> int:
        """Return how long to wait, 0 when it is due."""
        latest = self._latest_day(now_ms)
        if latest > self.last_day:
            return 0
        return (latest + 1) * DAY_MS + self._at_ms - now_ms

    def told(self, now_ms: int) -> int:
        """Note that it was told; return the day to remember."""
        self.last_day = self._latest_day(now_ms)
        return self.last_day

    def _latest_day(self, now_ms: int) -> int:
        """Return the newest day whose minute has come."""
        return (now_ms - self._at_ms) // DAY_MS
