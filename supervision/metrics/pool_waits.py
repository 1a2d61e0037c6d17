"""Waits for a connection, on their way to the histogram: noting one is an append, and no more (R8)."""

from collections import deque

WAITS_MAX = 100_000
"""Those of 1,000 followers over many changes; of a longer silence of the reader the oldest go."""


class PoolWaits:
    """Seconds that writes waited for the ledger, in the order in which they were noted."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=WAITS_MAX)
        self.note = self._seconds.append
        """Takes one wait."""

    def take(self, most: int) -> list[float]:
        """Return at most ``most`` of them, the oldest first; they are gone then."""
        return [self._seconds.popleft() for _ in range(min(most, len(self._seconds)))]
