"""How late the event loop runs: one blocking call anywhere holds up every follower."""

import structlog
import trio

PERIOD_S = 0.1
STALL_S = 0.25
TELL_EVERY_S = 60.0

log = structlog.get_logger("supervision.loop_lag")


class LagProbe:
    """Sleeps a little again and again and measures how much longer it took."""

    def __init__(self, *, period_s: float = PERIOD_S, stall_s: float = STALL_S) -> None:
        self._period_s = period_s
        self._stall_s = stall_s
        self._told_at = -TELL_EVERY_S
        self._untold = 0
        self.lag_s = 0.0
        """The last measurement."""
        self.worst_s = 0.0
        """The largest since the start."""

    async def run(self) -> None:
        """Measure until cancelled; a stall is logged, at most once a minute."""
        while True:
            due = trio.current_time() + self._period_s
            await trio.sleep_until(due)
            self.take(trio.current_time() - due)

    def take(self, lag_s: float) -> None:
        """Take one measurement, in seconds."""
        self.lag_s = lag_s
        self.worst_s = max(self.worst_s, lag_s)
        if lag_s < self._stall_s:
            return
        self._untold += 1
        now = trio.current_time()
        if now - self._told_at >= TELL_EVERY_S:
            log.warning("loop.stalled", lag_s=round(lag_s, 3), stalls=self._untold)
            self._told_at, self._untold = now, 0
