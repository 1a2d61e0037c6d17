"""What goes wrong: before the venue acted, after it, on the way, and on the streams."""

import json
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio_websocket
from trio.testing import MockClock

from exchanges.sandbox import FaultKind
from tests.exchanges.sandbox.hyperliquid.client import World, cloid, order

D = Decimal
ACTION = {"type": "order", "orders": [order(c=cloid(1))], "grouping": "na"}


async def send(world: World, by: str) -> Any:
    """Send one order; return its answer, "silence" or "cut"."""
    body = world.sign(ACTION)
    with trio.move_on_after(25):
        if by == "http":
            try:
                return await world.post("/exchange", body)
            except trio.EndOfChannel:
                return "cut"
        async with world.socket() as socket:
            try:
                return await socket.post("action", body)
            except trio_websocket.ConnectionClosed:
                return "cut"
    return "silence"


@pytest.mark.parametrize("by", ["http", "post"])
@pytest.mark.parametrize(
    ("kind", "fields", "filled", "http", "post"),
    [
        (FaultKind.LOSE_ANSWER, {}, True, "silence", "silence"),
        (FaultKind.RESET_AFTER, {}, True, "cut", "cut"),
        (FaultKind.RESET_BEFORE, {}, False, "cut", "cut"),
        (FaultKind.LOSE_REQUEST, {}, False, "silence", "silence"),
        (FaultKind.ERROR_AFTER, {"status": 502}, True, (502, ""), "502 Service Unavailable"),
        (FaultKind.ERROR_BEFORE, {"status": 500}, False, (500, ""), "500 Service Unavailable"),
        (FaultKind.MAINTENANCE, {}, False, (503, ""), "503 Service Unavailable"),
        (FaultKind.RATE_LIMIT, {"status": 429}, False, (429, "null"), "429 Too Many Requests"),
    ],
)
async def test_an_answer_that_says_nothing_of_the_order(
    world: World,
    autojump_clock: MockClock,
    by: str,
    kind: FaultKind,
    fields: dict[str, Any],
    filled: bool,
    http: object,
    post: object,
) -> None:
    fault = world.venue.faults.add(
        kind, account="m", endpoint="*/order" if by == "http" else "post/order", **fields
    )

    got = await send(world, by)

    assert fault.struck == 1
    assert bool(world.venue.account("m").size("BTC")) is filled
    told = post if post in ("silence", "cut") else {"type": "error", "payload": post}
    assert got == (http if by == "http" else told)


async def test_an_answer_can_name_another_order_or_be_cut(world: World, autojump_clock: MockClock) -> None:
    world.venue.faults.add(FaultKind.CROSS_ANSWER, account="m", field="cloid", count=1)
    crossed = await world.act(ACTION)
    world.venue.faults.add(FaultKind.MALFORM_ANSWER, account="m", count=1)
    with pytest.raises(json.JSONDecodeError):
        await world.act({**ACTION, "orders": [order(c=cloid(2))]})

    (status,) = crossed["response"]["data"]["statuses"]
    assert status["filled"]["cloid"] not in ("", cloid(1))
    assert [row.accepted for row in world.venue.ledger] == [True, True]


async def test_an_accounts_own_budget_is_a_text(world: World, autojump_clock: MockClock) -> None:
    world.venue.faults.add(FaultKind.RATE_LIMIT, account="m", endpoint="/exchange/*")

    answer = await world.act(ACTION)

    assert answer["status"] == "err"
    assert answer["response"].startswith("Too many cumulative requests sent")
    assert len(world.venue.ledger) == 0


async def test_reads_fail_and_wait_on_their_own(world: World, autojump_clock: MockClock) -> None:
    body = {"type": "orderStatus", "user": world.address(), "oid": cloid(1)}
    world.venue.faults.add(FaultKind.ERROR_BEFORE, endpoint="/info/orderStatus", count=1)
    world.venue.faults.add(FaultKind.RATE_LIMIT, endpoint="/info/orderStatus", count=1)
    world.venue.faults.add(FaultKind.DELAY_ANSWER, endpoint="/info/orderStatus", seconds=4.0, count=1)
    limited, failed = await world.post("/info", body), await world.post("/info", body)
    began = trio.current_time()
    slow = await world.post("/info", body)

    assert (limited[0], failed[0], json.loads(slow[1])) == (429, 503, {"status": "unknownOid"})
    assert trio.current_time() - began >= 4.0


@pytest.mark.parametrize("kind", [FaultKind.DELAY_REQUEST, FaultKind.DELAY_ENGINE])
async def test_an_order_that_is_held_up_past_its_expiry_never_acts(
    world: World, autojump_clock: MockClock, kind: FaultKind
) -> None:
    world.venue.faults.add(kind, account="m", endpoint="*/order", seconds=5.0, count=1)

    answer = await world.act(ACTION, expires=world.clock.wall_ms() + 3000)

    assert answer["status"] == "err"
    assert len(world.venue.ledger) == 0


async def test_after_an_upgrade_only_post_only_orders_are_taken(
    world: World, autojump_clock: MockClock
) -> None:
    fault = world.venue.faults.add(FaultKind.POST_ONLY_WINDOW)
    statuses = await world.order(order(), order(p="50000", tif="Alo"))
    world.venue.faults.remove(fault)

    assert statuses[0] == {"error": "Only post-only orders allowed immediately after network upgrade"}
    assert "resting" in statuses[1]
    assert "filled" in (await world.order())[0]


async def test_an_injected_refusal_has_the_words_one_gives_it(
    world: World, autojump_clock: MockClock
) -> None:
    words = "Order would increase open interest too quickly"
    world.venue.faults.add(FaultKind.REJECT, account="m", message=words, count=1)

    assert await world.order() == [{"error": words}]


async def test_frames_go_missing_come_twice_and_are_cut(world: World, autojump_clock: MockClock) -> None:
    async with world.socket(world.of("userFills")) as socket:
        world.venue.faults.add(FaultKind.DROP_FRAME, account="m", topic="userFills", count=1)
        await world.order(order(s="0.01"))
        world.venue.faults.add(FaultKind.DUPLICATE_FRAME, topic="userFills", count=1)
        await world.order(order(s="0.02"))
        world.venue.faults.add(FaultKind.MALFORM_FRAME, topic="userFills", count=1)
        await world.order(order(s="0.03"))
        texts = []
        with trio.move_on_after(1):
            while True:
                texts.append(await socket.connection.get_message())

    assert [json.loads(text)["data"]["fills"][0]["sz"] for text in texts[:2]] == ["0.02", "0.02"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(texts[2])
    assert len(texts) == 3


async def test_lines_are_cut_and_silenced_by_whose_they_are(world: World, autojump_clock: MockClock) -> None:
    async with (
        world.socket(world.of("orderUpdates")) as mine,
        world.socket(world.of("orderUpdates", "n")) as other,
    ):
        assert world.server.drop_connections(account="m", kind="private") == 1
        with pytest.raises(trio_websocket.ConnectionClosed):
            await mine.receive()
        assert (await other.ask({"method": "ping"})) == {"channel": "pong"}
        assert world.server.silence_connections(kind="private") == 1
        await other.send({"method": "ping"})
        assert await other.frames(5) == []
