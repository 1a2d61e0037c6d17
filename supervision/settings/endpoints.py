"""Where the venues are: a network's published addresses, or those that the file names."""

from collections.abc import Mapping
from enum import Enum
from ipaddress import ip_address
from urllib.parse import urlsplit

import attrs

from supervision.settings.table import Table

VENUES = ("bybit", "binance", "hyperliquid")

_REST = ("http", "https")
_STREAM = ("ws", "wss")


class Pacing(Enum):
    """Whose request budgets are kept."""

    VENUE = "venue"
    NONE = "none"


class Network(Enum):
    """Which of a venue's worlds."""

    MAINNET = "mainnet"
    TESTNET = "testnet"
    DEMO = "demo"


@attrs.frozen(kw_only=True)
class VenueAddresses:
    """The addresses of one venue by the key of the file; a key that the venue lacks is absent."""

    venue: str
    network: Network
    urls: Mapping[str, str]
    pacing: Pacing = Pacing.VENUE
    given: bool = False
    """The file has a table for it."""

    def __getitem__(self, key: str) -> str:
        return self.urls[key]

    def get(self, key: str) -> str | None:
        """Return an address, None where the network has none."""
        return self.urls.get(key)

    @property
    def is_loopback(self) -> bool:
        """Tell whether every address is on this machine."""
        return all(is_loopback(url) for url in self.urls.values())

    @property
    def chain(self) -> str:
        """Hyperliquid's signing source: `mainnet` or `testnet`."""
        return self.network.value


_PUBLISHED: Mapping[tuple[str, Network], Mapping[str, str]] = {
    ("bybit", Network.MAINNET): {
        "rest": "https://api.bybit.com",
        "private_ws": "wss://stream.bybit.com/v5/private",
        "trade_ws": "wss://stream.bybit.com/v5/trade",
        "public_ws": "wss://stream.bybit.com/v5/public/linear",
    },
    ("bybit", Network.TESTNET): {
        "rest": "https://api-testnet.bybit.com",
        "private_ws": "wss://stream-testnet.bybit.com/v5/private",
        "trade_ws": "wss://stream-testnet.bybit.com/v5/trade",
        "public_ws": "wss://stream-testnet.bybit.com/v5/public/linear",
    },
    ("bybit", Network.DEMO): {  # no order entry by WebSocket; marks are those of mainnet
        "rest": "https://api-demo.bybit.com",
        "private_ws": "wss://stream-demo.bybit.com/v5/private",
        "public_ws": "wss://stream.bybit.com/v5/public/linear",
    },
    ("binance", Network.MAINNET): {
        "rest": "https://fapi.binance.com",
        "stream_ws": "wss://fstream.binance.com/private",
        "trade_ws": "wss://ws-fapi.binance.com/ws-fapi/v1",
        "market_ws": "wss://fstream.binance.com/market",
        "sapi": "https://api.binance.com",
    },
    ("binance", Network.TESTNET): {
        "rest": "https://demo-fapi.binance.com",
        "stream_ws": "wss://fstream.binancefuture.com/private",
        "trade_ws": "wss://testnet.binancefuture.com/ws-fapi/v1",
        "market_ws": "wss://fstream.binancefuture.com/market",
        "sapi": "https://demo-fapi.binance.com",
    },
    ("hyperliquid", Network.MAINNET): {
        "rest": "https://api.hyperliquid.xyz",
        "ws": "wss://api.hyperliquid.xyz/ws",
    },
    ("hyperliquid", Network.TESTNET): {
        "rest": "https://api.hyperliquid-testnet.xyz",
        "ws": "wss://api.hyperliquid-testnet.xyz/ws",
    },
}

_KEYS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bybit": {"rest": _REST, "private_ws": _STREAM, "trade_ws": _STREAM, "public_ws": _STREAM},
    "binance": {
        "rest": _REST,
        "stream_ws": _STREAM,
        "trade_ws": _STREAM,
        "market_ws": _STREAM,
        "sapi": _REST,
    },
    "hyperliquid": {"rest": _REST, "ws": _STREAM},
}
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "bybit": ("rest", "private_ws"),
    "binance": ("rest", "stream_ws"),
    "hyperliquid": ("rest", "ws"),
}


