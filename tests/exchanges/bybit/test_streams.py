"""Private stream and marks: login, subscription, pings, silence, garbage."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from exchanges.bybit.marks import TOPIC_TEXT_MAX, topics_of
from exchanges.clock import VIRTUAL_EPOCH_MS
from exchanges.errors import Refusal, RequestRejected, StreamLost
from exchanges.port import Heard, PrivateStream, StreamEvent, Unreadable
from model.order import OrderReport
from tests.exchanges.bybit import samples
from tests.exchanges.bybit.scripted import KEYS, Scripted, log_in, ok, subscribed
from tests.exchanges.fakes import WsPeer, WsServer, serving

D = Decimal
PONG = {"req_id": "", "op": "pong", "args": ["1"], "conn_id": "c"}


def streaming(then: Callable[[WsPeer], Awaitable[None]]) -> Callable[[WsPeer], Awaitable[None]]:
    async def script(peer: WsPeer) -> None:
        await log_in(peer)
        assert await subscribed(peer) == ["order", "execution", "position", "wallet"]
        await then(peer)

    return script


async def events(stream: PrivateStream, count: int) -> list[StreamEvent]:
    found = []
    async for event in stream:
        found.append(event)
        if len(found) == count:
            break
    return found


async def test_a_stream_tells_what_its_frames_say(autojump_clock: MockClock) -> None:
    async def talk(peer: WsPeer) -> None:
        await peer.say(samples.frame("order", samples.order(), samples.order(orderId="2")))
        await peer.say("garbage")
        await peer.say(samples.frame("position", samples.position()))
        await peer.say(PONG)
        await trio.sleep_forever()

    async with Scripted(private=streaming(talk)).account() as account, account.private_stream() as stream:
        found = await events(stream, 5)

    assert [type(event) for event in found] == [OrderReport, OrderReport, Unreadable, tuple, Heard]


async def test_what_comes_before_the_subscription_is_answered_is_kept(autojump_clock: MockClock) -> None:
    async def script(peer: WsPeer) -> None:
        await log_in(peer)
        await peer.say(samples.frame("position", samples.position()))
        await subscribed(peer)
        await trio.sleep_forever()

    async with Scripted(private=script).account() as account, account.private_stream() as stream:
        (event,) = await events(stream, 1)
    assert isinstance(event, tuple)


@pytest.mark.parametrize(
    "answer",
    [
        {"success": False, "ret_msg": "API key is invalid.", "op": "auth", "conn_id": "c"},
        {"op": "auth", "retCode": 10004, "retMsg": "origin_string[secret]"},
        {"type": "error", "op": "auth", "ret_msg": "no"},
    ],
)
async def test_a_refused_login_is_a_refusal(autojump_clock: MockClock, answer: dict[str, Any]) -> None:
    async def refuse(peer: WsPeer) -> None:
        await peer.hear()
        await peer.say(answer)

    async with Scripted(private=refuse, rest=time_of(VIRTUAL_EPOCH_MS)).account() as account:
        with pytest.raises(RequestRejected) as refused:
            async with account.private_stream():
                raise AssertionError
    assert refused.value.refusal is Refusal.AUTH
    assert "secret" not in str(refused.value)


async def test_a_login_that_a_wrong_clock_let_expire_is_sent_again(autojump_clock: MockClock) -> None:
    """Nothing compared the clocks for half a minute, and the next attempt waited for longer and longer."""
    ahead_ms, expiries = 60_000, []

    async def script(peer: WsPeer) -> None:
        asked = await peer.hear()
        expiries.append(asked["args"][1] - VIRTUAL_EPOCH_MS)
        await peer.say({"success": False, "ret_msg": "Params Error", "op": "auth", "conn_id": "c"})
        await streaming(say_position)(peer)

    async def say_position(peer: WsPeer) -> None:
        await peer.say(samples.frame("position", samples.position()))
        await trio.sleep_forever()

    scripted = Scripted(private=script, rest=time_of(VIRTUAL_EPOCH_MS + ahead_ms))
    async with scripted.account() as account, account.private_stream() as stream:
        assert await events(stream, 1)
    assert [it < ahead_ms for it in expiries] == [True]


def time_of(venue_ms: int) -> dict[str, list[Any]]:
    """Return the answer of the venue's clock, by its path."""
    return {
        "/v5/market/time": [ok({"timeSecond": str(venue_ms // 1000), "timeNano": str(venue_ms * 1_000_000)})]
    }


async def no_answer(peer: WsPeer) -> None:
    await trio.sleep_forever()


async def hang_up(peer: WsPeer) -> None:
    await peer.hear()


async def refuse_topics(peer: WsPeer) -> None:
    await log_in(peer)
    await peer.hear()
    await peer.say({"success": False, "ret_msg": "error:handler not found", "op": "subscribe"})


@pytest.mark.parametrize("script", [no_answer, hang_up, refuse_topics])
async def test_a_stream_that_does_not_come_up_is_lost(
    autojump_clock: MockClock, script: Callable[[WsPeer], Awaitable[None]]
) -> None:
    async with Scripted(private=script).account() as account:
        with pytest.raises(StreamLost):
            async with account.private_stream():
                raise AssertionError


async def test_a_quiet_stream_is_pinged_and_lives(autojump_clock: MockClock) -> None:
    pings: list[float] = []

    async def pong(peer: WsPeer) -> None:
        while True:
            assert (await peer.hear())["op"] == "ping"
            pings.append(trio.current_time())
            await peer.say(PONG)

    async with Scripted(private=streaming(pong)).account() as account, account.private_stream() as stream:
        assert await events(stream, 6) == [Heard()] * 6
    assert pings == [20.0 * n for n in range(1, 7)]


async def test_a_busy_stream_is_pinged_too(autojump_clock: MockClock) -> None:
    async def talk(peer: WsPeer) -> None:
        for _ in range(50):
            await peer.say(samples.frame("position", samples.position()))
            await trio.sleep(1)

    server = WsServer(streaming(talk))
    bybit = Scripted()
    async with serving(bybit.network, private=server.serve, rest=bybit.http.serve):
        account = bybit.venue().account(KEYS)
        async with account.private_stream() as stream:
            await events(stream, 50)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0.1):
                await server.peers[0].hear()
                await server.peers[0].hear()
    assert [asked for asked in server.peers[0].heard if asked == {"op": "ping"}] == [{"op": "ping"}] * 2


async def test_a_half_open_stream_is_lost_within_25_seconds(autojump_clock: MockClock) -> None:
    async def say_one(peer: WsPeer) -> None:
        await peer.say(samples.frame("position", samples.position()))
        await trio.sleep_forever()

    async with Scripted(private=streaming(say_one)).account() as account:
        with pytest.raises(StreamLost, match="silent"):
            async with account.private_stream() as stream:
                await events(stream, 2)
        assert trio.current_time() == pytest.approx(25.0)


async def test_frames_that_came_while_their_reader_was_busy_are_no_silence(autojump_clock: MockClock) -> None:
    async def talk(peer: WsPeer) -> None:
        for _ in range(3):
            await peer.say(samples.frame("position", samples.position()))
        await trio.sleep_forever()

    async with Scripted(private=streaming(talk)).account() as account, account.private_stream() as stream:
        await trio.sleep(40)
        assert len(await events(stream, 3)) == 3


async def test_marks_come_as_they_change(autojump_clock: MockClock) -> None:
    topics: list[str] = []

    async def talk(peer: WsPeer) -> None:
        topics.extend(await subscribed(peer))
        for kind, data in [
            ("snapshot", {"symbol": "AUSDT", "markPrice": "1.5", "lastPrice": "1"}),
            ("delta", {"symbol": "AUSDT", "lastPrice": "1.1"}),
            ("delta", {"symbol": "BUSDT", "markPrice": "0"}),
            ("delta", {"symbol": "AUSDT", "markPrice": "1.6"}),
        ]:
            await peer.say({"topic": f"tickers.{data['symbol']}", "type": kind, "data": data})
            await peer.say("garbage")
        await peer.say({"success": True, "ret_msg": "pong", "op": "ping"})

    bybit = Scripted()
    async with (
        serving(bybit.network, public=WsServer(talk).serve),
        bybit.venue().marks(frozenset({"BUSDT", "AUSDT"})) as updates,
    ):
        found = [await anext(updates), await anext(updates)]
        with pytest.raises(StreamLost):
            await anext(updates)

    assert topics == ["tickers.AUSDT", "tickers.BUSDT"]
    assert found == [("AUSDT", D("1.5")), ("AUSDT", D("1.6"))]


async def test_many_symbols_are_subscribed_in_parts(autojump_clock: MockClock) -> None:
    parts: list[int] = []

    async def script(peer: WsPeer) -> None:
        for _ in range(3):
            parts.append(len(await subscribed(peer)))
        await peer.say({"topic": "tickers.A", "data": {"symbol": "AUSDT", "markPrice": "1"}})

    bybit = Scripted()
    symbols = frozenset(f"S{n}USDT" for n in range(120))
    async with (
        serving(bybit.network, public=WsServer(script).serve),
        bybit.venue().marks(symbols) as updates,
    ):
        assert await anext(updates) == ("AUSDT", D(1))
    assert parts == [50, 50, 20]


def test_topics_stay_within_what_one_connection_may_have() -> None:
    topics = topics_of(frozenset(f"SYMBOL{n}USDT" for n in range(2_000)))

    assert len(json.dumps(topics, separators=(",", ":"))) <= TOPIC_TEXT_MAX
    assert len(topics) > 500
