"""Who may ask what, when and how often, by REST."""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from tests.exchanges.sandbox.binance.client import ORDER, World, order, signature

D = Decimal
BALANCE = "/fapi/v3/balance"


# Keys, signatures, times


async def test_the_signature_is_of_the_query_and_the_body_as_sent(
    world: World, autojump_clock: MockClock
) -> None:
    secret = world.venue.account("m").api_secret
    query = f"symbol=BTCUSDT&side=BUY&type=MARKET&timestamp={world.venue.now_ms()}"
    body = "quantity=0.01"
    signed = f"{body}&signature={signature(secret, query + body)}"

    both = await world.send("POST", f"{ORDER}?{query}", body=signed)
    whole = f"{query}&{body}"
    alone = await world.send("POST", ORDER, body=f"{whole}&signature={signature(secret, whole)}")
    upper = await world.send("POST", f"{ORDER}?{whole}&signature={signature(secret, whole).upper()}")

    assert [it.status for it in (both, alone, upper)] == [200, 200, 200]
    assert world.venue.account("m").size("BTCUSDT") == D("0.03")


async def test_what_is_sent_in_query_and_body_counts_as_in_the_query(
    world: World, autojump_clock: MockClock
) -> None:
    secret = world.venue.account("m").api_secret
    query = f"symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&timestamp={world.venue.now_ms()}"
    body = "quantity=0.09"

    await world.send("POST", f"{ORDER}?{query}&signature={signature(secret, query + body)}", body=body)

    assert world.venue.account("m").size("BTCUSDT") == D("0.01")


@pytest.mark.parametrize(
    ("query", "key", "status", "code"),
    [
        ("{signed}", "", 401, -2014),
        ("{signed}", "not a key", 401, -2014),
        ("{signed}", "NOBODY", 401, -2015),
        ("{signed}0", None, 400, -1022),
        ("timestamp={now}", None, 400, -1102),
        ("signature=ab", None, 400, -1102),
        ("timestamp=soon&signature=ab", None, 400, -1100),
        ("timestamp={now}&recvWindow=60001&signature=ab", None, 400, -1131),
    ],
)
async def test_what_is_not_let_in(
    world: World, autojump_clock: MockClock, query: str, key: str | None, status: int, code: int
) -> None:
    text = query.format(signed=world.sign({}), now=world.venue.now_ms())

    answer = await world.send("GET", f"{BALANCE}?{text}", key=key)

    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("away_ms", "window_ms", "word"),
    [
        (999, None, ""),
        (1000, None, "1000ms ahead of the server's time."),
        (-5000, None, ""),
        (-5001, None, "outside of the recvWindow."),
        (-1001, 1000, "outside of the recvWindow."),
        (-9000, 10_000, ""),
    ],
)
async def test_a_request_has_its_time(
    world: World, autojump_clock: MockClock, away_ms: int, window_ms: int | None, word: str
) -> None:
    world.venue.faults.clock_skew_ms = 250  # the venue's own clock is what counts
    stamp = world.venue.now_ms() + away_ms

    answer = await world.ask("GET", BALANCE, timestamp=stamp, recvWindow=window_ms)

    assert answer.code == (-1021 if word else 0)
    assert answer.body["msg"].endswith(word) if word else answer.status == 200


async def test_names_beyond_ascii_are_signed_as_they_are_encoded(
    world: World, autojump_clock: MockClock
) -> None:
    answer = await world.ask("GET", "/fapi/v3/positionRisk", {"symbol": "币安人生USDT"})

    assert answer.code == -1121


async def test_a_key_without_the_right_reads_and_does_not_trade(
    world: World, autojump_clock: MockClock
) -> None:
    rights = await world.get("/sapi/v1/account/apiRestrictions", "r")
    refused = [
        await world.ask("POST", ORDER, order(), "r"),
        await world.ask("POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": 5}, "r"),
    ]

    assert (rights["enableReading"], rights["enableFutures"], rights["enableWithdrawals"]) == (
        True,
        False,
        False,
    )
    assert {(it.status, it.code) for it in refused} == {(401, -2015)}
    assert len(await world.get(BALANCE, "r")) == 1


