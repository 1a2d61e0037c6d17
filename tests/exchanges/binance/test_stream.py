"""The user stream: the whole life of a listen key, what events become, and how an end is noticed."""

from decimal import Decimal
from typing import Any

import pytest
import trio

from exchanges.binance import stream as stream_module
from exchanges.errors import RequestRejected, StreamLost
from exchanges.port import AccountGateway, Heard, StreamEvent, Unreadable
from model.account import Execution, PositionReport, WalletReport
from model.leg import HEDGE_LONG, ONE_WAY, Leg
from model.order import OrderReport, OrderState
from tests.exchanges.binance.scripted import LISTEN_KEY, ScriptedBinance, cut, one_way_config, order_row
from tests.exchanges.binance.test_events import CLOSED, ORDER_NEW, ORDER_TRADE
from tests.exchanges.binance.test_orders import CLOSE, ID

PUT, POST = ("PUT", "/fapi/v1/listenKey"), ("POST", "/fapi/v1/listenKey")


@pytest.fixture
async def binance(autojump_clock) -> ScriptedBinance:
    return ScriptedBinance()


async def next_news(events: Any) -> StreamEvent:
    """Return the next event that is more than a sign of life."""
    while isinstance(event := await anext(events), Heard):
        pass
    return event


async def lost_after(account: AccountGateway) -> tuple[float, str]:
    """Stream until the end; return when it came and why."""
    with pytest.raises(StreamLost) as caught:  # noqa: PT012
        async with account.private_stream() as events:
            async for _ in events:
                pass
    return trio.current_time(), str(caught.value)


async def test_events_in_the_order_in_which_they_come(autojump_clock, binance) -> None:
    async with binance.account() as account, account.private_stream() as events:
        for frame in (ORDER_NEW, CLOSED, ORDER_TRADE):
            await binance.push(frame)
        got = [await next_news(events) for _ in range(5)]

    new, wallet, rows, fills, filled = got
    assert isinstance(new, OrderReport)
    assert isinstance(rows, tuple)
    assert isinstance(rows[0], PositionReport)
    assert isinstance(wallet, WalletReport)
    assert isinstance(fills[0], Execution)
    assert filled.state is OrderState.FILLED
    assert binance.private_paths == [f"/private/ws/{LISTEN_KEY}"]


async def test_a_quiet_stream_is_heard_within_the_time_that_keeps_a_view_fresh(
    autojump_clock, binance
) -> None:
    async with binance.account() as account, account.private_stream() as events:
        for _ in range(5):
            with trio.fail_after(25):
                assert isinstance(await anext(events), Heard)


async def test_a_half_open_line_is_noticed(autojump_clock, binance) -> None:
    async def deaf(stream: trio.abc.Stream) -> None:
        from trio_websocket import wrap_server_stream

        async with trio.open_nursery() as nursery:
            await (await wrap_server_stream(nursery, stream)).accept()
            nursery.cancel_scope.cancel()
        await trio.sleep_forever()

    async with binance.account() as account:
        nursery, _ = binance.network._servers["stream.test", 80]
        binance.network._servers["stream.test", 80] = nursery, deaf

        ended, _ = await lost_after(account)

    assert ended <= 25


async def test_the_key_is_prolonged_and_never_deleted(autojump_clock, binance, monkeypatch) -> None:
    monkeypatch.setattr(stream_module, "PROLONG_EVERY_S", 60.0)
    async with binance.account() as account:
        with trio.move_on_after(130):
            await lost_after(account)

    assert [round(call.at) for call in binance.called(*PUT)] == [60, 120]
    assert len(binance.called(*POST)) == 1
    assert not [call for call in binance.calls if call.method == "DELETE"]
    assert all(set(call.params) == set() for call in binance.called(*PUT))


async def test_a_prolongation_that_fails_is_tried_again(autojump_clock, binance, monkeypatch) -> None:
    monkeypatch.setattr(stream_module, "PROLONG_EVERY_S", 60.0)
    answers = [(503, "Service Unavailable."), (500, ""), (200, {"listenKey": LISTEN_KEY})]
    binance.rest[PUT] = lambda _: answers.pop(0)
    async with binance.account() as account:
        with trio.move_on_after(100):
            await lost_after(account)

    assert not answers
    assert len(binance.private) == 1


