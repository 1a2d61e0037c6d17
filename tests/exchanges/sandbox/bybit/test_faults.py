"""Each fault does what its name says, at the place and as often as it was told."""

import json
from decimal import Decimal

import pytest
import trio
import trio_websocket

from exchanges.sandbox import FaultKind as Kind
from tests.exchanges.sandbox.bybit.client import HOST, PORT, order

D = Decimal
CREATE = "/v5/order/create"


@pytest.fixture
def faults(world):
    return world.venue.faults


async def test_requests_and_answers_can_be_slow(autojump_clock, world, faults):
    faults.add(Kind.DELAY_REQUEST, endpoint=CREATE, seconds=2.0, count=1)
    start = trio.current_time()
    await world.order()
    assert trio.current_time() - start == pytest.approx(2.0)
    assert world.venue.ledger.of("m")[0].arrived_at - start == pytest.approx(2.0)

    faults.add(Kind.DELAY_ANSWER, endpoint=CREATE, seconds=3.0, count=1)
    start = trio.current_time()
    await world.order()
    assert trio.current_time() - start == pytest.approx(3.0)
    assert world.venue.ledger.of("m")[1].arrived_at == pytest.approx(start)


async def test_slow_orders_do_not_hold_each_other_up(autojump_clock, world, faults):
    async with world.trade() as socket:
        faults.add(Kind.DELAY_REQUEST, endpoint="order.create", seconds=5.0, count=1)
        await socket.send(socket.request("order.create", order(orderLinkId="slow")))
        await socket.send(socket.request("order.create", order(orderLinkId="quick")))
        answers = [await socket.receive(), await socket.receive()]

    assert [answer["data"]["orderLinkId"] for answer in answers] == ["quick", "slow"]


async def test_the_answer_can_come_before_the_fill(autojump_clock, world, faults):
    faults.add(Kind.DELAY_FILL, seconds=1.0)
    async with world.private("execution") as private, world.trade() as socket:
        assert (await socket.create())["retCode"] == 0
        assert world.venue.account("m").size("BTCUSDT") == 0
        await private.receive()
        assert world.venue.account("m").size("BTCUSDT") == D("0.01")


async def test_the_fill_can_come_before_the_answer(autojump_clock, world, faults):
    faults.add(Kind.DELAY_ANSWER, endpoint="order.*", seconds=1.0)
    async with world.private("execution") as private, world.trade() as socket:
        await socket.send(socket.request("order.create", order()))
        start = trio.current_time()
        await private.receive()
        assert trio.current_time() == start
        assert (await socket.receive())["retCode"] == 0


@pytest.mark.parametrize(("kind", "done"), [(Kind.ERROR_BEFORE, False), (Kind.ERROR_AFTER, True)])
async def test_an_error_says_nothing_about_what_was_done(autojump_clock, world, faults, kind, done):
    faults.add(kind, endpoint=CREATE, status=502, count=1)
    rest = await world.order(orderLinkId="a")
    async with world.trade() as socket:
        faults.add(kind, endpoint="order.create", count=1)
        trade = await socket.create(orderLinkId="b")

    assert (rest.status, rest.text, trade["retCode"], trade["data"]) == (502, "", 10016, {})
    assert [row.client_order_id for row in world.venue.ledger if row.accepted] == (["a", "b"] if done else [])


async def test_an_answer_can_be_lost(autojump_clock, world, faults):
    faults.add(Kind.LOSE_ANSWER, count=2)
    with trio.move_on_after(60) as patience:
        await world.order(orderLinkId="a")
    assert patience.cancelled_caught
    async with world.trade() as socket:
        await socket.send(socket.request("order.create", order(orderLinkId="b")))
        assert await socket.frames(60) == []
        assert (await socket.create(orderLinkId="b"))["retCode"] == 110072

    assert world.venue.account("m").size("BTCUSDT") == D("0.02")


async def test_a_refusal_is_never_lost_in_place_of_an_acceptance(autojump_clock, world, faults):
    fault = faults.add(Kind.LOSE_ANSWER, endpoint=CREATE, count=1)

    assert (await world.order(qty="5")).code == 110007
    assert fault.count == 1


async def test_the_line_can_break_after_the_deed(autojump_clock, world, faults):
    faults.add(Kind.RESET_AFTER, count=2)
    with pytest.raises(trio.EndOfChannel):
        await world.order(orderLinkId="a")
    async with world.trade() as socket:
        await socket.send(socket.request("order.create", order(orderLinkId="b")))
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.receive()

    assert [row.accepted for row in world.venue.ledger] == [True, True]


