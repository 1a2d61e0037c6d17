"""One account's USDT in figures, and the rows in which account and balance tell them."""

from decimal import Decimal

import attrs

from exchanges.sandbox.binance.wire import ASSET, Row, money
from model.amounts import ZERO


@attrs.frozen(kw_only=True)
class Figures:
    """One account's USDT. Initial margin is of what it holds, and of what waits in the book."""

    wallet: Decimal
    unrealised: Decimal
    held: Decimal
    waiting: Decimal
    maintenance: Decimal

    @property
    def equity(self) -> Decimal:
        """Wallet and unrealised profit."""
        return self.wallet + self.unrealised

    @property
    def available(self) -> Decimal:
        """What new positions may take; orders are held to a little more, for their fees."""
        return max(ZERO, self.equity - self.held - self.waiting)

    @property
    def withdrawable(self) -> Decimal:
        """What may leave: never more than the wallet."""
        return min(self.available, max(ZERO, self.wallet))


def totals_row(it: Figures) -> Row:
    """Return the totals of account v3."""
    return {
        "totalInitialMargin": money(it.held + it.waiting),
        "totalMaintMargin": money(it.maintenance),
        "totalWalletBalance": money(it.wallet),
        "totalUnrealizedProfit": money(it.unrealised),
        "totalMarginBalance": money(it.equity),
        "totalPositionInitialMargin": money(it.held),
        "totalOpenOrderInitialMargin": money(it.waiting),
        "totalCrossWalletBalance": money(it.wallet),
        "totalCrossUnPnl": money(it.unrealised),
        "availableBalance": money(it.available),
        "maxWithdrawAmount": money(it.withdrawable),
    }


def asset_row(it: Figures, moved_ms: int) -> Row:
    """Return the asset's row of account v3; its wallet last moved then."""
    return {
        "asset": ASSET,
        "walletBalance": money(it.wallet),
        "unrealizedProfit": money(it.unrealised),
        "marginBalance": money(it.equity),
        "maintMargin": money(it.maintenance),
        "initialMargin": money(it.held + it.waiting),
        "positionInitialMargin": money(it.held),
        "openOrderInitialMargin": money(it.waiting),
        "crossWalletBalance": money(it.wallet),
        "crossUnPnl": money(it.unrealised),
        "availableBalance": money(it.available),
        "maxWithdrawAmount": money(it.withdrawable),
        "updateTime": moved_ms,
    }


def balance_row(it: Figures, uid: int, moved_ms: int) -> Row:
    """Return the asset's row of balance v3."""
    return {
        "accountAlias": f"SbX{uid}",
        "asset": ASSET,
        "balance": money(it.wallet),
        "crossWalletBalance": money(it.wallet),
        "crossUnPnl": money(it.unrealised),
        "availableBalance": money(it.available),
        "maxWithdrawAmount": money(it.withdrawable),
        "marginAvailable": True,
        "updateTime": moved_ms,
    }