async def test_a_path_that_is_none(world: World, autojump_clock: MockClock) -> None:
    answer = await world.ask("GET", "/fapi/v1/nothing")
    method = await world.ask("PATCH", ORDER)

    assert [(it.status, it.code) for it in (answer, method)] == [(404, -5000)] * 2


# Account and settings


async def test_an_account_adds_up(world: World, autojump_clock: MockClock) -> None:
    await world.place(quantity="0.1")
    await world.ask("POST", ORDER, order("0.5", symbol="ETHUSDT", price="2900"))
    world.venue.set_price("BTCUSDT", D(61_000))

    account = await world.get("/fapi/v3/account")
    (balance,) = await world.get(BALANCE)
    positions = await world.get("/fapi/v3/positionRisk")

    assert account["totalWalletBalance"] == balance["balance"] == "9997.00000000"
    assert account["totalUnrealizedProfit"] == balance["crossUnPnl"] == "100.00000000"
    assert account["totalMarginBalance"] == "10097.00000000"
    assert account["totalPositionInitialMargin"] == "610.00000000"
    assert account["totalOpenOrderInitialMargin"] == "145.00000000"
    assert account["availableBalance"] == balance["availableBalance"] == "9342.00000000"
    assert account["totalMaintMargin"] == "30.50000000"
    assert [(row["symbol"], row["positionAmt"], row["initialMargin"]) for row in positions] == [
        ("BTCUSDT", "0.1", "610.00000000"),
        ("ETHUSDT", "0", "145.00000000"),  # there for its order alone
    ]
    (btc, _) = positions
    assert (btc["entryPrice"], btc["breakEvenPrice"], btc["unRealizedProfit"]) == (
        "60000",
        "60030",
        "100.00000000",
    )
    assert balance["updateTime"] == btc["updateTime"] <= world.venue.now_ms()
    assert [row["symbol"] for row in account["positions"]] == ["BTCUSDT", "ETHUSDT"]


async def test_reads_may_lag_behind_what_has_happened(world: World, autojump_clock: MockClock) -> None:
    world.face.states.replicas.lag_ms = 1_500
    first = await world.get("/fapi/v3/positionRisk")
    await world.place(quantity="0.1")
    await trio.sleep(1)
    before = await world.get("/fapi/v3/positionRisk"), await world.get(BALANCE)
    await trio.sleep(1)
    await world.place(quantity="0.1")
    after = await world.get("/fapi/v3/positionRisk"), await world.get(BALANCE)
    await trio.sleep(2)
    (last,) = await world.get("/fapi/v3/positionRisk")

    assert (first, before[0], before[1][0]["balance"]) == ([], [], "10000.00000000")
    assert [row["positionAmt"] for row in after[0]] == ["0.1"]
    assert (after[1][0]["balance"], after[1][0]["crossUnPnl"]) == ("9997.00000000", "0.00000000")
    assert last["positionAmt"] == "0.2"


async def test_a_clock_that_is_set_back_takes_no_read_back(world: World, autojump_clock: MockClock) -> None:
    """Reads fell behind by as much as the clock: they lacked what had been held for seconds."""
    world.face.states.replicas.lag_ms = 1_500
    await world.place(quantity="0.1")
    await trio.sleep(2)
    world.venue.faults.clock_skew_ms = -8_000
    (held,) = await world.get("/fapi/v3/positionRisk")

    assert held["positionAmt"] == "0.1"


async def test_flat_rows_are_in_the_old_answer_alone(world: World, autojump_clock: MockClock) -> None:
    new = await world.get("/fapi/v3/positionRisk")
    old = await world.get("/fapi/v2/positionRisk", symbol="BTCUSDT")
    hedged = await world.get("/fapi/v2/positionRisk", "h", symbol="BTCUSDT")

    assert new == []
    assert [(row["positionSide"], row["positionAmt"], row["leverage"]) for row in old] == [
        ("BOTH", "0", "10")
    ]
    assert [row["positionSide"] for row in hedged] == ["LONG", "SHORT"]


