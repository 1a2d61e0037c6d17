"""User data streams: what is told in which order, to whom, and for how long."""

from decimal import Decimal
from typing import Any

import pytest
import trio
import trio_websocket
from trio.testing import MockClock

from exchanges.sandbox import FaultKind, Liquidity
from tests.exchanges.sandbox.binance.client import ORDER, World

D = Decimal
HOUR_S = 3600


def kinds(frames: list[Any]) -> list[str]:
    """Return kinds of events; of orders what happened to them."""
    return [f"{it['o']['x']} {it['o']['X']}" if it["e"] == "ORDER_TRADE_UPDATE" else it["e"] for it in frames]


def moves(frames: list[Any]) -> list[tuple[str, str, str]]:
    """Return position rows: symbol, side and amount."""
    return [
        (row["s"], row["ps"], row["pa"])
        for frame in frames
        if frame["e"] == "ACCOUNT_UPDATE"
        for row in frame["a"]["P"]
    ]


# What is told


async def test_a_taker_is_told_in_the_recorded_order(world: World, autojump_clock: MockClock) -> None:
    async with world.user_stream() as stream:
        placed = await world.place(newClientOrderId="t-1")
        lite, new, account, trade = await stream.frames()

    assert kinds([lite, new, account, trade]) == [
        "TRADE_LITE",
        "NEW NEW",
        "ACCOUNT_UPDATE",
        "TRADE FILLED",
    ]
    assert len({it["T"] for it in (lite, new, account, trade)}) == 1
    assert lite["i"] == new["o"]["i"] == trade["o"]["i"] == placed["orderId"]
    assert lite["t"] == trade["o"]["t"] > 0 == new["o"]["t"]
    assert (lite["p"], lite["L"], lite["l"], lite["q"], lite["m"]) == (
        "0.00",
        "60000",
        "0.01",
        "0.01",
        False,
    )
    assert (new["o"]["z"], new["o"]["ap"], new["o"]["c"]) == ("0", "0", "t-1")
    assert (trade["o"]["z"], trade["o"]["ap"], trade["o"]["n"], trade["o"]["N"]) == (
        "0.01",
        "60000",
        "0.30000000",
        "USDT",
    )
    assert account["a"]["m"] == "ORDER"
    assert account["a"]["B"] == [
        {"a": "USDT", "wb": "9999.70000000", "cw": "9999.70000000", "bc": "0.00000000"}
    ]
    assert moves([account]) == [("BTCUSDT", "BOTH", "0.01")]


async def test_what_rested_and_is_hit_was_new_before(world: World, autojump_clock: MockClock) -> None:
    async with world.user_stream() as stream:
        await world.place(price="59000")
        rested = await stream.frames()
        world.venue.set_price("BTCUSDT", D(58_999))
        hit = await stream.frames()

    assert kinds(rested) == ["NEW NEW"]
    assert (rested[0]["o"]["b"], rested[0]["o"]["a"]) == ("590", "0")
    assert kinds(hit) == ["TRADE_LITE", "ACCOUNT_UPDATE", "TRADE FILLED"]
    assert hit[-1]["o"]["m"] is True


async def test_each_fill_of_a_match_has_its_own_state(world: World, autojump_clock: MockClock) -> None:
    world.venue.set_liquidity("BTCUSDT", Liquidity(depth=D("0.009"), fill_parts=3, part_slip_ticks=10))
    async with world.user_stream() as stream:
        await world.place(price="60002", timeInForce="IOC", quantity="0.02")
        frames = await stream.frames()

    assert kinds(frames) == [
        *["TRADE_LITE"] * 3,
        "NEW NEW",
        *["ACCOUNT_UPDATE", "TRADE PARTIALLY_FILLED"] * 3,
        "EXPIRED EXPIRED",
    ]
    assert [row[2] for row in moves(frames)] == ["0.003", "0.006", "0.009"]
    trades = [it["o"] for it in frames if it["e"] == "ORDER_TRADE_UPDATE" and it["o"]["x"] == "TRADE"]
    assert [(it["z"], it["ap"], it["L"]) for it in trades] == [
        ("0.003", "60000", "60000"),
        ("0.006", "60000.5", "60001"),
        ("0.009", "60001", "60002"),
    ]
    wallets = [D(it["a"]["B"][0]["wb"]) for it in frames if it["e"] == "ACCOUNT_UPDATE"]
    fees = [D("0.003") * D(price) * D("0.0005") for price in ("60000", "60001", "60002")]
    assert wallets == [10_000 - sum(fees[: n + 1]) for n in range(3)]
    assert D(wallets[-1]) == world.venue.account("m").wallet
    assert (frames[-1]["o"]["er"], frames[-1]["o"]["z"]) == ("2", "0.009")
    entries = [it["a"]["P"][0]["ep"] for it in frames if it["e"] == "ACCOUNT_UPDATE"]
    assert entries == ["60000", "60000.5", "60001"]


