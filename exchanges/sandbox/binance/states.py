"""What an account has and holds, as Binance's account reads tell it."""

from decimal import Decimal

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.figures import Figures, asset_row, balance_row, totals_row
from exchanges.sandbox.binance.modes import Modes
from exchanges.sandbox.binance.replicas import Replicas
from exchanges.sandbox.binance.wire import (
    ASSET,
    POSITION_SIDES,
    Row,
    average,
    break_even,
    money,
    number,
    open_notional,
)
from exchanges.sandbox.listing import Listing, notional_max_at
from exchanges.sandbox.position import Position
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import ZERO


class States:
    """All figures at the current marks; single-asset margin in USDT. ``replicas`` may lag."""

    def __init__(self, venue: SandboxVenue, modes: Modes) -> None:
        self._venue = venue
        self._modes = modes
        self.replicas = Replicas(venue)

    def positions(self, account: Account, symbol: str | None) -> list[Row]:
        """Return positionRisk v3: only symbols with a position or an order."""
        if symbol is not None:
            self._venue.listing(symbol)
        return [self._position(account, leg) for leg in self._shown(account, symbol)]

    def positions_v2(self, account: Account, symbol: str | None) -> list[Row]:
        """Return positionRisk v2: every symbol, flat ones too, with leverage and margin type."""
        symbols = [symbol] if symbol is not None else list(self._venue.listings)
        return [
            self._position_v2(account, leg, self._venue.listing(it))
            for it in symbols
            for leg in self.replicas.of(account).legs(account, it)
        ]

    def account(self, account: Account) -> Row:
        """Return account v3."""
        figures = self._figures(account)
        return {
            **totals_row(figures),
            "assets": [asset_row(figures, self.replicas.of(account).moved_ms)],
            "positions": [self._account_position(account, leg) for leg in self._shown(account, None)],
        }

    def balances(self, account: Account) -> list[Row]:
        """Return balance v3: one asset."""
        figures = self._figures(account)
        return [balance_row(figures, account.uid, self.replicas.of(account).moved_ms)]

    def config(self, account: Account) -> Row:
        """Return accountConfig."""
        return {
            "feeTier": 0,
            "canTrade": not account.read_only,
            "canDeposit": True,
            "canWithdraw": True,
            "dualSidePosition": account.hedge,
            "updateTime": 0,
            "multiAssetsMargin": self._modes.is_multi_assets(account),
            "tradeGroupId": -1,
        }

    def symbol_configs(self, account: Account, symbol: str | None) -> list[Row]:
        """Return symbolConfig of one symbol or all."""
        if symbol is not None:
            self._venue.listing(symbol)
        symbols = [symbol] if symbol is not None else list(self._venue.listings)
        return [
            {
                "symbol": it,
                "marginType": "ISOLATED" if self._modes.is_isolated(account, it) else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": int(account.leverage(it)),
                "maxNotionalValue": number(self._notional_max(account, it)),
            }
            for it in symbols
        ]

    def restrictions(self, account: Account) -> Row:
        """Return what a key may do, as the wallet interface tells it."""
        answer: Row = {
            "ipRestrict": account.is_ip_bound,
            "createTime": self._venue.now_ms(),
            "enableReading": True,
            "enableWithdrawals": account.may_withdraw,
            "enableInternalTransfer": account.may_transfer,
            "enableMargin": False,
            "enableFutures": not account.read_only,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enableSpotAndMarginTrading": False,
            "enablePortfolioMarginTrading": False,
        }
        if account.key_expires_at_ms is not None:
            answer["tradingAuthorityExpirationTime"] = account.key_expires_at_ms
        if not account.tells_rights:
            for name in [name for name in answer if name.startswith(("enable", "permits"))]:
                del answer[name]
        return answer

    def _shown(self, account: Account, symbol: str | None) -> list[Position]:
        """A hedged symbol shows its legs that are not flat; both when it has orders only."""
        holdings = self.replicas.of(account)
        held = {leg.symbol for leg in holdings.open_positions()}
        waiting = {order.intent.symbol for order in account.open_orders.values()}
        shown = []
        for it in sorted(held | waiting):
            if symbol is None or it == symbol:
                legs = holdings.legs(account, it)
                shown += [leg for leg in legs if leg.size] or legs
        return shown

    def _position(self, account: Account, leg: Position) -> Row:
        mark = self._venue.mark(leg.symbol)
        bids, asks = open_notional(account, leg.symbol)
        initial, maintenance = self.margins(account, leg)
        waiting = max(bids, asks) / account.leverage(leg.symbol)
        isolated = (
            money(initial + leg.unrealised(mark)) if self._modes.is_isolated(account, leg.symbol) else "0"
        )
        return {
            "symbol": leg.symbol,
            "positionSide": POSITION_SIDES[leg.position_idx],
            "positionAmt": number(leg.size),
            "entryPrice": average(leg.entry_price),
            "breakEvenPrice": average(break_even(leg, self._venue.taker_fee)),
            "markPrice": money(mark),
            "unRealizedProfit": money(leg.unrealised(mark)),
            "liquidationPrice": "0",
            "isolatedMargin": isolated,
            "notional": money(leg.size * mark),
            "marginAsset": ASSET,
            "isolatedWallet": "0" if isolated == "0" else money(initial),
            "initialMargin": money(initial + waiting),
            "maintMargin": money(maintenance),
            "positionInitialMargin": money(initial),
            "openOrderInitialMargin": money(waiting),
            "adl": 1 if leg.size else 0,
            "bidNotional": number(bids),
            "askNotional": number(asks),
            "updateTime": leg.updated_ms,
        }

    def _position_v2(self, account: Account, leg: Position, listing: Listing) -> Row:
        mark = self._venue.mark(leg.symbol)
        isolated = self._modes.is_isolated(account, leg.symbol)
        return {
            "entryPrice": average(leg.entry_price),
            "breakEvenPrice": average(break_even(leg, self._venue.taker_fee)),
            "marginType": "isolated" if isolated else "cross",
            "isAutoAddMargin": "false",
            "isolatedMargin": money(self.margins(account, leg)[0]) if isolated else "0.00000000",
            "leverage": number(account.leverage(leg.symbol)),
            "liquidationPrice": "0",
            "markPrice": money(mark),
            "maxNotionalValue": number(self._notional_max(account, leg.symbol)),
            "positionAmt": number(leg.size),
            "notional": money(leg.size * mark),
            "isolatedWallet": "0",
            "symbol": leg.symbol,
            "unRealizedProfit": money(leg.unrealised(mark)),
            "positionSide": POSITION_SIDES[leg.position_idx],
            "updateTime": leg.updated_ms,
        }

    def _account_position(self, account: Account, leg: Position) -> Row:
        mark = self._venue.mark(leg.symbol)
        initial, maintenance = self.margins(account, leg)
        return {
            "symbol": leg.symbol,
            "positionSide": POSITION_SIDES[leg.position_idx],
            "positionAmt": number(leg.size),
            "unrealizedProfit": money(leg.unrealised(mark)),
            "isolatedMargin": "0",
            "notional": money(leg.size * mark),
            "isolatedWallet": "0",
            "initialMargin": money(initial),
            "maintMargin": money(maintenance),
            "updateTime": leg.updated_ms,
        }

    def margins(self, account: Account, leg: Position) -> tuple[Decimal, Decimal]:
        """Return a leg's initial and maintenance margin, both from the mark."""
        value = abs(leg.size) * self._venue.mark(leg.symbol)
        return value / account.leverage(leg.symbol), value * self._venue.listing(leg.symbol).maintenance_rate

    def _notional_max(self, account: Account, symbol: str) -> Decimal:
        return notional_max_at(self._venue.listing(symbol), account.leverage(symbol)) or ZERO

    def _figures(self, account: Account) -> Figures:
        """Add up margins at the marks: what waits counts by the larger side of each symbol."""
        holdings = self.replicas.of(account)
        legs = holdings.open_positions()
        held = [self.margins(account, leg) for leg in legs]
        waiting = [
            max(open_notional(account, symbol)) / account.leverage(symbol)
            for symbol in {order.intent.symbol for order in account.open_orders.values()}
        ]
        return Figures(
            wallet=holdings.wallet,
            unrealised=sum((leg.unrealised(self._venue.mark(leg.symbol)) for leg in legs), ZERO),
            held=sum((initial for initial, _ in held), ZERO),
            waiting=sum(waiting, ZERO),
            maintenance=sum((maintenance for _, maintenance in held), ZERO),
        )
