"""Our Binance against the sandbox's, in virtual time: two readings of the same sheet."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import trio

from exchanges.binance import BinanceEndpoints, BinanceVenue
from exchanges.binance.account import BinanceAccount
from exchanges.clock import TrioClock
from exchanges.network import MemoryNetwork
from exchanges.port import Credentials
from exchanges.sandbox import (
    OrderIntent,
    SandboxVenue,
    TimeInForce,
    build_venue,
    describe_account,
)
from exchanges.sandbox.binance import BinanceSandbox, BinanceServer, binance_description
from model.leg import Leg, Side
from model.order import OrderRequest

D = Decimal
LEG = Leg("BTCUSDT")


@attrs.frozen(kw_only=True)
class House:
    """Both readings, and the account ``m`` on them; ``h`` hedges."""

    core: SandboxVenue
    server: BinanceServer
    venue: BinanceVenue
    account: BinanceAccount

    @property
    def face(self) -> BinanceSandbox:
        return self.server.face

    def via(self) -> list[str]:
        """Return the ways on which orders came."""
        return [row.via for row in self.core.ledger]

    def gateway(self, name: str, *, secret: str = "") -> BinanceAccount:
        """Return another gateway, of an account."""
        found = self.core.account(name)
        return self.venue.account(Credentials(api_key=found.api_key, api_secret=secret or found.api_secret))


@asynccontextmanager
async def sandboxed(*, socket: bool = True, paced: bool = True, **settings: Any) -> AsyncIterator[House]:
    network, clock = MemoryNetwork(), TrioClock()
    accounts = [
        describe_account("m", D(10_000)),
        describe_account("h", D(10_000), hedge=True),
        describe_account("r", D(10_000), read_only=True),
    ]
    core = build_venue(binance_description(accounts), clock=clock)
    server = BinanceServer(core, **settings)
    venue = BinanceVenue(
        BinanceEndpoints(**server.endpoints("127.0.0.1", 80), paced=paced), network=network, clock=clock
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve_memory, network, "127.0.0.1", 80)
        found = core.account("m")
        account = venue.account(Credentials(api_key=found.api_key, api_secret=found.api_secret))
        if socket:
            nursery.start_soon(account.orders.warm_up)
        await trio.sleep(1)
        yield House(core=core, server=server, venue=venue, account=account)
        await account.aclose()
        await venue.aclose()
        nursery.cancel_scope.cancel()
    assert server.crashes == []


def order(n: int, side: Side = Side.BUY, **changes: object) -> OrderRequest:
    request = OrderRequest(
        client_order_id=f"{n:032x}", leg=LEG, side=side, quantity=D("0.01"), price=None, reduce_only=False
    )
    return attrs.evolve(request, **changes)


def resting(symbol: str, quantity: Decimal, price: Decimal, **more: Any) -> OrderIntent:
    """An order that its owner left in the book by hand."""
    fields = {"side": Side.BUY, "time_in_force": TimeInForce.GTC, **more}
    return OrderIntent(symbol=symbol, quantity=quantity, price=price, **fields)


async def heard(
    account: BinanceAccount, seconds: float, work: Callable[[], Awaitable[object]] | None = None
) -> list[object]:
    """Return what a stream tells while something is done and for so many seconds after."""
    told: list[object] = []
    async with account.private_stream() as stream:
        if work is not None:
            await work()
        with trio.move_on_after(seconds):
            async for event in stream:
                told.extend(event if isinstance(event, tuple) else [event])
    return told