async def test_how_an_order_ended_is_told(world: World, autojump_clock: MockClock) -> None:
    async with world.user_stream() as stream:
        await world.place(price="59000", newClientOrderId="e-1")
        named = {"symbol": "BTCUSDT", "origClientOrderId": "e-1"}
        await world.ask("PUT", ORDER, {**named, "side": "BUY", "quantity": "0.02", "price": "58000"})
        await world.ask("DELETE", ORDER, named)
        world.venue.set_liquidity("BTCUSDT", Liquidity(depth=D("0.004")))
        await world.place()
        frames = await stream.frames()

    assert kinds(frames) == [
        "NEW NEW",
        "AMENDMENT NEW",
        "CANCELED CANCELED",
        "TRADE_LITE",
        "NEW NEW",
        "ACCOUNT_UPDATE",
        "TRADE PARTIALLY_FILLED",
        "EXPIRED EXPIRED",
    ]
    assert (frames[1]["o"]["q"], frames[1]["o"]["p"]) == ("0.02", "58000")
    assert [it["o"]["er"] for it in (frames[2], frames[-1])] == ["0", "9"]


async def test_a_refused_order_is_not_told(world: World, autojump_clock: MockClock) -> None:
    async with world.user_stream() as stream:
        await world.refusal(quantity="10")

        assert await stream.frames() == []


