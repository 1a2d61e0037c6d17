"""The numbers that keep any caller from being a burden."""

import attrs

from supervision.control.requests import LINE_BYTES_MAX


@attrs.frozen(kw_only=True)
class Limits:
    """Fixed in the product; tests take smaller ones. Times in seconds of trio's clock."""

    clients: int = 16
    line_bytes: int = LINE_BYTES_MAX
    partial_line_s: float = 10.0
    write_s: float = 10.0
    calls_per_s: float = 50.0
    burst: int = 50
    subscriber_events: int = 1000
    threaded_line_bytes: int = 64 * 1024
    """Longer lines are read in a worker thread."""


@attrs.define
class TokenBucket:
    """A budget that refills with time; the time is passed in."""

    per_s: float
    size: float
    _tokens: float = attrs.field(init=False)
    _at: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._tokens = self.size

    def wait_s(self, now: float) -> float:
        """Take one and return 0, or take none and return the seconds until there is one."""
        self._tokens = min(self.size, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.per_s