async def test_a_key_that_cannot_be_prolonged_ends_the_stream_before_it_ends_itself(
    autojump_clock, binance, monkeypatch
) -> None:
    monkeypatch.setattr(stream_module, "PROLONG_EVERY_S", 60.0)
    monkeypatch.setattr(stream_module, "PROLONG_WITHIN_S", 120.0)
    binance.rest[PUT] = lambda _: (500, "")
    async with binance.account() as account:
        ended, why = await lost_after(account)

    assert ended == pytest.approx(180, abs=1)
    assert "could not be prolonged" in why


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"code": -1125, "msg": "This listenKey does not exist."}),
        (200, {"listenKey": "another"}),
        (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}),
    ],
    ids=["gone", "another", "refused"],
)
async def test_a_lost_key_ends_the_stream_at_once(autojump_clock, binance, monkeypatch, answer) -> None:
    monkeypatch.setattr(stream_module, "PROLONG_EVERY_S", 60.0)
    binance.rest[PUT] = lambda _: answer
    async with binance.account() as account:
        ended, _ = await lost_after(account)

    assert ended == pytest.approx(60, abs=1)


async def test_the_expiry_of_the_key_ends_the_stream_and_the_next_one_works(autojump_clock, binance) -> None:
    async with binance.account() as account:
        with pytest.raises(StreamLost, match="expired"):  # noqa: PT012
            async with account.private_stream() as events:
                await binance.push(CLOSED)
                await binance.push({"e": "listenKeyExpired", "E": "1", "listenKey": LISTEN_KEY})
                async for event in events:
                    assert not isinstance(event, Unreadable)

        async with account.private_stream() as events:
            await binance.push(CLOSED)
            _, rows = [await next_news(events) for _ in range(2)]

    assert rows[0].leg == Leg("BTCUSDT")
    assert len(binance.called(*POST)) == 2


async def test_a_stream_ends_before_its_24_hours(autojump_clock, binance, monkeypatch) -> None:
    monkeypatch.setattr(stream_module, "STREAM_LIFE_S", 300.0)
    monkeypatch.setattr(stream_module, "STREAM_SPREAD_S", 10.0)
    async with binance.account() as account:
        ended, why = await lost_after(account)

    assert 300 <= ended <= 311
    assert "24 hours" in why


async def test_a_cut_is_told_after_what_came_before_it(autojump_clock, binance) -> None:
    async with binance.account() as account:
        with pytest.raises(StreamLost):  # noqa: PT012
            async with account.private_stream() as events:
                await binance.push(CLOSED)
                await cut(binance.private[-1])
                assert isinstance(await next_news(events), WalletReport)
                while True:
                    await anext(events)


async def test_an_unreadable_frame_is_kept_and_the_stream_goes_on(autojump_clock, binance) -> None:
    async with binance.account() as account, account.private_stream() as events:
        await binance.push(CLOSED | {"T": "yesterday"})
        await binance.private[-1].send_message("{")
        await binance.push(CLOSED)
        first, second, third = [await next_news(events) for _ in range(3)]

    assert isinstance(first, Unreadable)
    assert "yesterday" in first.frame
    assert isinstance(second, Unreadable)
    assert isinstance(third, WalletReport)


async def test_what_the_block_raises_leaves_it_as_it_is(autojump_clock, binance) -> None:
    async with binance.account() as account:
        with pytest.raises(KeyError):
            async with account.private_stream():
                raise KeyError("mine")


async def test_a_refused_key_is_told_as_such_and_trouble_as_a_lost_stream(autojump_clock, binance) -> None:
    async with binance.account() as account:
        binance.rest[POST] = lambda _: (401, {"code": -2015, "msg": "Invalid API-key"})
        with pytest.raises(RequestRejected):
            async with account.private_stream():
                pass
        for answer in ((500, ""), (200, "<html>"), (200, {"listenKey": "../x"}), (200, [])):
            binance.rest[POST] = lambda _, answer=answer: answer
            with pytest.raises(StreamLost):
                async with account.private_stream():
                    pass

    assert not binance.private


