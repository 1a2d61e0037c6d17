"""Settings: leverage, margin type, position mode, multi-assets mode."""

from decimal import Decimal

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance import params as read
from exchanges.sandbox.binance.codes import VenueError, as_venue_error
from exchanges.sandbox.binance.modes import Modes
from exchanges.sandbox.binance.params import Params
from exchanges.sandbox.binance.wire import Row, number
from exchanges.sandbox.listing import notional_max_at
from exchanges.sandbox.refusals import Reason, Refused
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import ZERO

DONE: Row = {"code": 200, "msg": "success"}
MARGIN_TYPES = {"ISOLATED": True, "CROSSED": False}


class SettingDesk:
    """What is so already is an error, but for leverage."""

    def __init__(self, venue: SandboxVenue, modes: Modes) -> None:
        self._venue = venue
        self._modes = modes

    def set_leverage(self, account: Account, params: Params) -> Row:
        """Set a symbol's leverage, of both sides of it. Raises: VenueError."""
        symbol = read.required(params, "symbol")
        leverage = read.integer(params, "leverage")
        try:
            self._check(account, symbol, leverage)
            self._venue.set_leverage(account, symbol, Decimal(leverage))
        except Refused as refused:
            if refused.reason is not Reason.LEVERAGE_UNCHANGED:
                raise as_venue_error(refused, leverage) from None
        most = notional_max_at(self._venue.listing(symbol), Decimal(leverage)) or ZERO
        return {"leverage": leverage, "maxNotionalValue": number(most), "symbol": symbol}

    def set_margin_type(self, account: Account, params: Params) -> Row:
        """Set a symbol's margin type. Raises: VenueError."""
        symbol = read.required(params, "symbol")
        isolated = read.word(
            params,
            "marginType",
            MARGIN_TYPES,
            code=-4049,
            text="Add margin only support for isolated position.",
        )
        try:
            self._modes.switch_margin_type(account, symbol, isolated=isolated)
        except Refused as refused:
            raise as_venue_error(refused) from None
        return DONE

    def set_position_mode(self, account: Account, params: Params) -> Row:
        """Set the account's position mode. Raises: VenueError."""
        self._modes.switch_position_mode(account, hedge=read.boolean(params, "dualSidePosition"))
        return DONE

    def set_multi_assets(self, account: Account, params: Params) -> Row:
        """Set the account's multi-assets mode. Raises: VenueError."""
        self._modes.switch_multi_assets(account, on=read.boolean(params, "multiAssetsMargin"))
        return DONE

    def position_mode(self, account: Account, params: Params) -> Row:
        """Return the position mode."""
        return {"dualSidePosition": account.hedge}

    def multi_assets(self, account: Account, params: Params) -> Row:
        """Return the multi-assets mode."""
        return {"multiAssetsMargin": self._modes.is_multi_assets(account)}

    def _check(self, account: Account, symbol: str, leverage: int) -> None:
        """An isolated position takes no lower leverage; none takes less than what it holds needs."""
        listing = self._venue.listing(symbol)
        held = sum((abs(leg.size) for leg in account.legs(symbol)), ZERO)
        if not held:
            return
        if self._modes.is_isolated(account, symbol) and leverage < account.leverage(symbol):
            raise VenueError(
                -4161, "Leverage reduction is not supported in Isolated Margin Mode with open positions."
            )
        most = notional_max_at(listing, Decimal(leverage))
        if most is not None and held * self._venue.mark(symbol) > most:
            raise as_venue_error(Refused(Reason.POSITION_CAP))