async def test_a_close_is_told_with_its_profit_and_a_flat_row(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.user_stream() as stream:
        await world.place(quantity="0.1")
        world.venue.set_price("BTCUSDT", D(60_500))
        await world.place(quantity="0.1", side="SELL", reduceOnly="true")
        frames = await stream.frames()

    account, trade = frames[-2:]
    assert account["a"]["P"][0] | {"cr": "50.00000000"} == {
        "s": "BTCUSDT",
        "pa": "0",
        "ep": "0",
        "cr": "50.00000000",
        "up": "0.00000000",
        "mt": "cross",
        "iw": "0",
        "ps": "BOTH",
        "ma": "USDT",
        "bep": "0",
    }
    assert account["a"]["P"][0]["cr"] == trade["o"]["rp"] == "50.00000000"
    assert trade["o"]["R"] is True


async def test_a_hedged_account_is_told_of_the_touched_side_and_closes_look_reduce_only(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.user_stream("h") as stream:
        await world.place("h", positionSide="LONG", quantity="0.02")
        await world.place("h", positionSide="SHORT", side="SELL", quantity="0.01")
        await world.place("h", positionSide="SHORT", side="BUY", quantity="0.01")
        frames = await stream.frames()

    assert moves(frames) == [
        ("BTCUSDT", "LONG", "0.02"),
        ("BTCUSDT", "SHORT", "-0.01"),
        ("BTCUSDT", "SHORT", "0"),
    ]
    told = [(it["o"]["ps"], it["o"]["R"]) for it in frames if it["e"] == "ORDER_TRADE_UPDATE"]
    assert told == [("LONG", False)] * 2 + [("SHORT", False)] * 2 + [("SHORT", True)] * 2


async def test_what_is_no_order(world: World, autojump_clock: MockClock) -> None:
    async with world.user_stream() as stream:
        world.venue.trade("m", "BTCUSDT", D("0.1"))
        by_hand = await stream.frames()
        world.venue.fund("BTCUSDT", D("0.0001"))
        world.venue.deposit("m", D(500))
        world.venue.deposit("m", D(-200))
        await world.ask("POST", "/fapi/v1/leverage", {"symbol": "ETHUSDT", "leverage": 7})
        await world.ask("POST", "/fapi/v1/marginType", {"symbol": "ETHUSDT", "marginType": "ISOLATED"})
        frames = await stream.frames()

    assert by_hand[0]["c"].startswith("web_")
    assert [it["a"]["m"] for it in frames if it["e"] == "ACCOUNT_UPDATE"] == [
        "FUNDING_FEE",
        "DEPOSIT",
        "WITHDRAW",
        "MARGIN_TYPE_CHANGE",
    ]
    funding, deposit, withdrawal, config, margin = frames
    assert (funding["a"]["S"], funding["a"]["P"], funding["a"]["B"][0]["bc"]) == (
        "BTCUSDT",
        [],
        "-0.60000000",
    )
    assert [it["a"]["B"][0]["bc"] for it in (deposit, withdrawal)] == ["500.00000000", "-200.00000000"]
    assert config["ac"] == {"s": "ETHUSDT", "l": 7}
    assert margin["a"]["P"][0]["mt"] == "isolated"


async def test_multi_assets_is_told(world: World, autojump_clock: MockClock) -> None:
    async with world.user_stream() as stream:
        await world.ask("POST", "/fapi/v1/multiAssetsMargin", {"multiAssetsMargin": "true"})

        assert [it["ai"] for it in await stream.frames()] == [{"j": True}]


async def test_a_liquidation_has_names_and_words_of_its_own(world: World, autojump_clock: MockClock) -> None:
    async with world.user_stream() as stream:
        await world.place(quantity="1")
        await world.place(quantity="0.01", price="58000")
        await stream.frames()
        world.venue.set_price("BTCUSDT", D(49_900))
        frames = await stream.frames()

    ends = [it["o"] for it in frames if it["e"] == "ORDER_TRADE_UPDATE"]
    assert "CALCULATED FILLED" in kinds(frames)
    forced = next(it for it in ends if it["x"] == "CALCULATED")
    assert (forced["o"], forced["c"].startswith("autoclose-"), forced["S"]) == ("LIQUIDATION", True, "SELL")
    assert moves(frames)[-1] == ("BTCUSDT", "BOTH", "0")


# To whom


async def test_ways_to_listen(world: World, autojump_clock: MockClock) -> None:
    key = (await world.listen_key()).body["listenKey"]
    other = (await world.listen_key(name="h")).body["listenKey"]
    some = "events=ORDER_TRADE_UPDATE/listenKeyExpired"
    paths = {
        "path": f"/private/ws/{key}",
        "query": f"/private/ws?listenKey={key}&{some}",
        "bare": f"/private/ws?listenKey={key}",
        "several": f"/private/stream?listenKey={key}&{some}&listenKey={other}&events=ACCOUNT_UPDATE",
        "live": "/private/stream",
        "unrouted": f"/ws/{key}",
        "public": f"/public/ws/{key}",
        "wrong": "/private/ws/nonsense",
    }
    told: dict[str, list[Any]] = {}

    async def listen(name: str, path: str) -> None:
        async with world.socket(path) as socket:
            if name == "live":
                assert await socket.ask({"method": "SUBSCRIBE", "params": [key], "id": 7}) == {
                    "result": None,
                    "id": 7,
                }
            told[name] = await socket.frames(3)

    async with trio.open_nursery() as nursery:
        for name, path in paths.items():
            nursery.start_soon(listen, name, path)
        await trio.sleep(1)
        await world.place()
        await world.place("h", positionSide="LONG")

    assert len(told["path"]) == 4
    assert kinds(told["query"]) == ["NEW NEW", "TRADE FILLED"]
    assert [(it["stream"], it["data"]["e"]) for it in told["several"]] == [
        (key, "ORDER_TRADE_UPDATE"),
        (key, "ORDER_TRADE_UPDATE"),
        (other, "ACCOUNT_UPDATE"),
    ]
    assert [it["stream"] for it in told["live"]] == [key] * 4
    silent = ("bare", "unrouted", "public", "wrong")
    assert {name: told[name] for name in silent} == {name: [] for name in silent}


async def test_events_may_be_left_out_where_the_venue_is_kinder(
    world: World, autojump_clock: MockClock
) -> None:
    world.face.feed.needs_events = False
    key = (await world.listen_key()).body["listenKey"]
    async with world.socket(f"/private/ws?listenKey={key}") as socket:
        await trio.sleep(0.1)
        await world.place()

        assert len(await socket.frames()) == 4


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ({"method": "LIST_SUBSCRIPTIONS", "id": 3}, {"result": [], "id": 3}),
        ({"method": "SUBSCRIBE", "params": "x", "id": 3}, {"code": 2}),
        ({"method": "SUBSCRIBE", "params": ["x"]}, {"code": 2}),
        ({"method": "DANCE", "id": 3}, {"code": 2}),
    ],
)
async def test_requests_through_a_stream(
    world: World, autojump_clock: MockClock, request_: Any, answer: Any
) -> None:
    async with world.socket("/private/stream") as socket:
        found = await socket.ask(request_)

    assert found == answer if "result" in answer else found["error"]["code"] == answer["code"]


