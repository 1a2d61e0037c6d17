"""Margin that is set aside for one position: what opens adds its share, what closes gives it back.

It is kept out of the cross summaries; a liquidation is still of the whole account, as the core has it.
"""

from decimal import Decimal

from exchanges.sandbox.account import Account
from exchanges.sandbox.events import Executed
from exchanges.sandbox.order import Fill
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import ZERO

Key = tuple[str, str]


class IsolatedMargins:
    """Which symbols of which accounts are isolated, and with how much."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue
        self._isolated: set[Key] = set()
        self._raw: dict[Key, Decimal] = {}
        """What is set aside less what the size cost: with the size at the mark it is the margin."""

    def is_isolated(self, account: Account, symbol: str) -> bool:
        """Tell the margin type."""
        return (account.name, symbol) in self._isolated

    def switch(self, account: Account, symbol: str, *, isolated: bool) -> None:
        """Set the margin type of a symbol that is flat."""
        key = account.name, symbol
        self._isolated.add(key) if isolated else self._isolated.discard(key)

    def raw(self, account: Account, symbol: str) -> Decimal:
        """Return the position's own USDC: negative for a long, as its size was bought with it."""
        return self._raw.get((account.name, symbol), ZERO)

    def margin(self, account: Account, symbol: str) -> Decimal:
        """Return what the position is worth alone."""
        return self.raw(account, symbol) + account.size(symbol) * self._venue.mark(symbol)

    def total(self, account: Account) -> Decimal:
        """Return what is set aside for all positions of the account."""
        symbols = [symbol for name, symbol in self._raw if name == account.name]
        return sum((self.margin(account, symbol) for symbol in symbols), ZERO)

    def add(self, account: Account, symbol: str, amount: Decimal) -> bool:
        """Add to a position's margin, or take from it; False where that cannot be."""
        key = account.name, symbol
        if key not in self._raw:
            return False
        least = abs(account.size(symbol)) * self._venue.mark(symbol) / account.leverage(symbol)
        if amount > self._venue.balance(account).available:
            return False
        if amount < 0 and self.margin(account, symbol) + amount < least:
            return False
        self._raw[key] += amount
        return True

    def hear(self, event: Executed) -> None:
        """Take fills in."""
        for fill in event.fills:
            if self.is_isolated(event.account, fill.symbol) and fill.signed_quantity:
                self._fill(event.account, fill)

    def _fill(self, account: Account, fill: Fill) -> None:
        key = account.name, fill.symbol
        raw = self._raw.pop(key, ZERO)
        if fill.closed:
            raw -= raw * fill.closed / abs(fill.size_before)
        opened = fill.quantity - fill.closed
        if opened:
            raw += opened * fill.price / account.leverage(fill.symbol)
            raw -= opened * fill.price * fill.side.sign
        if fill.size_before + fill.signed_quantity:
            self._raw[key] = raw
