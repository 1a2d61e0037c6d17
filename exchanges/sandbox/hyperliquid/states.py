"""What an account is and holds, as the venue tells it: clearinghouse, spot, and what one asset allows."""

from decimal import Decimal

from exchanges.sandbox.account import Account
from exchanges.sandbox.hyperliquid.directory import Directory
from exchanges.sandbox.hyperliquid.isolated import IsolatedMargins
from exchanges.sandbox.hyperliquid.wire import Row, average, money, number
from exchanges.sandbox.position import Position
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import ZERO

WITHDRAWABLE_SHARE = Decimal("0.1")
"""Of the notional that stays behind."""


class States:
    """Reads of accounts; ``account`` None is an address that nobody has: everything is empty, no error."""

    def __init__(self, venue: SandboxVenue, directory: Directory, isolated: IsolatedMargins) -> None:
        self._venue = venue
        self._directory = directory
        self._isolated = isolated

    def clearinghouse(self, account: Account | None) -> Row:
        """Return a clearinghouseState; in the modes with one balance its summaries are zero."""
        rows = [] if account is None else account.open_positions()
        equity = isolated = used = isolated_used = notional = raw = isolated_notional = maintenance = ZERO
        if account is not None and not self._directory.has_one_balance(account):
            equity, isolated = self._venue.balance(account).equity, self._isolated.total(account)
            raw = equity
            for leg in rows:
                worth = leg.size * self._venue.mark(leg.symbol)
                margin = self._margin_used(account, leg)
                notional, used, raw = notional + abs(worth), used + margin, raw - worth
                if self._isolated.is_isolated(account, leg.symbol):
                    isolated_used, isolated_notional = isolated_used + margin, isolated_notional + abs(worth)
                else:
                    maintenance += abs(worth) * self._venue.listing(leg.symbol).maintenance_rate
        held = max(used - isolated_used, (notional - isolated_notional) * WITHDRAWABLE_SHARE)
        return {
            "marginSummary": _summary(equity, notional, raw, used),
            "crossMarginSummary": _summary(
                equity - isolated, notional - isolated_notional, raw, used - isolated_used
            ),
            "crossMaintenanceMarginUsed": money(maintenance),
            "withdrawable": money(max(ZERO, equity - isolated - held)),
            "assetPositions": [
                {"type": "oneWay", "position": self._position_row(account, leg)}
                for leg in rows
                if account is not None
            ],
            "time": self._venue.now_ms(),
        }

    def spot(self, account: Account | None) -> Row:
        """Return a spotClearinghouseState: the one balance of the modes that have one."""
        if account is None or not self._directory.has_one_balance(account):
            return {"balances": []}
        balance = self._venue.balance(account)
        usdc = {
            "coin": "USDC",
            "token": 0,
            "total": money(balance.wallet),
            "hold": money(balance.order_initial),
            "entryNtl": "0.0",
        }
        return {"balances": [usdc]}

    def leverage(self, account: Account | None, symbol: str) -> Row:
        """Return leverage and margin type of a symbol."""
        if account is None:
            return {"type": "cross", "value": int(self._venue.listing(symbol).max_leverage)}
        kind = "isolated" if self._isolated.is_isolated(account, symbol) else "cross"
        row: Row = {"type": kind, "value": int(self._leverage(account, symbol))}
        if kind == "isolated" and account.size(symbol):
            row["rawUsd"] = money(self._isolated.raw(account, symbol))
        return row

    def active_asset(self, account: Account | None, address: str, symbol: str) -> Row:
        """Return activeAssetData."""
        mark = self._venue.mark(symbol)
        listing = self._venue.listing(symbol)
        free = ZERO if account is None else self._venue.balance(account).available
        size = ZERO if account is None else account.size(symbol)
        leverage = listing.max_leverage if account is None else self._leverage(account, symbol)
        closes = abs(size) * mark / leverage * 2
        available = [free + (closes if size < 0 else ZERO), free + (closes if size > 0 else ZERO)]
        return {
            "user": address,
            "coin": symbol,
            "leverage": self.leverage(account, symbol),
            "maxTradeSzs": [number((it * leverage / mark).quantize(listing.lot_size)) for it in available],
            "availableToTrade": [money(it) for it in available],
            "markPx": number(mark),
        }

    def _leverage(self, account: Account, symbol: str) -> Decimal:
        return min(account.leverage(symbol), self._venue.listing(symbol).max_leverage)

    def _margin_used(self, account: Account, leg: Position) -> Decimal:
        if self._isolated.is_isolated(account, leg.symbol):
            return self._isolated.margin(account, leg.symbol)
        return abs(leg.size) * self._venue.mark(leg.symbol) / self._leverage(account, leg.symbol)

    def _position_row(self, account: Account, leg: Position) -> Row:
        mark, listing = self._venue.mark(leg.symbol), self._venue.listing(leg.symbol)
        profit = leg.unrealised(mark)
        at_stake = abs(leg.cost) / self._leverage(account, leg.symbol)
        return {
            "coin": leg.symbol,
            "szi": number(leg.size),
            "leverage": self.leverage(account, leg.symbol),
            "entryPx": average(leg.entry_price),
            "positionValue": money(abs(leg.size) * mark),
            "unrealizedPnl": money(profit),
            "returnOnEquity": money(profit / at_stake),
            "liquidationPx": self._liquidation_price(account, leg),
            "marginUsed": money(self._margin_used(account, leg)),
            "maxLeverage": int(listing.max_leverage),
            "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
        }

    def _liquidation_price(self, account: Account, leg: Position) -> str | None:
        """Return the mark at which the account's equity would reach its maintenance, other marks staying."""
        balance, mark = self._venue.balance(account), self._venue.mark(leg.symbol)
        rate = self._venue.listing(leg.symbol).maintenance_rate
        per_unit = leg.size - abs(leg.size) * rate
        at = mark - (balance.equity - balance.maintenance) / per_unit
        return average(at) if at > 0 else None


def _summary(value: Decimal, notional: Decimal, raw: Decimal, used: Decimal) -> Row:
    return {
        "accountValue": money(value),
        "totalNtlPos": money(notional),
        "totalRawUsd": money(raw),
        "totalMarginUsed": money(used),
    }
