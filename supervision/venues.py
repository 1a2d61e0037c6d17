"""Builds the venues that the configuration names."""

from collections.abc import Callable, Mapping

from exchanges.binance import BinanceEndpoints, BinanceVenue
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
    return {name: open_venue(settings.endpoints[name], network=network, clock=clock) for name in _BUILDERS}


def open_venue(addresses: VenueAddresses, *, network: Network, clock: Clock) -> Venue:
    """Return the venue at these addresses. Raises: KeyError for one that the engine does not speak to."""
    return _BUILDERS[addresses.venue](addresses, network, clock)


def _bybit(addresses: VenueAddresses, network: Network, clock: Clock) -> Venue:
    endpoints = BybitEndpoints(
        rest=addresses["rest"],
        private_ws=addresses["private_ws"],
        public_ws=addresses.get("public_ws"),
        trade_ws=addresses.get("trade_ws"),
        paced=addresses.pacing is Pacing.VENUE,
    )
    return BybitVenue(endpoints, network=network, clock=clock)


def _binance(addresses: VenueAddresses, network: Network, clock: Clock) -> Venue:
    endpoints = BinanceEndpoints(
        rest=addresses["rest"],
        stream_ws=addresses["stream_ws"],
        market_ws=addresses.get("market_ws"),
        trade_ws=addresses.get("trade_ws"),
        sapi=addresses.get("sapi"),
        paced=addresses.pacing is Pacing.VENUE,
    )
    return BinanceVenue(endpoints, network=network, clock=clock)


def _hyperliquid(addresses: VenueAddresses, network: Network, clock: Clock) -> Venue:
    endpoints = HyperliquidEndpoints(
        rest=addresses["rest"],
        ws=addresses["ws"],
        chain=addresses.chain,
        paced=addresses.pacing is Pacing.VENUE,
    )
    return HyperliquidVenue(endpoints, network=network, clock=clock)


_BUILDERS: Mapping[str, Build] = {"bybit": _bybit, "binance": _binance, "hyperliquid": _hyperliquid}
