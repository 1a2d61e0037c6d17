"""What an account is worth and what it may still commit, at given mark prices (cross margin)."""

from collections.abc import Mapping
from decimal import Decimal

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.listing import Listing
from exchanges.sandbox.order import Order
from exchanges.sandbox.position import PositionMargin, close_fee, position_margin
from model.amounts import ZERO


@attrs.frozen(kw_only=True)
class Balance:
    """All in USDT."""

    wallet: Decimal
    unrealised: Decimal
    position_initial: Decimal
    order_initial: Decimal
    maintenance: Decimal

    @property
    def equity(self) -> Decimal:
        """Wallet and unrealised profit."""
        return self.wallet + self.unrealised

    @property
    def initial(self) -> Decimal:
        """Margin of positions and of resting orders."""
        return self.position_initial + self.order_initial

    @property
    def available(self) -> Decimal:
        """What new positions may take; never below zero."""
        return max(ZERO, self.equity - self.initial)

    @property
    def is_liquidated(self) -> bool:
        """Tell whether maintenance margin is breached."""
        return self.maintenance > 0 and self.equity <= self.maintenance


def opening_cost(value: Decimal, leverage: Decimal, taker_fee: Decimal, *, long: bool) -> Decimal:
    """Return what opening this value takes: margin, the fee to open and the estimated one to close."""
    return value / leverage + value * taker_fee + close_fee(value, leverage, taker_fee, long=long)


def margin_of(
    account: Account, key: tuple[str, int], mark: Decimal, listing: Listing, taker_fee: Decimal
) -> PositionMargin:
    """Return the margin of one leg of the account."""
    leverage = account.leverage(listing.symbol)
    return position_margin(account.positions[key], mark, leverage, taker_fee, listing.maintenance_rate)


def order_cost(account: Account, order: Order, taker_fee: Decimal) -> Decimal:
    """Return what a resting order holds back; nothing when it only reduces."""
    if order.intent.reduce_only or order.is_market:
        return ZERO
    leverage = account.leverage(order.intent.symbol)
    long = order.intent.side.sign > 0
    return opening_cost(order.leaves * order.limit, leverage, taker_fee, long=long)


def balance_of(
    account: Account, marks: Mapping[str, Decimal], listings: Mapping[str, Listing], taker_fee: Decimal
) -> Balance:
    """Add up the account's open legs and resting orders."""
    unrealised = initial = maintenance = ZERO
    for key, position in account.positions.items():
        if not position.size:
            continue
        mark = marks[position.symbol]
        margin = margin_of(account, key, mark, listings[position.symbol], taker_fee)
        unrealised += position.unrealised(mark)
        initial += margin.initial
        maintenance += margin.maintenance
    held = sum((order_cost(account, order, taker_fee) for order in account.open_orders.values()), ZERO)
    return Balance(
        wallet=account.wallet,
        unrealised=unrealised,
        position_initial=initial,
        order_initial=held,
        maintenance=maintenance,
    )