async def test_what_is_no_json_ends_a_stream(world: World, autojump_clock: MockClock) -> None:
    async with world.socket("/private/stream") as socket:
        assert (await socket.ask("{nonsense"))["error"]["code"] == 3
        with pytest.raises(trio_websocket.ConnectionClosed):
            await socket.receive()


# How long


async def test_a_key_is_the_accounts_and_lives_an_hour_from_its_last_use(
    world: World, autojump_clock: MockClock
) -> None:
    first = (await world.listen_key()).body
    await trio.sleep(3000)
    same = (await world.listen_key()).body
    await trio.sleep(3000)
    prolonged = (await world.listen_key("PUT")).body
    other = (await world.listen_key(name="h")).body
    await trio.sleep(HOUR_S + 1)
    gone = await world.listen_key("PUT")
    fresh = (await world.listen_key()).body

    assert first == same == prolonged != other
    assert (gone.status, gone.code) == (400, -1125)
    assert fresh != first


async def test_an_expiry_is_told_once_and_then_nothing(world: World, autojump_clock: MockClock) -> None:
    async with world.user_stream() as stream:
        began = trio.current_time()
        told = await stream.receive(within_s=2 * HOUR_S)
        took_s = trio.current_time() - began
        await world.place()
        after = await stream.frames(10)

        assert (told["e"], set(told)) == ("listenKeyExpired", {"e", "E", "listenKey"})
        assert took_s == pytest.approx(HOUR_S, abs=1)
        assert after == []
        assert stream.connection.closed is None  # no close frame: it is open, and dead


async def test_a_deleted_key_silences_every_socket_of_the_account_without_a_word(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.user_stream() as one, world.user_stream() as two:
        deleted = await world.listen_key("DELETE")
        await world.place()
        told = await one.frames(), await two.frames()
        async with world.user_stream() as three:
            await world.place()
            heard = len(await three.frames()), len(await one.frames())

    assert (deleted.body, told, heard) == ({}, ([], []), (4, 0))


async def test_a_key_needs_no_signature_but_somebody(world: World, autojump_clock: MockClock) -> None:
    codes = [(await world.send("POST", "/fapi/v1/listenKey", key=key)).code for key in ("", "NOBODY")]

    assert codes == [-2014, -2015]


async def test_the_venue_pings_and_lets_go_of_who_does_not_answer(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.user_stream(), world.user_stream():
        quiet, _ = world.server.connections(kind="private")
        quiet.silence()
        await trio.sleep(900)
        left = world.server.connections(kind="private")

    assert len(left) == 1
    assert quiet not in left


async def test_a_connection_lives_a_day(world: World, autojump_clock: MockClock) -> None:
    async with world.user_stream() as stream:
        began = trio.current_time()
        assert (await stream.receive(within_s=90_000))["e"] == "listenKeyExpired"
        with pytest.raises(trio_websocket.ConnectionClosed):
            await stream.receive(within_s=90_000)

    assert trio.current_time() - began == pytest.approx(86_400, abs=200)


# Faults


async def test_frames_are_lost_doubled_late_and_spoilt(world: World, autojump_clock: MockClock) -> None:
    faults = world.venue.faults
    async with world.user_stream() as stream:
        faults.add(FaultKind.DROP_FRAME, topic="ACCOUNT_UPDATE", count=1)
        await world.place()
        lost = kinds(await stream.frames())
        faults.add(FaultKind.DUPLICATE_FRAME, topic="ORDER_TRADE_UPDATE", count=1)
        await world.place()
        doubled = kinds(await stream.frames())
        faults.add(FaultKind.DELAY_FRAME, topic="ACCOUNT_UPDATE", seconds=1.0, count=1)
        await world.place()
        early, late = kinds(await stream.frames(0.5)), kinds(await stream.frames(1))
        faults.add(FaultKind.MALFORM_FRAME, topic="TRADE_LITE", count=1)
        await world.place()
        with pytest.raises(ValueError, match=r"line 1 column \d+"):
            await stream.frames()

    assert lost == ["TRADE_LITE", "NEW NEW", "TRADE FILLED"]
    assert doubled == ["TRADE_LITE", "NEW NEW", "NEW NEW", "ACCOUNT_UPDATE", "TRADE FILLED"]
    assert (early, late) == (["TRADE_LITE", "NEW NEW"], ["ACCOUNT_UPDATE", "TRADE FILLED"])
