"""Orders and settings over HTTP: statuses behind ok, the venue's own texts, and what is found afterwards."""

from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchanges.sandbox import FaultKind, Liquidity, ListingStatus
from tests.exchanges.sandbox.hyperliquid.client import BTC, World, cloid, open_world, order

D = Decimal


def error(status: dict[str, str]) -> str:
    return status["error"]


async def test_an_order_that_fills_says_so_at_once(world: World, autojump_clock: MockClock) -> None:
    (status,) = await world.order(order(True, "0.01", "61000", c=cloid(1)))
    found = await world.info("orderStatus", oid=cloid(1))
    by_oid = await world.info("orderStatus", oid=status["filled"]["oid"])

    assert status["filled"] == {
        "totalSz": "0.01",
        "avgPx": "60000.0",
        "oid": status["filled"]["oid"],
        "cloid": cloid(1),
    }
    assert status["filled"]["oid"] > 2**32
    assert found == by_oid
    assert found["order"]["status"] == "filled"
    assert (found["order"]["order"]["sz"], found["order"]["order"]["origSz"]) == ("0.0", "0.01")
    assert await world.info("orderStatus", "n", oid=cloid(1)) == {"status": "unknownOid"}


async def test_what_finds_nothing_ends_and_what_finds_a_part_tells_the_part(
    world: World, autojump_clock: MockClock
) -> None:
    world.venue.set_liquidity("BTC", Liquidity(depth=D("0.004"), fill_parts=2, part_slip_ticks=1))

    nothing, part = await world.order(order(True, "0.01", "59000"), order(True, "0.01", "61000", c=cloid(2)))
    found = (await world.info("orderStatus", oid=cloid(2)))["order"]
    world.server.face.queries.keeps_rest = False
    emptied = (await world.info("orderStatus", oid=cloid(2)))["order"]

    assert error(nothing) == "Order could not immediately match against any resting orders. asset=0"
    assert (part["filled"]["totalSz"], part["filled"]["avgPx"]) == ("0.004", "60000.5")
    assert (found["status"], found["order"]["sz"]) == ("canceled", "0.006")
    assert emptied["order"]["sz"] == "0.0"


@pytest.mark.parametrize(
    ("row", "text", "status"),
    [
        (order(p="60000.5"), "Price must be divisible by tick size. asset=0", "tickRejected"),
        (order(s="0.000001"), "Order has zero size. asset=0", None),
        (order(s="0.0100001"), "Order has invalid size. asset=0", None),
        (order(s="0"), "Order has zero size. asset=0", None),
        (order(p="0"), "Order has invalid price. asset=0", None),
        (order(s="0.0001"), "Order must have minimum value of $10. asset=0", "minTradeNtlRejected"),
        (order(s="3", p="60000"), "Insufficient margin to place order. asset=0", "perpMarginRejected"),
        (order(r=True), "Reduce only order would increase position. asset=0", "reduceOnlyRejected"),
        (order(p="200000"), "Order price cannot be more than 95% away from the reference price", None),
        (order(s="600", p="60000"), "Order value too large. Max is $30000000 asset=0", None),
        (order(a=99), "Invalid asset. asset=99", None),
        (
            order(tif="Alo"),
            "Post only order would have immediately matched asset=0",
            "badAloPxRejected",
        ),
    ],
)
async def test_refusals_are_texts_behind_ok(
    world: World, autojump_clock: MockClock, row: dict[str, Any], text: str, status: str | None
) -> None:
    (answer,) = await world.order({**row, "c": cloid(7)})
    found = await world.info("orderStatus", oid=cloid(7))

    # 0.0001 BTC at the limit are below $10 only where the limit is.
    if row["s"] == "0.0001":
        assert error((await world.order(order(s="0.0001", p="61000")))[0]) == text
    assert error(answer) == text
    assert (found["order"]["status"] if status else found["status"]) == (status or "unknownOid")
    assert world.venue.account("m").size("BTC") == 0


