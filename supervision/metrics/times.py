"""Measured times on their way to a histogram: noting one is an append, and no more (R8)."""

from collections import deque

import attrs

TIMES_MAX = 100_000
"""Those of 1,000 followers over many changes; of a longer silence of the reader the oldest go."""


class Times:
    """Seconds, in the order in which they were noted: what writes waited for the ledger, say."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=TIMES_MAX)
        self.note = self._seconds.append
        """Takes one."""

    def take(self, most: int) -> list[float]:
        """Return at most ``most`` of them, the oldest first; they are gone then."""
        return [self._seconds.popleft() for _ in range(min(most, len(self._seconds)))]


@attrs.frozen
class LedgerTimes:
    """What is measured at the ledger."""

    waits: Times = attrs.field(factory=Times)
    """From asking for a connection to having it."""
    commits: Times = attrs.field(factory=Times)
    """From having it to the answers of all that shared the transaction."""
