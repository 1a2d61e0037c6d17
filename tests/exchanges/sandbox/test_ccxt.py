"""ccxt, unchanged but for the addresses: what a copier in an afternoon would do, on each venue."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import attrs
import ccxt
import ccxt.pro
import pytest
import trio

from exchanges.sandbox import SandboxVenue, build_venue, describe_account
from exchanges.sandbox.binance import BinanceServer, binance_description
from exchanges.sandbox.bybit import BybitServer
from exchanges.sandbox.description import SandboxDescription
from exchanges.sandbox.hyperliquid import HyperliquidServer, describe_wallet, hyperliquid_description
from exchanges.sandbox.server import SandboxServer
from tests.distance import serve_distance

D = Decimal
EQUITY = D(10_000)


@attrs.frozen(kw_only=True)
class House:
    """A venue's sandbox, and how ccxt calls it and its bitcoin."""

    name: str
    symbol: str
    open: Callable[[], tuple[SandboxVenue, SandboxServer, dict[str, str]]]
    has_tiers: bool = False
    """ccxt knows the leverage tiers of this venue."""
    leverage_apart: bool = False
    """Rows of positions do not tell it."""

    @property
    def base_symbol(self) -> str:
        """The sandbox's own name of it."""
        return "BTC" if self.name == "hyperliquid" else "BTCUSDT"


def open_bybit() -> tuple[SandboxVenue, SandboxServer, dict[str, str]]:
    account = describe_account("m", EQUITY)
    venue = build_venue(SandboxDescription(accounts=(account,)))
    return venue, BybitServer(venue), {"apiKey": account.api_key, "secret": account.api_secret}


def open_binance() -> tuple[SandboxVenue, SandboxServer, dict[str, str]]:
    account = describe_account("m", EQUITY)
    venue = build_venue(binance_description([account]))
    server = BinanceServer(venue)
    server.face.feed.needs_events = False  # ccxt names none, and says that it is told everything
    return venue, server, {"apiKey": account.api_key, "secret": account.api_secret}


def open_hyperliquid() -> tuple[SandboxVenue, SandboxServer, dict[str, str]]:
    wallet = describe_wallet("m", EQUITY)
    venue = build_venue(hyperliquid_description([wallet]))
    keys = {"walletAddress": wallet.api_key, "privateKey": wallet.api_secret}
    return venue, HyperliquidServer(venue, chain="mainnet"), keys


HOUSES = [
    House(name="bybit", symbol="BTC/USDT:USDT", open=open_bybit, has_tiers=True),
    House(name="binanceusdm", symbol="BTC/USDT:USDT", open=open_binance, has_tiers=True, leverage_apart=True),
    House(name="hyperliquid", symbol="BTC/USDC:USDC", open=open_hyperliquid),
]
houses = pytest.mark.parametrize("house", HOUSES, ids=lambda house: str(house.name))


def moved(urls: Any, address: str) -> Any:
    """Return ccxt's addresses with another host; paths stay."""
    if isinstance(urls, dict):
        return {name: moved(it, address) for name, it in urls.items()}
    return re.sub(r"^(http|ws)s?://[^/]+", rf"\1://{address}", urls) if isinstance(urls, str) else urls


async def run_script(house: House, script: Callable[[str, dict[str, str]], Any]) -> tuple[SandboxVenue, Any]:
    """Run a script of blocking calls in a worker thread against a fresh venue; return both."""
    venue, server, keys = house.open()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve_distance, await nursery.start(server.serve_tcp))
            result = await trio.to_thread.run_sync(
                script, f"127.0.0.1:{port}", {**keys, "enableRateLimit": False}, abandon_on_cancel=True
            )
            nursery.cancel_scope.cancel()
    assert server.crashes == []
    return venue, result


