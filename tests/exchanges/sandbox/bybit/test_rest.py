"""REST: signatures, the receive window, codes, pages, limits."""

from decimal import Decimal

import attrs
import pytest
import trio

from exchanges.sandbox import FaultKind
from exchanges.sandbox.bybit.signing import authenticate, authenticate_socket
from exchanges.sandbox.venue import SandboxVenue

D = Decimal
BTC = "category=linear&symbol=BTCUSDT"


class FixedClock:
    def wall_ms(self) -> int:
        return 1_700_000_000_000


@pytest.mark.parametrize(
    ("payload", "sign"),
    [
        (
            "category=linear&symbol=BTCUSDT",
            "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7",
        ),
        (
            '{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Market","qty":"0.001",'
            '"positionIdx":0,"orderLinkId":"cp-1"}',
            "c78a950041f010411f6939bb72bf7994d1ff34c56161f727f0b7e4c60c2172f3",
        ),
        ("", "cfffd774219bfa1d400476f699f830daaedcd3c41faa1dbdda95a8f4dd8170cc"),
    ],
)
def test_published_signatures_are_accepted(payload, sign):
    venue = SandboxVenue(clock=FixedClock())
    venue.add_account("a", api_key="test_api_key", api_secret="test_secret", equity=D(1))
    headers = {
        "x-bapi-api-key": "test_api_key",
        "x-bapi-timestamp": "1700000000000",
        "x-bapi-recv-window": "5000",
        "x-bapi-sign": sign,
    }

    assert authenticate(venue, headers, payload).name == "a"


def test_the_published_socket_signature_is_accepted():
    venue = SandboxVenue(clock=FixedClock())
    venue.add_account("a", api_key="test_api_key", api_secret="test_secret", equity=D(1))
    sign = "f01084fb6f298f64707f648000637356f4fc4cd484f1eeb04a6e79ae44339d71"

    assert authenticate_socket(venue, ["test_api_key", 1700000010000, sign]).name == "a"


async def test_a_wrong_signature_key_or_clock_is_refused(autojump_clock, world):
    path = "/v5/account/wallet-balance"
    query = "accountType=UNIFIED"
    good = world.headers("m", query)

    async def code(**changed: str) -> int:
        names = {name.replace("_", "-").upper(): value for name, value in changed.items()}
        return (await world.request("GET", path, query, headers={**good, **names})).code

    assert await code() == 0
    assert await code(x_bapi_sign="0" * 64) == 10004
    assert await code(x_bapi_api_key="nobody") == 10003
    assert await code(x_bapi_timestamp="soon") == 10001
    answer = await world.request("GET", path, "accountType=unified", headers=good)
    assert (answer.code, "origin_string[" in answer.body["retMsg"]) == (10004, True)


@pytest.mark.parametrize(("shift_ms", "code"), [(-5000, 0), (-5001, 10002), (999, 0), (1000, 10002)])
async def test_the_receive_window(autojump_clock, world, shift_ms, code):
    headers = world.headers("m", "", shift_ms=shift_ms)

    answer = await world.request("GET", "/v5/account/info", headers=headers)

    assert answer.code == code


async def test_a_skewed_venue_clock_refuses_and_tells_the_time(autojump_clock, world):
    world.venue.faults.clock_skew_ms = -3000

    refused = await world.get("/v5/account/info")
    time = await world.get("/v5/market/time", account=None)

    assert refused.code == 10002
    assert time.body["time"] == world.clock.wall_ms() - 3000
    assert int(time.result["timeNano"]) == time.body["time"] * 1_000_000


