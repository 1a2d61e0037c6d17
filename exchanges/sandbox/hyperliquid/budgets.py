"""Budgets: request weight per IP, actions per account. Always counted, enforced when asked."""

from collections import deque
from decimal import Decimal

import trio

from exchanges.sandbox.account import Account
from model.amounts import ZERO

WEIGHT_MAX, WINDOW_S = 1200, 60.0
ACTIONS_FREE = 10_000
ACTION_EVERY_S = 10.0
EXPIRED_COST = 5
LIGHT = frozenset({"allMids", "clearinghouseState", "exchangeStatus", "l2Book", "orderStatus"}) | {
    "spotClearinghouseState"
}


def info_weight(kind: str) -> int:
    """Return what a read costs, rows apart."""
    return 2 if kind in LIGHT else 60 if kind == "userRole" else 20


class Budgets:
    """All clients of a sandbox come from one address."""

    def __init__(self, *, enforced: bool) -> None:
        self.enforced = enforced
        self.actions_free = ACTIONS_FREE
        self._spent: deque[tuple[float, int]] = deque()
        self._weight = 0
        self._used: dict[str, int] = {}
        self._volume: dict[str, Decimal] = {}
        self._granted_at: dict[str, float] = {}

    def spend_weight(self, weight: int) -> bool:
        """Count a request; False when the minute's weight is spent."""
        if not self.enforced:
            return True
        now = trio.current_time()
        while self._spent and self._spent[0][0] <= now - WINDOW_S:
            self._weight -= self._spent.popleft()[1]
        if self._weight + weight > WEIGHT_MAX:
            return False
        self._spent.append((now, weight))
        self._weight += weight
        return True

    def spend_actions(self, account: Account, count: int) -> bool:
        """Count actions; False when the account has none left and was granted one within 10 s."""
        used = self._used.get(account.name, 0)
        if self.enforced and used + count > self.cap(account):
            now = trio.current_time()
            if now - self._granted_at.get(account.name, -ACTION_EVERY_S) < ACTION_EVERY_S:
                return False
            self._granted_at[account.name] = now
        self._used[account.name] = used + count
        return True

    def traded(self, account: Account, value: Decimal) -> None:
        """Grant an action for every USDC."""
        self._volume[account.name] = self._volume.get(account.name, ZERO) + value

    def volume(self, account: Account | None) -> Decimal:
        """Return what was ever traded."""
        return ZERO if account is None else self._volume.get(account.name, ZERO)

    def used(self, account: Account | None) -> int:
        """Return how many actions were used."""
        return 0 if account is None else self._used.get(account.name, 0)

    def cap(self, account: Account | None) -> int:
        """Return how many may be."""
        return self.actions_free + int(self.volume(account))

    def refusal(self, account: Account) -> str:
        """Return the words for an account without actions."""
        return (
            f"Too many cumulative requests sent ({self.used(account)} > {self.cap(account)}) for cumulative "
            f"volume traded ${self.volume(account).quantize(Decimal('0.01'))}. Place taker orders to free up "
            "1 request per USDC traded."
        )
