"""Hyperliquid as a venue: what all its accounts share, and the reads that need no account."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any

import attrs

from exchanges.clock import Clock, ProvenOffset
from exchanges.errors import MalformedMessage, Refusal, RequestRejected
from exchanges.http import HttpClient
from exchanges.hyperliquid.account import HyperliquidAccount
from exchanges.hyperliquid.catalogue import parse_marks
from exchanges.hyperliquid.limits import EXCHANGE, AddressLimits
from exchanges.hyperliquid.market import Market
from exchanges.hyperliquid.marks import open_marks
from exchanges.hyperliquid.nonces import NonceLanes
from exchanges.hyperliquid.posts import PostSocket
from exchanges.hyperliquid.rest import HyperliquidRest, VenueClock
from exchanges.hyperliquid.signing import Agent, parse_address
from exchanges.hyperliquid.wire import Row, reading, whole
from exchanges.network import Network
from exchanges.pacing import Urgency
from exchanges.port import Credentials
from model.instrument import Instrument

CLOCK_COIN = "BTC"


@attrs.frozen(kw_only=True)
class HyperliquidEndpoints:
    """Where a network of Hyperliquid listens. ``chain`` is `mainnet` or `testnet`: it is signed."""

    rest: str
    ws: str
    chain: str = attrs.field(default="mainnet", validator=attrs.validators.in_(("mainnet", "testnet")))
    paced: bool = True
    """Keep the published budgets; off only for a venue on this machine."""


class HyperliquidVenue:
    """One network of Hyperliquid; see Venue. Opens nothing before it is asked."""

    exchange = EXCHANGE

    def __init__(self, endpoints: HyperliquidEndpoints, *, network: Network, clock: Clock) -> None:
        self._endpoints = endpoints
        self._network = network
        self._clock = VenueClock(clock)
        self._offset = ProvenOffset()
        self._limits = AddressLimits(paced=endpoints.paced)
        self._lanes = NonceLanes(clock.wall_ms)
        self._rest = self._open_rest()
        self._market = Market(self._rest)
        self._posts = PostSocket(endpoints.ws, network=network, limits=self._limits)

    def account(self, credentials: Credentials) -> HyperliquidAccount:
        """Return the gateway of an account; `account` is its address, `api_secret` the agent's key.

        Raises: RequestRejected (AUTH) for an address or a key that is none.
        """
        try:
            address = parse_address(credentials.account)
        except ValueError as error:
            raise RequestRejected(str(error), refusal=Refusal.AUTH, exchange=EXCHANGE) from error
        agent = Agent(credentials.api_secret, chain=self._endpoints.chain)
        return HyperliquidAccount(
            address,
            agent=agent,
            lane=self._lanes.lane(agent.address),
            rest=self._open_rest(),
            posts=self._posts,
            market=self._market,
            limits=self._limits,
            clock=self._clock,
            network=self._network,
            stream_url=self._endpoints.ws,
        )

    async def instruments(self) -> Mapping[str, Instrument]:
        """Read the catalogue of the first dex by symbol; delisted ones are closed."""
        return (await self._market.read()).instruments

    def marks(
        self, symbols: frozenset[str]
    ) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, Decimal]]]:
        """Open the public stream of mark prices of these symbols; raises StreamLost."""
        return open_marks(
            self._endpoints.ws, symbols, network=self._network, limits=self._limits, market=self._market
        )

    async def read_marks(self) -> Mapping[str, Decimal]:
        """Read all marks once by REST."""
        marks = parse_marks(await self._rest.read("metaAndAssetCtxs", urgency=Urgency.OPEN))
        self._market.put_marks(marks)
        return marks

    def budgets_used(self) -> Mapping[str, float]:
        """Return the share that is taken of each request budget of our address."""
        return self._limits.used()

    async def clock_offset_ms(self) -> int:
        """Return venue clock minus our wall clock, no more than is proven.

        `exchangeStatus` has the venue's time but no published shape; a book's time is the next best.
        """
        try:
            offset_ms = await self._offset_by("exchangeStatus")
        except (MalformedMessage, RequestRejected):
            offset_ms = await self._offset_by("l2Book", coin=CLOCK_COIN)
        self._clock.measured(offset_ms)
        return offset_ms

    async def aclose(self) -> None:
        """Close what the venue shares."""
        await self._rest.aclose()

    async def _offset_by(self, kind: str, **fields: Any) -> int:
        before = self._clock.wall_ms()
        answer: Row = await self._rest.read(kind, urgency=Urgency.OPEN, **fields)
        after = self._clock.wall_ms()
        with reading(kind):
            venue_ms = whole(answer["time"])
        return self._offset.take(sent_ms=before, venue_ms=venue_ms, received_ms=after)

    def _open_rest(self) -> HyperliquidRest:
        http = HttpClient(self._endpoints.rest, network=self._network, exchange=EXCHANGE)
        return HyperliquidRest(http, limits=self._limits)
