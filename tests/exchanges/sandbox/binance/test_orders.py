"""Orders as the venue takes, refuses, fills and ends them; one-way first, then hedged."""

from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchanges.sandbox import FaultKind, Liquidity
from tests.exchanges.sandbox.binance.client import ORDER, World, order

D = Decimal
BTC = {"symbol": "BTCUSDT"}


async def test_an_acknowledgement_tells_nothing_and_a_result_the_end(
    world: World, autojump_clock: MockClock
) -> None:
    acknowledged = await world.place(newOrderRespType="ACK", newClientOrderId="a-1")
    told = await world.place(newClientOrderId="a-2")
    read = await world.get(ORDER, **BTC, origClientOrderId="a-1")

    assert (acknowledged["status"], acknowledged["executedQty"]) == ("NEW", "0")
    assert (told["status"], told["executedQty"], told["cumQty"]) == ("FILLED", "0.01", "0.01")
    assert not {"avgPrice", "cumQuote"} & {*acknowledged, *told}  # since July 2026
    assert (read["status"], read["avgPrice"], read["cumQuote"]) == ("FILLED", "60000", "600")
    assert read["orderId"] == acknowledged["orderId"] > 2**53


async def test_the_old_answer_had_prices(world: World, autojump_clock: MockClock) -> None:
    world.face.desk.tells_price = True

    told = await world.place()

    assert (told["avgPrice"], told["cumQuote"]) == ("60000", "600")


@pytest.mark.parametrize("kind", ["MARKET", "LIMIT"])
async def test_a_result_waits_for_the_end(world: World, autojump_clock: MockClock, kind: str) -> None:
    world.venue.faults.add(FaultKind.DELAY_FILL, seconds=2.0)
    limit = {"price": "60100", "timeInForce": "IOC"} if kind == "LIMIT" else {}
    began = trio.current_time()

    told = await world.place(**limit)

    assert (told["status"], trio.current_time() - began) == ("FILLED", pytest.approx(2.0, abs=0.1))


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbol": None}, -1102),
        ({"symbol": "NOPE"}, -1121),
        ({"side": "UP"}, -1117),
        ({"side": None}, -1102),
        ({"type": "TWAP"}, -1116),
        ({"type": "STOP_MARKET", "stopPrice": "59000"}, -4120),
        ({"quantity": None}, -1102),
        ({"quantity": ""}, -1102),
        ({"quantity": "-0.01"}, -1102),
        ({"quantity": "1e-2"}, -1102),
        ({"quantity": "0.01.1"}, -1102),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0101"}, -1111),
        ({"quantity": "120.001"}, -4005),
        ({"quantity": "1000.001", "price": "100"}, -4005),
        ({"price": "60000.05", "type": "LIMIT", "timeInForce": "GTC"}, -4014),
        ({"price": "60000.001", "type": "LIMIT", "timeInForce": "GTC"}, -1111),
        ({"price": "0", "type": "LIMIT", "timeInForce": "GTC"}, -4001),
        ({"type": "LIMIT", "timeInForce": "GTC"}, -1102),
        ({"price": "60000", "timeInForce": None}, -1102),
        ({"price": "60000", "timeInForce": "DAY"}, -1115),
        ({"timeInForce": "IOC"}, -1106),
        ({"price": "60000", "type": "MARKET", "timeInForce": None}, -1106),
        ({"price": "63000.1"}, -4016),
        ({"price": "56999.9", "side": "SELL"}, -4024),
        ({"positionSide": "LONG"}, -4061),
        ({"positionSide": "NET"}, -4060),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "with space"}, -4015),
        ({"newOrderRespType": "FULL"}, -1130),
        ({"reduceOnly": "True"}, -1130),
        ({"reduceOnly": "true"}, -2022),
        ({"quantity": "10"}, -2019),
        ({"price": "60000", "timeInForce": "GTX"}, -5022),
        ({"price": "59000", "timeInForce": "FOK"}, -5021),
    ],
)
async def test_what_is_refused(
    world: World, autojump_clock: MockClock, params: dict[str, Any], code: int
) -> None:
    found, text = await world.refusal(**params)

    assert found == code, text
    assert not world.venue.account("m").orders


async def test_what_a_symbol_wants(world: World, autojump_clock: MockClock) -> None:
    eth = world.venue.listing("ETHUSDT")
    world.venue.add_listing(attrs.evolve(eth, min_quantity=D("0.005"), lot_size=D("0.005")), D(3000))
    codes = [
        (await world.refusal(symbol="ETHUSDT", quantity="0.004"))[0],
        (await world.refusal(symbol="ETHUSDT", quantity="0.007"))[0],
        (await world.refusal(symbol="ETHUSDT", quantity="0.005"))[0],
    ]
    closed = attrs.evolve(eth, status=type(eth.status).CLOSED)
    world.venue.add_listing(closed, D(3000))
    codes.append((await world.refusal(symbol="ETHUSDT", quantity="1"))[0])

    assert codes == [-4004, -4023, -4164, -4140]


