"""Bybit's published request budgets, per key and per address (V5 "Rate Limit").

A window is a little longer here than there: what left within a second may arrive within less.
"""

from collections.abc import Mapping
from enum import Enum, auto

import trio

from exchanges.bybit.codes import EXCHANGE, IP_BAN_S, RATE_RETRY_S
from exchanges.errors import RateLimited
from exchanges.pacing import Budget, Gate, Urgency

KEY_WINDOW_S = 1.05
ORDERS_PER_KEY = 10
ORDERS_RESERVED = 3
SETTINGS_PER_KEY = 10
READS_PER_KEY = 50
KEY_READS_PER_KEY = 10

REST_PER_IP, REST_RESERVED, REST_WINDOW_S = 600, 60, 5.1
FRAMES_PER_IP, FRAMES_RESERVED = 3_000, 300
SOCKETS_PER_IP, SOCKETS_RESERVED, SOCKETS_WINDOW_S = 500, 100, 301.0

ORDER_PATIENCE_S = 2.0
"""An order waits no longer for its turn: its age is counted from before the wait (R11)."""
READ_PATIENCE_S = 30.0

_RETRY_S_MIN, _RETRY_S_MAX = 0.05, 5.0


class Pool(Enum):
    """Which of a key's budgets a request is counted in."""

    NONE = auto()
    ORDERS = auto()
    SETTINGS = auto()
    READS = auto()
    KEY = auto()
    """Questions about the key itself."""


class AddressLimits:
    """What all accounts behind one address share; ``paced=False`` lets everything pass."""

    def __init__(self, *, paced: bool) -> None:
        self.paced = paced
        self._rest = Gate(Budget(REST_PER_IP, REST_WINDOW_S, reserve=REST_RESERVED))
        self._frames = Gate(Budget(FRAMES_PER_IP, KEY_WINDOW_S, reserve=FRAMES_RESERVED))
        self._sockets = Gate(Budget(SOCKETS_PER_IP, SOCKETS_WINDOW_S, reserve=SOCKETS_RESERVED))

    async def pass_request(self, urgency: Urgency, patience_s: float) -> None:
        """Wait for a REST request's turn; raises RateLimited."""
        if self.paced:
            await self._rest.pass_through(urgency, patience_s=patience_s, exchange=EXCHANGE)

    async def pass_frame(self, urgency: Urgency) -> None:
        """Wait for an order's turn on a trade socket; raises RateLimited."""
        if self.paced:
            await self._frames.pass_through(urgency, patience_s=ORDER_PATIENCE_S, exchange=EXCHANGE)

    async def pass_socket(self, urgency: Urgency) -> None:
        """Wait until one more socket may be opened, however long that takes.

        Private streams go first: an account without its order socket still has REST.
        """
        if self.paced:
            await self._sockets.pass_through(urgency, patience_s=float("inf"), exchange=EXCHANGE)

    def used(self) -> Mapping[str, float]:
        """Return the share that is taken of each budget, by its name."""
        now = trio.current_time()
        gates = {"rest": self._rest, "frames": self._frames, "sockets": self._sockets}
        return {name: gate.budget.used_ratio(now) for name, gate in gates.items()}

    def banned(self) -> None:
        """Stop everything: the venue has blocked this address (HTTP 403)."""
        until = trio.current_time() + IP_BAN_S
        for gate in (self._rest, self._frames, self._sockets):
            gate.budget.stop_until(until)


class KeyLimits:
    """The budgets of one key; its gates are built when they are first passed."""

    __slots__ = ("_gates", "_shared")

    _SIZES: Mapping[Pool, tuple[int, int]] = {
        Pool.ORDERS: (ORDERS_PER_KEY, ORDERS_RESERVED),
        Pool.SETTINGS: (SETTINGS_PER_KEY, 0),
        Pool.READS: (READS_PER_KEY, 0),
        Pool.KEY: (KEY_READS_PER_KEY, 0),
    }

    def __init__(self, shared: AddressLimits) -> None:
        self._shared = shared
        self._gates: dict[Pool, Gate] = {}

    async def pass_pool(self, pool: Pool, urgency: Urgency) -> None:
        """Wait for a turn in a pool; raises RateLimited. No checkpoint where there is no wait."""
        if self._shared.paced and pool is not Pool.NONE:
            patience_s = ORDER_PATIENCE_S if pool is Pool.ORDERS else READ_PATIENCE_S
            await self._gate(pool).pass_through(urgency, patience_s=patience_s, exchange=EXCHANGE)

    def learn(self, pool: Pool, limit: str | None) -> None:
        """Take the limit that an answer's header names: keys of larger accounts have more."""
        if limit is not None and pool in self._gates and limit.isascii() and limit.isdigit():
            self._gates[pool].budget.learn_limit(int(limit[:6]))

    def refused(self, pool: Pool, error: RateLimited) -> None:
        """Hold a pool back for as long as the venue said."""
        if self._shared.paced and pool is not Pool.NONE:
            self._gate(pool).budget.stop_until(trio.current_time() + error.retry_after_s)

    def _gate(self, pool: Pool) -> Gate:
        if pool not in self._gates:
            limit, reserve = self._SIZES[pool]
            self._gates[pool] = Gate(Budget(limit, KEY_WINDOW_S, reserve=reserve))
        return self._gates[pool]


def retry_after_s(reset_ms: str | None, now_ms: str | int | None) -> float:
    """Return the wait that two times of the venue's own clock tell, a default where one is missing."""
    try:
        wait_s = (int(reset_ms or "") - int(now_ms or "")) / 1000
    except ValueError:
        return RATE_RETRY_S
    return min(_RETRY_S_MAX, max(_RETRY_S_MIN, wait_s))
