"""The venue's official client, unchanged but for the address, over real TCP from a worker thread."""

import queue
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pybit._websocket_trading
import pybit.unified_trading
import pytest
import trio
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP, WebSocket, WebSocketTrading

from exchanges.sandbox import SandboxVenue
from exchanges.sandbox.bybit import BybitServer
from tests.distance import serve_distance

D = Decimal
KEYS = {"api_key": "mk", "api_secret": "ms", "testnet": False}
BTC = {"category": "linear", "symbol": "BTCUSDT"}
Script = Callable[[str, SandboxVenue], Any]


@pytest.fixture
def point_at(monkeypatch) -> Callable[[str], None]:
    """Point the library's WebSocket addresses at ours; nothing else of it is touched."""

    def point(address: str) -> None:
        base = f"ws://{address}/v5"
        monkeypatch.setattr(pybit.unified_trading, "PRIVATE_WSS", f"{base}/private")
        monkeypatch.setattr(pybit.unified_trading, "PUBLIC_WSS", f"{base}/public/{{CHANNEL_TYPE}}")
        monkeypatch.setattr(pybit._websocket_trading, "TRADE_WSS", f"{base}/trade")

    return point


async def run_script(script: Script, point_at: Callable[[str], None]) -> tuple[SandboxVenue, Any]:
    """Run a script of blocking calls against a fresh venue; return both."""
    venue = SandboxVenue()
    venue.add_account("m", api_key="mk", api_secret="ms", equity=D(10_000))
    server = BybitServer(venue)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            address = (
                f"127.0.0.1:{await nursery.start(serve_distance, await nursery.start(server.serve_tcp))}"
            )
            point_at(address)
            result = await trio.to_thread.run_sync(script, address, venue, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
    assert server.crashes == []
    return venue, result


def http(address: str) -> HTTP:
    """A session whose endpoint is ours."""
    session = HTTP(**KEYS)
    session.endpoint = f"http://{address}"
    return session


def wait_until_heard(venue: SandboxVenue, news: "queue.Queue[Any]") -> None:
    """Return once the last subscription, the wallet's, stands: the library itself does not tell.

    A last deposit of another amount is the end of what was pushed meanwhile.
    """
    while news.empty():
        trio.from_thread.run_sync(venue.deposit, "m", D(0))
        time.sleep(0.02)
    trio.from_thread.run_sync(venue.deposit, "m", D(1))
    while news.get(timeout=5)["data"][0]["totalWalletBalance"] != "10001":
        pass


async def test_rest(point_at):
    def script(address: str, venue: SandboxVenue) -> dict[str, Any]:
        session = http(address)
        try:
            link = {"orderLinkId": "rest-1"}
            placed = session.place_order(**BTC, side="Buy", orderType="Market", qty="0.01", **link)
            limit = session.place_order(**BTC, side="Buy", orderType="Limit", qty="0.01", price="50000")
            open_orders = session.get_open_orders(**BTC)
            cancelled = session.cancel_order(**BTC, orderId=limit["result"]["orderId"])
            session.set_leverage(**BTC, buyLeverage="5", sellLeverage="5")
            with pytest.raises(InvalidRequestError, match="110043"):
                session.set_leverage(**BTC, buyLeverage="5", sellLeverage="5")
            with pytest.raises(InvalidRequestError, match="110007"):
                session.place_order(**BTC, side="Buy", orderType="Market", qty="10")
            first = session.get_order_history(category="linear", limit=1)["result"]
            second = session.get_order_history(category="linear", limit=1, cursor=first["nextPageCursor"])
            return {
                "placed": placed["result"],
                "open": [row["price"] for row in open_orders["result"]["list"]],
                "cancelled": cancelled["retCode"],
                "pages": [first["list"][0]["orderStatus"], second["result"]["list"][0]["orderStatus"]],
                "fills": session.get_executions(category="linear", orderLinkId="rest-1")["result"]["list"],
                "positions": session.get_positions(category="linear", settleCoin="USDT")["result"]["list"],
                "wallet": session.get_wallet_balance(accountType="UNIFIED")["result"]["list"],
                "instruments": session.get_instruments_info(category="linear")["result"]["list"],
                "key": session.get_api_key_information()["result"],
                "time": session.get_server_time()["result"],
                "account": session.get_account_info()["result"],
                "fees": session.get_fee_rates(**BTC)["result"]["list"],
                "mode": session.switch_position_mode(category="linear", symbol="ETHUSDT", mode=3)["retCode"],
            }
        finally:
            session.client.close()

    venue, got = await run_script(script, point_at)

    assert got["placed"]["orderLinkId"] == "rest-1"
    assert (got["open"], got["cancelled"], got["mode"]) == (["50000"], 0, 0)
    assert got["pages"] == ["Cancelled", "Filled"]
    assert [row["execQty"] for row in got["fills"]] == ["0.01"]
    assert [(row["size"], row["leverage"]) for row in got["positions"]] == [("0.01", "5")]
    assert got["wallet"][0]["totalEquity"] == "9999.67"
    assert len(got["instruments"]) == len(venue.listings)
    assert (got["key"]["uta"], got["account"]["unifiedMarginStatus"]) == (1, 5)
    assert got["fees"][0]["takerFeeRate"] == "0.00055"
    assert venue.account("m").is_hedged("ETHUSDT")


async def test_streams_and_order_entry(point_at):
    def script(address: str, venue: SandboxVenue) -> tuple[list[Any], Any, Any, Any]:
        news: queue.Queue[Any] = queue.Queue()
        ticks: queue.Queue[Any] = queue.Queue()
        acks: queue.Queue[Any] = queue.Queue()
        private = WebSocket(channel_type="private", private_auth_expire=10, **KEYS)
        public = WebSocket(channel_type="linear", testnet=False)
        trade = WebSocketTrading(private_auth_expire=10, **KEYS)
        try:
            for stream in (
                private.order_stream,
                private.execution_stream,
                private.position_stream,
                private.wallet_stream,
            ):
                stream(news.put)
            public.ticker_stream("BTCUSDT", ticks.put)
            tick = ticks.get(timeout=5)
            wait_until_heard(venue, news)
            order = {**BTC, "side": "Sell", "orderType": "Market", "qty": "0.02", "orderLinkId": "ws-1"}
            trade.place_order(acks.put, acks.put, **order)
            good = acks.get(timeout=5)
            trade.place_order(acks.put, acks.put, **order)
            bad = acks.get(timeout=5)
            return [news.get(timeout=5) for _ in range(4)], tick, good, bad
        finally:
            for socket in (private, public, trade):
                socket.exit()

    _, (frames, tick, good, bad) = await run_script(script, point_at)

    assert [frame["topic"] for frame in frames] == ["execution", "order", "wallet", "position"]
    assert (frames[3]["data"][0]["side"], frames[3]["data"][0]["size"]) == ("Sell", "0.02")
    assert tick["data"]["markPrice"] == "60000"
    assert (good["retCode"], good["data"]["orderLinkId"]) == (0, "ws-1")
    assert bad["retCode"] == 110072
