"""Leverage, margin type, and margin of isolated positions."""

from decimal import Decimal

from exchanges.sandbox.account import Account
from exchanges.sandbox.hyperliquid.isolated import IsolatedMargins
from exchanges.sandbox.hyperliquid.universe import Universe
from exchanges.sandbox.hyperliquid.wire import Row
from exchanges.sandbox.refusals import Reason, Refused
from exchanges.sandbox.venue import SandboxVenue

TEXTS = {
    Reason.LEVERAGE: "Invalid leverage value",
    Reason.LEVERAGE_TOO_HIGH: "Invalid leverage value",
    Reason.MARGIN: (
        "Cross position does not have sufficient margin available to decrease leverage. "
        "To decrease leverage, deposit more collateral."
    ),
}
UNIT = Decimal("0.000001")


class SettingDesk:
    """Each setting returns why it is refused, "" when it was made or was so already."""

    def __init__(self, venue: SandboxVenue, universe: Universe, isolated: IsolatedMargins) -> None:
        self._venue = venue
        self._universe = universe
        self._isolated = isolated

    def set_leverage(self, account: Account, action: Row) -> str:
        """Set leverage and margin type of a symbol."""
        symbol = self._universe.symbol_at(int(str(action["asset"])))
        if symbol is None:
            return "Invalid asset."
        isolated = not action["isCross"]
        if not isolated and symbol in self._universe.isolated_only:
            return "Cross margin is not allowed for this asset."
        if isolated != self._isolated.is_isolated(account, symbol) and (
            account.size(symbol) or account.open_orders_of(symbol)
        ):
            return "Cannot switch leverage type with open position."
        try:
            self._venue.set_leverage(account, symbol, Decimal(str(action["leverage"])))
        except Refused as refused:
            if refused.reason is not Reason.LEVERAGE_UNCHANGED:
                return TEXTS[refused.reason]
        self._isolated.switch(account, symbol, isolated=isolated)
        return ""

    def add_margin(self, account: Account, action: Row) -> str:
        """Move margin to or from an isolated position."""
        symbol = self._universe.symbol_at(int(str(action["asset"])))
        if symbol is None:
            return "Invalid asset."
        amount = Decimal(str(action["ntli"])) * UNIT
        if not self._isolated.add(account, symbol, amount):
            return "Insufficient margin available for the isolated position."
        return ""