async def test_a_cloid_is_taken_once(world: World, autojump_clock: MockClock) -> None:
    first, second = await world.order(order(c=cloid(1)), order(c=cloid(1)))
    (elsewhere,) = await world.order(order(c=cloid(1)), key=world.venue.account("n").api_secret)

    assert "filled" in first
    assert "cloid" in error(second)
    assert "filled" in elsewhere
    assert (await world.info("orderStatus", oid=cloid(1)))["order"]["status"] == "filled"


async def test_a_reduction_is_exactly_what_is_held_or_less_and_ten_dollars_unless_it_closes(
    world: World, autojump_clock: MockClock
) -> None:
    await world.order(order(True, "0.00029"))

    statuses = await world.order(
        order(False, "0.0003", "59000", r=True),
        order(False, "0.0001", "59000", r=True),
        order(False, "0.0002", "59000", r=True),
        order(False, "0.00009", "59000", r=True),
    )

    assert error(statuses[0]).startswith("Reduce only order would increase position.")
    assert error(statuses[1]).startswith("Order must have minimum value of $10.")
    assert [status["filled"]["totalSz"] for status in statuses[2:]] == ["0.0002", "0.00009"]
    assert world.venue.account("m").size("BTC") == 0


async def test_resting_orders_are_listed_cancelled_and_filled_when_the_price_comes(
    world: World, autojump_clock: MockClock
) -> None:
    statuses = await world.order(
        order(True, "0.01", "50000", tif="Gtc", c=cloid(1)),
        order(True, "0.01", "50000", tif="Alo", c=cloid(2)),
        order(True, "0.01", "55000", tif="Gtc", c=cloid(3)),
    )
    oids = [status["resting"]["oid"] for status in statuses]
    listed = await world.info("frontendOpenOrders")
    cancel = await world.act({"type": "cancel", "cancels": [{"a": BTC, "o": oids[0]}]})
    cancels = [{"asset": BTC, "cloid": cloid(2)}, {"asset": BTC, "cloid": cloid(9)}]
    by_cloid = await world.act({"type": "cancelByCloid", "cancels": cancels})
    world.venue.set_price("BTC", D(54000))

    assert [row["oid"] for row in listed] == oids
    assert (listed[0]["tif"], listed[1]["tif"], listed[0]["limitPx"]) == ("Gtc", "Alo", "50000.0")
    assert cancel["response"] == {"type": "cancel", "data": {"statuses": ["success"]}}
    assert by_cloid["response"]["data"]["statuses"] == [
        "success",
        {"error": "Order was never placed, already canceled, or filled. asset=0"},
    ]
    assert await world.info("openOrders") == []
    assert (await world.info("orderStatus", oid=oids[0]))["order"]["status"] == "canceled"
    assert (await world.info("orderStatus", oid=oids[2]))["order"]["status"] == "filled"


async def test_fills_name_where_they_began_and_what_they_did(world: World, autojump_clock: MockClock) -> None:
    begin = world.clock.wall_ms()
    for buys, size, price in ((True, "0.02", "61000"), (False, "0.05", "59000"), (True, "0.01", "61000")):
        await world.order(order(buys, size, price, c=cloid(int(size[-1]))))
    rows = await world.info("userFills")
    by_time = await world.info("userFillsByTime", startTime=begin)
    none = await world.info("userFillsByTime", startTime=0, endTime=begin - 1)

    assert [(row["dir"], row["startPosition"], row["side"]) for row in rows] == [
        ("Close Short", "-0.03", "B"),
        ("Long > Short", "0.02", "A"),
        ("Open Long", "0.0", "B"),
    ]
    assert by_time == rows[::-1]
    assert none == []
    assert rows[0]["cloid"] == cloid(1)
    assert (rows[2]["fee"], rows[2]["feeToken"], rows[2]["crossed"]) == ("0.54", "USDC", True)
    assert len({(row["hash"], row["tid"]) for row in rows}) == 3


