"""Nonces of one agent key: increasing, and never two alike (docs: "Nonces and API wallets").

The venue keeps the 100 highest of a signer, whichever account it signs for. So all sub-accounts of
an agent draw from one lane.
"""

from collections.abc import Callable


class NonceLane:
    """Gives out the nonces of one agent: the wall clock's milliseconds, or one more than the last."""

    __slots__ = ("_last", "_wall_ms")

    def __init__(self, wall_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._last = 0

    def take(self) -> int:
        """Return a nonce greater than every one before, also when the clock stands or steps back."""
        self._last = max(self._last + 1, self._wall_ms())
        return self._last


class NonceLanes:
    """The lanes of all agents in this process, by agent address."""

    __slots__ = ("_lanes", "_wall_ms")

    def __init__(self, wall_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._lanes: dict[str, NonceLane] = {}

    def lane(self, agent: str) -> NonceLane:
        """Return the one lane of an agent."""
        return self._lanes.setdefault(agent, NonceLane(self._wall_ms))
