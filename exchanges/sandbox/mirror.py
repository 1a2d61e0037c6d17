"""One venue's prices on another, under the other's names: venues of one world agree about them."""

from decimal import Decimal

from exchanges.sandbox.events import PriceChanged, VenueEvent
from exchanges.sandbox.venue import SandboxVenue
from model.symbols import unit_of


class PriceMirror:
    """Gives a venue the prices of another one, now and whenever they move; what it lacks is left out."""

    def __init__(self, leader: SandboxVenue, venue: SandboxVenue) -> None:
        self._leader = leader
        self._venue = venue
        self._names: dict[str, str] = {}
        for symbol, price in leader.prices().items():
            self._put(symbol, price)
        leader.subscribe(self._hear)

    def name_of(self, symbol: str) -> str | None:
        """Return what the venue calls a symbol of the leader's, None where it has no such asset."""
        name = self._names.get(symbol)
        if name is None and symbol in self._leader.listings:
            asset = unit_of(self._leader.listings[symbol].base).asset
            listings = self._venue.listings.values()
            name = next((it.symbol for it in listings if unit_of(it.base).asset == asset), None)
            if name is not None:
                self._names[symbol] = name
        return name

    def _put(self, symbol: str, price: Decimal) -> None:
        name = self.name_of(symbol)
        if name is None:
            return
        theirs, ours = (
            unit_of(venue.listings[it].base).multiple
            for venue, it in ((self._leader, symbol), (self._venue, name))
        )
        self._venue.set_price(name, price if theirs == ours else price * ours / theirs)

    def _hear(self, event: VenueEvent) -> None:
        if isinstance(event, PriceChanged):
            self._put(event.symbol, event.price)