async def test_an_order_from_beginning_to_end(autojump_clock, world):
    answer = await world.order(orderLinkId="a", positionIdx=0, reduceOnly=False)

    assert answer.code == 0
    order_id = answer.result["orderId"]
    rows = (await world.get("/v5/order/history", f"category=linear&orderId={order_id}")).result["list"]
    assert [(row["orderLinkId"], row["orderStatus"], row["cumExecQty"]) for row in rows] == [
        ("a", "Filled", "0.01")
    ]
    found = (await world.get("/v5/order/realtime", "category=linear&orderLinkId=a")).result["list"]
    assert [row["orderId"] for row in found] == [order_id]
    fills = (await world.get("/v5/execution/list", "category=linear&orderLinkId=a")).result["list"]
    assert [(row["execQty"], row["execType"], "category" in row) for row in fills] == [
        ("0.01", "Trade", False)
    ]
    held = (await world.get("/v5/position/list", "category=linear&settleCoin=USDT")).result["list"]
    assert [(row["symbol"], row["side"], row["size"], row["avgPrice"]) for row in held] == [
        ("BTCUSDT", "Buy", "0.01", "60000")
    ]
    wallet = (await world.get("/v5/account/wallet-balance", "accountType=UNIFIED")).result["list"][0]
    assert (wallet["totalEquity"], wallet["coin"][0]["walletBalance"]) == ("9999.67", "9999.67")
    assert [row.via for row in world.venue.ledger] == ["/v5/order/create"]


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"category": "spot"}, 10001, "Illegal category"),
        ({"symbol": "NOPEUSDT"}, 10001, "Not supported symbols"),
        ({"side": "BUY"}, 10001, "side invalid"),
        ({"orderType": "Stop"}, 10001, "orderType invalid"),
        ({"qty": 0.01}, 10001, "qty invalid"),
        ({"qty": "abc"}, 10001, "qty invalid"),
        ({"qty": "NaN"}, 10001, "qty invalid"),
        ({"qty": "0"}, 10001, "minimum limit"),
        ({"qty": "0.0015"}, 10001, "Qty invalid"),
        ({"qty": "501"}, 10001, "maximum limit"),
        ({"qty": "2"}, 110007, "ab not enough"),
        ({"positionIdx": 1}, 10001, "position idx not match position mode"),
        ({"positionIdx": "x"}, 10001, "positionIdx invalid"),
        ({"reduceOnly": "true"}, 10001, "reduceOnly invalid"),
        ({"reduceOnly": True}, 110017, "Reduce-only rule not satisfied"),
        ({"orderLinkId": "x" * 37}, 10001, "order link id is longer"),
        ({"orderLinkId": "ü"}, 10001, "orderLinkId"),
        ({"orderLinkId": 5}, 10001, "orderLinkId"),
        ({"orderType": "Limit"}, 10001, "price is required"),
        ({"orderType": "Limit", "price": "60000.05"}, 110003, "price"),
        ({"timeInForce": "DAY"}, 10001, "timeInForce invalid"),
        ({"stopLoss": "50000"}, 10001, "stopLoss is not supported"),
    ],
)
async def test_orders_that_break_a_rule_get_the_venues_code(autojump_clock, world, change, code, text):
    answer = await world.order(**change)

    assert (answer.status, answer.code) == (200, code)
    assert text in answer.body["retMsg"]
    assert answer.result == {}
    assert world.venue.account("m").orders == {}


async def test_small_values_and_repeated_ids_are_refused(autojump_clock, world):
    world.venue.add_listing(attrs.evolve(world.venue.listing("BTCUSDT"), min_notional=D(100)), D(60_000))

    small = await world.order(qty="0.001")
    first = await world.order(orderLinkId="a")
    again = await world.order(orderLinkId="a")

    assert [small.code, first.code, again.code] == [110094, 0, 110072]
    assert (await world.order("Sell", "0.009", reduceOnly=True)).code == 0
    assert (await world.order("Sell", "0.001", reduceOnly=True)).code == 0, "reductions have no minimum value"


@pytest.mark.parametrize("body", ["", "[]", "null", "{", "[" * 100_000, '"text"', '{"category":"linear"}'])
async def test_bodies_of_any_kind_get_an_answer(autojump_clock, world, body):
    assert (await world.post("/v5/order/create", body)).code == 10001


