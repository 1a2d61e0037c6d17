"""The private WebSocket: authentication, subscriptions, and what is pushed when."""

from decimal import Decimal

import pytest
import trio
import trio.testing
import trio_websocket

from exchanges.sandbox import Liquidity

D = Decimal


def topics(frames) -> list[str]:
    return [frame["topic"] for frame in frames]


async def test_a_fill_pushes_execution_order_wallet_position(autojump_clock, world):
    async with world.private() as socket:
        await world.order(orderLinkId="a")
        frames = await socket.frames()

    assert topics(frames) == ["execution", "order", "wallet", "position"]
    execution, order, wallet, position = frames
    seq = execution["data"][0]["seq"]
    assert position["data"][0]["seq"] == seq
    assert execution["id"] == order["id"] == f"1000001_BTCUSDT_{seq}"
    assert "positionIdx" not in execution["data"][0]
    assert (order["data"][0]["orderStatus"], order["data"][0]["positionIdx"]) == ("Filled", 0)
    assert wallet["data"][0]["coin"][0]["walletBalance"] == "9999.67"
    assert position["data"][0]["positionIM"] == "60.297"
    assert position["id"].startswith("1000001_position_")


async def test_a_flip_is_one_row_that_closes_and_opens(autojump_clock, world):
    await world.order(qty="0.02")
    async with world.private() as socket:
        await world.order("Sell", "0.05")
        execution, _, _, position = await socket.frames()

    row = execution["data"][0]
    assert (row["execQty"], row["closedSize"]) == ("0.05", "0.02")
    assert (position["data"][0]["side"], position["data"][0]["size"]) == ("Sell", "0.03")
    assert position["data"][0]["seq"] == row["seq"]


async def test_a_closed_leg_has_no_side(autojump_clock, world):
    await world.order()
    async with world.private("position") as socket:
        await world.order("Sell", reduceOnly=True)
        row = (await socket.frames())[0]["data"][0]

    assert (row["side"], row["size"], row["entryPrice"], row["leverage"]) == ("", "0", "0", "10")


@pytest.mark.parametrize(("both", "legs"), [(False, [1]), (True, [1, 2])])
async def test_hedged_pushes_carry_one_leg_or_both(autojump_clock, world, both, legs):
    world.venue.push_both_legs = both
    async with world.private("position", account="h") as socket:
        await world.order(account="h", positionIdx=1)
        frames = await socket.frames()

    assert [[row["positionIdx"] for row in frame["data"]] for frame in frames] == [legs]


async def test_several_fills_of_one_match_share_a_frame(autojump_clock, world):
    world.venue.set_liquidity("BTCUSDT", Liquidity(fill_parts=3))
    async with world.private("execution") as socket:
        await world.order()
        frames = await socket.frames()

    assert [[row["leavesQty"] for row in frame["data"]] for frame in frames] == [["0.007", "0.004", "0"]]
    assert len({row["seq"] for row in frames[0]["data"]}) == 1


async def test_resting_orders_push_an_unchanged_position_with_a_new_seq(autojump_clock, world):
    await world.order()
    async with world.private() as socket:
        await world.order(orderType="Limit", price="50000", timeInForce="GTC")
        order, position = await socket.frames()

    assert (order["topic"], order["data"][0]["orderStatus"]) == ("order", "New")
    assert (position["topic"], position["data"][0]["size"]) == ("position", "0.01")
    assert order["id"].endswith(f"_{position['data'][0]['seq']}")


async def test_prices_alone_push_nothing(autojump_clock, world):
    await world.order()
    async with world.private() as socket:
        world.venue.set_price("BTCUSDT", D(61_000))
        assert await socket.frames() == []


async def test_leverage_and_funding_are_pushed(autojump_clock, world):
    await world.order()
    async with world.private() as socket:
        world.venue.set_leverage("m", "BTCUSDT", D(5))
        changed = await socket.frames()
        world.venue.fund("BTCUSDT", D("0.0001"))
        funded = await socket.frames()

    assert [(frame["topic"], frame["data"][0]["leverage"]) for frame in changed] == [("position", "5")]
    assert topics(funded) == ["execution", "wallet", "position"]
    assert funded[0]["data"][0]["execType"] == "Funding"


async def test_a_liquidation_is_a_bust_trade_without_a_link_id(autojump_clock, world):
    world.venue.trade("m", "BTCUSDT", D("1.5"), price=D(60_000))
    async with world.private() as socket:
        world.venue.set_price("BTCUSDT", D(53_000))
        frames = await socket.frames()

    row = frames[0]["data"][0]
    assert (row["execType"], row["createType"], row["orderLinkId"]) == ("BustTrade", "CreateByLiq", "")
    assert frames[-1]["data"][0]["size"] == "0"


