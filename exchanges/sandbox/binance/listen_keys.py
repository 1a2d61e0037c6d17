"""Listen keys: one an account, an hour long, prolonged by PUT, ended for everybody by DELETE."""

import hashlib
from collections.abc import Callable

import attrs
import trio

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.codes import VenueError
from exchanges.sandbox.venue import SandboxVenue

LIFE_S = 3600.0
KEY_CHARS = 64


@attrs.define(eq=False)
class ListenKey:
    """One key. It is over when its time has come, or when it was deleted."""

    text: str
    account: Account
    ends_at: float
    is_over: bool = False


class ListenKeys:
    """The keys of all accounts. ``expired`` is told of each whose time has come."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue
        self._by_text: dict[str, ListenKey] = {}
        self._by_account: dict[str, ListenKey] = {}
        self.expired: Callable[[ListenKey], None] = lambda key: None

    def find(self, text: str) -> ListenKey | None:
        """Return a key that is not over."""
        key = self._by_text.get(text)
        return key if key is not None and not key.is_over else None

    def start(self, account: Account) -> str:
        """Return the account's key, prolonged, or a new one."""
        key = self._by_account.get(account.name)
        if key is None or key.is_over:
            text = hashlib.sha256(f"{account.name}:{self._venue.unique_id()}".encode()).hexdigest()
            key = ListenKey(text[:KEY_CHARS], account, 0.0)
            self._by_text[key.text] = self._by_account[account.name] = key
        self._prolong(key)
        return key.text

    def prolong(self, account: Account) -> str:
        """Return the account's key, prolonged. Raises: VenueError (-1125)."""
        key = self._by_account.get(account.name)
        if key is None or key.is_over:
            raise VenueError(-1125, "This listenKey does not exist.")
        self._prolong(key)
        return key.text

    def delete(self, account: Account) -> None:
        """End the account's key; sockets that use it stay open and hear nothing more."""
        key = self._by_account.get(account.name)
        if key is not None:
            key.is_over = True

    def _prolong(self, key: ListenKey) -> None:
        key.ends_at = trio.current_time() + LIFE_S
        self._venue.later(LIFE_S, lambda: self._look(key))

    def _look(self, key: ListenKey) -> None:
        if not key.is_over and trio.current_time() >= key.ends_at:
            key.is_over = True
            self.expired(key)