async def test_leverage_and_mode(autojump_clock, world):
    async def leverage(buy: str, sell: str) -> int:
        body = {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": buy, "sellLeverage": sell}
        return (await world.post("/v5/position/set-leverage", body)).code

    async def mode(number: int, **where: str) -> int:
        body = {"category": "linear", "mode": number, **where}
        return (await world.post("/v5/position/switch-mode", body)).code

    assert [await leverage(*both) for both in (("5", "5"), ("5", "5"), ("500", "500"), ("5", "6"))] == [
        0,
        110043,
        110013,
        10001,
    ]
    assert await mode(3, symbol="BTCUSDT") == 0
    assert await mode(3, symbol="BTCUSDT") == 110025
    legs = (await world.get("/v5/position/list", BTC)).result["list"]
    assert [(leg["positionIdx"], leg["leverage"], leg["seq"]) for leg in legs] == [(1, "5", -1), (2, "5", -1)]
    info = (await world.get("/v5/position/symbol-info", BTC)).result["list"]
    assert [leg["positionIdx"] for leg in info] == [1, 2]
    assert (await world.order(positionIdx=1)).code == 0
    assert await mode(0, symbol="BTCUSDT") == 110024
    assert await mode(0, coin="USDT") == 0, "what holds keeps its mode"
    assert world.venue.account("m").is_hedged("BTCUSDT")
    assert not world.venue.account("m").is_hedged("ETHUSDT")
    assert await mode(1, symbol="BTCUSDT") == 10001


async def test_a_never_traded_symbol_is_blank(autojump_clock, world):
    rows = (await world.get("/v5/position/list", BTC)).result["list"]

    assert len(rows) == 1
    row = rows[0]
    assert (row["seq"], row["size"], row["side"], row["leverage"]) == (-1, "0", "", "10")
    assert row["avgPrice"] == row["positionIM"] == row["updatedTime"] == ""
    assert (await world.get("/v5/position/list", "category=linear&settleCoin=USDT")).result["list"] == []
    assert (await world.get("/v5/position/list", "category=linear")).code == 10001


async def test_lists_come_in_pages_and_cursors_work_verbatim(autojump_clock, world):
    for number in range(7):
        await world.order(qty="0.001", orderLinkId=f"o{number}")
    seen, cursor, pages = [], "", 0
    while True:
        query = "category=linear&limit=3" + (f"&cursor={cursor}" if cursor else "")
        result = (await world.get("/v5/order/history", query)).result
        seen += [row["orderLinkId"] for row in result["list"]]
        cursor, pages = result["nextPageCursor"], pages + 1
        if not cursor:
            break

    assert seen == [f"o{number}" for number in range(6, -1, -1)]
    assert pages == 3
    instruments = (
        await world.get("/v5/market/instruments-info", "category=linear&limit=2", account=None)
    ).result
    assert (len(instruments["list"]), "%3D" in instruments["nextPageCursor"]) == (2, True)
    for query in ("category=linear&cursor=x", "category=linear&limit=0", "category=linear&limit=x"):
        assert (await world.get("/v5/order/history", query)).code == 10001


async def test_open_orders_are_listed_amended_and_cancelled(autojump_clock, world):
    for number in range(3):
        price = str(50_000 + number)
        await world.order(orderType="Limit", price=price, orderLinkId=f"o{number}", timeInForce="GTC")

    open_orders = (await world.get("/v5/order/realtime", BTC)).result["list"]
    assert [row["orderLinkId"] for row in open_orders] == ["o2", "o1", "o0"]
    where = {"category": "linear", "symbol": "BTCUSDT"}
    amend = {**where, "orderLinkId": "o0", "qty": "0.02"}
    assert (await world.post("/v5/order/amend", amend)).code == 0
    assert (await world.post("/v5/order/cancel", {**where, "orderLinkId": "o1"})).code == 0
    assert (await world.post("/v5/order/cancel", {**where, "orderLinkId": "o1"})).code == 110001
    assert (await world.post("/v5/order/cancel", where)).code == 10001
    answer = await world.post("/v5/order/cancel-all", {"category": "linear", "settleCoin": "USDT"})
    assert [row["orderLinkId"] for row in answer.result["list"]] == ["o0", "o2"]
    history = (await world.get("/v5/order/history", "category=linear&orderStatus=Cancelled")).result["list"]
    assert {row["cancelType"] for row in history} == {"CancelByUser"}
    assert (await world.get("/v5/order/history", "category=linear&orderStatus=New")).code == 181017


async def test_young_orders_can_be_invisible(autojump_clock, world):
    world.server.face.rest.queries.visible_after_ms = 200
    await world.order(orderLinkId="a")
    query = "category=linear&orderLinkId=a"

    at_once = (await world.get("/v5/order/realtime", query)).result["list"]
    await trio.sleep(0.25)
    later = (await world.get("/v5/order/realtime", query)).result["list"]

    assert (at_once, len(later)) == ([], 1)


async def test_a_read_only_key_reads_and_does_nothing_else(autojump_clock, world):
    world.venue.account("m").read_only = True
    leverage = {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": "5", "sellLeverage": "5"}

    assert (await world.get("/v5/user/query-api")).result["readOnly"] == 1
    assert (await world.get("/v5/position/list", BTC)).code == 0
    assert (await world.order()).code == 10005
    assert (await world.post("/v5/position/set-leverage", leverage)).code == 10005
    cancel_all = {"category": "linear", "symbol": "BTCUSDT"}
    assert (await world.post("/v5/order/cancel-all", cancel_all)).code == 10005


async def test_the_key_says_what_it_may(autojump_clock, world):
    world.venue.account("m").may_withdraw = True

    permissions = (await world.get("/v5/user/query-api")).result["permissions"]

    assert permissions["ContractTrade"] == ["Order", "Position"]
    assert "Withdraw" in permissions["Wallet"]
    assert (await world.get("/v5/user/query-api", account="h")).result["permissions"]["Wallet"] == []


async def test_paths_and_methods_that_are_not_there(autojump_clock, world):
    assert (await world.get("/v5/nothing")).status == 404
    assert (await world.post("/v5/market/time", {})).status == 404
    with_body = await world.request("GET", "/v5/market/time", body="{}")
    assert with_body.status == 403


async def test_garbage_instead_of_http_gets_a_400_and_harms_nobody(autojump_clock, world):
    from tests.exchanges.sandbox.bybit.client import HOST, PORT

    stream = await world.network.connect(HOST, PORT, tls=True)
    await stream.send_all(b"\x16\x03\x01\x02\x00\x01\x00garbage\r\n\r\n")
    answer = await stream.receive_some()
    await stream.aclose()
    half = await world.network.connect(HOST, PORT, tls=True)
    await half.send_all(b"POST /v5/order/create HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    await half.aclose()

    assert answer.startswith(b"HTTP/1.1 400")
    assert (await world.order()).code == 0


async def test_a_connection_serves_many_requests(autojump_clock, world):
    import h11

    from tests.exchanges.sandbox.bybit.client import HOST, PORT, _read_answer

    stream = await world.network.connect(HOST, PORT, tls=True)
    connection = h11.Connection(h11.CLIENT)
    for _ in range(3):
        head = h11.Request(method="GET", target="/v5/market/time", headers=[("Host", HOST)])
        await stream.send_all(connection.send(head) + connection.send(h11.EndOfMessage()))
        assert (await _read_answer(connection, stream)).code == 0
        connection.start_next_cycle()
    assert len(world.server.connections(kind="rest")) == 1
    await stream.aclose()


async def test_budgets_are_per_account_and_second(autojump_clock, strict_world):
    world = strict_world
    answers = [await world.order(qty="0.001") for _ in range(11)]

    assert [answer.code for answer in answers] == [0] * 10 + [10006]
    assert [answer.headers["x-bapi-limit-status"] for answer in answers[:3]] == ["9", "8", "7"]
    reset = int(answers[-1].headers["x-bapi-limit-reset-timestamp"])
    assert 0 < reset - world.clock.wall_ms() <= 1001
    assert (await world.order(account="h", positionIdx=1)).code == 0
    await trio.sleep(1.01)
    assert (await world.order(qty="0.001")).code == 0


async def test_executions_can_be_filtered_and_funding_is_marked(autojump_clock, world):
    await world.order()
    world.venue.fund("BTCUSDT", D("0.0001"))

    everything = (await world.get("/v5/execution/list", BTC)).result["list"]
    trades = (await world.get("/v5/execution/list", BTC + "&execType=Trade")).result["list"]
    funding = everything[0]

    assert [row["execType"] for row in everything] == ["Funding", "Trade"]
    assert [row["execType"] for row in trades] == ["Trade"]
    assert (funding["orderType"], funding["orderQty"], funding["execQty"]) == ("UNKNOWN", "0", "0.01")
    future = BTC + f"&startTime={world.clock.wall_ms() + 1000}"
    assert (await world.get("/v5/execution/list", future)).result["list"] == []


async def test_closed_profit_and_fees_are_told(autojump_clock, world):
    await world.order()
    world.venue.set_price("BTCUSDT", D(61_000))
    await world.order("Sell", reduceOnly=True)

    row = (await world.get("/v5/position/closed-pnl", BTC)).result["list"][0]
    fees = (await world.get("/v5/account/fee-rate", BTC)).result["list"][0]

    assert (row["avgEntryPrice"], row["avgExitPrice"], row["closedPnl"]) == ("60000", "61000", "9.6645")
    assert fees["takerFeeRate"] == "0.00055"


async def test_tickers_and_price_limits(autojump_clock, world):
    ticker = (await world.get("/v5/market/tickers", BTC, account=None)).result["list"]
    all_of_them = (await world.get("/v5/market/tickers", "category=linear", account=None)).result["list"]
    limit = (await world.get("/v5/market/price-limit", BTC, account=None)).result

    assert [row["markPrice"] for row in ticker] == ["60000"]
    assert len(all_of_them) == 5
    assert (limit["buyLmt"], limit["sellLmt"]) == ("63000", "57000")
    assert (await world.get("/v5/market/tickers", "category=linear&symbol=X", account=None)).code == 10001


async def test_maintenance_answers_503_and_ends(autojump_clock, world):
    fault = world.venue.faults.add(FaultKind.MAINTENANCE, status=503)
    assert (await world.get("/v5/market/time", account=None)).status == 503
    world.venue.faults.remove(fault)
    assert (await world.get("/v5/market/time", account=None)).status == 200


async def test_risk_limits_come_by_fifteen_symbols_and_bound_the_leverage(autojump_clock, world):
    btc = world.venue.listing("BTCUSDT")
    tiers = ((D(1_000), D(100)), (D(50_000), D("12.5")))
    world.venue.add_listing(attrs.evolve(btc, tiers=tiers), D(60_000))
    for number in range(20):
        world.venue.add_listing(attrs.evolve(btc, symbol=f"C{number}USDT"), D(1))

    first = (await world.get("/v5/market/risk-limit", "category=linear")).result
    rest = await world.get("/v5/market/risk-limit", f"category=linear&cursor={first['nextPageCursor']}")
    of_btc = (await world.get("/v5/market/risk-limit", BTC)).result["list"]
    await world.order(qty="0.1")
    body = {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": "13", "sellLeverage": "13"}
    refused = await world.post("/v5/position/set-leverage", body)

    assert len({row["symbol"] for row in first["list"]}) == 15
    assert len({row["symbol"] for row in rest.result["list"]}) == len(world.venue.listings) - 15
    assert rest.result["nextPageCursor"] == ""
    assert [(row["riskLimitValue"], row["maxLeverage"], row["isLowestRisk"]) for row in of_btc] == [
        ("1000", "100.00", 1),
        ("50000", "12.50", 0),
    ]
    assert refused.code == 110013
    assert (await world.get("/v5/market/risk-limit", "category=linear&symbol=NOPE")).code == 10001


@pytest.mark.parametrize("category", ["spot", "inverse", "option"])
async def test_of_other_categories_there_is_nothing(autojump_clock, world, category):
    for path in ("/v5/market/instruments-info", "/v5/position/list"):
        found = await world.get(path, f"category={category}")

        assert (found.code, found.result["category"], found.result["list"]) == (0, category, [])


async def test_there_is_one_coin_and_it_stays(autojump_clock, world):
    (coin,) = (await world.get("/v5/asset/coin/query-info")).result["rows"]
    other = await world.get("/v5/asset/coin/query-info", "coin=BTC")

    assert (coin["coin"], coin["chains"][0]["chainWithdraw"]) == ("USDT", "0")
    assert other.result["rows"] == []
