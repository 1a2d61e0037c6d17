"""Builds the venues that the configuration names."""

from collections.abc import Mapping

from exchanges.bybit import BybitVenue
from exchanges.clock import Clock
from exchanges.network import Network
from exchanges.port import Venue
from supervision.settings import EngineSettings


class UnknownExchange(ValueError):
    """A follower or the master names a venue that this engine does not speak to."""


def build_venues(settings: EngineSettings, *, network: Network, clock: Clock) -> Mapping[str, Venue]:
    """Return every venue by name; nothing is opened yet."""
    return {"bybit": BybitVenue(settings.bybit_endpoints(), network=network, clock=clock)}