def default_addresses(venue: str, network: Network = Network.MAINNET) -> VenueAddresses:
    """Return the published addresses of a venue. Raises: KeyError for a network that it lacks."""
    return VenueAddresses(venue=venue, network=network, urls=_PUBLISHED[venue, network])


def loopback_addresses(venue: str, urls: Mapping[str, str]) -> VenueAddresses:
    """Return addresses on this machine by the keys of the file, unpaced; a sandbox signs for testnets."""
    network = Network.TESTNET if venue == "hyperliquid" else Network.MAINNET
    return VenueAddresses(venue=venue, network=network, urls=dict(urls), pacing=Pacing.NONE, given=True)


def read_addresses(venue: str, table: Table) -> VenueAddresses:
    """Read `[endpoints.VENUE]`."""
    network = _network(venue, table)
    given = {key: url for key, schemes in _KEYS[venue].items() if (url := _url(table, key, schemes))}
    pacing = table.choice("pacing", Pacing, Pacing.VENUE)
    table.done()
    urls = _complete(venue, network, given, table)
    found = VenueAddresses(venue=venue, network=network, urls=urls, pacing=pacing, given=True)
    if pacing is Pacing.NONE and not found.is_loopback:
        table.wrong("pacing", 'venue: "none" is taken only when every address is loopback', "'none'")
    return found


def is_loopback(url: str) -> bool:
    """Tell whether a url's host is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _network(venue: str, table: Table) -> Network:
    key = "chain" if venue == "hyperliquid" and "chain" in table else "network"
    network = table.choice(key, Network, Network.MAINNET)
    if venue == "hyperliquid":
        other = table.choice("network" if key == "chain" else "chain", Network, network)
        if other is not network:
            table.wrong(key, "the same in `network` and `chain`", f"{network.value} and {other.value}")
    if (venue, network) not in _PUBLISHED:
        names = ", ".join(known.value for name, known in _PUBLISHED if name == venue)
        table.wrong(key, f"one of {names}", repr(network.value))
        return Network.MAINNET
    return network


def _url(table: Table, key: str, schemes: tuple[str, ...]) -> str:
    url = table.text(key)
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        ok = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        plain = not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        ok = plain = False
    if not (ok and plain):
        table.wrong(
            key, f"a url of a host that begins with {' or '.join(f'{s}://' for s in schemes)}", "another"
        )
        return ""
    if parts.scheme in ("http", "ws") and not is_loopback(url):
        table.wrong(key, f"{parts.scheme}s:// for a host that is not this machine", f"{parts.scheme}://")
    return url.rstrip("/")


def _complete(venue: str, network: Network, given: Mapping[str, str], table: Table) -> Mapping[str, str]:
    """Add what was not given: from the given ones for loopback, else as published.

    Loopback and published addresses are never mixed: keys of a rehearsal must not reach a real venue.
    """
    if not any(is_loopback(url) for url in given.values()):
        return {**_PUBLISHED[venue, network], **given}
    for key, url in given.items():
        if not is_loopback(url):
            table.wrong(key, "loopback like the others of this venue", "the address of another host")
    for key in _REQUIRED[venue]:
        if key not in given:
            table.wrong(key, "an address, since another one is loopback", "nothing: the key is missing")
    return {**_derived(venue, given), **given}


def _derived(venue: str, given: Mapping[str, str]) -> Mapping[str, str]:
    if venue == "bybit" and given.get("private_ws", "").endswith("/v5/private"):
        return {"public_ws": given["private_ws"].removesuffix("private") + "public/linear"}
    if venue == "binance":
        derived = {"sapi": given.get("rest", "")}
        if given.get("stream_ws", "").endswith("/private"):
            derived["market_ws"] = given["stream_ws"].removesuffix("private") + "market"
        return derived
    return {}