async def test_leverage_is_of_the_symbol_and_the_same_again_is_fine(
    world: World, autojump_clock: MockClock
) -> None:
    path = "/fapi/v1/leverage"
    answers = [
        await world.ask("POST", path, {"symbol": "BTCUSDT", "leverage": it}) for it in (20, 20, 126, 0, "x")
    ]
    config = await world.get("/fapi/v1/symbolConfig", symbol="BTCUSDT")

    assert [it.code for it in answers] == [0, 0, -4028, -4028, -1100]
    assert answers[0].body == {"leverage": 20, "maxNotionalValue": "70000000", "symbol": "BTCUSDT"}
    assert config == [
        {
            "symbol": "BTCUSDT",
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": 20,
            "maxNotionalValue": "70000000",
        }
    ]
    assert len(await world.get("/fapi/v1/symbolConfig")) == len(world.venue.listings)


async def test_the_position_mode_is_of_the_whole_account_and_needs_it_flat(
    world: World, autojump_clock: MockClock
) -> None:
    path = "/fapi/v1/positionSide/dual"

    async def switch(dual: str) -> int:
        return (await world.ask("POST", path, {"dualSidePosition": dual})).code

    same = await switch("false")
    resting = (await world.place(quantity="0.1", price="59000"))["orderId"]
    ordered = await switch("true")
    await world.ask("DELETE", ORDER, {"symbol": "BTCUSDT", "orderId": resting})
    await world.place()
    held = await switch("true")
    await world.place(side="SELL", reduceOnly="true")
    done = await switch("true")
    malformed = await switch("True")

    assert (same, ordered, held, done, malformed) == (-4059, -4067, -4068, 200, -1130)
    assert (await world.get(path))["dualSidePosition"] is True
    assert (await world.get("/fapi/v1/accountConfig"))["dualSidePosition"] is True


async def test_margin_types_and_multi_assets_exclude_each_other(
    world: World, autojump_clock: MockClock
) -> None:
    async def set_type(margin_type: str, symbol: str = "BTCUSDT") -> int:
        params = {"symbol": symbol, "marginType": margin_type}
        return (await world.ask("POST", "/fapi/v1/marginType", params)).code

    async def set_multi(on: str) -> int:
        return (await world.ask("POST", "/fapi/v1/multiAssetsMargin", {"multiAssetsMargin": on})).code

    codes = [
        await set_type("CROSSED"),
        await set_type("ISOLATED"),
        await set_multi("true"),
        await set_type("CROSSED"),
        await set_multi("true"),
        await set_multi("true"),
        await set_type("ISOLATED"),
        await set_multi("false"),
    ]
    await world.place(quantity="0.01", symbol="BTCUSDT")
    await world.place(quantity="0.1", symbol="ETHUSDT", price="2900")
    codes += [await set_type("ISOLATED"), await set_type("ISOLATED", "ETHUSDT"), await set_multi("true")]

    assert codes == [-4046, 200, -4167, 200, 200, -4171, -4168, 200, -4048, -4047, -4169]


# Catalogue


async def test_the_catalogue_is_whole_whatever_is_asked_for(world: World, autojump_clock: MockClock) -> None:
    answer = await world.send("GET", "/fapi/v1/exchangeInfo?symbol=BTCUSDT", key="")
    rows = {row["symbol"]: row for row in answer.body["symbols"]}
    filters = {row["filterType"]: row for row in rows["BTCUSDT"]["filters"]}

    assert set(rows) == set(world.venue.listings)
    assert (rows["BTCUSDT"]["contractType"], rows["BTCUSDT"]["status"]) == ("PERPETUAL", "TRADING")
    assert filters["PRICE_FILTER"]["tickSize"] == "0.1"
    assert (filters["LOT_SIZE"]["maxQty"], filters["MARKET_LOT_SIZE"]["maxQty"]) == ("1000", "120")
    assert filters["MIN_NOTIONAL"]["notional"] == "50"
    assert filters["PERCENT_PRICE"] == {
        "filterType": "PERCENT_PRICE",
        "multiplierUp": "1.05",
        "multiplierDown": "0.95",
        "multiplierDecimal": "4",
    }
    limits = {(row["rateLimitType"], row["interval"]): row["limit"] for row in answer.body["rateLimits"]}
    assert limits == {
        ("REQUEST_WEIGHT", "MINUTE"): 2400,
        ("ORDERS", "SECOND"): 300,
        ("ORDERS", "MINUTE"): 1200,
    }


