"""The venues that a file names, pointed at the sandboxes: each takes an order where it was told to."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from exchanges.clock import TrioClock
from exchanges.network import MemoryNetwork
from exchanges.port import Credentials
from exchanges.sandbox import SandboxDescription, SandboxVenue, build_venue, describe_account
from exchanges.sandbox.binance import BinanceServer, binance_description
from exchanges.sandbox.bybit import BybitServer
from exchanges.sandbox.hyperliquid import HyperliquidServer, describe_wallet, hyperliquid_description
from exchanges.sandbox.server import SandboxServer
from model.leg import Leg, Side
from model.order import OrderRequest, OrderState
from supervision.settings import load_settings
from supervision.venues import build_venues

D = Decimal
HOST = "127.0.0.1"
PORTS = {"bybit": 9001, "binance": 9002, "hyperliquid": 9003}


def _sandbox(name: str, clock: TrioClock) -> tuple[SandboxVenue, SandboxServer, dict[str, str]]:
    """Return a venue with the account ``m``, its server, and its addresses as a file names them."""
    port = PORTS[name]
    if name == "bybit":
        core = build_venue(SandboxDescription(accounts=(describe_account("m", D(10_000)),)), clock=clock)
        return core, BybitServer(core), BybitServer.endpoints(HOST, port)
    if name == "binance":
        core = build_venue(binance_description([describe_account("m", D(10_000))]), clock=clock)
        return core, BinanceServer(core), BinanceServer.endpoints(HOST, port)
    core = build_venue(hyperliquid_description([describe_wallet("m", D(10_000))]), clock=clock)
    addresses = HyperliquidServer.endpoints(HOST, port)
    return core, HyperliquidServer(core), {**addresses, "chain": "testnet"}


def _file(directory: Path, tables: Mapping[str, Mapping[str, str]]) -> Path:
    lines = ["[master]", 'api_key = "env:KEY"', 'api_secret = "env:SECRET"']
    for name, table in tables.items():
        lines += [f"[endpoints.{name}]", *(f'{key} = "{value}"' for key, value in table.items())]
    path = directory / "copytrader.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", PORTS)
async def test_each_venue_is_built_where_the_file_says_it_is(
    tmp_path: Path, autojump_clock: MockClock, name: str
) -> None:
    clock, network = TrioClock(), MemoryNetwork()
    core, server, addresses = _sandbox(name, clock)
    settings = load_settings(_file(tmp_path, {name: addresses}), {"KEY": "k", "SECRET": "s"})
    venue = build_venues(settings, network=network, clock=clock)[name]
    found = core.account("m")
    symbol = next(iter(core.listings))
    wallet = name == "hyperliquid"
    account = venue.account(
        Credentials(
            api_key="" if wallet else found.api_key,
            api_secret=found.api_secret,
            account=found.api_key if wallet else "",
        )
    )
    order = OrderRequest(
        client_order_id="0" * 31 + "1",
        leg=Leg(symbol),
        side=Side.BUY,
        quantity=D("0.01"),
        price=None,
        reduce_only=False,
    )

    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve_memory, network, HOST, PORTS[name])
        nursery.start_soon(account.orders.warm_up)
        instruments = await venue.instruments()
        async with venue.marks(frozenset({symbol})) as marks, account.private_stream() as stream:
            mark = await anext(marks)
            await trio.sleep(1)
            report = await account.orders.place(order)
            await anext(stream)
        key = await account.check_key()
        await account.aclose()
        await venue.aclose()
        nursery.cancel_scope.cancel()

    assert symbol in instruments
    assert mark[0] in core.listings
    assert report.state in (OrderState.ACCEPTED, OrderState.FILLED)
    assert core.account("m").size(symbol) == D("0.01")
    assert {row.via for row in core.ledger} == {
        {"bybit": "order.create", "binance": "order.place", "hyperliquid": "post/order"}[name]
    }
    assert key.may_withdraw is False
    assert server.crashes == []


async def test_a_file_that_names_no_address_leads_to_the_published_ones(tmp_path: Path) -> None:
    settings = load_settings(_file(tmp_path, {}), {"KEY": "k", "SECRET": "s"})

    venues = build_venues(settings, network=MemoryNetwork(), clock=TrioClock())

    assert set(venues) == {"bybit", "binance", "hyperliquid"}
    assert {name: venue.exchange for name, venue in venues.items()} == {name: name for name in venues}
