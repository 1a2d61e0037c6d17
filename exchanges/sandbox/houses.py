"""The three venues as a sandbox has them: how each describes its accounts, opens its core and is reached."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Protocol

import attrs

from exchanges.clock import Clock
from exchanges.sandbox.binance import BinanceServer, binance_description
from exchanges.sandbox.bybit import BybitServer
from exchanges.sandbox.description import (
    AccountDescription,
    SandboxDescription,
    build_venue,
    describe_account,
)
from exchanges.sandbox.hyperliquid import HyperliquidServer, describe_wallet, hyperliquid_description
from exchanges.sandbox.mirror import PriceMirror
from exchanges.sandbox.server import SandboxServer
from exchanges.sandbox.venue import SandboxVenue

Open = Callable[[SandboxDescription, Clock | None], tuple[SandboxVenue, SandboxServer]]


class Describe(Protocol):
    """How an account of a venue is described."""

    def __call__(self, name: str, equity: Decimal, *, seed: int, hedge: bool) -> AccountDescription:
        """Return an account whose keys follow from its name and the seed."""


@attrs.frozen(kw_only=True)
class HouseKind:
    """What differs from venue to venue."""

    exchange: str
    describe: Describe
    describe_venue: Callable[[Iterable[AccountDescription], int], SandboxDescription]
    """From accounts and a seed; with the venue's usual listings, prices and rules."""
    open: Open
    endpoints: Callable[[str, int], dict[str, str]]
    """Addresses by the key of `[endpoints.VENUE]`, for a host and a port."""
    keys: Callable[[AccountDescription], dict[str, str]]
    """What a follower of this account has in a followers file: public and secret parts by field."""


@attrs.frozen(kw_only=True)
class House:
    """One venue of a sandbox."""

    kind: HouseKind
    core: SandboxVenue
    server: SandboxServer
    mirror: PriceMirror | None = None
    """Where its prices come from; None leads."""

    def name_of(self, symbol: str) -> str | None:
        """Return its name for a symbol of the leading venue, None where it does not list that."""
        if self.mirror is None:
            return symbol if symbol in self.core.listings else None
        return self.mirror.name_of(symbol)


def build_houses(
    descriptions: Mapping[str, SandboxDescription], *, clock: Clock | None = None
) -> dict[str, House]:
    """Open venues by exchange; the first one's prices are those of all.

    Raises: KeyError for an exchange that the sandbox does not speak.
    """
    houses: dict[str, House] = {}
    for exchange, description in descriptions.items():
        kind = KINDS[exchange]
        core, server = kind.open(description, clock)
        leader = next(iter(houses.values()), None)
        mirror = None if leader is None else PriceMirror(leader.core, core)
        houses[exchange] = House(kind=kind, core=core, server=server, mirror=mirror)
    return houses


def _open_bybit(description: SandboxDescription, clock: Clock | None) -> tuple[SandboxVenue, SandboxServer]:
    core = build_venue(description, clock=clock)
    return core, BybitServer(core)


def _open_binance(description: SandboxDescription, clock: Clock | None) -> tuple[SandboxVenue, SandboxServer]:
    core = build_venue(description, clock=clock)
    return core, BinanceServer(core)


def _open_hyperliquid(
    description: SandboxDescription, clock: Clock | None
) -> tuple[SandboxVenue, SandboxServer]:
    """Open the venue; who has an owner becomes that one's sub-account."""
    own = tuple(it for it in description.accounts if not it.owner)
    core = build_venue(attrs.evolve(description, accounts=own), clock=clock)
    server = HyperliquidServer(core)
    for sub in description.accounts:
        if sub.owner:
            server.face.directory.open_sub_account(
                sub.name, master=sub.owner, address=sub.api_key, equity=sub.equity
            )
    return core, server


def _describe_wallet(name: str, equity: Decimal, *, seed: int, hedge: bool) -> AccountDescription:
    if hedge:
        raise ValueError(f"{name}: Hyperliquid has no hedge mode")
    return describe_wallet(name, equity, seed=seed)


def _describe_account(name: str, equity: Decimal, *, seed: int, hedge: bool) -> AccountDescription:
    return describe_account(name, equity, seed=seed, hedge=hedge)


def _key_and_secret(account: AccountDescription) -> dict[str, str]:
    return {"api_key": account.api_key, "api_secret": account.api_secret}


KINDS: Mapping[str, HouseKind] = {
    "bybit": HouseKind(
        exchange="bybit",
        describe=_describe_account,
        describe_venue=lambda accounts, seed: SandboxDescription(accounts=tuple(accounts), seed=seed),
        open=_open_bybit,
        endpoints=BybitServer.endpoints,
        keys=_key_and_secret,
    ),
    "binance": HouseKind(
        exchange="binance",
        describe=_describe_account,
        describe_venue=lambda accounts, seed: binance_description(accounts, seed=seed),
        open=_open_binance,
        endpoints=BinanceServer.endpoints,
        keys=_key_and_secret,
    ),
    "hyperliquid": HouseKind(
        exchange="hyperliquid",
        describe=_describe_wallet,
        describe_venue=lambda accounts, seed: hyperliquid_description(accounts, seed=seed),
        open=_open_hyperliquid,
        endpoints=HyperliquidServer.endpoints,
        keys=lambda it: {"account": it.api_key, "agent_key": it.api_secret},
    ),
}
"""By the name that a configuration has for the venue."""