async def test_a_request_can_be_cut_off_or_lost_before_the_deed(autojump_clock, world, faults):
    faults.add(Kind.RESET_BEFORE, count=2)
    with pytest.raises(trio.EndOfChannel):
        await world.order(orderLinkId="a")
    async with world.trade() as socket:
        await socket.send(socket.request("order.create", order(orderLinkId="b")))
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.receive()
    faults.add(Kind.LOSE_REQUEST, count=2)
    with trio.move_on_after(60) as patience:
        await world.order(orderLinkId="c")
    async with world.trade() as socket:
        await socket.send(socket.request("order.create", order(orderLinkId="d")))
        assert await socket.frames(60) == []

    assert patience.cancelled_caught
    assert len(world.venue.ledger) == 0


async def test_an_answer_can_name_another_request_or_be_no_answer(autojump_clock, world, faults):
    async with world.trade() as socket:
        faults.add(Kind.CROSS_ANSWER, endpoint="order.create", field="reqId", count=1)
        request = socket.request("order.create", order(orderLinkId="a"))
        await socket.send(request)
        crossed = await socket.receive()
    faults.add(Kind.MALFORM_ANSWER, endpoint=CREATE, message="<html>", count=1, skip=1)
    whole, spoilt = await world.order(orderLinkId="b"), await world.order(orderLinkId="c")

    assert (crossed["retCode"], crossed["reqId"] == request["reqId"]) == (0, False)
    assert (whole.code, spoilt.status, spoilt.text) == (0, 200, "<html>")
    assert [row.accepted for row in world.venue.ledger] == [True, True, True]


@pytest.mark.parametrize("headers", [True, False])
async def test_rate_limits_come_in_both_shapes(autojump_clock, world, faults, headers):
    faults.add(Kind.RATE_LIMIT, endpoint=CREATE, status=200, headers=headers, count=1)
    soft = await world.order()
    faults.add(Kind.RATE_LIMIT, endpoint=CREATE, status=429, headers=headers, count=1)
    hard = await world.order()
    async with world.trade() as socket:
        faults.add(Kind.RATE_LIMIT, status=200, count=1)
        trade_soft = await socket.create()
        faults.add(Kind.RATE_LIMIT, status=429, count=1)
        trade_hard = await socket.create()

    assert (soft.code, hard.status) == (10006, 429)
    assert [trade_soft["retCode"], trade_hard["retCode"]] == [10006, 10429]
    for answer in (soft, hard):
        assert ("x-bapi-limit-reset-timestamp" in answer.headers) is headers
    assert len(world.venue.ledger) == 0


async def test_an_order_can_be_rejected_with_any_code(autojump_clock, world, faults):
    faults.add(Kind.REJECT, account="m", code=110066, message="No trading", count=1)

    answer = await world.order()

    assert (answer.code, answer.body["retMsg"]) == (110066, "No trading")
    assert (await world.order()).code == 0


async def test_faults_strike_one_account_and_spare_the_other(autojump_clock, world, faults):
    faults.add(Kind.ERROR_BEFORE, account="h", status=500)

    assert (await world.order()).code == 0
    assert (await world.order(account="h", positionIdx=1)).status == 500


async def test_maintenance_refuses_sockets_too(autojump_clock, world, faults):
    faults.add(Kind.MAINTENANCE, status=503)
    refused = await world.rejection("/v5/private")
    faults.clear()

    assert refused == 503
    assert await world.rejection("/v5/private") is None


async def test_connections_can_be_refused(autojump_clock, world, faults):
    faults.add(Kind.REFUSE_CONNECTIONS)
    stream = await world.network.connect(HOST, PORT, tls=True)
    assert await stream.receive_some() == b""
    await stream.aclose()
    faults.clear()

    assert (await world.order()).code == 0


async def test_connections_can_be_dropped_by_kind_and_account(autojump_clock, world):
    async with world.private() as mine, world.private(account="h") as theirs, world.trade() as trade:
        assert world.server.drop_connections(account="m", kind="private") == 1
        with pytest.raises(trio_websocket.ConnectionClosed):
            await mine.receive()
        assert (await theirs.ask({"op": "ping"}))["op"] == "pong"
        assert (await trade.create())["retCode"] == 0
        assert world.server.drop_connections() == 2
        for socket in (theirs, trade):
            with pytest.raises(trio_websocket.ConnectionClosed):
                await socket.receive()
    assert world.server.connections() == ()


