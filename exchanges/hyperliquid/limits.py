"""Hyperliquid's published budgets: request weight and sockets per address, actions per account.

Docs: "Rate limits and user limits". 1200 weight a minute per IP; how it refills is not written, so
it is taken as a bucket that holds 300 and fills with 900 a minute: no minute ever takes more. Whether
orders over WebSocket draw weight is not written either: they are counted as if they did.
"""

import bisect
import itertools
from collections.abc import Mapping

import attrs
import trio

from exchanges.errors import RateLimited
from exchanges.pacing import Budget, Gate, Urgency

EXCHANGE = "hyperliquid"

WEIGHT_BURST = 300.0
WEIGHT_PER_S = 15.0
MOMENT_S = 1e-6
"""A shorter wait is none: so little time may not move a clock at all."""
KEPT_FOR = {
    Urgency.REDUCE: 0.0,
    Urgency.EXIT_READ: 10.0,
    Urgency.OPEN: 40.0,
    Urgency.VIEW: 80.0,
    Urgency.READ: 100.0,
}
"""What a request must leave in the bucket for those that are more urgent."""

ACTION_WEIGHT = 1
INFO_WEIGHTS = {
    "allMids": 2,
    "clearinghouseState": 2,
    "exchangeStatus": 2,
    "l2Book": 2,
    "orderStatus": 2,
    "spotClearinghouseState": 2,
    "userRole": 60,
}
INFO_WEIGHT = 20
"""Of every other read."""
FILLS_WEIGHT = 24
"""20, and one for every 20 rows: an order seldom has more than 80."""

ORDER_PATIENCE_S = 2.0
"""An order waits no longer for its turn: its age is counted from before the wait (R11)."""
READ_PATIENCE_S = 30.0

USERS_PER_IP = 10
STREAMS_MAX = 6
"""Private streams: the venue takes 10 sockets and 10 watched users per IP. One socket is for marks,
one for orders, two are left for sockets that the venue has not seen go yet."""
SOCKETS_PER_MINUTE = 24
SOCKETS_RESERVED = 4
"""Of 30 new sockets a minute."""
POSTS_IN_FLIGHT_MAX = 80
"""Of 100."""
POSTS_PER_MINUTE = 1_500
"""Of 2000 frames."""

ACTIONS_FREE = 10_000
ACTIONS_KEPT = 200
"""Actions of an account that openings leave to reductions."""
ACTIONS_SPENT_WAIT_S = 10.0
"""An account without actions left is granted one every 10 s."""


class WeightBucket:
    """Request weight: fills steadily, holds a burst. Times are the caller's seconds."""

    __slots__ = ("_at", "_level", "_stopped_until")

    def __init__(self) -> None:
        self._level = WEIGHT_BURST
        self._at = 0.0
        self._stopped_until = 0.0

    def wait_s(self, now: float, weight: int, urgency: Urgency) -> float:
        """Return the seconds until ``weight`` fits and leaves what is kept for the more urgent."""
        self._fill(now)
        wanted = min(WEIGHT_BURST, weight + KEPT_FOR[urgency])
        wait_s = max(self._stopped_until - now, (wanted - self._level) / WEIGHT_PER_S)
        return wait_s if wait_s > MOMENT_S else 0.0

    def take(self, now: float, weight: int) -> None:
        """Count a request that leaves at ``now``."""
        self._fill(now)
        self._level -= weight

    def used_ratio(self, now: float) -> float:
        """Return the share of the burst that is taken."""
        self._fill(now)
        return 1 - self._level / WEIGHT_BURST

    def stop_until(self, moment: float) -> None:
        """Let nothing pass before ``moment``: the venue said so."""
        self._stopped_until = max(self._stopped_until, moment)

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._level = min(WEIGHT_BURST, self._level + (now - self._at) * WEIGHT_PER_S)
            self._at = now


@attrs.define(eq=False)
class _Ticket:
    place: tuple[int, int]
    moved: trio.Event = attrs.field(factory=trio.Event)


class WeightGate:
    """Lets requests pass as the bucket allows: by urgency, then in the order of their coming."""

    __slots__ = ("_numbers", "_queue", "bucket")

    def __init__(self) -> None:
        self.bucket = WeightBucket()
        self._queue: list[_Ticket] = []
        self._numbers = itertools.count()

    async def pass_through(self, weight: int, urgency: Urgency, *, patience_s: float) -> None:
        """Wait for one's turn, at most ``patience_s``. No checkpoint where there is no wait.

        Raises: RateLimited when the turn does not come in time; nothing was counted then.
        """
        ticket = _Ticket((urgency, next(self._numbers)))
        bisect.insort(self._queue, ticket, key=lambda it: it.place)
        try:
            with trio.move_on_after(patience_s):
                while (nap_s := self._nap_s(ticket, weight, urgency)) > 0:
                    with trio.move_on_after(nap_s):
                        await ticket.moved.wait()
                    ticket.moved = trio.Event()
                self.bucket.take(trio.current_time(), weight)
                return
        finally:
            self._queue.remove(ticket)
            if self._queue:
                self._queue[0].moved.set()
        wait_s = self.bucket.wait_s(trio.current_time(), weight, urgency)
        raise RateLimited("our own weight budget is spent", exchange=EXCHANGE, retry_after_s=wait_s)

    def _nap_s(self, ticket: _Ticket, weight: int, urgency: Urgency) -> float:
        if self._queue[0] is not ticket:
            return float("inf")
        return self.bucket.wait_s(trio.current_time(), weight, urgency)


