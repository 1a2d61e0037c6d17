"""Rate limits per account and pool over a rolling second; counted always, enforced when asked."""

from collections import deque

import attrs
import trio

WINDOW_S = 1.0
LIMITS = {
    "/v5/order/create": 10,
    "/v5/order/amend": 10,
    "/v5/order/cancel": 10,
    "/v5/order/cancel-all": 10,
    "/v5/position/set-leverage": 10,
    "/v5/position/switch-mode": 10,
    "/v5/user/query-api": 10,
    "/v5/account/fee-rate": 5,
}
DEFAULT_LIMIT = 50


@attrs.frozen(kw_only=True)
class Allowance:
    """What the answer's headers tell."""

    limit: int
    remaining: int
    reset_ms: int
    exceeded: bool = False

    def headers(self) -> dict[str, str]:
        """Return the venue's three headers."""
        return {
            "X-Bapi-Limit": str(self.limit),
            "X-Bapi-Limit-Status": str(self.remaining),
            "X-Bapi-Limit-Reset-Timestamp": str(self.reset_ms),
        }


class Budgets:
    """Order operations share one pool between REST and WebSocket."""

    def __init__(self, *, enforced: bool) -> None:
        self.enforced = enforced
        self._spent: dict[tuple[int, str], deque[float]] = {}

    def spend(self, uid: int, pool: str, now_ms: int) -> Allowance:
        """Count one request against an account's pool; an exceeded one is not counted."""
        limit = LIMITS.get(pool, DEFAULT_LIMIT)
        if not self.enforced:
            return Allowance(limit=limit, remaining=limit - 1, reset_ms=now_ms)
        now = trio.current_time()
        spent = self._spent.setdefault((uid, pool), deque())
        while spent and spent[0] <= now - WINDOW_S:
            spent.popleft()
        if len(spent) >= limit:
            wait_ms = int((spent[0] + WINDOW_S - now) * 1000) + 1
            return Allowance(limit=limit, remaining=0, reset_ms=now_ms + wait_ms, exceeded=True)
        spent.append(now)
        return Allowance(limit=limit, remaining=limit - len(spent), reset_ms=now_ms)
