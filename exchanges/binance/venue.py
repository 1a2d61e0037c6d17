"""Binance USD-M futures as a venue: what its accounts share, its catalogue, marks and clock."""

import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import attrs

from exchanges.binance.account import AccountParts, BinanceAccount
from exchanges.binance.catalogue import Catalogue
from exchanges.binance.clock import VenueClock
from exchanges.binance.codes import EXCHANGE
from exchanges.binance.key_rights import KeyQuestion
from exchanges.binance.limits import AddressLimits, OrderLimits
from exchanges.binance.marks import open_marks, read_all_marks
from exchanges.binance.memory import AccountMemory
from exchanges.binance.orders import OrderParts
from exchanges.binance.probe import StreamProbe
from exchanges.binance.rest import BinanceRest
from exchanges.binance.signing import Signer
from exchanges.binance.stream import StreamParts
from exchanges.clock import Clock
from exchanges.errors import StreamLost
from exchanges.http import HttpClient
from exchanges.network import Network
from exchanges.port import AccountGateway, Credentials
from model.instrument import Instrument


@attrs.frozen(kw_only=True)
class BinanceEndpoints:
    """The addresses of one of Binance's worlds; a world may lack order entry or marks by WebSocket.

    None is derived from another: they differ in host and path from world to world.
    """

    rest: str
    stream_ws: str
    """Of user data; on mainnet it ends in ``/private``: elsewhere streams connect and stay silent."""
    market_ws: str | None = None
    trade_ws: str | None = None
    sapi: str | None = None
    """Of the wallet interface, which tells what a key may do; without it no key is accepted."""
    paced: bool = True
    """Keep the venue's published request budgets."""


class BinanceVenue:
    """Binance's USDT-margined perpetuals."""

    def __init__(self, endpoints: BinanceEndpoints, *, network: Network, clock: Clock) -> None:
        self.exchange = EXCHANGE
        self._endpoints = endpoints
        self._network = network
        self._clock = VenueClock(clock)
        self._shared = AddressLimits(self._clock, paced=endpoints.paced)
        self._wallet = AddressLimits(self._clock, paced=endpoints.paced)
        self._rest = BinanceRest(self._http(), clock=self._clock, shared=self._shared)
        self._catalogue = Catalogue(self._rest, self._shared)

    def account(self, credentials: Credentials) -> AccountGateway:
        """Return the gateway of one account; opens nothing yet."""
        signer = Signer(credentials)
        limits = OrderLimits(self._clock, paced=self._endpoints.paced)
        memory, probe = AccountMemory(), StreamProbe()
        rest = BinanceRest(self._http(), clock=self._clock, shared=self._shared, signer=signer, orders=limits)
        stream = StreamParts(
            url=self._endpoints.stream_ws,
            network=self._network,
            rest=rest,
            shared=self._shared,
            memory=memory,
            probe=probe,
            clock=self._clock,
            spread=zlib.crc32(credentials.api_key.encode()) / 2**32,
        )
        orders = OrderParts(
            url=self._endpoints.trade_ws,
            network=self._network,
            signer=signer,
            clock=self._clock,
            shared=self._shared,
            limits=limits,
            rest=rest,
            memory=memory,
            probe=probe,
        )
        key = KeyQuestion(
            rest_url=self._endpoints.rest,
            sapi_url=self._endpoints.sapi,
            network=self._network,
            clock=self._clock,
            shared=self._wallet,
            signer=signer,
        )
        return BinanceAccount(AccountParts(stream=stream, orders=orders, catalogue=self._catalogue, key=key))

    async def instruments(self) -> Mapping[str, Instrument]:
        """Read the catalogue by symbol, once for all accounts; leverage tiers appear in it later."""
        return await self._catalogue.read()

    def marks(
        self, symbols: frozenset[str]
    ) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, Decimal]]]:
        """Open the public stream of mark prices, those of other symbols included; raises StreamLost."""
        if self._endpoints.market_ws is None:
            raise StreamLost("this world has no public stream", exchange=EXCHANGE)
        return open_marks(self._endpoints.market_ws, network=self._network, shared=self._shared)

    async def read_marks(self) -> Mapping[str, Decimal]:
        """Read all marks once by REST."""
        return await read_all_marks(self._rest)

    def budgets_used(self) -> Mapping[str, float]:
        """Return the share that is taken of each request budget of our address."""
        return self._shared.used()

    async def clock_offset_ms(self) -> int:
        """Return venue clock minus our wall clock, no more than is proven; requests are stamped by it."""
        await self._rest.measure_clock()
        return self._clock.offset_ms

    async def aclose(self) -> None:
        """Close what the venue shares."""
        await self._rest.aclose()

    def _http(self) -> HttpClient:
        return HttpClient(self._endpoints.rest, network=self._network, exchange=EXCHANGE)
