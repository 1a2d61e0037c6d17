"""Builds the venues that the configuration names."""

from collections.abc import Callable, Mapping

from exchanges.bybit import BybitEndpoints, BybitVenue
from exchanges.clock import Clock
from exchanges.hyperliquid import HyperliquidEndpoints, HyperliquidVenue
from exchanges.network import Network
from exchanges.port import Venue
from supervision.settings import EngineSettings
from supervision.settings.endpoints import Pacing, VenueAddresses

Build = Callable[[VenueAddresses, Network, Clock], Venue]


def build_venues(settings: EngineSettings, *, network: Network, clock: Clock) -> Mapping[str, Venue]:
    """Return every venue by name; nothing is opened yet."""
    return {name: build(settings.endpoints[name], network, clock) for name, build in _BUILDERS.items()}


def _bybit(addresses: VenueAddresses, network: Network, clock: Clock) -> Venue:
    endpoints = BybitEndpoints(
        rest=addresses["rest"],
        private_ws=addresses["private_ws"],
        public_ws=addresses.get("public_ws"),
        trade_ws=addresses.get("trade_ws"),
        paced=addresses.pacing is Pacing.VENUE,
    )
    return BybitVenue(endpoints, network=network, clock=clock)


def _hyperliquid(addresses: VenueAddresses, network: Network, clock: Clock) -> Venue:
    endpoints = HyperliquidEndpoints(
        rest=addresses["rest"],
        ws=addresses["ws"],
        chain=addresses.chain,
        paced=addresses.pacing is Pacing.VENUE,
    )
    return HyperliquidVenue(endpoints, network=network, clock=clock)


_BUILDERS: Mapping[str, Build] = {"bybit": _bybit, "hyperliquid": _hyperliquid}
