"""Binance's published budgets, per address and per account, and what its answers say is used.

Weights are per address and minute, orders per account and 10 s or minute; both start anew at the
turn of the venue's own minute, not sliding. New orders cost no weight (USD-M "Limits").
"""

from collections.abc import Iterable, Mapping
from typing import Any

import trio

from exchanges.binance.clock import VenueClock
from exchanges.binance.codes import EXCHANGE
from exchanges.errors import RateLimited
from exchanges.pacing import Budget, Gate, Urgency

WEIGHT_PER_MINUTE = 2_400
READ_SHARE, OPEN_SHARE, EXIT_READ_SHARE = 60, 80, 95
"""Percent of the weight that background reads, what copies need, and what exits need may use; the rest is
for resolving orders."""
ORDERS_PER_10_S, ORDERS_PER_MINUTE = 300, 1_200
OPENING_ORDERS_SHARE = 80
SOCKETS_PER_IP, SOCKETS_RESERVED, SOCKETS_WINDOW_S = 300, 60, 301.0
"""Not published for futures; that of the spot market is kept."""

ORDER_PATIENCE_S = 2.0
"""An order waits no longer for its turn: its age is counted from before the wait (R11)."""
READ_PATIENCE_S = 30.0

MINUTE_MS = 60_000
_HEADER_WEIGHT = "X-MBX-USED-WEIGHT-1M"
_HEADER_ORDERS = {"X-MBX-ORDER-COUNT-10S": 10_000, "X-MBX-ORDER-COUNT-1M": MINUTE_MS}
_INTERVALS_MS = {"SECOND": 1_000, "MINUTE": MINUTE_MS}


class Window(Budget):
    """A count that starts anew with each period of the venue's clock."""

    __slots__ = ("_clock", "_number", "_period_ms", "_shares", "_used", "limit")

    def __init__(self, limit: int, period_ms: int, shares: Mapping[Urgency, int], clock: VenueClock) -> None:
        """Count against ``limit``; ``shares`` are the percents of it that lesser urgencies may use."""
        super().__init__(limit, period_ms / 1000)
        self.limit = limit
        self._period_ms = period_ms
        self._shares = shares
        self._clock = clock
        self._number = -1
        self._used = 0

    @property
    def used(self) -> int:
        """What was used in the period that runs now."""
        self._turn()
        return self._used

    def wait_s(self, now: float, urgency: Urgency) -> float:
        """Return the seconds until one more request fits, 0.0 when it does now."""
        stopped_s = super().wait_s(now, urgency)
        if stopped_s > 0:
            return stopped_s
        if self.used < self.limit * self._shares.get(urgency, 100) // 100:
            return 0.0
        return (self._period_ms - self._clock.venue_ms() % self._period_ms) / 1000 + 0.01

    def used_ratio(self, now: float) -> float:
        """Return the share of the limit that is taken."""
        return self.used / self.limit

    def take(self, now: float) -> None:
        """Count one."""
        self.charge(1)

    def charge(self, count: int) -> None:
        """Count what a request costs beyond the one with which it passed."""
        self._turn()
        self._used += count

    def observe(self, used: int) -> None:
        """Take the venue's own count where it is higher: others may use the same budget."""
        self._turn()
        self._used = max(self._used, used)

    def learn_limit(self, limit: int) -> None:
        """Take the limit that the venue names in its answers."""
        if limit > 0:
            self.limit = limit

    def _turn(self) -> None:
        number = self._clock.venue_ms() // self._period_ms
        if number != self._number:
            self._number, self._used = number, 0


