"""Orders and fills as the venue core keeps them."""

from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

import attrs

from model.amounts import ZERO
from model.leg import Side

if TYPE_CHECKING:
    from exchanges.sandbox.account import Account


class TimeInForce(Enum):
    """How long an order waits for liquidity."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    POST_ONLY = "PostOnly"


class OrderStatus(Enum):
    """Where an accepted order is in its life."""

    NEW = "new"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Tell whether it may still trade."""
        return self in (OrderStatus.NEW, OrderStatus.PARTLY_FILLED)


class CancelCause(Enum):
    """Why an order ended before it was filled."""

    NONE = "none"
    USER = "user"
    NO_LIQUIDITY = "no_liquidity"
    WOULD_TAKE = "would_take"
    REDUCE_ONLY = "reduce_only"
    LIQUIDATION = "liquidation"


class Origin(Enum):
    """Who made an order."""

    USER = "user"
    CLOSING = "closing"
    LIQUIDATION = "liquidation"
    DELEVERAGING = "deleveraging"


class FillKind(Enum):
    """What kind of row an execution is."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"
    DELEVERAGING = "deleveraging"
    FUNDING = "funding"


@attrs.frozen(kw_only=True)
class OrderIntent:
    """What somebody asks for. Quantity > 0 in base asset; ``price`` None is a market order."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.IOC
    position_idx: int = 0
    reduce_only: bool = False
    close_on_trigger: bool = False
    client_order_id: str = ""


@attrs.define(kw_only=True, eq=False)
class Order:
    """One accepted order; ``quantity`` is what remained after reduce-only truncation."""

    order_id: str
    account: "Account" = attrs.field(repr=False)
    intent: OrderIntent
    quantity: Decimal
    limit: Decimal
    """The worst price; of a market order the hidden bound."""
    mark_at_creation: Decimal
    created_ms: int
    updated_ms: int
    seq: int = 0
    origin: Origin = Origin.USER
    status: OrderStatus = OrderStatus.NEW
    resting: bool = False
    """It waits in the book for a price; others end, or are on their way through it."""
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO
    closed_profit: Decimal = ZERO
    cancel_cause: CancelCause = CancelCause.NONE

    @property
    def is_market(self) -> bool:
        """Tell whether it was sent without a price."""
        return self.intent.price is None

    @property
    def leaves(self) -> Decimal:
        """What may still be filled; zero once it has ended."""
        return self.quantity - self.filled if self.status.is_open else ZERO

    @property
    def average_price(self) -> Decimal | None:
        """Volume-weighted over its fills; None before the first."""
        return self.value / self.filled if self.filled else None


@attrs.frozen(kw_only=True)
class Fill:
    """One execution row. ``order`` is None for funding, which is not a trade."""

    execution_id: str
    symbol: str
    side: Side
    position_idx: int
    order: Order | None = attrs.field(repr=False)
    order_id: str
    kind: FillKind
    price: Decimal
    quantity: Decimal
    fee: Decimal
    """Positive is paid."""
    fee_rate: Decimal
    closed: Decimal
    profit: Decimal
    leaves: Decimal
    size_before: Decimal
    """The leg's signed size before it."""
    mark: Decimal
    is_maker: bool
    time_ms: int
    seq: int

    @property
    def signed_quantity(self) -> Decimal:
        """What it does to the position; zero for funding."""
        return ZERO if self.kind is FillKind.FUNDING else self.quantity * self.side.sign
