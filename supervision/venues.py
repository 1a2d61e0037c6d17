"""Builds the venues that the configuration names."""

from collections.abc import Mapping

from exchanges.bybit import BybitEndpoints, BybitVenue
from exchanges.clock import Clock
from exchanges.network import Network
from exchanges.port import Venue
from supervision.settings import EngineSettings, Pacing, VenueAddresses


def build_venues(settings: EngineSettings, *, network: Network, clock: Clock) -> Mapping[str, Venue]:
    """Return every venue by name; nothing is opened yet."""
    endpoints = bybit_endpoints(settings.endpoints["bybit"])
    return {"bybit": BybitVenue(endpoints, network=network, clock=clock)}


def bybit_endpoints(addresses: VenueAddresses) -> BybitEndpoints:
    """Return Bybit's addresses as its venue takes them."""
    return BybitEndpoints(
        rest=addresses["rest"],
        private_ws=addresses["private_ws"],
        public_ws=addresses.get("public_ws"),
        trade_ws=addresses.get("trade_ws"),
        paced=addresses.pacing is Pacing.VENUE,
    )