class AddressLimits:
    """What all accounts behind one address share; ``paced=False`` leaves only the venue's own stops."""

    def __init__(self, clock: VenueClock, *, paced: bool) -> None:
        self.paced = paced
        shares = {
            Urgency.READ: READ_SHARE,
            Urgency.OPEN: OPEN_SHARE,
            Urgency.EXIT_READ: EXIT_READ_SHARE,
        }
        self.weight = Window(WEIGHT_PER_MINUTE, MINUTE_MS, shares, clock)
        self._requests = Gate(self.weight)
        self._sockets = Gate(Budget(SOCKETS_PER_IP, SOCKETS_WINDOW_S, reserve=SOCKETS_RESERVED))
        self._stopped_until = self._banned_until = 0.0

    async def pass_request(self, weight: int, urgency: Urgency, patience_s: float = READ_PATIENCE_S) -> None:
        """Wait for a request's turn; raises RateLimited, at once while the venue has stopped us."""
        self.check_stop(urgency)
        if self.paced and weight:
            await self._requests.pass_through(urgency, patience_s=patience_s, exchange=EXCHANGE)
            self.check_stop(urgency)  # the venue may have stopped us meanwhile
            self.weight.charge(weight - 1)

    async def pass_socket(self, weight: int, urgency: Urgency) -> None:
        """Wait until one more socket may be opened; raises RateLimited while the venue has stopped us.

        Private streams go first: an account without its order socket still has REST.
        """
        self.check_stop(urgency)
        if self.paced:
            await self._sockets.pass_through(urgency, patience_s=float("inf"), exchange=EXCHANGE)
        await self.pass_request(weight, urgency, float("inf"))

    def used(self) -> Mapping[str, float]:
        """Return the share that is taken of each budget, by its name."""
        now = trio.current_time()
        return {
            "weight": self.weight.used_ratio(now),
            "sockets": self._sockets.budget.used_ratio(now),
        }

    def stopped(self, error: RateLimited, status: int) -> None:
        """Heed the venue: under HTTP 418 and 403 nothing passes, under 429 only what reduces."""
        until = trio.current_time() + error.retry_after_s
        self._stopped_until = max(self._stopped_until, until)
        if status in (403, 418):
            self._banned_until = max(self._banned_until, until)

    def check_stop(self, urgency: Urgency) -> None:
        """Raise RateLimited while the venue lets nothing of that urgency pass."""
        until = self._banned_until if urgency is Urgency.REDUCE else self._stopped_until
        wait_s = until - trio.current_time()
        if wait_s > 0:
            raise RateLimited("the venue has stopped this address", exchange=EXCHANGE, retry_after_s=wait_s)

    def learn_headers(self, headers: Mapping[str, str]) -> None:
        """Take the weight that an answer says is used; "-1" is testnet's way not to tell."""
        used = _count(headers.get(_HEADER_WEIGHT))
        if used is not None:
            self.weight.observe(used)

    def learn_limits(self, rows: object) -> None:
        """Take the weight's limit and count from `rateLimits` of the catalogue or of an answer."""
        for kind, period_ms, limit, used in _rate_limits(rows):
            if kind == "REQUEST_WEIGHT" and period_ms == MINUTE_MS:
                self.weight.learn_limit(limit)
                self.weight.observe(used)


class OrderLimits:
    """The budgets of one account's orders."""

    __slots__ = ("_gates", "_paced", "windows")

    def __init__(self, clock: VenueClock, *, paced: bool) -> None:
        self._paced = paced
        shares = {Urgency.OPEN: OPENING_ORDERS_SHARE}
        self.windows = {
            10_000: Window(ORDERS_PER_10_S, 10_000, shares, clock),
            MINUTE_MS: Window(ORDERS_PER_MINUTE, MINUTE_MS, shares, clock),
        }
        self._gates = tuple(Gate(window) for window in self.windows.values())

    async def pass_order(self, urgency: Urgency) -> None:
        """Wait for an order's turn; raises RateLimited. No checkpoint where there is no wait."""
        if self._paced:
            for gate in self._gates:
                await gate.pass_through(urgency, patience_s=ORDER_PATIENCE_S, exchange=EXCHANGE)

    def refused(self, error: RateLimited) -> None:
        """Hold orders back for as long as the venue said."""
        for window in self.windows.values():
            window.stop_until(trio.current_time() + error.retry_after_s)

    def learn_headers(self, headers: Mapping[str, str]) -> None:
        """Take the counts that an answer to an order names."""
        for name, period_ms in _HEADER_ORDERS.items():
            used = _count(headers.get(name))
            if used is not None:
                self.windows[period_ms].observe(used)

    def learn_limits(self, rows: object) -> None:
        """Take limits and counts from `rateLimits` of an answer by WebSocket."""
        for kind, period_ms, limit, used in _rate_limits(rows):
            if kind == "ORDERS" and period_ms in self.windows:
                self.windows[period_ms].learn_limit(limit)
                self.windows[period_ms].observe(used)


def _rate_limits(rows: object) -> Iterable[tuple[str, int, int, int]]:
    """Yield kind, period, limit and count of the rows that can be read; the others limit nothing."""
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        period_ms = _INTERVALS_MS.get(str(row.get("interval")), 0) * _integer(row.get("intervalNum"))
        if period_ms:
            limit, used = _integer(row.get("limit")), _integer(row.get("count"))
            yield str(row.get("rateLimitType")), period_ms, limit, used


def _integer(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _count(text: str | None) -> int | None:
    return int(text[:9]) if text is not None and text.isascii() and text.isdigit() else None