async def test_a_stream_on_which_our_order_does_not_show_up_is_given_up(autojump_clock, binance) -> None:
    binance.rest["POST", "/fapi/v1/order"] = lambda _: (200, order_row(ID))
    async with binance.account() as account, trio.open_nursery() as nursery:
        ends: list[tuple[float, str]] = []

        async def stream() -> None:
            ends.append(await lost_after(account))

        nursery.start_soon(stream)
        await trio.sleep(1)
        await account.orders.place(CLOSE)

    assert "did not show up" in ends[0][1]
    assert ends[0][0] < 25


async def test_an_order_that_shows_up_first_lends_its_price_to_the_answer(autojump_clock, binance) -> None:
    async with binance.account() as account, account.private_stream() as events:

        async def filled(_: Any) -> tuple[int, Any]:
            row = ORDER_TRADE["o"] | {"c": ID, "z": "0.5", "l": "0.5", "ap": "101.5"}
            await binance.push(ORDER_TRADE | {"o": row})
            await trio.sleep(1)
            return 200, order_row(ID)

        binance.rest["POST", "/fapi/v1/order"] = filled
        with trio.move_on_after(60) as quiet:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_drain, events)
                report = await account.orders.place(CLOSE)

    assert report.average_price == Decimal("101.5")
    assert quiet.cancelled_caught  # the stream lives on: nothing is owed


async def _drain(events: Any) -> None:
    async for _ in events:
        pass


async def test_a_changed_leverage_is_told_with_the_rows_that_it_concerns(autojump_clock, binance) -> None:
    async with binance.account() as account, account.private_stream() as events:
        await binance.push(CLOSED)
        await next_news(events)
        await next_news(events)
        change = {"e": "ACCOUNT_CONFIG_UPDATE", "T": 1, "E": 1, "ac": {"s": "BTCUSDT", "l": 19}}
        await binance.push(change)
        rows = await next_news(events)

    assert [(row.leg, row.leverage) for row in rows] == [(Leg("BTCUSDT"), 19)]


async def test_flat_rows_of_the_other_mode_are_no_news(autojump_clock, binance) -> None:
    binance.rest["GET", "/fapi/v1/accountConfig"] = lambda _: (200, one_way_config(dualSidePosition=True))
    row = CLOSED["a"]["P"][0]
    both = [row, row | {"ps": "LONG", "pa": "0"}]
    async with binance.account() as account, account.private_stream() as events:
        await binance.push(CLOSED | {"a": {"B": [], "P": both, "m": "ORDER"}})
        rows = await next_news(events)

    assert [row.leg.position_idx for row in rows] == [HEDGE_LONG]


async def test_a_position_of_the_other_mode_proves_it(autojump_clock, binance) -> None:
    binance.rest["GET", "/fapi/v1/accountConfig"] = lambda _: (200, one_way_config(dualSidePosition=True))
    row = CLOSED["a"]["P"][0] | {"pa": "5", "ep": "2"}
    async with binance.account() as account, account.private_stream() as events:
        await binance.push(CLOSED | {"a": {"B": [], "P": [row], "m": "ORDER"}})
        rows = await next_news(events)

    assert [row.leg.position_idx for row in rows] == [ONE_WAY]


async def test_multi_assets_margin_has_no_balance_that_events_tell(autojump_clock, binance) -> None:
    binance.rest["GET", "/fapi/v1/accountConfig"] = lambda _: (200, one_way_config(multiAssetsMargin=True))
    async with binance.account() as account:
        with pytest.raises(StreamLost, match="margin mode"):  # noqa: PT012
            async with account.private_stream() as events:
                await binance.push(CLOSED)
                change = {"e": "ACCOUNT_CONFIG_UPDATE", "T": 1, "E": 1, "ai": {"j": False}}
                await binance.push(change)
                async for event in events:
                    assert not isinstance(event, WalletReport)
