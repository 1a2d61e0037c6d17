"""One position of one account: what fills do to it, and the margin it takes.

The cost is kept, not the average price, so that no rounding is lost: realised plus unrealised profit
always equals the money that the fills moved.
"""

from decimal import Decimal

import attrs

from model.amounts import ONE, ZERO


@attrs.define(kw_only=True)
class Position:
    """Size signed in base asset, long > 0; cost and profit in USDT."""

    symbol: str
    position_idx: int
    size: Decimal = ZERO
    cost: Decimal = ZERO
    """Signed: what the size was bought for."""
    seq: int = -1
    """Cross sequence of the last transaction; -1 when never traded."""
    realised: Decimal = ZERO
    """Of this holding, fees included: it starts at minus the opening fee."""
    realised_total: Decimal = ZERO
    created_ms: int = 0
    updated_ms: int = 0
    opened_ms: int = 0

    @property
    def entry_price(self) -> Decimal:
        """The average entry; zero when flat."""
        return self.cost / self.size if self.size else ZERO

    def unrealised(self, mark: Decimal) -> Decimal:
        """Return size × mark − cost."""
        return self.size * mark - self.cost

    def apply(self, quantity: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
        """Take one fill (signed quantity) in; return (closed part >= 0, its profit before fees)."""
        closing = ZERO
        if self.size and (quantity > 0) != (self.size > 0):
            closing = min(abs(quantity), abs(self.size)).copy_sign(quantity)
        profit = self._close(closing, price) if closing else ZERO
        opening = quantity - closing
        if opening:
            if not self.size:
                self.realised = ZERO
            self.size += opening
            self.cost += opening * price
        return abs(closing), profit

    def _close(self, quantity: Decimal, price: Decimal) -> Decimal:
        cost = self.cost if quantity == -self.size else self.cost * (-quantity / self.size)
        self.size += quantity
        self.cost -= cost
        return -quantity * price - cost


@attrs.frozen
class PositionMargin:
    """Initial and maintenance margin in USDT, from the entry value and from the mark value."""

    initial: Decimal
    maintenance: Decimal
    initial_by_mark: Decimal
    maintenance_by_mark: Decimal


NO_MARGIN = PositionMargin(ZERO, ZERO, ZERO, ZERO)


def close_fee(value: Decimal, leverage: Decimal, taker_fee: Decimal, *, long: bool) -> Decimal:
    """Return the estimated fee to close at the bankruptcy price: value × (1 ∓ 1/leverage) × fee."""
    share = ONE / leverage
    return value * (ONE - share if long else ONE + share) * taker_fee


def position_margin(
    position: Position, mark: Decimal, leverage: Decimal, taker_fee: Decimal, maintenance_rate: Decimal
) -> PositionMargin:
    """Return value / leverage + estimated close fee, and value × rate + the same fee.

    As in the venue's recorded rows of late 2025: the fee part is taken from the entry value in all four.
    """
    if not position.size:
        return NO_MARGIN
    entry, marked = abs(position.cost), abs(position.size) * mark
    fee = close_fee(entry, leverage, taker_fee, long=position.size > 0)
    return PositionMargin(
        entry / leverage + fee,
        entry * maintenance_rate + fee,
        marked / leverage + fee,
        marked * maintenance_rate + fee,
    )
