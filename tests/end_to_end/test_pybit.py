"""The venue's official client trades as the master; a real engine copies; the client reads what came of it.

Real sockets, real threads, the ledger on SQLite and on PostgreSQL; pybit is unchanged but for the address.
"""

import queue
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pybit._websocket_trading
import pybit.unified_trading
import pytest
import trio
from pybit.unified_trading import HTTP, WebSocket, WebSocketTrading

from exchanges.sandbox import AccountDescription, SandboxDescription, describe_account
from model.copy import CopyState
from model.settings import FollowerSettings, Join, Sizing, SizingMode
from supervision.demo.cast import MASTER, Player, accounts_by_venue
from supervision.demo.market import describe_venues
from supervision.demo.settling import wait_ready, wait_settled
from supervision.demo.stage import Stage, open_stage
from tests.distance import serve_distance

D = Decimal
WAIT_S = 15.0
STREAMS_MAX = 5
BTC = {"category": "linear", "symbol": "BTCUSDT"}
ETH = {"category": "linear", "symbol": "ETHUSDT"}
Positions = dict[str, Decimal]


def player(name: str, equity: str, sizing: Sizing, *, hedge: bool = False) -> Player:
    settings = FollowerSettings(name=name, exchange="bybit", sizing=sizing, join=Join.NOW)
    return Player(settings=settings, equity=D(equity), hedge=hedge)


HALF = Sizing(mode=SizingMode.FIXED_RATIO, ratio=D("0.5"))
PLAYERS = (
    player("half", "30000", HALF),
    player("hedging", "30000", HALF, hedge=True),
    player("mirror", "10000", Sizing(mode=SizingMode.MIRROR)),
)
MASTER_ACCOUNT = describe_account(MASTER, D(40_000), seed=7)


class Client:
    """pybit for one account of the stage. Its calls block: use it in a worker thread."""

    def __init__(self, stage: Stage, account: AccountDescription) -> None:
        self._keys = {"api_key": account.api_key, "api_secret": account.api_secret, "testnet": False}
        self.http = HTTP(**self._keys)
        self.http.endpoint = f"http://127.0.0.1:{stage.port}"

    def stream(self) -> WebSocket:
        return WebSocket(channel_type="private", **self._keys)

    def trading(self) -> WebSocketTrading:
        return WebSocketTrading(**self._keys)

    def positions(self) -> Positions:
        rows = self.http.get_positions(category="linear", settleCoin="USDT")["result"]["list"]
        signs = {"Buy": 1, "Sell": -1, "": 0}
        return {row["symbol"]: signs[row["side"]] * D(row["size"]) for row in rows if D(row["size"])}


def read_positions(stage: Stage, name: str) -> Positions:
    """Read a follower's positions with the follower's own key."""
    account = next(it.account for it in PLAYERS if it.settings.name == name)
    client = Client(stage, account)
    try:
        return client.positions()
    finally:
        client.http.client.close()


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Point the library's WebSocket addresses at ours; nothing else of it is touched."""

    def point(port: int) -> None:
        base = f"ws://127.0.0.1:{port}/v5"
        monkeypatch.setattr(pybit.unified_trading, "PRIVATE_WSS", f"{base}/private")
        monkeypatch.setattr(pybit._websocket_trading, "TRADE_WSS", f"{base}/trade")

    return point


@pytest.fixture
def venues() -> dict[str, SandboxDescription]:
    return describe_venues(accounts_by_venue(MASTER_ACCOUNT, PLAYERS))


async def after(stage: Stage, act: Callable[..., Any], *arguments: Any) -> dict[str, Positions]:
    """Do one thing in a worker thread; return everybody's positions once the engine has answered it."""
    await trio.to_thread.run_sync(act, *arguments, abandon_on_cancel=True)
    assert await wait_settled(stage, WAIT_S)
    return {
        it.settings.name: await trio.to_thread.run_sync(read_positions, stage, it.settings.name)
        for it in PLAYERS
    }