async def test_the_state_of_an_account_that_holds_something(world: World, autojump_clock: MockClock) -> None:
    await world.act({"type": "updateLeverage", "asset": BTC, "isCross": True, "leverage": 20})
    await world.order(order(False, "0.1", "59000"))
    world.venue.set_price("BTC", D(59000))
    state = await world.info("clearinghouseState")
    flat = await world.info("clearinghouseState", "n")
    (row,) = state["assetPositions"]

    assert row["type"] == "oneWay"
    assert {key: row["position"][key] for key in ("coin", "szi", "entryPx", "unrealizedPnl")} == {
        "coin": "BTC",
        "szi": "-0.1",
        "entryPx": "60000.0",
        "unrealizedPnl": "100.0",
    }
    assert row["position"]["leverage"] == {"type": "cross", "value": 20}
    assert (row["position"]["marginUsed"], row["position"]["positionValue"]) == ("295.0", "5900.0")
    assert (
        state["marginSummary"]
        == state["crossMarginSummary"]
        == {
            "accountValue": "10097.3",
            "totalNtlPos": "5900.0",
            "totalRawUsd": "15997.3",
            "totalMarginUsed": "295.0",
        }
    )
    assert D(row["position"]["liquidationPx"]) > D(100000)
    assert flat["assetPositions"] == []
    assert flat["withdrawable"] == "10000.0"


async def test_an_agents_own_address_is_empty_and_no_error(world: World, autojump_clock: MockClock) -> None:
    await world.order()
    _, text = await world.post("/info", {"type": "clearinghouseState", "user": "0x" + "cc" * 20})

    assert '"assetPositions":[]' in text


async def test_one_balance_leaves_the_perp_summaries_empty(world: World, autojump_clock: MockClock) -> None:
    world.server.face.directory.set_mode("m", "unifiedAccount")
    await world.order()
    state, spot = await world.info("clearinghouseState"), await world.info("spotClearinghouseState")

    assert await world.info("userAbstraction") == "unifiedAccount"
    assert state["marginSummary"]["accountValue"] == "0.0"
    assert [row["position"]["szi"] for row in state["assetPositions"]] == ["0.01"]
    assert [(row["coin"], row["total"]) for row in spot["balances"]] == [("USDC", "9999.73")]
    assert (await world.info("spotClearinghouseState", "n"))["balances"] == []


async def test_leverage_is_whole_and_within_the_assets(world: World, autojump_clock: MockClock) -> None:
    async def setting(leverage: int, *, cross: bool = True) -> dict[str, Any]:
        return await world.act(
            {"type": "updateLeverage", "asset": BTC, "isCross": cross, "leverage": leverage}
        )

    assert await setting(7) == await setting(7) == {"status": "ok", "response": {"type": "default"}}
    assert (await setting(41))["response"] == (await setting(0))["response"] == "Invalid leverage value"
    assert (await world.info("activeAssetData", coin="BTC"))["leverage"] == {"type": "cross", "value": 7}
    await world.order(order(True, "1", "60000"))
    assert "available to decrease leverage" in (await setting(2))["response"]
    assert (await setting(7, cross=False))["response"] == "Cannot switch leverage type with open position."
    assert (await setting(20))["status"] == "ok"


async def test_more_than_the_tier_of_the_leverage_is_refused(world: World, autojump_clock: MockClock) -> None:
    world.venue.deposit("m", D(10) ** 9)
    world.venue.set_leverage("m", "BTC", D(40))
    rows = [order(True, "400", "60000") for _ in range(7)]

    statuses = await world.order(*rows)

    assert ["filled" in status for status in statuses] == [True] * 6 + [False]
    assert "margin tier limit" in error(statuses[6])


