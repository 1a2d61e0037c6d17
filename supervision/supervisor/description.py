"""The tree as `copytrader tree` shows it: frozen data, read at one moment."""

from enum import Enum

import attrs


class State(Enum):
    """Where a place in the tree stands."""

    WAITING = "waiting"
    """Not started yet, or waiting for one before it."""
    STARTING = "starting"
    RUNNING = "running"
    DOWN = "down"
    """It has just ended; what follows is decided now."""
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ENDED = "ended"
    """It ended and is not restarted: transient or temporary."""
    QUARANTINED = "quarantined"
    PROBATION = "probation"
    """Out of quarantine on trial: one more failure and it is back."""


@attrs.frozen(kw_only=True)
class TreeNode:
    """One actor or supervisor and what is below it. Ages in seconds, None where there is none."""

    name: str
    kind: str
    """`actor` or `supervisor`."""
    state: State
    strategy: str | None = None
    restarts: int = 0
    generation: int = 0
    last_crash: str | None = None
    last_crash_age_s: float | None = None
    next_start_s: float | None = None
    """Seconds until the next start, while in backoff or quarantine."""
    heartbeat_age_s: float | None = None
    """0 while it waits for messages."""
    mailbox_depth: int | None = None
    mailbox_refused: int | None = None
    """How many messages its full mailbox has turned away."""
    children: tuple["TreeNode", ...] = ()

    def find(self, name: str) -> "TreeNode | None":
        """Return the node of that name, here or below."""
        if self.name == name:
            return self
        return next((found for child in self.children if (found := child.find(name))), None)
