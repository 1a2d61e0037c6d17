"""The venues of a scenario: a core, its face and its host for each; Bybit's holds the master."""

from collections.abc import Callable, Mapping, Sequence

import attrs

from exchanges.binance import BinanceEndpoints, BinanceVenue
from exchanges.bybit import BybitEndpoints, BybitVenue
from exchanges.clock import TrioClock
from exchanges.hyperliquid import HyperliquidEndpoints, HyperliquidVenue
from exchanges.port import Credentials, Venue
from exchanges.sandbox import Account, AccountDescription, SandboxVenue, build_venue, describe_account
from exchanges.sandbox.binance import BinanceSandbox, binance_description
from exchanges.sandbox.bybit import BybitSandbox
from exchanges.sandbox.hyperliquid import HyperliquidSandbox, describe_wallet, hyperliquid_description
from exchanges.sandbox.mirror import PriceMirror
from exchanges.sandbox.server import SandboxServer

BYBIT_HOST = "bybit.sandbox"
BINANCE_HOST = "binance.sandbox"
HYPERLIQUID_HOST = "hyperliquid.sandbox"


@attrs.frozen(kw_only=True)
class House:
    """One venue of a scenario, as the engine and as the scenario reach it."""

    exchange: str
    host: str
    core: SandboxVenue
    server: SandboxServer
    connect: Callable[..., Venue]
    """Returns the venue as the engine has it: by a network and a clock, and ``paced`` or not."""
    credentials: Callable[[Account], Credentials]
    own_symbol: Callable[[str], str] = str
    """The venue's name for one of Bybit's symbols."""
    order_endpoint: str
    """What faults call the way by which orders come."""
    order_sockets: tuple[str, ...] = ("trade",)
    """Which kinds of connection that may be."""

    def silence_orders(self) -> int:
        """Make the sockets by which orders come half-open; return how many."""
        return sum(self.server.silence_connections(kind=kind) for kind in self.order_sockets)


def bybit_endpoints(host: str = BYBIT_HOST) -> BybitEndpoints:
    """Return where the Bybit sandbox listens in memory."""
    return BybitEndpoints(
        rest=f"http://{host}",
        private_ws=f"ws://{host}/v5/private",
        public_ws=f"ws://{host}/v5/public/linear",
        trade_ws=f"ws://{host}/v5/trade",
        paced=False,
    )


def binance_endpoints(host: str = BINANCE_HOST) -> BinanceEndpoints:
    """Return where the Binance sandbox listens in memory."""
    return BinanceEndpoints(
        rest=f"http://{host}",
        stream_ws=f"ws://{host}/private",
        market_ws=f"ws://{host}/market",
        trade_ws=f"ws://{host}/ws-fapi/v1",
        sapi=f"http://{host}",
        paced=False,
    )


def hyperliquid_endpoints(host: str = HYPERLIQUID_HOST) -> HyperliquidEndpoints:
    """Return where the Hyperliquid sandbox listens in memory."""
    return HyperliquidEndpoints(rest=f"http://{host}", ws=f"ws://{host}/ws", chain="testnet", paced=False)


def bybit_house(core: SandboxVenue) -> House:
    """Return the house of the master, and of followers beside it."""
    return House(
        exchange="bybit",
        host=BYBIT_HOST,
        core=core,
        server=SandboxServer(BybitSandbox(core)),
        connect=lambda network, clock, paced=False: BybitVenue(
            attrs.evolve(bybit_endpoints(), paced=paced), network=network, clock=clock
        ),
        credentials=lambda it: Credentials(api_key=it.api_key, api_secret=it.api_secret),
        order_endpoint="order.create",
    )


def binance_house(accounts: Sequence[AccountDescription], clock: TrioClock) -> House:
    """Return a house of USD-M accounts."""
    core = build_venue(binance_description(accounts), clock=clock)
    return House(
        exchange="binance",
        host=BINANCE_HOST,
        core=core,
        server=SandboxServer(BinanceSandbox(core)),
        connect=lambda network, clock, paced=False: BinanceVenue(
            attrs.evolve(binance_endpoints(), paced=paced), network=network, clock=clock
        ),
        credentials=lambda it: Credentials(api_key=it.api_key, api_secret=it.api_secret),
        order_endpoint="order.place",
    )


def hyperliquid_house(accounts: Sequence[AccountDescription], clock: TrioClock) -> House:
    """Return a house whose accounts are wallets with one agent each."""
    core = build_venue(hyperliquid_description(accounts), clock=clock)
    return House(
        exchange="hyperliquid",
        host=HYPERLIQUID_HOST,
        core=core,
        server=SandboxServer(HyperliquidSandbox(core)),
        connect=lambda network, clock, paced=False: HyperliquidVenue(
            attrs.evolve(hyperliquid_endpoints(), paced=paced), network=network, clock=clock
        ),
        credentials=lambda it: Credentials(api_key="", api_secret=it.api_secret, account=it.api_key),
        own_symbol=lambda symbol: symbol.removesuffix("USDT").replace("1000PEPE", "kPEPE"),
        order_endpoint="post/order",
        order_sockets=("trade", "websocket"),  # one on which nothing was posted yet could be any
    )


Describe = Callable[..., AccountDescription]
Open = Callable[[Sequence[AccountDescription], TrioClock], House]

VENUES: Mapping[str, tuple[Describe, Open]] = {
    "binance": (describe_account, binance_house),
    "hyperliquid": (describe_wallet, hyperliquid_house),
}
"""How a follower's account is described there, and its house opened."""


def mirror_prices(master: House, other: House) -> None:
    """Give a house the master's prices, now and whenever they move."""
    PriceMirror(master.core, other.core)
