"""The venue's official client, unchanged but for the addresses, over real TCP from a worker thread."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import BadRequestError, UnauthorizedError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)

from exchanges.sandbox import SandboxVenue, build_venue, describe_account
from exchanges.sandbox.binance import BinanceServer, binance_description
from tests.distance import serve_distance

D = Decimal
TIMEOUT_MS = 10_000
SEEN_LIVE = {".futuresType", ".symbols.maxMoveOrderLimit", ".symbols.filters.positionControlSide"}
"""What the venue's catalogue was seen to have, and the client does not know."""
Script = Callable[["Client"], Awaitable[Any]]


@attrs.frozen(kw_only=True)
class Client:
    """The client, and what only the sandbox's side can do."""

    sdk: DerivativesTradingUsdsFutures
    venue: SandboxVenue

    async def rest(self, call: Callable[[Any], Any]) -> Any:
        """Ask by REST beside the loop; return what the answer holds."""
        answer = await asyncio.to_thread(lambda: call(self.sdk.rest_api))
        return answer.data()

    async def refused(self, call: Callable[[Any], Any]) -> tuple[int, str]:
        """Return code and text of a refusal."""
        with pytest.raises((BadRequestError, UnauthorizedError)) as error:
            await self.rest(call)
        return error.value.status_code, error.value.error_message


