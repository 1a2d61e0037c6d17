"""Bybit as a venue: what its accounts share, its catalogue, marks and clock."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import attrs

from exchanges.bybit.account import BybitAccount
from exchanges.bybit.catalogue import Catalogue
from exchanges.bybit.codes import EXCHANGE
from exchanges.bybit.limits import AddressLimits, KeyLimits, Pool
from exchanges.bybit.marks import open_marks, read_all_marks
from exchanges.bybit.rest import BybitRest, VenueClock
from exchanges.bybit.signing import Signer
from exchanges.bybit.wire import reading, whole
from exchanges.clock import Clock, ProvenOffset
from exchanges.errors import StreamLost
from exchanges.http import HttpClient
from exchanges.network import Network
from exchanges.port import AccountGateway, Credentials
from model.instrument import Instrument


@attrs.frozen(kw_only=True)
class BybitEndpoints:
    """The addresses of one of Bybit's worlds; a world may lack order entry or marks by WebSocket."""

    rest: str
    private_ws: str
    public_ws: str | None = None
    trade_ws: str | None = None
    paced: bool = True
    """Keep the venue's published request budgets."""


class BybitVenue:
    """Bybit's USDT perpetuals on unified accounts (V5)."""

    def __init__(self, endpoints: BybitEndpoints, *, network: Network, clock: Clock) -> None:
        self.exchange = EXCHANGE
        self._endpoints = endpoints
        self._network = network
        self._clock = VenueClock(clock)
        self._offset = ProvenOffset()
        self._shared = AddressLimits(paced=endpoints.paced)
        self._rest = self._make_rest(None, KeyLimits(self._shared))
        self._catalogue = Catalogue(self._rest)

    def account(self, credentials: Credentials) -> AccountGateway:
        """Return the gateway of one account; opens nothing yet."""
        signer = Signer(credentials)
        key = KeyLimits(self._shared)
        return BybitAccount(
            private_url=self._endpoints.private_ws,
            trade_url=self._endpoints.trade_ws,
            signer=signer,
            rest=self._make_rest(signer, key),
            key=key,
            shared=self._shared,
            clock=self._clock,
            network=self._network,
            measure_clock=self.clock_offset_ms,
        )

    async def instruments(self) -> Mapping[str, Instrument]:
        """Read the catalogue by symbol, every page; from the second reading on with leverage tiers."""
        return await self._catalogue.read()

    def marks(
        self, symbols: frozenset[str]
    ) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, Decimal]]]:
        """Open the public stream of mark prices of these symbols; raises StreamLost."""
        if self._endpoints.public_ws is None:
            raise StreamLost("this world has no public stream", exchange=EXCHANGE)
        return open_marks(self._endpoints.public_ws, symbols, network=self._network, shared=self._shared)

    async def read_marks(self) -> Mapping[str, Decimal]:
        """Read all marks once by REST."""
        return await read_all_marks(self._rest)

    def budgets_used(self) -> Mapping[str, float]:
        """Return the share that is taken of each request budget of our address."""
        return self._shared.used()

    async def clock_offset_ms(self) -> int:
        """Return venue clock minus our wall clock, no more than is proven; requests are stamped by it."""
        before = self._clock.wall_ms()
        answer = await self._rest.read("/v5/market/time", pool=Pool.NONE)
        after = self._clock.wall_ms()
        with reading("time"):
            venue_ms = whole(answer.result["timeNano"]) // 1_000_000
        self._clock.offset_ms = self._offset.take(sent_ms=before, venue_ms=venue_ms, received_ms=after)
        return self._clock.offset_ms

    async def aclose(self) -> None:
        """Close what the venue shares."""
        await self._rest.aclose()

    def _make_rest(self, signer: Signer | None, key: KeyLimits) -> BybitRest:
        http = HttpClient(self._endpoints.rest, network=self._network, exchange=EXCHANGE)
        return BybitRest(http, clock=self._clock, shared=self._shared, signer=signer, key=key)