async def test_isolated_margin_is_set_aside_and_moved(autojump_clock: MockClock) -> None:
    async with open_world(isolated_only=["ETH"]) as world:
        cross = await world.act({"type": "updateLeverage", "asset": 1, "isCross": True, "leverage": 5})
        await world.act({"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 5})
        await world.order(order(True, "1", "3010", a=1))
        before = await world.info("clearinghouseState")
        added = await world.act(
            {"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": 100_000_000}
        )
        after = await world.info("clearinghouseState")
        too_much = await world.act(
            {"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": -200_000_000}
        )
        await world.order(order(False, "0.5", "2990", a=1, r=True))
        halved = await world.info("clearinghouseState")
        await world.order(order(False, "0.5", "2990", a=1, r=True))
        closed = await world.info("clearinghouseState")

    def of(state: dict[str, Any]) -> tuple[str, str]:
        return state["assetPositions"][0]["position"]["marginUsed"], state["crossMarginSummary"][
            "accountValue"
        ]

    assert cross["response"] == "Cross margin is not allowed for this asset."
    assert added["status"] == "ok"
    assert of(before) == ("600.0", "9398.65")
    assert of(after) == ("700.0", "9298.65")
    assert of(halved)[0] == "350.0"
    assert before["assetPositions"][0]["position"]["leverage"] == {
        "type": "isolated",
        "value": 5,
        "rawUsd": "-2400.0",
    }
    assert too_much["status"] == "err"
    assert closed["crossMarginSummary"] == closed["marginSummary"]


async def test_the_catalogue_keeps_the_places_of_what_is_delisted(
    world: World, autojump_clock: MockClock
) -> None:
    eth = world.venue.listing("ETH")
    world.venue.add_listing(attrs.evolve(eth, status=ListingStatus.CLOSED), D(3000))
    meta, contexts = await world.info("metaAndAssetCtxs")
    (status,) = await world.order(order(True, "1", "3010", a=1))

    names = [row["name"] for row in meta["universe"]]
    assert names[:2] == ["BTC", "ETH"]
    assert len(contexts) == len(names)
    assert meta["universe"][1]["isDelisted"] is True
    assert meta["universe"][0] == {
        "szDecimals": 5,
        "name": "BTC",
        "maxLeverage": 40,
        "marginTableId": 50,
    }
    assert dict(map(tuple, meta["marginTables"]))[50]["marginTiers"] == [
        {"lowerBound": "0.0", "maxLeverage": 40},
        {"lowerBound": "150000000.0", "maxLeverage": 20},
    ]
    assert next(row for row in meta["universe"] if row["name"] == "kPEPE")["marginTableId"] == 10
    assert "halted" in error(status)


async def test_market_reads(world: World, autojump_clock: MockClock) -> None:
    assert (await world.info("allMids"))["BTC"] == "60000.0"
    assert (await world.info("l2Book", coin="BTC"))["levels"][0][0]["px"] == "60000.0"
    assert (await world.info("exchangeStatus"))["time"] == world.clock.wall_ms()
    assert await world.info("userRateLimit") == {
        "cumVlm": "0.0",
        "nRequestsUsed": 0,
        "nRequestsCap": 10000,
        "nRequestsSurplus": 0,
    }
    world.venue.set_liquidity("BTC", Liquidity(depth=D(0)))
    assert (await world.info("l2Book", coin="BTC"))["levels"] == [[], []]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/info", {"type": "nonsense"}),
        ("/info", {"type": "clearinghouseState"}),
        ("/info", {"type": "clearinghouseState", "user": "0x1"}),
        ("/info", {"type": "l2Book", "coin": "NOPE"}),
        ("/info", {"type": "orderStatus", "user": "0x" + "00" * 20, "oid": 1.5}),
        ("/info", "{"),
        ("/info", "[]"),
        ("/exchange", {"action": {"type": "order"}}),
        ("/exchange", "null"),
    ],
)
async def test_what_cannot_be_read_is_422_in_plain_words(
    world: World, autojump_clock: MockClock, path: str, body: object
) -> None:
    assert await world.post(path, body) == (
        422,
        "Failed to deserialize the JSON body into the target type",
    )


async def test_a_batch_is_taken_one_by_one_and_an_empty_one_refused_once(
    world: World, autojump_clock: MockClock
) -> None:
    trigger = {"trigger": {"isMarket": True, "triggerPx": "1", "tpsl": "sl"}}
    statuses = await world.order(order(), order(s="0"), order(), order(r=True, t=trigger))
    action = {"type": "order", "orders": [], "grouping": "na"}
    empty = await world.act(action)

    assert ["filled" in status for status in statuses] == [True, False, True, False]
    assert len(empty["response"]["data"]["statuses"]) == 1


async def test_an_order_that_fills_late_is_answered_late(world: World, autojump_clock: MockClock) -> None:
    world.venue.faults.add(FaultKind.DELAY_FILL, account="m", seconds=3.0, count=1)
    began = trio.current_time()
    (status,) = await world.order()

    assert trio.current_time() - began >= 3.0
    assert "filled" in status