async def run_script(script: Script, *, secret: str = "", hedge: bool = False) -> tuple[SandboxVenue, Any]:
    """Run a script against a fresh venue; return both."""
    account = describe_account("m", D(10_000), hedge=hedge)
    venue = build_venue(binance_description([account]))
    server = BinanceServer(venue)
    keys = {"api_key": account.api_key, "api_secret": secret or account.api_secret}

    def run(address: str) -> Any:
        sdk = DerivativesTradingUsdsFutures(
            config_rest_api=ConfigurationRestAPI(
                **keys, base_path=f"http://{address}", timeout=TIMEOUT_MS, retries=0
            ),
            config_ws_api=ConfigurationWebSocketAPI(
                **keys, stream_url=f"ws://{address}/ws-fapi/v1", timeout=TIMEOUT_MS
            ),
            config_ws_streams=ConfigurationWebSocketStreams(stream_url=f"ws://{address}"),
        )
        try:
            return asyncio.run(script(Client(sdk=sdk, venue=venue)))
        finally:
            sdk.rest_api._session.close()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve_distance, await nursery.start(server.serve_tcp))
            result = await trio.to_thread.run_sync(run, f"127.0.0.1:{port}", abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
    assert server.crashes == []
    return venue, result


def unknown_fields(found: Any, path: str = "") -> Iterator[str]:
    """Yield what the client found in an answer and has no name for."""
    for each in found if isinstance(found, list) else [found]:
        fields = getattr(type(each), "model_fields", {})
        for name in fields:
            value = getattr(each, name)
            if name == "additional_properties":
                yield from (f"{path}.{key}" for key in value)
            else:
                yield from unknown_fields(value, f"{path}.{name}")


async def test_orders_leverage_and_reads_by_rest() -> None:
    async def script(client: Client) -> dict[str, Any]:
        rest = client.rest
        return {
            "time": await rest(lambda it: it.check_server_time()),
            "info": await rest(lambda it: it.exchange_information()),
            "leverage": await rest(lambda it: it.change_initial_leverage(symbol="BTCUSDT", leverage=20)),
            "opened": await rest(
                lambda it: it.new_order(
                    symbol="BTCUSDT",
                    side="BUY",
                    type="MARKET",
                    quantity=0.01,
                    new_client_order_id="sdk-1",
                    new_order_resp_type="RESULT",
                )
            ),
            "rested": await rest(
                lambda it: it.new_order(
                    symbol="ETHUSDT",
                    side="BUY",
                    type="LIMIT",
                    time_in_force="GTC",
                    quantity=0.1,
                    price=2900,
                    new_client_order_id="sdk-2",
                )
            ),
            "amended": await rest(
                lambda it: it.modify_order(
                    symbol="ETHUSDT", side="BUY", quantity=0.2, price=2890, orig_client_order_id="sdk-2"
                )
            ),
            "listed": await rest(lambda it: it.current_all_open_orders(symbol="ETHUSDT")),
            "cancelled": await rest(
                lambda it: it.cancel_order(symbol="ETHUSDT", orig_client_order_id="sdk-2")
            ),
            "again": await client.refused(
                lambda it: it.cancel_order(symbol="ETHUSDT", orig_client_order_id="sdk-2")
            ),
            "unknown": await client.refused(
                lambda it: it.query_order(symbol="ETHUSDT", orig_client_order_id="never")
            ),
            "found": await rest(lambda it: it.query_order(symbol="BTCUSDT", orig_client_order_id="sdk-1")),
            "history": await rest(lambda it: it.all_orders(symbol="BTCUSDT")),
            "trades": await rest(lambda it: it.account_trade_list(symbol="BTCUSDT")),
            "held": await rest(lambda it: it.position_information_v3()),
            "all": await rest(lambda it: it.position_information_v2(symbol="BTCUSDT")),
            "account": await rest(lambda it: it.account_information_v3()),
            "balance": await rest(lambda it: it.futures_account_balance_v3()),
            "config": await rest(lambda it: it.futures_account_configuration()),
            "symbols": await rest(lambda it: it.symbol_configuration(symbol="BTCUSDT")),
            "mode": await rest(lambda it: it.get_current_position_mode()),
            "brackets": await rest(lambda it: it.notional_and_leverage_brackets()),
            "marks": await rest(lambda it: it.mark_price()),
            "isolated": await rest(
                lambda it: it.change_margin_type(symbol="SOLUSDT", margin_type="ISOLATED")
            ),
            "closed": await rest(
                lambda it: it.new_order(
                    symbol="BTCUSDT", side="SELL", type="MARKET", quantity=0.01, reduce_only="true"
                )
            ),
            "after": await rest(lambda it: it.position_information_v3()),
        }

    venue, got = await run_script(script)

    assert got["leverage"].leverage == 20
    assert (got["opened"].status, got["opened"].executed_qty) == ("FILLED", "0.01")
    assert (got["rested"].status, got["rested"].executed_qty) == ("NEW", "0")
    assert (got["amended"].orig_qty, got["amended"].price) == ("0.2", "2890")
    assert [row.client_order_id for row in got["listed"]] == ["sdk-2"]
    assert got["cancelled"].status == "CANCELED"
    assert (got["again"], got["unknown"]) == (
        (-2011, "Unknown order sent."),
        (-2013, "Order does not exist."),
    )
    assert (got["found"].status, got["found"].avg_price, got["found"].cum_quote) == ("FILLED", "60000", "600")
    assert [row.order_id for row in got["history"]] == [got["opened"].order_id]
    assert [(row.qty, row.commission, row.order_id) for row in got["trades"]] == [
        ("0.01", "0.30000000", got["opened"].order_id)
    ]
    assert [(row.symbol, row.position_amt, row.entry_price) for row in got["held"]] == [
        ("BTCUSDT", "0.01", "60000")
    ]
    assert [(row.leverage, row.margin_type) for row in got["all"]] == [("20", "cross")]
    assert (got["account"].total_wallet_balance, got["balance"][0].balance) == (
        "9999.70000000",
        "9999.70000000",
    )
    assert (got["config"].dual_side_position, got["mode"].dual_side_position) == (False, False)
    assert [(row.leverage, row.margin_type) for row in got["symbols"]] == [(20, "CROSSED")]
    assert got["isolated"].code == 200
    assert (got["closed"].status, got["after"]) == ("NEW", [])  # an ACK tells nothing of its end
    assert venue.account("m").size("BTCUSDT") == 0
    assert set(unknown_fields(got.pop("info"))) == SEEN_LIVE
    assert {name: list(unknown_fields(found)) for name, found in got.items()} == {name: [] for name in got}


def _set_leverage(leverage: int, rest: Any) -> Any:
    return rest.change_initial_leverage(symbol="XRPUSDT", leverage=leverage)


async def test_the_private_stream() -> None:
    async def script(client: Client) -> list[Any]:
        key = (await client.rest(lambda it: it.start_user_data_stream())).listen_key
        assert (await client.rest(lambda it: it.keepalive_user_data_stream())).listen_key == key
        connection = await client.sdk.websocket_streams.create_connection()
        told: list[Any] = []
        try:
            handle = await connection.user_data(key)
            handle.on("message", told.append)
            while not told:  # the client itself does not tell when its subscription stands
                more = int(client.venue.account("m").leverage("XRPUSDT")) + 1
                await client.rest(partial(_set_leverage, more))
            await client.rest(
                lambda it: it.new_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.01)
            )
            async with asyncio.timeout(10):
                while getattr(getattr(told[-1].actual_instance, "o", None), "x", "") != "TRADE":
                    await asyncio.sleep(0.02)
        finally:
            await connection.close_connection()
        return [it.actual_instance for it in told]

    _, told = await run_script(script)

    names = [type(it).__name__ for it in told if type(it).__name__ != "AccountConfigUpdate"]
    assert names == ["TradeLite", "OrderTradeUpdate", "AccountUpdate", "OrderTradeUpdate"]
    lite, new, account, trade = told[-4:]
    assert (new.o.x, new.o.X, trade.o.x, trade.o.X) == ("NEW", "NEW", "TRADE", "FILLED")
    assert lite.i == new.o.i == trade.o.i
    assert lite.t == trade.o.t
    assert [(row.s, row.pa, row.ps) for row in account.a.P] == [("BTCUSDT", "0.01", "BOTH")]
    assert [(row.a, row.wb) for row in account.a.B] == [("USDT", "9999.70000000")]
    assert list(unknown_fields(told)) == []


