"""What the venue core says; faces turn it into frames at once, so the objects may live on."""

from collections.abc import Callable
from decimal import Decimal

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.order import Fill, Order
from exchanges.sandbox.position import Position


@attrs.frozen(kw_only=True)
class Executed:
    """Fills of one match: they share a sequence number and travel in one frame."""

    account: Account
    symbol: str
    fills: tuple[Fill, ...]
    seq: int


@attrs.frozen(kw_only=True)
class OrderChanged:
    """An order was accepted, filled, amended or ended."""

    account: Account
    order: Order
    seq: int


@attrs.frozen(kw_only=True)
class PositionChanged:
    """A position moved, or an order of its symbol did (then its size is unchanged)."""

    account: Account
    positions: tuple[Position, ...]


@attrs.frozen(kw_only=True)
class WalletChanged:
    """Balance or margin moved by something that the account did; prices alone never say this."""

    account: Account


@attrs.frozen(kw_only=True)
class LeverageChanged:
    """The account's leverage of a symbol was set to another one."""

    account: Account
    symbol: str
    leverage: Decimal


@attrs.frozen(kw_only=True)
class PriceChanged:
    """The mark price was set."""

    symbol: str
    price: Decimal


VenueEvent = Executed | OrderChanged | PositionChanged | WalletChanged | LeverageChanged | PriceChanged
Listener = Callable[[VenueEvent], None]
