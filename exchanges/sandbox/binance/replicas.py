"""Accounts as reads find them: now, or as they were a while ago, since the venue's replicas lag."""

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.events import Executed, VenueEvent, WalletChanged
from exchanges.sandbox.position import Position
from exchanges.sandbox.venue import SandboxVenue

LAG_MS_MAX = 10_000
Key = tuple[str, int]


@attrs.frozen(kw_only=True)
class Holdings:
    """What an account has and holds; ``moved_ms`` is when its wallet last moved."""

    wallet: Decimal
    positions: Mapping[Key, Position]
    moved_ms: int

    def legs(self, account: Account, symbol: str) -> list[Position]:
        """Return a symbol's legs in the account's mode, flat ones too."""
        keys = [(symbol, idx) for idx in account.leg_indices(symbol)]
        return [self.positions.get(key) or Position(symbol=key[0], position_idx=key[1]) for key in keys]

    def open_positions(self) -> list[Position]:
        """Return the legs that hold something."""
        return [leg for leg in self.positions.values() if leg.size]


class Replicas:
    """``lag_ms`` is how old positions and balances are that reads tell; events are never late for it."""

    def __init__(self, venue: SandboxVenue) -> None:
        self.lag_ms = 0
        self._venue = venue
        self._moved_ms: dict[str, int] = {}
        self._past: dict[str, deque[tuple[int, Holdings]]] = {}
        venue.subscribe(self._hear)

    def of(self, account: Account) -> Holdings:
        """Return an account as a read tells it."""
        if self.lag_ms:
            until = self._venue.true_ms() - min(self.lag_ms, LAG_MS_MAX)
            past = self._past.get(account.name, ())
            found = next((holdings for at, holdings in reversed(past) if at <= until), None)
            if past:
                return found or Holdings(wallet=account.deposited, positions={}, moved_ms=0)
        moved_ms = self._moved_ms.get(account.name, 0)
        return Holdings(wallet=account.wallet, positions=account.positions, moved_ms=moved_ms)

    def _hear(self, event: VenueEvent) -> None:
        if isinstance(event, WalletChanged):
            self._moved_ms[event.account.name] = self._venue.booked_ms()
        if isinstance(event, (Executed, WalletChanged)):
            self._remember(event.account)

    def _remember(self, account: Account) -> None:
        now_ms = self._venue.true_ms()
        past = self._past.setdefault(account.name, deque())
        while len(past) > 1 and past[1][0] < now_ms - LAG_MS_MAX:
            past.popleft()
        kept = {key: attrs.evolve(leg) for key, leg in account.positions.items()}
        moved_ms = self._moved_ms.get(account.name, 0)
        past.append((now_ms, Holdings(wallet=account.wallet, positions=kept, moved_ms=moved_ms)))