async def test_the_least_value_is_by_the_mark_and_reductions_are_exempt(
    world: World, autojump_clock: MockClock
) -> None:
    world.venue.set_liquidity("ETHUSDT", Liquidity(spread_ticks=1_000))  # ten dollars away from the mark
    await world.place(symbol="ETHUSDT", quantity="0.1")
    world.venue.set_price("ETHUSDT", D("2857.00"))
    below = await world.refusal(symbol="ETHUSDT", quantity="0.007")
    world.venue.set_price("ETHUSDT", D("2857.20"))
    await world.place(symbol="ETHUSDT", quantity="0.007")
    small = await world.place(symbol="ETHUSDT", quantity="0.001", side="SELL", reduceOnly="true")

    assert below == (-4164, "Order's notional must be no smaller than 20 (unless you choose reduce only).")
    assert small["status"] == "FILLED"


async def test_a_client_id_is_unique_among_open_orders_alone(world: World, autojump_clock: MockClock) -> None:
    """The guard that Binance gives: a market order sent twice fills twice."""
    first = await world.place(newClientOrderId="twice")
    second = await world.place(newClientOrderId="twice")
    resting = await world.place(newClientOrderId="rests", price="59000")
    refused = await world.refusal(newClientOrderId="rests", price="58000")
    await world.ask("DELETE", ORDER, {**BTC, "origClientOrderId": "rests"})
    again = await world.place(newClientOrderId="rests", price="58000")
    found = await world.get(ORDER, **BTC, origClientOrderId="twice")

    assert world.venue.account("m").size("BTCUSDT") == D("0.02")
    assert first["orderId"] < second["orderId"] == found["orderId"]
    assert refused == (-4116, "ClientOrderId is duplicated.")
    assert again["orderId"] > resting["orderId"]


async def test_an_order_without_a_name_gets_one(world: World, autojump_clock: MockClock) -> None:
    answers = [await world.place() for _ in range(2)]
    names = {it["clientOrderId"] for it in answers}

    assert len(names) == 2
    assert all(1 <= len(name) <= 36 for name in names)
    assert (await world.get(ORDER, **BTC, origClientOrderId=names.pop()))["status"] == "FILLED"


async def test_what_finds_a_part_ends_with_it(world: World, autojump_clock: MockClock) -> None:
    world.venue.set_liquidity("BTCUSDT", Liquidity(depth=D("0.004")))

    ioc = await world.place(price="60000", timeInForce="IOC")
    market = await world.place()
    fok = await world.refusal(price="60000", timeInForce="FOK")
    gtc = await world.place(price="60000")

    assert [(it["status"], it["executedQty"]) for it in (ioc, market, gtc)] == [
        ("EXPIRED", "0.004"),
        ("EXPIRED", "0.004"),
        ("PARTIALLY_FILLED", "0.004"),
    ]
    assert fok[0] == -5021


async def test_a_market_whose_first_price_is_beyond_the_band_takes_no_market_order(
    world: World, autojump_clock: MockClock
) -> None:
    world.venue.set_liquidity("BTCUSDT", Liquidity(spread_ticks=30_001))

    code, text = await world.refusal()

    assert (code, text) == (
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    )


async def test_a_reduction_is_cut_to_its_position_or_refused_where_a_venue_is_strict(
    world: World, autojump_clock: MockClock
) -> None:
    await world.place(quantity="0.02")
    cut = await world.place(quantity="0.05", side="SELL", reduceOnly="true")
    await world.place(quantity="0.02")
    world.venue.rulebook = attrs.evolve(world.venue.rulebook, cuts_reductions=False)
    refused = await world.refusal(quantity="0.05", side="SELL", reduceOnly="true")
    other = await world.refusal(quantity="0.01", side="BUY", reduceOnly="true")

    assert (cut["status"], cut["origQty"], cut["executedQty"]) == ("FILLED", "0.02", "0.02")
    assert (refused, other) == ((-2022, "ReduceOnly Order is rejected."),) * 2


async def test_what_waits_to_reduce_leaves_less_for_another_reduction(
    world: World, autojump_clock: MockClock
) -> None:
    await world.place(quantity="0.02")
    reduce = {"side": "SELL", "reduceOnly": "true"}
    await world.place(quantity="0.015", price="62000", **reduce)
    refused = await world.refusal(quantity="0.02", **reduce)
    done = await world.place(quantity="0.005", **reduce)
    world.face.desk.counts_resting = False
    rest = await world.place(quantity="0.015", **reduce)

    assert refused == (
        -4118,
        "ReduceOnly Order Failed. Please check your existing position and open orders.",
    )
    assert (done["status"], rest["status"]) == ("FILLED", "FILLED")


