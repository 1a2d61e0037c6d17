"""The venue's official client, unchanged but for the address, over real TCP from a worker thread."""

import queue
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import eth_account
import trio
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from exchanges.sandbox import SandboxVenue, build_venue
from exchanges.sandbox.hyperliquid import HyperliquidServer, describe_wallet, hyperliquid_description

D = Decimal
Script = Callable[[Exchange, str], Any]


async def run_script(script: Script) -> tuple[SandboxVenue, Any]:
    """Run a script of blocking calls against a fresh venue; return both."""
    wallet = describe_wallet("m", D(10_000))
    venue = build_venue(hyperliquid_description([wallet]))
    server = HyperliquidServer(venue)

    def run(url: str) -> Any:
        exchange = Exchange(
            eth_account.Account.from_key(wallet.api_secret), base_url=url, account_address=wallet.api_key
        )
        try:
            return script(exchange, wallet.api_key)
        finally:
            exchange.session.close()
            exchange.info.session.close()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            port = await nursery.start(server.serve_tcp)
            result = await trio.to_thread.run_sync(run, f"http://127.0.0.1:{port}", abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
    assert server.crashes == []
    return venue, result


async def test_orders_leverage_and_reads() -> None:
    def script(exchange: Exchange, address: str) -> dict[str, Any]:
        info, named = exchange.info, Cloid.from_int(7)
        leverage = exchange.update_leverage(20, "BTC")
        opened = exchange.market_open("BTC", True, 0.01, cloid=named)
        resting = exchange.order("ETH", True, 0.1, 2500, {"limit": {"tif": "Gtc"}}, cloid=Cloid.from_int(8))
        listed = info.open_orders(address)
        cancelled = exchange.cancel_by_cloid("ETH", Cloid.from_int(8))
        oid = resting["response"]["data"]["statuses"][0]["resting"]["oid"]
        state = info.user_state(address)
        return {
            "leverage": leverage,
            "opened": opened["response"]["data"]["statuses"][0],
            "listed": [(row["oid"], row["limitPx"]) for row in listed],
            "oid": oid,
            "cancelled": cancelled["response"]["data"]["statuses"],
            "again": exchange.cancel("ETH", oid)["response"]["data"]["statuses"],
            "by_cloid": info.query_order_by_cloid(address, named)["order"],
            "by_oid": info.query_order_by_oid(address, oid)["order"]["status"],
            "position": state["assetPositions"][0]["position"],
            "refused": exchange.order("BTC", True, 0.0001, 60000, {"limit": {"tif": "Ioc"}}),
            "closed": exchange.market_close("BTC")["response"]["data"]["statuses"][0],
            "after": info.user_state(address)["assetPositions"],
            "fills": info.user_fills(address),
            "mids": info.all_mids(),
            "role": info.user_role(exchange.wallet.address),
            "book": info.l2_snapshot("BTC"),
        }

    venue, got = await run_script(script)

    assert got["leverage"] == {"status": "ok", "response": {"type": "default"}}
    assert got["opened"]["filled"]["totalSz"] == "0.01"
    assert got["listed"] == [(got["oid"], "2500.0")]
    assert (got["cancelled"], got["by_oid"]) == (["success"], "canceled")
    assert "never placed" in got["again"][0]["error"]
    assert got["by_cloid"]["status"] == "filled"
    assert (got["position"]["szi"], got["position"]["leverage"]) == ("0.01", {"type": "cross", "value": 20})
    assert "minimum value of $10" in got["refused"]["response"]["data"]["statuses"][0]["error"]
    assert (got["closed"]["filled"]["totalSz"], got["after"]) == ("0.01", [])
    assert [row["dir"] for row in got["fills"]] == ["Close Long", "Open Long"]
    assert got["mids"]["BTC"] == "60000.0"
    assert got["role"]["role"] == "agent"
    assert got["book"]["levels"][0][0]["px"] == "60000.0"
    assert venue.account("m").size("BTC") == 0


async def test_subscriptions() -> None:
    def script(exchange: Exchange, address: str) -> list[Any]:
        info = Info(exchange.base_url)
        fills: queue.Queue[Any] = queue.Queue()
        orders: queue.Queue[Any] = queue.Queue()
        contexts: queue.Queue[Any] = queue.Queue()
        events: queue.Queue[Any] = queue.Queue()
        try:
            info.subscribe({"type": "orderUpdates", "user": address}, orders.put)
            info.subscribe({"type": "userEvents", "user": address}, events.put)
            info.subscribe({"type": "activeAssetCtx", "coin": "BTC"}, contexts.put)
            info.subscribe({"type": "userFills", "user": address}, fills.put)
            snapshot = fills.get(timeout=10)
            exchange.market_open("BTC", False, 0.02)
            got = [snapshot, *(news.get(timeout=10) for news in (fills, orders, events, contexts))]
        finally:
            info.disconnect_websocket()
            info.session.close()
            assert info.ws_manager is not None
            info.ws_manager.join(timeout=5)
        return got

    _, (snapshot, fills, orders, event, context) = await run_script(script)

    assert (snapshot["data"]["isSnapshot"], snapshot["data"]["fills"]) == (True, [])
    assert [(row["side"], row["sz"]) for row in fills["data"]["fills"]] == [("A", "0.02")]
    assert [row["status"] for row in orders["data"]] == ["open", "filled"]
    assert event["data"]["fills"] == fills["data"]["fills"]
    assert context["data"]["ctx"]["markPx"] == "60000.0"
