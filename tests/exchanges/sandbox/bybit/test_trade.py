"""The trade WebSocket: acknowledgements, request ids, codes, batches."""

import time

import pytest

from tests.exchanges.sandbox.bybit.client import order


async def test_an_order_is_acknowledged_and_noted_with_its_arrival(autojump_clock, world):
    before = time.perf_counter_ns()
    async with world.trade() as socket:
        answer = await socket.create(orderLinkId="a")

    assert (answer["retCode"], answer["retMsg"], answer["op"]) == (0, "OK", "order.create")
    assert answer["data"]["orderLinkId"] == "a"
    assert answer["reqId"] == "r1"
    assert answer["header"]["X-Bapi-Limit"] == "10"
    (row,) = world.venue.ledger
    assert (row.via, row.accepted, row.order.order_id) == ("order.create", True, answer["data"]["orderId"])
    assert before < row.arrived_ns < time.perf_counter_ns()


async def test_refusals_have_a_code_and_no_data(autojump_clock, world):
    async with world.trade() as socket:
        margin = await socket.create(qty="2")
        reduce = await socket.create("Sell", reduceOnly=True)
        first = await socket.create(orderLinkId="a")
        again = await socket.create(orderLinkId="a")
        category = await socket.create(category="spot")

    answers = [margin, reduce, first, again, category]
    assert [answer["retCode"] for answer in answers] == [110007, 110017, 0, 110072, 10001]
    assert margin["data"] == again["data"] == {}


async def test_request_ids_are_unique_per_connection(autojump_clock, world):
    async with world.trade() as socket:
        request = socket.request("order.create", order())
        first = await socket.ask(request)
        again = await socket.ask(request)
        too_long = await socket.ask({**request, "reqId": "x" * 37})
        without = await socket.ask({name: value for name, value in request.items() if name != "reqId"})

    assert [a["retCode"] for a in (first, again, too_long, without)] == [0, 20006, 10001, 0]
    assert len(world.venue.ledger) == 2


async def test_orders_can_be_amended_and_cancelled(autojump_clock, world):
    where = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "a"}
    async with world.trade() as socket:
        await socket.create(orderType="Limit", price="50000", timeInForce="GTC", orderLinkId="a")
        amended = await socket.ask(socket.request("order.amend", {**where, "qty": "0.02"}))
        cancelled = await socket.ask(socket.request("order.cancel", where))
        again = await socket.ask(socket.request("order.cancel", where))
        late = await socket.ask(socket.request("order.amend", where))

    assert [a["retCode"] for a in (amended, cancelled, again, late)] == [0, 0, 110001, 110001]
    assert again["retMsg"] == "order not exists or too late to cancel"
    assert late["retMsg"] == "order not exists or too late to replace"


async def test_a_batch_succeeds_outside_and_tells_each_verdict_inside(autojump_clock, world):
    requests = [order(), order(qty="5"), {}]
    async with world.trade() as socket:
        answer = await socket.ask(
            socket.request("order.create-batch", {"category": "linear", "request": requests})
        )

    assert answer["retCode"] == 0
    assert [verdict["code"] for verdict in answer["retExtInfo"]["list"]] == [0, 110007, 10001]
    assert [bool(item["orderId"]) for item in answer["data"]["list"]] == [True, False, False]


async def test_the_receive_window_holds_here_too(autojump_clock, world):
    async with world.trade() as socket:
        late = socket.request("order.create", order())
        late["header"]["X-BAPI-TIMESTAMP"] = str(world.clock.wall_ms() - 5001)
        fast = socket.request("order.create", order())
        fast["header"]["X-BAPI-TIMESTAMP"] = world.clock.wall_ms() + 1500
        answers = [await socket.ask(late), await socket.ask(fast)]

    assert [answer["retCode"] for answer in answers] == [10002, 10002]
    assert len(world.venue.ledger) == 0


async def test_authentication_once_and_only_once(autojump_clock, world):
    async with world.socket("/v5/trade") as socket:
        early = await socket.ask({"reqId": "x", "op": "order.create", "args": [order()], "header": {}})
        good = await socket.ask({"reqId": "1", "op": "auth", "args": world.auth_args("m")})
        again = await socket.ask({"op": "auth", "args": world.auth_args("m")})

    assert [early["retCode"], good["retCode"], again["retCode"]] == [10003, 0, 20001]
    assert (good["reqId"], "reqId" in again) == ("1", False)
    async with world.socket("/v5/trade") as socket:
        bad = await socket.ask({"op": "auth", "args": ["mk", world.clock.wall_ms() + 5000, "0" * 64]})
    assert bad["retCode"] == 10004


async def test_pings_and_unknown_operations(autojump_clock, world):
    async with world.trade() as socket:
        pong = await socket.ask({"op": "ping"})
        unknown = await socket.ask({"reqId": "u", "op": "order.explode", "args": []})

    assert (pong["retCode"], pong["op"], pong["data"]) == (0, "pong", [str(world.clock.wall_ms())])
    assert unknown["retCode"] == 10404


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 50_000, '{"op":"order.create","args":[],"header":{}}', '{"op":{}}'],
)
async def test_garbage_is_answered_and_survived(autojump_clock, world, text):
    async with world.trade() as socket:
        assert (await socket.ask(text))["retCode"] != 0
        assert (await socket.create())["retCode"] == 0


@pytest.mark.parametrize("args", [None, 5, ["x"], [{}, {}], [[]]])
async def test_wrong_arguments_are_named(autojump_clock, world, args):
    async with world.trade() as socket:
        request = {**socket.request("order.create", {}), "args": args}
        assert (await socket.ask(request))["retCode"] == 10001


async def test_a_read_only_key_may_look_but_not_trade(autojump_clock, world):
    world.venue.account("m").read_only = True
    async with world.trade() as socket:
        assert (await socket.create())["retCode"] == 10005
    assert [row.status for row in world.venue.ledger] == ["refused"]


async def test_the_budget_is_shared_with_rest(autojump_clock, strict_world):
    world = strict_world
    async with world.trade() as socket:
        codes = [(await socket.create(qty="0.001"))["retCode"] for _ in range(10)]
        over = await socket.create(qty="0.001")
    rest = await world.order(qty="0.001")

    assert codes == [0] * 10
    assert (over["retCode"], rest.code) == (10006, 10006)