async def test_a_resting_reduction_ends_when_nothing_is_left_to_reduce(
    world: World, autojump_clock: MockClock
) -> None:
    world.face.desk.counts_resting = False
    await world.place(quantity="0.02")
    await world.place(
        quantity="0.02", side="SELL", reduceOnly="true", price="61000", newClientOrderId="takes"
    )
    await world.place(quantity="0.02", side="SELL", reduceOnly="true")
    world.venue.set_price("BTCUSDT", D(61_500))

    ended = await world.get(ORDER, **BTC, origClientOrderId="takes")

    assert (ended["status"], ended["executedQty"]) == ("EXPIRED", "0")
    assert world.venue.account("m").size("BTCUSDT") == 0


async def test_without_the_flag_an_order_flips_a_position(world: World, autojump_clock: MockClock) -> None:
    await world.place(quantity="0.02")
    await world.place(quantity="0.05", side="SELL")

    (row,) = await world.get("/fapi/v3/positionRisk")

    assert (row["positionAmt"], row["positionSide"]) == ("-0.03", "BOTH")


# What rests


async def test_an_order_rests_is_amended_read_and_cancelled(world: World, autojump_clock: MockClock) -> None:
    placed = await world.place(price="59000", newClientOrderId="r-1")
    named = {**BTC, "origClientOrderId": "r-1"}
    listed = await world.get("/fapi/v1/openOrders")
    one = await world.get("/fapi/v1/openOrder", **named)
    change = {**named, "side": "BUY", "quantity": "0.02", "price": "58000"}
    amended = await world.ask("PUT", ORDER, change)
    wrong = await world.ask("PUT", ORDER, {**change, "side": "SELL"})
    cancelled = await world.ask("DELETE", ORDER, {**BTC, "orderId": placed["orderId"]})
    again = await world.ask("DELETE", ORDER, named)
    gone = await world.ask("GET", "/fapi/v1/openOrder", named)

    assert [row["clientOrderId"] for row in listed] == [one["clientOrderId"]] == ["r-1"]
    assert (amended.body["origQty"], amended.body["price"]) == ("0.02", "58000")
    assert wrong.code == -1117
    assert (cancelled.body["status"], cancelled.body["orderId"]) == ("CANCELED", placed["orderId"])
    assert (again.code, again.body["msg"]) == (-2011, "Unknown order sent.")
    assert gone.code == -2013
    assert await world.get("/fapi/v1/openOrders", **BTC) == []


async def test_all_of_a_symbol_are_cancelled(world: World, autojump_clock: MockClock) -> None:
    for symbol, price in (("BTCUSDT", "59000"), ("BTCUSDT", "58000"), ("ETHUSDT", "2900")):
        await world.place(symbol=symbol, quantity="0.1", price=price)

    done = await world.ask("DELETE", "/fapi/v1/allOpenOrders", BTC)

    assert done.body["code"] == 200
    assert [row["symbol"] for row in await world.get("/fapi/v1/openOrders")] == ["ETHUSDT"]


async def test_an_order_is_of_its_account_and_symbol(world: World, autojump_clock: MockClock) -> None:
    placed = await world.place(price="59000", newClientOrderId="mine")
    by_other = await world.ask("GET", ORDER, {**BTC, "orderId": placed["orderId"]}, "h")
    elsewhere = await world.ask("GET", ORDER, {"symbol": "ETHUSDT", "origClientOrderId": "mine"})
    unnamed = await world.ask("GET", ORDER, BTC)

    assert [it.code for it in (by_other, elsewhere, unnamed)] == [-2013, -2013, -1102]


