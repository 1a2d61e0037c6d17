"""What an account has set beside its leverages: margin type by symbol, multi-assets mode, position mode."""

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.codes import VenueError, as_venue_error
from exchanges.sandbox.refusals import Reason, Refused
from exchanges.sandbox.venue import SandboxVenue


class Modes:
    """The margin type and multi-assets mode are kept and told; every position here is cross all the same."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue
        self._isolated: set[tuple[str, str]] = set()
        self._multi_assets: set[str] = set()

    def is_isolated(self, account: Account, symbol: str) -> bool:
        """Tell the margin type."""
        return (account.name, symbol) in self._isolated

    def is_multi_assets(self, account: Account) -> bool:
        """Tell whether all assets count as margin together."""
        return account.name in self._multi_assets

    def switch_margin_type(self, account: Account, symbol: str, *, isolated: bool) -> None:
        """Set a symbol's margin type. Raises: VenueError, Refused for an unlisted symbol."""
        self._venue.listing(symbol)
        if self.is_isolated(account, symbol) == isolated:
            raise VenueError(-4046, "No need to change margin type.")
        if isolated and self.is_multi_assets(account):
            raise VenueError(-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.")
        if account.open_orders_of(symbol):
            raise VenueError(-4047, "Margin type cannot be changed if there exists open orders.")
        if any(leg.size for leg in account.legs(symbol)):
            raise VenueError(-4048, "Margin type cannot be changed if there exists position.")
        key = account.name, symbol
        self._isolated.add(key) if isolated else self._isolated.discard(key)

    def switch_multi_assets(self, account: Account, *, on: bool) -> None:
        """Set multi-assets mode. Raises: VenueError."""
        if self.is_multi_assets(account) == on:
            raise VenueError(-4171, "No need to change Multi-Assets mode.")
        if on and any(name == account.name for name, _ in self._isolated):
            raise VenueError(
                -4167,
                "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under "
                "isolated-margin mode.",
            )
        if account.open_orders:
            raise VenueError(-4169, "Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures.")
        self._multi_assets.add(account.name) if on else self._multi_assets.discard(account.name)

    def switch_position_mode(self, account: Account, *, hedge: bool) -> None:
        """Set the position mode of the whole account. Raises: VenueError."""
        if account.hedge == hedge:
            raise as_venue_error(Refused(Reason.MODE_UNCHANGED))
        if account.open_orders:
            raise as_venue_error(Refused(Reason.ORDERS_EXIST))
        if account.open_positions():
            raise as_venue_error(Refused(Reason.POSITION_EXISTS))
        self._venue.switch_default_mode(account, hedge=hedge)
