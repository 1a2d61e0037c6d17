"""Tickers: a snapshot, then changes, and a repetition every second."""

from decimal import Decimal

D = Decimal


async def test_a_snapshot_then_changes(autojump_clock, world):
    async with world.socket("/v5/public/linear") as socket:
        ack = await socket.ask({"req_id": "1", "op": "subscribe", "args": ["tickers.BTCUSDT"]})
        snapshot = await socket.receive()
        world.venue.set_price("BTCUSDT", D("60123.4"))
        world.venue.set_price("ETHUSDT", D(3001))
        delta = await socket.receive()

    assert (ack["success"], ack["req_id"]) == (True, "1")
    assert (snapshot["type"], snapshot["data"]["markPrice"]) == ("snapshot", "60000")
    assert (delta["type"], delta["topic"], delta["data"]["markPrice"]) == (
        "delta",
        "tickers.BTCUSDT",
        "60123.4",
    )
    assert "turnover24h" in snapshot["data"]
    assert "turnover24h" not in delta["data"]


async def test_a_quiet_market_still_speaks(autojump_clock, world):
    async with world.socket("/v5/public/linear") as socket:
        await socket.ask({"op": "subscribe", "args": ["tickers.BTCUSDT", "tickers.ETHUSDT"]})
        frames = await socket.frames(3.5)

    assert [frame["topic"] for frame in frames if frame["type"] == "delta"].count("tickers.ETHUSDT") == 3


async def test_pongs_are_the_public_kind(autojump_clock, world):
    async with world.socket("/v5/public/linear") as socket:
        pong = await socket.ask({"req_id": "p", "op": "ping"})
        bare = await socket.ask({"op": "ping"})

    assert (pong["success"], pong["ret_msg"], pong["op"], pong["req_id"]) == (True, "pong", "ping", "p")
    assert bare["req_id"] == ""


async def test_what_cannot_be_subscribed(autojump_clock, world):
    async with world.socket("/v5/public/linear") as socket:
        for args in (["tickers.NOPE"], ["orderbook.1.BTCUSDT"], [], None, ["order"]):
            answer = await socket.ask({"op": "subscribe", "args": args})
            assert (answer["success"], "handler not found" in answer["ret_msg"]) == (False, True)
        for text in ("", "{", "[]", "null"):
            assert (await socket.ask(text))["success"] is False


async def test_unsubscribed_is_unsubscribed(autojump_clock, world):
    async with world.socket("/v5/public/linear") as socket:
        await socket.ask({"op": "subscribe", "args": ["tickers.BTCUSDT"]})
        await socket.receive()
        await socket.ask({"op": "unsubscribe", "args": ["tickers.BTCUSDT"]})
        world.venue.set_price("BTCUSDT", D(61_000))
        assert await socket.frames(3) == []