async def test_what_pybit_trades_is_copied(
    tmp_path: Path,
    ledger_url: str,
    point_at: Callable[[int], None],
    venues: dict[str, SandboxDescription],
) -> None:
    with trio.fail_after(3 * WAIT_S):
        async with (
            open_stage(tmp_path, venues, PLAYERS, ledger_url=ledger_url) as stage,
            trio.open_nursery() as nursery,
        ):
            distant_port = await nursery.start(serve_distance, stage.port)
            point_at(distant_port)
            assert await wait_ready(stage, WAIT_S)
            client = Client(stage, MASTER_ACCOUNT)
            place = client.http.place_order

            def market(symbol: dict[str, str], side: str, quantity: str, **more: object) -> None:
                place(**symbol, side=side, orderType="Market", qty=quantity, **more)

            opened = await after(stage, market, BTC, "Buy", "0.2")
            added = await after(stage, market, BTC, "Buy", "0.1")
            flipped = await after(stage, market, BTC, "Sell", "0.5")
            news: queue.Queue[Any] = queue.Queue()
            by_socket = await after(stage, trade_by_socket, stage, client, news)
            closed = await after(stage, lambda: market(BTC, "Buy", "0.2", reduceOnly=True))
            client.http.client.close()
            copies = stage.store.copies(limit=1000)
            twice = stage.venue.ledger.sent_twice()
            nursery.cancel_scope.cancel()

    assert {name: held["BTCUSDT"] for name, held in opened.items()} == {
        "half": D("0.1"),
        "hedging": D("0.1"),
        # 10,000 of 40,000, the fees of 12,000 a little aside: 0.25 of 0.2, rounded down from above.
        "mirror": D("0.05"),
    }
    assert added["half"] == {"BTCUSDT": D("0.15")}
    assert added["mirror"] == {"BTCUSDT": D("0.075")}
    assert flipped["half"] == flipped["hedging"] == {"BTCUSDT": D("-0.1")}
    assert by_socket["half"] == {"BTCUSDT": D("-0.1"), "ETHUSDT": D("1.25")}
    assert [closed["half"], closed["hedging"]] == [{"ETHUSDT": D("1.25")}] * 2
    assert set(closed["mirror"]) == {"ETHUSDT"}
    assert not twice
    assert [row.state for row in copies] == [CopyState.APPLIED] * len(PLAYERS) * 5


def trade_by_socket(stage: Stage, client: Client, news: "queue.Queue[Any]") -> None:
    """Buy ETH through WebSocket order entry, hear of it on the private stream; blocks like all of pybit."""
    acks: queue.Queue[Any] = queue.Queue()
    private = heard_stream(stage, client, news)
    trading = client.trading()
    try:
        trading.place_order(acks.put, acks.put, **ETH, side="Buy", orderType="Market", qty="2.5")
        answer = acks.get(timeout=WAIT_S)
        assert answer["retCode"] == 0, answer
        while news.get(timeout=WAIT_S)["symbol"] != "ETHUSDT":
            continue
    finally:
        private.exit()
        trading.exit()


def heard_stream(stage: Stage, client: Client, news: "queue.Queue[Any]") -> WebSocket:
    """Return a private stream that is subscribed.

    pybit does not tell when a subscription counts, and drops its socket when the acknowledgement is
    faster than its own note of the request: funding of nothing is pushed until one stream speaks.
    """
    for _ in range(STREAMS_MAX):
        private = client.stream()
        private.execution_stream(lambda frame: [news.put(row) for row in frame["data"]])
        for _ in range(20):
            trio.from_thread.run_sync(stage.venue.fund, "BTCUSDT", D(0))
            try:
                news.get(timeout=0.1)
            except queue.Empty:
                continue
            return private
        private.exit()
    raise AssertionError("the private stream never spoke")
