"""Order entry by WebSocket: every request signed for itself, any number of accounts on one socket."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
import trio
import trio_websocket
from trio.testing import MockClock

from exchanges.sandbox import FaultKind
from tests.exchanges.sandbox.binance.client import World, order, signature

D = Decimal
PATH = "/ws-fapi/v1"
BTC = {"symbol": "BTCUSDT"}


async def test_an_order_is_placed_read_amended_and_cancelled(world: World, autojump_clock: MockClock) -> None:
    named = {**BTC, "origClientOrderId": "w-1"}
    async with world.socket(PATH) as socket:
        placed = await socket.act("order.place", order(price="59000", newClientOrderId="w-1"))
        found = await socket.act("order.status", named)
        amended = await socket.act(
            "order.modify", {**named, "side": "BUY", "quantity": "0.02", "price": "58000"}
        )
        cancelled = await socket.act("order.cancel", named)
        gone = await socket.act("order.cancel", named)
        filled = await socket.act("order.place", order(newOrderRespType="RESULT", reduceOnly=False))

    assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
    assert (found["result"]["status"], found["result"]["avgPrice"]) == ("NEW", "0")
    assert amended["result"]["price"] == "58000"
    assert cancelled["result"]["status"] == "CANCELED"
    assert (gone["status"], gone["error"]) == (400, {"code": -2011, "msg": "Unknown order sent."})
    assert (filled["result"]["status"], filled["result"]["cumQty"]) == ("FILLED", "0.01")
    assert "avgPrice" not in filled["result"]
    assert [row.via for row in world.venue.ledger] == ["order.place"] * 2


async def test_one_socket_serves_many_accounts(world: World, autojump_clock: MockClock) -> None:
    async with world.socket(PATH) as socket:
        mine = await socket.act("order.place", order())
        theirs = await socket.act("order.place", order(positionSide="SHORT", side="SELL"), "h")
        positions = await socket.act("v2/account.position", {}, "h")
        balance = await socket.act("v2/account.balance", {})

    assert (mine["status"], theirs["status"]) == (200, 200)
    assert [row["positionAmt"] for row in positions["result"]] == ["-0.01"]
    assert balance["result"][0]["balance"] == "9999.70000000"


async def test_limits_are_told_unless_they_are_not_wanted(world: World, autojump_clock: MockClock) -> None:
    async with world.socket(PATH) as socket:
        placed = await socket.act("order.place", order())
        read = await socket.act("v2/account.balance", {})
        quiet = await socket.act("order.place", order(returnRateLimits=False))

    counts = {
        (it["rateLimitType"], it["interval"]): (it["count"], it["limit"]) for it in placed["rateLimits"]
    }
    assert counts == {
        ("ORDERS", "SECOND"): (1, 300),
        ("ORDERS", "MINUTE"): (1, 1200),
        ("REQUEST_WEIGHT", "MINUTE"): (5, 2400),
    }
    assert [(it["rateLimitType"], it["count"]) for it in read["rateLimits"]] == [("REQUEST_WEIGHT", 10)]
    assert "rateLimits" not in quiet


@pytest.mark.parametrize("encode", [False, True])
async def test_a_signature_may_be_of_plain_or_of_encoded_text(
    world: World, autojump_clock: MockClock, encode: bool
) -> None:
    account = world.venue.account("m")
    params = order(newClientOrderId="a:b/c") | {
        "apiKey": account.api_key,
        "timestamp": world.venue.now_ms(),
    }
    ordered = sorted(params.items())
    text = urlencode(ordered) if encode else "&".join(f"{key}={value}" for key, value in ordered)
    params["signature"] = signature(account.api_secret, text)
    async with world.socket(PATH) as socket:
        answer = await socket.ask({"id": "x", "method": "order.place", "params": params})

    assert (answer["id"], answer["status"]) == ("x", 200)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"signature": "ab"}, -1022),
        ({"signature": None}, -1102),
        ({"quantity": "0.02"}, -1022),
        ({"apiKey": "NOBODY"}, -2015),
        ({"apiKey": ""}, -2014),
        ({"timestamp": 1}, -1021),
    ],
)
async def test_who_is_not_let_in(
    world: World, autojump_clock: MockClock, change: dict[str, Any], code: int
) -> None:
    async with world.socket(PATH) as socket:
        request = socket.request("order.place", order())
        request["params"] |= change
        answer = await socket.ask(request)

    assert answer["error"]["code"] == code
    assert len(world.venue.ledger) == 0


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("{", (None, 400, -1135)),
        ("[]", (None, 400, -1135)),
        ('{"id": 1.5, "method": "order.place"}', (None, 400, -1135)),
        ('{"id": 1, "method": "order.dance", "params": {}}', (1, 400, -1000)),
        ('{"id": 1, "method": "order.place", "params": []}', (1, 401, -2014)),
        ('{"id": "a", "method": "session.logon", "params": {"apiKey": "K"}}', ("a", 400, -4056)),
        ('{"id": null, "method": "order.place", "params": {"apiKey": "NOBODY"}}', (None, 401, -2015)),
    ],
)
async def test_what_is_no_request(
    world: World, autojump_clock: MockClock, text: str, answer: tuple[Any, int, int]
) -> None:
    async with world.socket(PATH) as socket:
        found = await socket.ask(text)

    assert (found["id"], found["status"], found["error"]["code"]) == answer


async def test_user_streams_may_be_started_there_too(world: World, autojump_clock: MockClock) -> None:
    key = {"apiKey": world.venue.account("m").api_key}
    async with world.socket(PATH) as socket:
        started = await socket.ask({"id": 1, "method": "userDataStream.start", "params": key})
        pinged = await socket.ask({"id": 2, "method": "userDataStream.ping", "params": key})
        stopped = await socket.ask({"id": 3, "method": "userDataStream.stop", "params": key})
        again = await socket.ask({"id": 4, "method": "userDataStream.ping", "params": key})

    assert started["result"] == pinged["result"]
    assert (stopped["result"], again["error"]["code"]) == ({}, -1125)


async def test_a_handshake_weighs_five_and_none_is_done_beyond_the_limit(
    strict_world: World, autojump_clock: MockClock
) -> None:
    world = strict_world
    await trio.sleep(60 - world.venue.now_ms() % 60_000 / 1000)
    for _ in range(60):
        await world.ask("GET", "/fapi/v1/openOrders")

    async with world.socket(PATH) as socket:
        refused = json.loads(await socket.connection.get_message())
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.receive()

    assert (refused["status"], refused["error"]["code"]) == (429, -1003)
    assert refused["error"]["data"]["retryAfter"] > refused["error"]["data"]["serverTime"]


# Faults


async def test_what_becomes_of_an_order_and_of_its_answer(world: World, autojump_clock: MockClock) -> None:
    faults, account = world.venue.faults, world.venue.account("m")
    told: list[Any] = []
    async with world.socket(PATH) as socket:
        for kind, more in (
            (FaultKind.LOSE_ANSWER, {}),
            (FaultKind.LOSE_REQUEST, {}),
            (FaultKind.ERROR_AFTER, {"status": 503}),
            (FaultKind.ERROR_AFTER, {"status": 504}),
            (FaultKind.ERROR_BEFORE, {}),
            (FaultKind.MAINTENANCE, {}),
            (FaultKind.RATE_LIMIT, {}),
            (FaultKind.RATE_LIMIT, {"status": 429}),
            (FaultKind.RATE_LIMIT, {"status": 418}),
        ):
            faults.add(kind, endpoint="order.place", count=1, **more)
            before = account.size("BTCUSDT")
            await socket.send(socket.request("order.place", order()))
            frames = await socket.frames(1)
            error = frames[0]["error"] if frames else {}
            told.append((account.size("BTCUSDT") > before, error.get("code"), error.get("msg", "")[:17]))

    assert told == [
        (True, None, ""),
        (False, None, ""),
        (True, -1000, "Unknown error, pl"),
        (True, -1007, "Timeout waiting f"),
        (False, -1001, "Internal error; u"),
        (False, -1001, "Service Unavailab"),
        (False, -1015, "Too many new orde"),
        (False, -1003, "Too many requests"),
        (False, -1003, "Way too many requ"),
    ]


async def test_a_reset_after_the_order_ends_the_socket(world: World, autojump_clock: MockClock) -> None:
    world.venue.faults.add(FaultKind.RESET_AFTER, endpoint="order.place", count=1)
    async with world.socket(PATH) as socket:
        await socket.send(socket.request("order.place", order()))
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.receive()

    assert world.venue.account("m").size("BTCUSDT") == D("0.01")


async def test_a_reset_before_the_order_ends_the_socket(world: World, autojump_clock: MockClock) -> None:
    world.venue.faults.add(FaultKind.RESET_BEFORE, count=2)
    async with world.socket(PATH) as socket:
        await socket.send(socket.request("order.place", order()))
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.receive()
    with pytest.raises(trio.EndOfChannel):
        await world.ask("POST", "/fapi/v1/order", order())

    assert len(world.venue.ledger) == 0


async def test_an_answer_can_name_another_order_or_be_no_answer(
    world: World, autojump_clock: MockClock
) -> None:
    faults = world.venue.faults
    async with world.socket(PATH) as socket:
        faults.add(FaultKind.CROSS_ANSWER, endpoint="order.place", field="clientOrderId", count=1)
        request = socket.request("order.place", order(newClientOrderId="abc3"))
        await socket.send(request)
        crossed = await socket.receive()
    faults.add(FaultKind.MALFORM_ANSWER, endpoint="POST *", count=1)
    with pytest.raises(json.JSONDecodeError):
        await world.ask("POST", "/fapi/v1/order", order())

    assert (crossed["id"], crossed["result"]["clientOrderId"]) == (request["id"], "abc1")
    assert [row.accepted for row in world.venue.ledger] == [True, True]


async def test_the_window_is_checked_at_the_door_and_in_the_engine(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.socket(PATH) as socket:
        answers = []
        for kind in (FaultKind.DELAY_REQUEST, FaultKind.DELAY_ENGINE):
            world.venue.faults.add(kind, endpoint="order.place", seconds=3.1, count=1)
            answers.append(await socket.act("order.place", order(recvWindow=3000)))
        world.venue.faults.add(FaultKind.DELAY_ENGINE, endpoint="order.place", seconds=2.9, count=1)
        in_time = await socket.act("order.place", order(recvWindow=3000))

    assert [it["error"]["code"] for it in answers] == [-1021, -5028]
    assert in_time["status"] == 200
    assert len(world.venue.ledger) == 1


async def test_answers_may_overtake_each_other_and_events_them(
    world: World, autojump_clock: MockClock
) -> None:
    world.venue.faults.add(FaultKind.DELAY_ANSWER, endpoint="order.place", seconds=2.0, count=1)
    async with world.socket(PATH) as socket, world.user_stream() as stream:
        began = trio.current_time()
        await socket.send(socket.request("order.place", order(newClientOrderId="slow")))
        await socket.send(socket.request("order.place", order(newClientOrderId="quick")))
        events = await stream.frames(0.5)
        answers = [await socket.receive() for _ in range(2)]

    assert [it["result"]["clientOrderId"] for it in answers] == ["quick", "slow"]
    assert trio.current_time() - began == pytest.approx(2.0, abs=0.1)
    assert len(events) == 8


async def test_a_refusal_by_fault_has_a_code_of_this_venue(world: World, autojump_clock: MockClock) -> None:
    world.venue.faults.add(FaultKind.REJECT, code=110079, count=1)
    foreign = await world.refusal()
    world.venue.faults.add(FaultKind.REJECT, code=-2021, message="Order would immediately trigger.", count=1)
    own = await world.refusal()

    assert foreign[0] == -4131
    assert own == (-2021, "Order would immediately trigger.")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.ERROR_AFTER, 503, -1000),
        (FaultKind.ERROR_BEFORE, 503, -1001),
        (FaultKind.RATE_LIMIT, 429, -1003),
        (FaultKind.RATE_LIMIT, 418, -1003),
    ],
)
@pytest.mark.parametrize("headers", [True, False])
async def test_faults_by_http(
    world: World, autojump_clock: MockClock, kind: FaultKind, status: int, code: int, headers: bool
) -> None:
    world.venue.faults.add(kind, endpoint="POST /fapi/v1/order", status=status, headers=headers, count=1)
    answer = await world.ask("POST", "/fapi/v1/order", order())

    assert (answer.status, answer.code) == (status, code)
    assert ("retry-after" in answer.headers) is (headers and kind is FaultKind.RATE_LIMIT)
    assert len(world.venue.ledger) == (1 if kind is FaultKind.ERROR_AFTER else 0)


@pytest.mark.parametrize("kind", [FaultKind.LOSE_ANSWER, FaultKind.RESET_AFTER])
async def test_answers_that_never_come_by_http(
    world: World, autojump_clock: MockClock, kind: FaultKind
) -> None:
    world.venue.faults.add(kind, endpoint="POST *", count=1)
    with trio.move_on_after(60) as waiting:
        if kind is FaultKind.LOSE_ANSWER:
            await world.ask("POST", "/fapi/v1/order", order())
        else:
            with pytest.raises(trio.EndOfChannel):
                await world.ask("POST", "/fapi/v1/order", order())

    assert waiting.cancelled_caught is (kind is FaultKind.LOSE_ANSWER)
    assert world.venue.account("m").size("BTCUSDT") == D("0.01")