async def test_market_streams() -> None:
    async def script(client: Client) -> list[Any]:
        connection = await client.sdk.websocket_streams.create_connection()
        told: list[Any] = []
        try:
            everything = await connection.mark_price_stream_for_all_market(update_speed="1s")
            everything.on("message", told.append)
            async with asyncio.timeout(10):
                while not told:
                    await asyncio.sleep(0.02)
        finally:
            await connection.close_connection()
        return told

    venue, told = await run_script(script)

    rows = told[0] if isinstance(told[0], list) else [told[0]]
    assert {row.s for row in rows} == {*venue.listings, "BTCUSD_PERP"}  # COIN-M is among them


@pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning")
async def test_orders_by_websocket() -> None:
    async def script(client: Client) -> dict[str, Any]:
        connection = await client.sdk.websocket_api.create_connection()
        try:
            opened = await connection.new_order(
                symbol="BTCUSDT",
                side="BUY",
                type="MARKET",
                quantity=0.01,
                new_client_order_id="ws-1",
                new_order_resp_type="RESULT",
            )
            rested = await connection.new_order(
                symbol="ETHUSDT",
                side="SELL",
                type="LIMIT",
                time_in_force="GTC",
                price=3010.5,
                quantity=0.1,
                new_client_order_id="ws-2",
            )
            again = await connection.new_order(
                symbol="ETHUSDT",
                side="SELL",
                type="MARKET",
                quantity=0.1,
                new_client_order_id="ws-2",
            )
            assert again.data() == {"error": {"code": -4116, "msg": "ClientOrderId is duplicated."}}
            return {
                "opened": opened.data().result,
                "limits": opened.rate_limits,
                "rested": rested.data().result,
                "found": (await connection.query_order(symbol="BTCUSDT", orig_client_order_id="ws-1"))
                .data()
                .result,
                "cancelled": (await connection.cancel_order(symbol="ETHUSDT", orig_client_order_id="ws-2"))
                .data()
                .result,
                "held": (await connection.position_information_v2()).data().result,
                "balance": (await connection.futures_account_balance_v2()).data().result,
            }
        finally:
            await connection.close_connection()

    venue, got = await run_script(script)

    assert (got["opened"].status, got["opened"].executed_qty) == ("FILLED", "0.01")
    assert {(it.rateLimitType, it.interval, it.count) for it in got["limits"]} == {
        ("ORDERS", "SECOND", 1),
        ("ORDERS", "MINUTE", 1),
        ("REQUEST_WEIGHT", "MINUTE", 5),  # of the handshake: orders weigh nothing
    }
    assert got["rested"].status == "NEW"
    assert (got["found"].avg_price, got["found"].status) == ("60000", "FILLED")
    assert got["cancelled"].status == "CANCELED"
    assert [(row.symbol, row.position_amt) for row in got["held"]] == [("BTCUSDT", "0.01")]
    assert [row.asset for row in got["balance"]] == ["USDT"]
    assert [(row.via, row.accepted) for row in venue.ledger] == [
        ("order.place", True),
        ("order.place", True),
        ("order.place", False),
    ]
    del got["limits"]
    assert {name: list(unknown_fields(found)) for name, found in got.items()} == {name: [] for name in got}


async def test_a_hedged_account() -> None:
    async def script(client: Client) -> dict[str, Any]:
        rest = client.rest
        opened = {"symbol": "BTCUSDT", "type": "MARKET", "quantity": 0.01}
        return {
            "plain": await client.refused(lambda it: it.new_order(side="BUY", **opened)),
            "flagged": await client.refused(
                lambda it: it.new_order(side="SELL", position_side="LONG", reduce_only="true", **opened)
            ),
            "long": await rest(lambda it: it.new_order(side="BUY", position_side="LONG", **opened)),
            "short": await rest(lambda it: it.new_order(side="SELL", position_side="SHORT", **opened)),
            "held": await rest(lambda it: it.position_information_v3(symbol="BTCUSDT")),
            "mode": await client.refused(lambda it: it.change_position_mode(dual_side_position="false")),
        }

    _, got = await run_script(script, hedge=True)

    assert (got["plain"][0], got["mode"][0]) == (-4061, -4068)
    assert got["flagged"] == (-1106, "Parameter 'reduceonly' sent when not required.")
    assert [(row.position_side, row.position_amt) for row in got["held"]] == [
        ("LONG", "0.01"),
        ("SHORT", "-0.01"),
    ]


async def test_a_wrong_secret() -> None:
    async def script(client: Client) -> tuple[int, str]:
        return await client.refused(lambda it: it.position_information_v3())

    _, got = await run_script(script, secret="wrong")

    assert got == (-1022, "Signature for this request is not valid.")
