"""Order entry: what is accepted, refused, not sent and unknown, over the trade socket and by REST."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchanges.clock import VIRTUAL_EPOCH_MS
from exchanges.errors import OutcomeUnknown, RateLimited, Refusal, RequestNotSent, RequestRejected
from exchanges.port import AccountGateway
from model.leg import Leg, Side
from model.order import OrderReport, OrderRequest, OrderState
from tests.exchanges.bybit.scripted import KEYS, Drop, Scripted, log_in, no, ok
from tests.exchanges.fakes import WsPeer

D = Decimal
CREATE = "/v5/order/create"
ORDER = OrderRequest(
    client_order_id="ab" * 16,
    leg=Leg("SOLUSDT", 0),
    side=Side.BUY,
    quantity=D("0.2"),
    price=D("233.1"),
    reduce_only=False,
)


def acked(asked: dict[str, Any], code: int = 0, text: str = "OK", **changes: Any) -> dict[str, Any]:
    data = {"orderId": "o-1", "orderLinkId": asked["args"][0]["orderLinkId"]} if code == 0 else {}
    header = {
        "X-Bapi-Limit": "10",
        "X-Bapi-Limit-Reset-Timestamp": "1750000000300",
        "Timenow": "1750000000100",
    }
    return {"reqId": asked["reqId"], "retCode": code, "retMsg": text, "op": "order.create"} | {
        "data": data,
        "header": header,
        **changes,
    }


def trading(
    reply: Callable[[WsPeer, dict[str, Any]], Awaitable[None]],
) -> Callable[[WsPeer], Awaitable[None]]:
    async def script(peer: WsPeer) -> None:
        await log_in(peer, trade=True)
        while True:
            asked = await peer.hear()
            if asked["op"] == "ping":
                await peer.say({"retCode": 0, "retMsg": "OK", "op": "pong"})
            else:
                await reply(peer, asked)

    return script


async def accept(peer: WsPeer, asked: dict[str, Any]) -> None:
    await peer.say(acked(asked))


def numbered(n: int, **changes: Any) -> OrderRequest:
    return attrs.evolve(ORDER, client_order_id=f"{n:032x}", **changes)


async def test_an_order_leaves_over_the_trade_socket(autojump_clock: MockClock) -> None:
    bybit = Scripted(trade=trading(accept))
    async with bybit.account() as account:
        report = await account.orders.place(ORDER)

    assert report == OrderReport(
        leg=ORDER.leg,
        client_order_id="ab" * 16,
        order_id="o-1",
        state=OrderState.ACCEPTED,
        filled=D(0),
        average_price=None,
        venue_time_ms=1750000000100,
    )
    assert bybit.trades is not None
    login, asked = bybit.trades.peers[0].heard
    assert login["args"][:2] == ["key", VIRTUAL_EPOCH_MS + 8_000]
    assert asked["op"] == "order.create"
    assert asked["header"] == {"X-BAPI-TIMESTAMP": str(VIRTUAL_EPOCH_MS), "X-BAPI-RECV-WINDOW": "2500"}
    assert asked["args"][0]["orderLinkId"] == "ab" * 16
    assert len(asked["reqId"]) <= 36
    assert not bybit.http.asked


async def test_answers_in_any_order_find_their_questions(autojump_clock: MockClock) -> None:
    held: list[dict[str, Any]] = []

    async def shuffle(peer: WsPeer, asked: dict[str, Any]) -> None:
        held.append(asked)
        if len(held) == 50:
            await peer.say(
                {"reqId": "nobody's", "retCode": 0, "op": "order.create", "data": {"orderId": "x"}}
            )
            await peer.say("garbage")
            await peer.say([1])
            for one in reversed(held):
                await peer.say(acked(one, data={"orderId": one["args"][0]["qty"]}))

    got: dict[int, str] = {}

    async def place(account: AccountGateway, n: int) -> None:
        got[n] = (await account.orders.place(numbered(n, quantity=D(n)))).order_id

    async with Scripted(trade=trading(shuffle)).account() as account, trio.open_nursery() as nursery:
        for n in range(1, 51):
            nursery.start_soon(place, account, n)

    assert got == {n: str(n) for n in range(1, 51)}
    assert len({one["reqId"] for one in held}) == 50


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (110007, RequestRejected),
        (110072, RequestRejected),
        (10006, RateLimited),
        (10002, RequestNotSent),
        (10016, OutcomeUnknown),
        (424242, OutcomeUnknown),
        (110043, OutcomeUnknown),
    ],
)
async def test_refusals_over_the_trade_socket(
    autojump_clock: MockClock, code: int, kind: type[Exception]
) -> None:
    async def refuse(peer: WsPeer, asked: dict[str, Any]) -> None:
        await peer.say(acked(asked, code, "no"))

    async with Scripted(trade=trading(refuse)).account() as account:
        with pytest.raises(kind) as refused:
            await account.orders.place(ORDER)

    assert type(refused.value) is kind
    if isinstance(refused.value, RateLimited):
        assert refused.value.retry_after_s == pytest.approx(0.2)
    if code == 110072:
        assert refused.value.refusal is Refusal.DUPLICATE_ID  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "changes",
    [
        {"retCode": None},
        {"retCode": "zero"},
        {"retCode": True},
        {"data": None},
        {"data": {}},
        {"data": {"orderId": "1", "orderLinkId": "another's"}},
        {"header": {"Timenow": []}},
        {"header": 7},
    ],
)
async def test_an_unreadable_answer_leaves_the_outcome_unknown(
    autojump_clock: MockClock, changes: dict[str, Any]
) -> None:
    async def mumble(peer: WsPeer, asked: dict[str, Any]) -> None:
        await peer.say(acked(asked) | changes)

    async with Scripted(trade=trading(mumble)).account() as account:
        with pytest.raises(OutcomeUnknown):
            await account.orders.place(ORDER)


async def test_slow_is_not_unknown_and_silence_is(autojump_clock: MockClock) -> None:
    delays = iter([14.0, 16.0])

    async def dawdle(peer: WsPeer, asked: dict[str, Any]) -> None:
        await trio.sleep(next(delays))
        await peer.say(acked(asked))

    async with Scripted(trade=trading(dawdle)).account() as account:
        assert (await account.orders.place(numbered(1))).order_id == "o-1"
        with pytest.raises(OutcomeUnknown):
            await account.orders.place(numbered(2))


async def test_an_answer_after_its_time_harms_nobody(autojump_clock: MockClock) -> None:
    late: list[dict[str, Any]] = []

    async def first_late(peer: WsPeer, asked: dict[str, Any]) -> None:
        late.append(asked)
        if len(late) == 2:
            await peer.say(acked(late[0], data={"orderId": "late"}))
            await peer.say(acked(late[1], data={"orderId": "mine"}))

    async with Scripted(trade=trading(first_late)).account() as account:
        with pytest.raises(OutcomeUnknown):
            await account.orders.place(numbered(1))
        assert (await account.orders.place(numbered(2))).order_id == "mine"


async def test_a_lost_socket_leaves_what_was_under_way_unknown_and_rest_takes_the_next(
    autojump_clock: MockClock,
) -> None:
    async def hang_up(peer: WsPeer, asked: dict[str, Any]) -> None:
        await trio.aclose_forcefully(peer.stream)

    async def hang_up_then_refuse_logins(peer: WsPeer) -> None:
        assert bybit.trades is not None
        if len(bybit.trades.peers) == 1:
            await trading(hang_up)(peer)

    bybit = Scripted(trade=hang_up_then_refuse_logins, rest={CREATE: [ok({"orderId": "by rest"})]})
    async with bybit.account() as account:
        with pytest.raises(OutcomeUnknown):
            await account.orders.place(numbered(1))
        assert trio.current_time() < 1  # told by the loss, not by the order's time limit
        report = await account.orders.place(numbered(2))

    assert report.order_id == "by rest"
    sent = bybit.asked(CREATE)[0]
    assert json.loads(sent.body)["orderLinkId"] == f"{2:032x}"
    assert sent.headers["x-bapi-recv-window"] == "2500"
    assert len(bybit.asked(CREATE)) == 1


async def test_the_socket_comes_back_by_itself(autojump_clock: MockClock) -> None:
    async def once(peer: WsPeer) -> None:
        assert bybit.trades is not None
        await log_in(peer, trade=True)
        if len(bybit.trades.peers) < 4:
            return
        await accept(peer, await peer.hear())

    bybit = Scripted(trade=once)
    async with bybit.account() as account:
        await trio.sleep(5)
        assert (await account.orders.place(ORDER)).order_id == "o-1"
    assert not bybit.http.asked


async def test_a_half_open_socket_is_noticed(autojump_clock: MockClock) -> None:
    async def mute(peer: WsPeer) -> None:
        assert bybit.trades is not None
        if len(bybit.trades.peers) == 1:
            await log_in(peer, trade=True)
            await trio.sleep_forever()
        await trading(accept)(peer)

    bybit = Scripted(trade=mute)
    async with bybit.account() as account:
        await trio.sleep(30)
        assert (await account.orders.place(ORDER)).order_id == "o-1"
    assert bybit.trades is not None
    assert len(bybit.trades.peers) == 2


async def test_a_restarting_venue_gets_no_new_order_on_its_socket(autojump_clock: MockClock) -> None:
    async def restart(peer: WsPeer, asked: dict[str, Any]) -> None:
        if asked["args"][0]["qty"] == "2":
            await peer.say(acked(asked, 10019, "restarting"))

    bybit = Scripted(trade=trading(restart), rest={CREATE: [ok({"orderId": "by rest"})]})
    errors: list[Exception] = []

    async def first(account: AccountGateway) -> None:
        try:
            await account.orders.place(numbered(1))
        except OutcomeUnknown as error:
            errors.append(error)

    async with bybit.account() as account, trio.open_nursery() as nursery:
        nursery.start_soon(first, account)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OutcomeUnknown):
            await account.orders.place(numbered(2, quantity=D(2)))
        assert (await account.orders.place(numbered(3))).order_id == "by rest"
        assert not errors  # what was under way goes on
    assert len(errors) == 1


async def test_a_cancelled_order_leaves_the_socket_whole(autojump_clock: MockClock) -> None:
    async def dawdle(peer: WsPeer, asked: dict[str, Any]) -> None:
        await trio.sleep(1)
        await peer.say(acked(asked, data={"orderId": asked["args"][0]["qty"]}))

    bybit = Scripted(trade=trading(dawdle))
    async with bybit.account() as account:
        for wait_s in (0.0, 0.5):
            with trio.move_on_after(wait_s):
                await account.orders.place(numbered(1))
        assert (await account.orders.place(numbered(2, quantity=D(7)))).order_id == "7"
    assert bybit.trades is not None
    assert len(bybit.trades.peers) == 1


async def test_a_world_without_a_trade_socket_takes_orders_by_rest(autojump_clock: MockClock) -> None:
    bybit = Scripted(rest={CREATE: [ok({"orderId": "1", "orderLinkId": "ab" * 16})]})
    async with bybit.account() as account:
        report = await account.orders.place(ORDER)

    assert (report.order_id, report.state) == ("1", OrderState.ACCEPTED)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Drop(), OutcomeUnknown),
        ((502, {}, b""), OutcomeUnknown),
        ((429, {}, b""), OutcomeUnknown),
        ((200, {}, b"<html>"), OutcomeUnknown),
        (ok({}), OutcomeUnknown),
        (no(424242), OutcomeUnknown),
        (no(10016), OutcomeUnknown),
        (no(110007), RequestRejected),
        (no(10006), RateLimited),
        ((403, {}, b""), RateLimited),
    ],
)
async def test_refusals_by_rest(autojump_clock: MockClock, reply: Any, kind: type[Exception]) -> None:
    bybit = Scripted(rest={CREATE: [reply]})
    async with bybit.account() as account:
        with pytest.raises(kind) as refused:
            await account.orders.place(ORDER)

    assert type(refused.value) is kind
    assert len(bybit.asked(CREATE)) == 1  # at most once, whatever happens


async def test_nobody_listening_means_the_order_did_not_leave(autojump_clock: MockClock) -> None:
    account = Scripted().venue().account(KEYS)
    with pytest.raises(RequestNotSent):
        await account.orders.place(ORDER)


async def test_an_order_lives_no_longer_than_it_may(autojump_clock: MockClock) -> None:
    bybit = Scripted(trade=trading(accept))
    async with bybit.account() as account:
        await account.orders.place(attrs.evolve(ORDER, expires_at_ms=VIRTUAL_EPOCH_MS + 1_000))
        with pytest.raises(RequestNotSent):
            await account.orders.place(numbered(2, expires_at_ms=VIRTUAL_EPOCH_MS + 50))

    assert bybit.trades is not None
    sent = [asked for asked in bybit.trades.peers[0].heard if asked["op"] == "order.create"]
    assert [asked["header"]["X-BAPI-RECV-WINDOW"] for asked in sent] == ["1000"]


async def test_reductions_go_first_and_nothing_waits_too_long(autojump_clock: MockClock) -> None:
    sent: list[tuple[float, bool]] = []
    refused: list[OrderRequest] = []

    async def note(peer: WsPeer, asked: dict[str, Any]) -> None:
        sent.append((trio.current_time(), asked["args"][0]["reduceOnly"]))
        await peer.say(acked(asked))

    async def place(account: AccountGateway, order: OrderRequest) -> None:
        try:
            await account.orders.place(order)
        except RateLimited:
            refused.append(order)

    async with (
        Scripted(trade=trading(note), paced=True).account() as account,
        trio.open_nursery() as nursery,
    ):
        for n in range(40):
            nursery.start_soon(place, account, numbered(n))
        await trio.testing.wait_all_tasks_blocked()
        for n in range(40, 52):
            nursery.start_soon(place, account, numbered(n, reduce_only=True))

    at_once = [reduces for when, reduces in sent if when < 0.5]
    assert (at_once.count(False), at_once.count(True)) == (7, 3)
    assert [reduces for when, reduces in sent if 0.5 < when < 1.5][:9].count(True) == 9
    assert not [order for order in refused if order.reduce_only]
    assert len(refused) + len(sent) == 52
    assert len(refused) > 0