async def test_orders_and_trades_are_listed_in_pages(world: World, autojump_clock: MockClock) -> None:
    placed = []
    for number in range(4):
        placed.append(await world.place(newClientOrderId=f"p-{number}"))
        await trio.sleep(10)
    middle = placed[2]

    newest = await world.get("/fapi/v1/allOrders", **BTC, limit=2)
    onwards = await world.get("/fapi/v1/allOrders", **BTC, orderId=middle["orderId"])
    spanned = await world.get("/fapi/v1/allOrders", **BTC, startTime=middle["updateTime"], limit=1)
    trades = await world.get("/fapi/v1/userTrades", **BTC)
    of_one = await world.get("/fapi/v1/userTrades", **BTC, orderId=middle["orderId"])
    from_id = await world.get("/fapi/v1/userTrades", **BTC, fromId=trades[1]["id"], limit=2)
    both = await world.ask("GET", "/fapi/v1/userTrades", {**BTC, "fromId": 1, "startTime": 1})
    long = await world.ask("GET", "/fapi/v1/userTrades", {**BTC, "startTime": 1, "endTime": 604_800_002})

    assert [row["clientOrderId"] for row in newest] == ["p-2", "p-3"]
    assert [row["clientOrderId"] for row in onwards] == ["p-2", "p-3"]
    assert [row["clientOrderId"] for row in spanned] == ["p-2"]
    assert [row["orderId"] for row in trades] == [row["orderId"] for row in placed]
    assert [row["id"] for row in of_one] == [trades[2]["id"]]
    assert from_id == trades[1:3]
    assert (both.code, long.code) == (-1128, -4166)


async def test_what_ended_without_a_fill_is_forgotten_after_three_days(
    world: World, autojump_clock: MockClock
) -> None:
    await world.place(price="59000", timeInForce="IOC", newClientOrderId="nothing")
    await world.place(newClientOrderId="something")
    found = [(await world.ask("GET", ORDER, {**BTC, "origClientOrderId": "nothing"})).code]
    await trio.sleep(3 * 86_400 + 1)
    for name in ("nothing", "something"):
        found.append((await world.ask("GET", ORDER, {**BTC, "origClientOrderId": name})).code)

    assert found == [0, -2013, 0]


async def test_a_test_order_is_only_looked_at(world: World, autojump_clock: MockClock) -> None:
    fine = await world.ask("POST", "/fapi/v1/order/test", order())
    wrong = await world.ask("POST", "/fapi/v1/order/test", order(side="UP"))

    assert (fine.body, wrong.code) == ({}, -1117)
    assert len(world.venue.ledger) == 0


# Hedged


async def test_a_hedged_account_names_the_side_and_never_the_flag(
    world: World, autojump_clock: MockClock
) -> None:
    refusals = [
        await world.refusal("h"),
        await world.refusal("h", positionSide="BOTH"),
        await world.refusal("h", positionSide="LONG", side="SELL"),
        await world.refusal("h", positionSide="LONG", reduceOnly="true", side="SELL"),
        await world.refusal("h", positionSide="LONG", reduceOnly="false"),
    ]
    await world.place("h", positionSide="LONG", quantity="0.02")
    await world.place("h", positionSide="SHORT", side="SELL", quantity="0.01")
    larger = await world.refusal("h", positionSide="LONG", side="SELL", quantity="0.021")
    rows = await world.get("/fapi/v3/positionRisk", "h")
    await world.place("h", positionSide="LONG", side="SELL", quantity="0.02")
    left = await world.get("/fapi/v3/positionRisk", "h")

    assert [code for code, _ in refusals] == [-4061, -4061, -2022, -1106, -1106]
    assert refusals[-1][1] == "Parameter 'reduceonly' sent when not required."
    assert larger[0] == -2022
    assert [(row["positionSide"], row["positionAmt"]) for row in rows] == [
        ("LONG", "0.02"),
        ("SHORT", "-0.01"),
    ]
    assert [(row["positionSide"], row["positionAmt"]) for row in left] == [("SHORT", "-0.01")]


@pytest.mark.parametrize("exempt", [False, True])
async def test_a_small_hedged_close_is_held_to_the_least_value_unless_told_otherwise(
    world: World, autojump_clock: MockClock, exempt: bool
) -> None:
    world.venue.rulebook = attrs.evolve(world.venue.rulebook, exempts_hedged_closes=exempt)
    leg = {"symbol": "ETHUSDT", "positionSide": "SHORT"}
    await world.place("h", **leg, side="SELL", quantity="0.1")

    answer = await world.ask("POST", ORDER, order("0.005", "BUY", **leg), "h")

    assert answer.code == (0 if exempt else -4164)


async def test_an_overloaded_venue_takes_what_reduces(world: World, autojump_clock: MockClock) -> None:
    await world.place(quantity="0.02")
    await world.place("h", positionSide="LONG", quantity="0.02")
    world.venue.faults.add(FaultKind.POST_ONLY_WINDOW)
    opening = await world.ask("POST", ORDER, order())
    hedged = await world.ask("POST", ORDER, order(positionSide="LONG"), "h")
    closing = await world.place(side="SELL", reduceOnly="true")
    closing_hedged = await world.place("h", side="SELL", positionSide="LONG")

    assert {(it.status, it.code) for it in (opening, hedged)} == {(503, -1008)}
    assert {closing["status"], closing_hedged["status"]} == {"FILLED"}
