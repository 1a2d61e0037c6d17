"""Marks as a stream, and what at the wrong root is none."""

from decimal import Decimal

import trio
from trio.testing import MockClock

from tests.exchanges.sandbox.binance.client import World

D = Decimal
ALL = "!markPrice@arr@1s"


async def test_all_marks_come_every_second_and_a_moved_one_at_once(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.socket(f"/market/ws/{ALL}") as socket:
        repeated = await socket.receive()
        world.venue.set_price("ETHUSDT", D("3001.5"))
        (moved,) = await socket.receive()
        again = await socket.frames(2.5)

    symbols = {row["s"] for row in repeated}
    assert symbols == {*world.venue.listings, "BTCUSD_PERP"}
    assert {row["s"]: row["st"] for row in repeated}["BTCUSD_PERP"] == 2
    assert (moved["e"], moved["s"], moved["p"], moved["st"]) == (
        "markPriceUpdate",
        "ETHUSDT",
        "3001.50000000",
        1,
    )
    assert [len(frame) for frame in again] == [len(symbols)] * 2


async def test_streams_are_asked_for_in_the_address_or_live(world: World, autojump_clock: MockClock) -> None:
    async with (
        world.socket("/market/stream?streams=btcusdt@markPrice/ethusdt@markPrice@1s") as named,
        world.socket("/market/stream") as live,
        world.socket("/market/ws/btcusdt@aggTrade") as other,
        world.socket(f"/public/ws/{ALL}") as elsewhere,
        world.socket(f"/ws/{ALL}") as unrouted,
    ):
        answer = await live.ask({"method": "SUBSCRIBE", "params": [ALL], "id": 1})
        listed = await live.ask({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        await trio.sleep(0.1)
        world.venue.set_price("BTCUSDT", D(60_001))
        world.venue.set_price("ETHUSDT", D(3_001))
        told = await named.frames(0.5)
        (enveloped, _) = await live.frames(0.2)
        await live.ask({"method": "UNSUBSCRIBE", "params": [ALL], "id": 3})
        silent = [await it.frames(2) for it in (live, other, elsewhere, unrouted)]

    assert (answer, listed["result"]) == ({"result": None, "id": 1}, [ALL])
    assert [(it["stream"], it["data"]["p"]) for it in told] == [
        ("btcusdt@markPrice", "60001.00000000"),
        ("ethusdt@markPrice@1s", "3001.00000000"),
    ]
    assert (enveloped["stream"], enveloped["data"][0]["s"]) == (ALL, "BTCUSDT")
    assert silent == [[], [], [], []]