async def test_marks_and_tiers(world: World, autojump_clock: MockClock) -> None:
    one = await world.send("GET", "/fapi/v1/premiumIndex?symbol=ETHUSDT", key="")
    unknown = await world.send("GET", "/fapi/v1/premiumIndex?symbol=NOPE", key="")
    everything = await world.send("GET", "/fapi/v1/premiumIndex", key="")
    tiers = await world.get("/fapi/v1/leverageBracket", symbol="SOLUSDT")
    all_tiers = await world.get("/fapi/v1/leverageBracket")
    book = await world.send("GET", "/fapi/v1/ticker/bookTicker?symbol=BTCUSDT", key="")

    assert one.body["markPrice"] == "3000.00000000"
    assert unknown.code == -1121
    assert {row["symbol"] for row in everything.body} == set(world.venue.listings)
    assert [
        (row["notionalFloor"], row["notionalCap"], row["initialLeverage"]) for row in tiers["brackets"]
    ] == [
        (0, 50_000, 100),
        (50_000, 150_000, 75),
        (150_000, 1_000_000, 50),
        (1_000_000, 8_000_000, 25),
        (8_000_000, 100_000_000, 5),
    ]
    assert {row["symbol"] for row in all_tiers} == set(world.venue.listings)
    assert book.body["bidPrice"] == book.body["askPrice"] == "60000"


# Budgets


async def test_answers_tell_what_is_used(world: World, autojump_clock: MockClock) -> None:
    balance = await world.ask("GET", BALANCE)
    placed = await world.ask("POST", ORDER, order())
    again = await world.ask("POST", ORDER, order())
    orders = await world.ask("GET", "/fapi/v1/openOrders")
    others = await world.ask("POST", ORDER, order(positionSide="LONG"), "h")

    assert balance.headers["x-mbx-used-weight-1m"] == "5"
    assert "x-mbx-order-count-10s" not in balance.headers
    assert placed.headers["x-mbx-used-weight-1m"] == "5"  # an order weighs nothing
    assert [placed.headers[f"x-mbx-order-count-{it}"] for it in ("10s", "1m")] == ["1", "1"]
    assert [again.headers[f"x-mbx-order-count-{it}"] for it in ("10s", "1m")] == ["2", "2"]
    assert orders.headers["x-mbx-used-weight-1m"] == "45"
    assert others.headers["x-mbx-order-count-10s"] == "1"  # orders are counted by account


async def test_too_much_is_refused_and_going_on_brings_a_ban(
    strict_world: World, autojump_clock: MockClock
) -> None:
    world = strict_world
    await trio.sleep(
        60 - world.venue.now_ms() % 60_000 / 1000
    )  # the venue's minute, not ours, is what counts
    answers = [await world.ask("GET", "/fapi/v1/openOrders") for _ in range(61)]
    waited = int(answers[-1].headers["retry-after"])
    for _ in range(50):
        answers.append(await world.ask("GET", "/fapi/v1/openOrders"))
    ban = answers[-1]
    await trio.sleep(waited)
    banned = await world.ask("POST", ORDER, order())
    await trio.sleep(int(banned.headers["retry-after"]) + 1)
    free = await world.ask("POST", ORDER, order())

    assert [it.status for it in answers] == [200] * 60 + [429] * 50 + [418]
    assert answers[60].code == ban.code == banned.code == -1003
    assert 1 <= waited <= 60
    assert f"banned until {world.face.budgets.banned_until_ms}" in ban.body["msg"]
    assert (banned.status, free.status) == (418, 200)


async def test_an_accounts_orders_are_limited_and_others_are_not(
    strict_world: World, autojump_clock: MockClock
) -> None:
    world = strict_world
    await trio.sleep(10 - world.venue.now_ms() % 10_000 / 1000)
    answers = [await world.ask("POST", ORDER, order("0.001")) for _ in range(301)]
    other = await world.ask("POST", ORDER, order("0.001", positionSide="LONG"), "h")
    await trio.sleep(int(answers[-1].headers["retry-after"]))
    later = await world.ask("POST", ORDER, order("0.001"))

    assert {it.status for it in answers[:300]} == {200}
    assert (answers[-1].status, answers[-1].code) == (429, -1015)
    assert "300 orders per TEN_SECONDS" in answers[-1].body["msg"]
    assert (other.status, later.status) == (200, 200)
    assert len(world.venue.ledger.of("m")) == 301
