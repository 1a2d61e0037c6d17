"""Request budgets and reconnect delays: the numbers are the venue's, time and jitter are passed in.

A ``Budget`` only counts. A ``Gate`` makes callers wait for one, the urgent first and equals in the
order in which they came.
"""

import bisect
import itertools
from enum import IntEnum

import attrs
import trio

from exchanges.errors import RateLimited

RECONNECT_S_BASE = 0.1
RECONNECT_S_MAX = 30.0
HEALTHY_AFTER_S = 60.0
"""A connection that lived this long starts its next delays from the beginning (R3)."""


def reconnect_delay_s(failures: int, jitter: float) -> float:
    """Return how long to wait after that many failures in a row: at once, then base * 2**n (R3).

    Args:
        failures: in a row, >= 0; the first is retried at once.
        jitter: in [0, 1), spreads the upper half of the delay.
    """
    if failures <= 1:
        return 0.0
    delay_s = min(RECONNECT_S_MAX, RECONNECT_S_BASE * 2.0 ** min(failures, 20))
    return delay_s / 2 + jitter * delay_s / 2


class Urgency(IntEnum):
    """Who goes first: what takes risk off never waits for what puts it on (R13)."""

    REDUCE = 0
    EXIT_READ = 1
    """What an exit has to know first; a venue that has stopped all but exits has stopped it too."""
    OPEN = 2
    VIEW = 3
    """What a follower has to know of its account before it copies."""
    READ = 4


class Budget:
    """At most ``limit`` requests in any ``period_s`` seconds; ``reserve`` of them are for reductions.

    What exits have to know may use half of the reserve: the exit itself comes after it.
    """

    __slots__ = ("_limit", "_period_s", "_reserve", "_stopped_until", "_taken")

    def __init__(self, limit: int, period_s: float, *, reserve: int = 0) -> None:
        if limit < 1 or period_s <= 0 or not 0 <= reserve < limit:
            raise ValueError(f"no budget: {limit} in {period_s} s, {reserve} reserved")
        self._limit = limit
        self._period_s = period_s
        self._reserve = reserve
        self._taken: list[float] = []
        self._stopped_until = 0.0

    def wait_s(self, now: float, urgency: Urgency) -> float:
        """Return the seconds until one more request fits, 0.0 when it does now."""
        stopped_s = self._stopped_until - now
        if stopped_s > 0:
            return stopped_s
        taken = self._taken
        gone = bisect.bisect_right(taken, now - self._period_s)
        del taken[:gone]
        allowed = max(1, self._limit - self._kept(urgency))
        if len(taken) < allowed:
            return 0.0
        return max(0.0, taken[len(taken) - allowed] + self._period_s - now)

    def _kept(self, urgency: Urgency) -> int:
        """Return how many requests are kept for those that are more urgent."""
        if urgency is Urgency.REDUCE:
            return 0
        return self._reserve // 2 if urgency is Urgency.EXIT_READ else self._reserve

    def used_ratio(self, now: float) -> float:
        """Return the share of the limit that is taken."""
        return (len(self._taken) - bisect.bisect_right(self._taken, now - self._period_s)) / self._limit

    def take(self, now: float) -> None:
        """Count one request that leaves at ``now``; times never go back."""
        self._taken.append(now)

    def stop_until(self, moment: float) -> None:
        """Let nothing pass before ``moment``: the venue said so."""
        self._stopped_until = max(self._stopped_until, moment)

    def learn_limit(self, limit: int) -> None:
        """Take the limit that the venue names in its answers."""
        if limit > self._reserve:
            self._limit = limit


@attrs.define(eq=False)
class _Ticket:
    urgency: Urgency
    number: int
    moved: trio.Event

    @property
    def place(self) -> tuple[int, int]:
        return self.urgency, self.number


class Gate:
    """Lets callers pass as the budget allows: by urgency, then in the order of their coming."""

    __slots__ = ("_numbers", "_queue", "budget")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._queue: list[_Ticket] = []
        self._numbers = itertools.count()

    def pass_nowait(self, urgency: Urgency) -> bool:
        """Pass at once when the budget has room and nobody as urgent waits; return whether it did."""
        if self._queue and self._queue[0].urgency <= urgency:
            return False
        now = trio.current_time()
        if self.budget.wait_s(now, urgency) > 0:
            return False
        self.budget.take(now)
        return True

    async def pass_through(self, urgency: Urgency, *, patience_s: float, exchange: str = "") -> None:
        """Wait for one's turn, at most ``patience_s``. No checkpoint where there is no wait.

        Raises: RateLimited when the turn does not come in time; nothing was counted then.
        """
        if self.pass_nowait(urgency):
            return
        with trio.move_on_after(patience_s):
            await self._wait_turn(urgency)
            return
        wait_s = self.budget.wait_s(trio.current_time(), urgency)
        raise RateLimited("our own request budget is spent", exchange=exchange, retry_after_s=wait_s)

    async def _wait_turn(self, urgency: Urgency) -> None:
        ticket = _Ticket(urgency, next(self._numbers), trio.Event())
        bisect.insort(self._queue, ticket, key=_place)
        try:
            while not self._is_let_in(ticket):
                with trio.move_on_after(self._nap_s(ticket)):
                    await ticket.moved.wait()
                ticket.moved = trio.Event()
        finally:
            self._queue.remove(ticket)
            if self._queue:
                self._queue[0].moved.set()

    def _is_let_in(self, ticket: _Ticket) -> bool:
        now = trio.current_time()
        if self._queue[0] is not ticket or self.budget.wait_s(now, ticket.urgency) > 0:
            return False
        self.budget.take(now)
        return True

    def _nap_s(self, ticket: _Ticket) -> float:
        if self._queue[0] is not ticket:
            return float("inf")
        return self.budget.wait_s(trio.current_time(), ticket.urgency)


def _place(ticket: _Ticket) -> tuple[int, int]:
    return ticket.place