class AddressLimits:
    """What all accounts behind one IP share; ``paced=False`` lets everything pass."""

    def __init__(self, *, paced: bool) -> None:
        self.paced = paced
        self.streams = StreamSlots()
        self._weight = WeightGate()
        self._sockets = Gate(Budget(SOCKETS_PER_MINUTE, 61.0, reserve=SOCKETS_RESERVED))
        self._posts = Gate(Budget(POSTS_PER_MINUTE, 61.0))

    def used(self) -> Mapping[str, float]:
        """Return the share that is taken of each budget, by its name."""
        now = trio.current_time()
        return {
            "weight": self._weight.bucket.used_ratio(now),
            "sockets": self._sockets.budget.used_ratio(now),
            "posts": self._posts.budget.used_ratio(now),
        }

    async def pass_weight(self, weight: int, urgency: Urgency, *, patience_s: float) -> None:
        """Wait until a request of that weight may leave; raises RateLimited."""
        if self.paced:
            await self._weight.pass_through(weight, urgency, patience_s=patience_s)

    def take_socket(self, urgency: Urgency) -> bool:
        """Count one more socket; False when the venue would take offence at it now."""
        return not self.paced or self._sockets.pass_nowait(urgency)

    async def wait_for_socket(self, urgency: Urgency) -> None:
        """Wait until one more socket may be opened."""
        if self.paced:
            await self._sockets.pass_through(urgency, patience_s=float("inf"), exchange=EXCHANGE)

    def take_post(self) -> bool:
        """Count one more frame on the order socket; False when it must go another way."""
        return not self.paced or self._posts.pass_nowait(Urgency.REDUCE)

    def refused(self, retry_after_s: float) -> None:
        """Let nothing pass for a while: the venue has had enough of this IP (HTTP 429)."""
        self._weight.bucket.stop_until(trio.current_time() + retry_after_s)


class StreamSlots:
    """Who may have a private stream: few users per IP may be watched, the others are polled."""

    __slots__ = ("_max", "_users")

    def __init__(self, most: int = STREAMS_MAX) -> None:
        self._max = most
        self._users: set[str] = set()

    def take(self, user: str) -> bool:
        """Take a slot for a user; False when there is none, or the user has one already."""
        if len(self._users) >= self._max or user in self._users:
            return False
        self._users.add(user)
        return True

    def give_back(self, user: str) -> None:
        """Free a user's slot."""
        self._users.discard(user)

    def learn_full(self) -> None:
        """Take the venue's word that others on this IP watch users too: no more than now, less one."""
        self._max = max(0, min(self._max, len(self._users) - 1))


class ActionBudget:
    """The actions that an account has left: 10,000, and one for every USDC it ever traded."""

    __slots__ = ("_doubted", "_left", "_spent_until")

    def __init__(self) -> None:
        self._left: int | None = None
        self._spent_until = 0.0
        self._doubted = trio.Event()

    @property
    def left(self) -> int | None:
        """How many are left, None while nobody has asked."""
        return self._left

    def learn(self, cap: int, used: int) -> None:
        """Take what the venue says (userRateLimit)."""
        self._left = cap - used

    def count(self, traded: int = 0) -> None:
        """Count one action, and the whole USDC that it traded."""
        if self._left is not None:
            self._left += traded - 1

    def refused(self, now: float) -> None:
        """Take the venue's word that none is left: it is worth a question how many there are."""
        self._left = 0
        self._spent_until = now + ACTIONS_SPENT_WAIT_S
        self._doubted.set()

    async def wait_doubt(self, most_s: float) -> None:
        """Wait until the venue refuses an action for want of one, at most so long."""
        with trio.move_on_after(most_s):
            await self._doubted.wait()
        self._doubted = trio.Event()

    def check(self, now: float, urgency: Urgency) -> None:
        """Raise RateLimited where the action would be refused, or is not urgent enough for the rest.

        A reduction is held up only for the 10 s after which the venue grants one more.
        """
        if urgency is Urgency.REDUCE:
            wait_s = self._spent_until - now
        else:
            low = self._left is not None and self._left < ACTIONS_KEPT
            wait_s = ACTIONS_SPENT_WAIT_S if low else 0.0
        if wait_s > 0:
            raise RateLimited(
                "the account has hardly any actions left; trading earns one a USDC",
                exchange=EXCHANGE,
                retry_after_s=wait_s,
            )