async def test_the_fast_topic_comes_first_and_knows_less(autojump_clock, world):
    async with world.private("execution.fast", "execution") as socket:
        await world.order(orderLinkId="a")
        world.venue.fund("BTCUSDT", D("0.0001"))
        frames = await socket.frames()

    assert topics(frames) == ["execution.fast", "execution", "execution"]
    fast, whole, _ = frames
    assert "id" not in fast
    assert fast["data"][0]["execId"] == whole["data"][0]["execId"]
    assert "closedSize" not in fast["data"][0]


async def test_categorised_topics_keep_their_name(autojump_clock, world):
    async with world.private("order.linear", "execution.linear") as socket:
        await world.order()
        assert topics(await socket.frames()) == ["execution.linear", "order.linear"]


async def test_only_the_accounts_own_news_are_pushed(autojump_clock, world):
    async with world.private() as mine, world.private(account="h") as theirs:
        await world.order()
        assert len(await mine.frames()) == 4
        assert await theirs.frames() == []


async def test_pongs_and_acknowledgements_repeat_the_request_id(autojump_clock, world):
    async with world.private("order") as socket:
        pong = await socket.ask({"req_id": "p1", "op": "ping"})
        bare = await socket.ask({"op": "ping"})
        ack = await socket.ask({"req_id": "s2", "op": "subscribe", "args": ["wallet"]})
        left = await socket.ask({"op": "unsubscribe", "args": ["wallet", "order"]})
        await world.order()
        assert await socket.frames() == []

    assert (pong["op"], pong["req_id"], pong["args"]) == ("pong", "p1", [str(world.clock.wall_ms() - 1000)])
    assert "req_id" not in bare
    assert (ack["success"], ack["op"], ack["req_id"], ack["ret_msg"]) == (True, "subscribe", "s2", "")
    assert (left["success"], "req_id" in left) == (True, False)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["order"], "already subscribed,topic:order"),
        (["nonsense"], "handler not found,topic:nonsense"),
        (["execution", "position.linear"], "may not be mixed"),
        ([], "params invalid"),
        ("order", "params invalid"),
        ([1], "params invalid"),
        (None, "params invalid"),
    ],
)
async def test_subscriptions_that_fail_say_why(autojump_clock, world, args, text):
    async with world.private("order") as socket:
        answer = await socket.ask({"op": "subscribe", "args": args})

    assert (answer["success"], text in answer["ret_msg"]) == (False, True)


async def test_nothing_is_to_be_had_without_a_key(autojump_clock, world):
    async with world.socket("/v5/private") as socket:
        assert (await socket.ask({"op": "subscribe", "args": ["order"]}))["success"] is False
        await world.order()
        assert await socket.frames() == []


async def test_bad_authentication_is_answered_and_the_socket_closed(autojump_clock, world):
    good, past = world.auth_args("m"), world.clock.wall_ms()
    bad = [
        [good[0], good[1], "0" * 64],
        ["nobody", good[1], good[2]],
        [good[0], past, world.sign("ms", f"GET/realtime{past}")],
        [good[0], past, good[2]],
        [good[0], "soon", good[2]],
        [good[0]],
        "auth",
        None,
    ]
    for args in bad:
        async with world.socket("/v5/private") as socket:
            answer = await socket.ask({"op": "auth", "args": args})
            assert (answer["success"], answer["op"]) == (False, "auth")
            with pytest.raises(trio_websocket.ConnectionClosed):
                await socket.receive()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "5", '"x"', "[" * 50_000, '{"op": 5}', '{"op": "x"}']
)
async def test_garbage_is_answered_and_survived(autojump_clock, world, text):
    async with world.private("order") as socket:
        assert (await socket.ask(text))["success"] is False
        await world.order()
        assert len(await socket.frames()) == 1


async def test_a_silent_client_is_closed_after_ten_minutes_and_a_talking_one_is_not(autojump_clock, world):
    async with world.private("order") as silent, world.private("order") as talking:
        for _ in range(12):
            await trio.sleep(60)
            assert (await talking.ask({"op": "ping"}))["op"] == "pong"
        with pytest.raises(trio_websocket.ConnectionClosed):
            await silent.receive()
        await talking.ask({"op": "ping"})


async def test_a_slow_client_is_cut_off_and_the_others_get_everything(autojump_clock, world, monkeypatch):
    monkeypatch.setattr("exchanges.sandbox.websocket.FRAMES_MAX", 50)
    async with world.private("wallet") as quick:
        (quick_peer,) = world.server.connections(kind="private")
        async with world.private("wallet"):
            slow_peer = next(p for p in world.server.connections(kind="private") if p is not quick_peer)
            async with slow_peer._lock:  # its line takes nothing
                for _ in range(60):
                    world.venue.deposit("m", D(1))
                    await trio.testing.wait_all_tasks_blocked()
            await trio.testing.wait_all_tasks_blocked()
            assert world.server.connections(kind="private") == (quick_peer,)
        frames = await quick.frames()

    assert len(frames) == 60


async def test_paths_that_are_no_socket(autojump_clock, world):
    assert [await world.rejection(path) for path in ("/v5/nothing", "/v5/public/spot")] == [404, 404]
    assert await world.rejection("/v5/private") is None