async def test_a_half_open_line_takes_everything_and_says_nothing(autojump_clock, world):
    async with world.private() as private, world.trade() as trade:
        assert world.server.silence_connections(account="m") == 2
        await world.order()
        await trade.send(trade.request("order.create", order(orderLinkId="ghost")))
        await private.send({"op": "ping"})
        with trio.move_on_after(100) as patience:
            await private.connection.ping()
        assert patience.cancelled_caught
        assert await private.frames(100) == []
        assert await trade.frames(100) == []

    assert world.venue.ledger.by_client_order_id("ghost") == ()


async def numbers(socket, seconds: float = 5.0) -> list[str]:
    """The sizes in the position frames that come."""
    return [frame["data"][0]["size"] for frame in await socket.frames(seconds)]


async def buy_three(world) -> None:
    for _ in range(3):
        await world.order()


async def test_frames_can_be_missing(autojump_clock, world, faults):
    faults.add(Kind.DROP_FRAME, topic="position", count=1)
    async with world.private("position", "order") as socket:
        await buy_three(world)
        frames = await socket.frames()

    assert [f["data"][0]["size"] for f in frames if f["topic"] == "position"] == ["0.02", "0.03"]
    assert len([f for f in frames if f["topic"] == "order"]) == 3


async def test_frames_can_come_twice(autojump_clock, world, faults):
    faults.add(Kind.DUPLICATE_FRAME, topic="position", count=1)
    async with world.private("position") as socket:
        await buy_three(world)
        assert await numbers(socket) == ["0.01", "0.01", "0.02", "0.03"]


async def test_frames_can_change_places(autojump_clock, world, faults):
    faults.add(Kind.REORDER_FRAME, topic="position", count=1)
    async with world.private("position") as socket:
        await buy_three(world)
        assert await numbers(socket) == ["0.02", "0.01", "0.03"]


async def test_a_frame_held_back_comes_alone_when_nothing_follows(autojump_clock, world, faults):
    faults.add(Kind.REORDER_FRAME, topic="position", count=1)
    async with world.private("position") as socket:
        await world.order()
        start = trio.current_time()
        await socket.receive()
        assert trio.current_time() - start == pytest.approx(0.2)


async def test_a_stale_frame_comes_after_the_newer_one(autojump_clock, world, faults):
    async with world.private("position") as socket:
        await world.order()
        faults.add(Kind.STALE_FRAME, topic="position", count=1)
        await buy_three(world)
        assert await numbers(socket) == ["0.01", "0.02", "0.01", "0.03", "0.04"]


async def test_frames_can_be_late_and_stay_in_order(autojump_clock, world, faults):
    async with world.private("position") as socket:
        faults.add(Kind.DELAY_FRAME, topic="position", seconds=2.0, count=1)
        start = trio.current_time()
        await buy_three(world)
        sizes = [(await socket.receive())["data"][0]["size"] for _ in range(3)]

    assert sizes == ["0.01", "0.02", "0.03"]
    assert trio.current_time() - start == pytest.approx(2.0, abs=0.01)


async def test_frames_can_be_spoilt(autojump_clock, world, faults):
    faults.add(Kind.MALFORM_FRAME, topic="position", count=1)
    async with world.private("position") as socket:
        await buy_three(world)
        spoilt = await socket.receive_text()
        with pytest.raises(json.JSONDecodeError):
            json.loads(spoilt)
        assert await numbers(socket) == ["0.02", "0.03"]


async def test_public_frames_are_struck_as_well(autojump_clock, world, faults):
    async with world.socket("/v5/public/linear") as socket:
        await socket.ask({"op": "subscribe", "args": ["tickers.BTCUSDT"]})
        await socket.receive()
        faults.add(Kind.DROP_FRAME, topic="tickers.*")
        assert await socket.frames(10) == []


async def test_any_mixture_of_frame_faults_crashes_nothing(autojump_clock, world, faults):
    kinds = [Kind.DROP_FRAME, Kind.DUPLICATE_FRAME, Kind.REORDER_FRAME, Kind.STALE_FRAME, Kind.MALFORM_FRAME]
    for kind in kinds:
        faults.add(kind, probability=0.3)
    faults.add(Kind.DELAY_FRAME, probability=0.3, seconds=(0.0, 0.5))
    async with world.private() as socket:
        for _ in range(50):
            await world.order(qty="0.001")
        got = 0
        with trio.move_on_after(10):
            while True:
                await socket.receive_text()
                got += 1

    assert got > 50
    assert world.venue.account("m").size("BTCUSDT") == D("0.05")
