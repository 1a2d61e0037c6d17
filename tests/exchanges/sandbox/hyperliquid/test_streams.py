"""The WebSocket: subscriptions, what they begin with, what is pushed, posts, and the limits of an address."""

from decimal import Decimal

import pytest
import trio
import trio_websocket
from trio.testing import MockClock

from exchanges.sandbox import FaultKind
from tests.exchanges.sandbox.hyperliquid.client import SUB, World, cloid, open_world, order

D = Decimal


async def test_a_subscription_is_confirmed_in_the_venues_own_words(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.socket() as socket:
        wanted = {"type": "clearinghouseState", "user": world.address().upper().replace("0X", "0x")}
        confirmed = await socket.ask({"method": "subscribe", "subscription": wanted})
        state = await socket.receive()
        again = await socket.ask({"method": "subscribe", "subscription": wanted})
        unknown = await socket.ask({"method": "subscribe", "subscription": {"type": "webData2"}})
        gone = await socket.ask({"method": "unsubscribe", "subscription": wanted})
        pong = await socket.ask({"method": "ping"})
        garbage = await socket.ask("{")

    told = {"type": "clearinghouseState", "user": world.address(), "dex": ""}
    assert confirmed["data"] == {"method": "subscribe", "subscription": told}
    assert state["data"]["clearinghouseState"]["marginSummary"]["accountValue"] == "10000.0"
    assert again["channel"] == "error"
    assert again["data"].startswith("Already subscribed")
    assert unknown["data"].startswith("Invalid subscription")
    assert gone["data"]["method"] == "unsubscribe"
    assert pong == {"channel": "pong"}
    assert garbage["data"].startswith("Error parsing JSON")


async def test_an_order_is_told_on_every_channel_that_has_a_word_for_it(
    world: World, autojump_clock: MockClock
) -> None:
    kinds = ("orderUpdates", "userFills", "userEvents", "clearinghouseState")
    async with world.socket(*map(world.of, kinds)) as socket:
        await world.order(order(c=cloid(1)))
        frames = await socket.frames()
        await world.order(
            order(s="0.0001"), order(p="50000", tif="Gtc"), key=world.venue.account("n").api_secret
        )
        others = await socket.frames(0.5)

    by_channel = {frame["channel"]: frame["data"] for frame in frames}
    assert [row["status"] for row in by_channel["orderUpdates"]] == ["open", "filled"]
    assert [row["order"]["sz"] for row in by_channel["orderUpdates"]] == ["0.01", "0.0"]
    assert by_channel["userFills"]["user"] == world.address()
    assert "isSnapshot" not in by_channel["userFills"]
    assert by_channel["userFills"]["fills"] == by_channel["user"]["fills"]
    assert by_channel["user"]["fills"][0]["cloid"] == cloid(1)
    position = by_channel["clearinghouseState"]["clearinghouseState"]["assetPositions"][0]["position"]
    assert position["szi"] == "0.01"
    assert len(frames) == 4
    assert others == []


async def test_orders_that_were_refused_in_a_block_or_found_nothing_are_told_too(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.socket(world.of("orderUpdates")) as socket:
        await world.order(order(s="0.0001"), order(p="50000"), order(p="50000", tif="Gtc"), order(a=99))
        updates = await socket.data("orderUpdates")

    assert [row["status"] for rows in updates for row in rows] == [
        "minTradeNtlRejected",
        "iocCancelRejected",
        "open",
    ]


async def test_fills_begin_with_those_before_oldest_first(world: World, autojump_clock: MockClock) -> None:
    await world.order(order(True, "0.01"), order(True, "0.02"))
    async with world.socket() as socket:
        await socket.ask({"method": "subscribe", "subscription": world.of("userFills")})
        snapshot = await socket.receive()

    assert snapshot["data"]["isSnapshot"] is True
    assert [row["sz"] for row in snapshot["data"]["fills"]] == ["0.01", "0.02"]


async def test_states_are_pushed_every_five_seconds_and_contexts_every_second(
    world: World, autojump_clock: MockClock
) -> None:
    wanted = [world.of("clearinghouseState"), {"type": "activeAssetCtx", "coin": "BTC"}, {"type": "allMids"}]
    async with world.socket(*wanted) as socket:
        frames = await socket.frames(10.2)
        world.venue.set_price("BTC", D("60100.5"))
        (context,) = await socket.data("activeAssetCtx", 0.1)

    channels = [frame["channel"] for frame in frames]
    assert channels.count("clearinghouseState") == 2
    assert channels.count("activeAssetCtx") == channels.count("allMids") == 10
    assert (context["coin"], context["ctx"]["markPx"]) == ("BTC", "60100.5")


async def test_funding_and_deposits_are_told(world: World, autojump_clock: MockClock) -> None:
    await world.order(order(False, "0.01", "59000"))
    async with world.socket(world.of("userEvents"), world.of("clearinghouseState")) as socket:
        world.venue.fund("BTC", D("0.0001"))
        world.venue.deposit("m", D(5))
        frames = await socket.frames()

    events = [frame["data"] for frame in frames if frame["channel"] == "user"]
    assert events[0]["funding"]["usdc"] == "0.06"
    assert events[0]["funding"]["szi"] == "-0.01"
    assert [frame["channel"] for frame in frames].count("clearinghouseState") == 1


async def test_a_liquidation_has_its_mark(world: World, autojump_clock: MockClock) -> None:
    world.venue.set_leverage("m", "BTC", D(40))
    await world.order(order(True, "5", "60000"))
    async with world.socket(world.of("userEvents")) as socket:
        world.venue.set_price("BTC", D(58000))
        (event,) = await socket.data("user")

    (fill,) = event["fills"]
    assert fill["liquidation"] == {
        "liquidatedUser": world.address(),
        "markPx": "58000.0",
        "method": "market",
    }
    assert fill["dir"] == "Close Long"
    assert "cloid" not in fill


async def test_orders_and_reads_are_posted(world: World, autojump_clock: MockClock) -> None:
    async with world.socket() as socket:
        action = {"type": "order", "orders": [order(c=cloid(1))], "grouping": "na"}
        acted = await socket.post("action", world.sign(action))
        read = await socket.post("info", {"type": "orderStatus", "user": world.address(), "oid": cloid(1)})
        wrong = await socket.post("info", {"type": "nonsense"})
        unsigned = await socket.post("action", {"action": action})

    assert acted["type"] == "action"
    assert acted["payload"]["response"]["data"]["statuses"][0]["filled"]["totalSz"] == "0.01"
    assert read["payload"]["type"] == "orderStatus"
    assert read["payload"]["data"]["order"]["status"] == "filled"
    assert wrong["type"] == unsigned["type"] == "error"
    assert wrong["payload"].startswith("422 Failed to deserialize")
    assert {row.via for row in world.venue.ledger} == {"post/order"}


async def test_ten_users_of_an_address_are_watched_and_one_that_goes_makes_room(
    world: World, autojump_clock: MockClock
) -> None:
    users = [f"0x{n:040x}" for n in range(11)]
    async with world.socket() as first, world.socket() as second:
        answers = []
        for n, user in enumerate(users):
            socket = first if n % 2 else second
            wanted = {"type": "orderUpdates", "user": user}
            answers.append((await socket.ask({"method": "subscribe", "subscription": wanted}))["channel"])
        more = {"type": "userEvents", "user": users[0]}
        same = await first.ask({"method": "subscribe", "subscription": more})
        gone = {"type": "orderUpdates", "user": users[1]}
        await first.ask({"method": "unsubscribe", "subscription": gone})
        wanted = {"type": "orderUpdates", "user": users[10]}
        room = await first.ask({"method": "subscribe", "subscription": wanted})

    assert answers == ["subscriptionResponse"] * 10 + ["error"]
    assert same["channel"] == room["channel"] == "subscriptionResponse"


async def test_a_closed_socket_gives_its_users_back(world: World, autojump_clock: MockClock) -> None:
    for n in range(12):
        async with world.socket() as socket:
            wanted = {"type": "orderUpdates", "user": f"0x{n:040x}"}
            answer = await socket.ask({"method": "subscribe", "subscription": wanted})
            assert answer["channel"] == "subscriptionResponse"


async def test_a_socket_on_which_nothing_is_said_is_cut_after_a_minute(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.socket(world.of("orderUpdates")) as socket:
        began = trio.current_time()
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.connection.get_message()
        lived_s = trio.current_time() - began

    assert 58 < lived_s < 62


async def test_a_hundred_posts_may_be_under_way(world: World, autojump_clock: MockClock) -> None:
    world.venue.faults.add(FaultKind.DELAY_REQUEST, endpoint="post/info/*", seconds=5.0)
    async with world.socket() as socket:
        for n in range(101):
            request = {"type": "info", "payload": {"type": "allMids"}}
            await socket.send({"method": "post", "id": n, "request": request})
        frames = await socket.frames(10)

    assert [frame["channel"] for frame in frames].count("post") == 100
    assert frames[0] == {"channel": "error", "data": "too many pending post requests id=100"}


async def test_the_budgets_of_an_address_and_of_an_account(autojump_clock: MockClock) -> None:
    async with open_world(enforce_limits=True) as world:
        world.server.face.directory.open_sub_account("s", master="m", address=SUB, equity=D(1000))
        world.server.face.budgets.actions_free = 2
        answers = [await world.act({"type": "noop"}, vault=SUB) for _ in range(4)]
        await trio.sleep(10)
        later = await world.act({"type": "noop"}, vault=SUB)
        statuses = [
            (await world.post("/info", {"type": "userRole", "user": world.address()}))[0] for _ in range(21)
        ]
        await trio.sleep(60)
        refilled = await world.post("/info", {"type": "userRole", "user": world.address()})

    # Two are free, the third is the one that is granted every ten seconds.
    assert [answer["status"] for answer in answers] == ["ok", "ok", "ok", "err"]
    assert answers[3]["response"].startswith("Too many cumulative requests sent (3 > 2)")
    assert later["status"] == "ok"
    assert statuses.count(200) == 19
    assert statuses[-1] == 429
    assert refilled[0] == 200