@houses
async def test_orders_leverage_and_reads(house: House) -> None:
    symbol = house.symbol

    def script(address: str, settings: dict[str, str]) -> dict[str, Any]:
        client = getattr(ccxt, house.name)(settings)
        client.urls["api"] = moved(client.urls["api"], address)
        try:
            markets = client.load_markets()
            client.set_leverage(5, symbol)
            bought = client.create_order(symbol, "market", "buy", 0.01, 60_000)
            resting = client.create_order(symbol, "limit", "buy", 0.01, 50_000)
            listed = client.fetch_open_orders(symbol)
            found = client.fetch_order(resting["id"], symbol, {"acknowledged": True})
            client.cancel_order(resting["id"], symbol)
            held = client.fetch_positions([symbol])
            balance = client.fetch_balance()
            # Which kind of error it is, ccxt partly tells from the venue's own host name.
            with pytest.raises(ccxt.ExchangeError, match=r"(?i)insufficient|not enough"):
                client.create_order(symbol, "market", "buy", 5, 60_000)
            tiers = client.fetch_market_leverage_tiers(symbol) if house.has_tiers else []
            leverage = client.fetch_leverage(symbol)["longLeverage"] if house.leverage_apart else None
            client.create_order(symbol, "market", "sell", 0.01, 60_000, {"reduceOnly": True})
            return {
                "market": markets[symbol],
                "bought": bought,
                "resting": resting["id"],
                "listed": listed,
                "found": found,
                "held": held,
                "balance": balance,
                "tiers": tiers,
                "leverage": leverage or held[0]["leverage"],
                "closed": client.fetch_positions([symbol]),
                "trades": client.fetch_my_trades(symbol),
            }
        finally:
            client.close()

    venue, got = await run_script(house, script)

    lot = venue.listing(house.base_symbol).lot_size
    assert D(str(got["market"]["precision"]["amount"])) == lot
    assert [(row["id"], row["price"], row["status"]) for row in got["listed"]] == [
        (got["resting"], 50_000, "open")
    ]
    assert (got["found"]["id"], got["found"]["remaining"]) == (got["resting"], 0.01)
    assert [(row["side"], row["contracts"]) for row in got["held"]] == [("long", 0.01)]
    assert got["leverage"] == 5
    quote = symbol.rpartition(":")[2]
    assert 9_990 < got["balance"]["total"][quote] < 10_000
    assert 9_800 < got["balance"]["free"][quote] < 9_900
    assert [row for row in got["closed"] if row["contracts"]] == []
    assert [(row["side"], row["amount"]) for row in got["trades"]] == [("buy", 0.01), ("sell", 0.01)]
    assert [D(str(row["maxLeverage"])) for row in got["tiers"][:1]] == [
        venue.listing(house.base_symbol).max_leverage
    ] * house.has_tiers
    assert venue.account("m").size(house.base_symbol) == 0


@houses
async def test_private_streams(house: House) -> None:
    symbol = house.symbol

    async def watch(client: Any) -> dict[str, Any]:
        """Trade until every stream has spoken: none of them says when it stands."""
        await client.load_markets()
        watches: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
            "orders": lambda: client.watch_orders(symbol),
            "trades": lambda: client.watch_my_trades(symbol),
            "positions": lambda: client.watch_positions([symbol]),
            "balance": lambda: client.watch_balance(),
        }

        async def first_of(watch: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
            """Return the first news; a snapshot of nothing is none."""
            while not (news := await watch()):
                pass
            return news

        tasks = {name: asyncio.create_task(first_of(watch)) for name, watch in watches.items()}
        pending = set(tasks.values())
        while pending:
            await client.create_order(symbol, "market", "buy", 0.01, 60_000)
            _, pending = await asyncio.wait(pending, timeout=0.5)
        return {name: task.result() for name, task in tasks.items()}

    def script(address: str, settings: dict[str, str]) -> dict[str, Any]:
        client = getattr(ccxt.pro, house.name)(settings)
        client.urls["api"] = moved(client.urls["api"], address)

        async def use() -> dict[str, Any]:
            try:
                return await asyncio.wait_for(watch(client), 30)
            finally:
                await client.close()

        return asyncio.run(use())

    venue, got = await run_script(house, script)

    assert {(row["side"], row["amount"], row["symbol"]) for row in got["trades"]} == {("buy", 0.01, symbol)}
    assert {row["symbol"] for row in got["orders"]} == {symbol}
    assert {(row["side"], row["symbol"]) for row in got["positions"]} == {("long", symbol)}
    quote = symbol.rpartition(":")[2]
    assert 9_990 < got["balance"]["total"][quote] <= 10_000
    assert venue.account("m").size(house.base_symbol) > 0
