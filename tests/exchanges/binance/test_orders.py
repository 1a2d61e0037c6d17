"""Orders by WebSocket and REST: sent once, and every way in which the answer may come or not."""

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio

from exchanges.binance import orders
from exchanges.binance.signing import Signer
from exchanges.errors import OutcomeUnknown, RateLimited, Refusal, RequestNotSent, RequestRejected
from exchanges.port import AccountGateway, Credentials
from model.leg import HEDGE_LONG, Leg, Side
from model.order import OrderRequest, OrderState
from tests.exchanges.binance.scripted import KEY, SECRET, Params, ScriptedBinance, cut, order_row

ID = "0123456789abcdef0123456789abcdef"
CLOSE = OrderRequest(
    client_order_id=ID,
    leg=Leg("BTCUSDT"),
    side=Side.SELL,
    quantity=Decimal("0.50"),
    price=None,
    reduce_only=True,
)
OPEN = attrs.evolve(CLOSE, side=Side.BUY, price=Decimal("101.5"), reduce_only=False)


@pytest.fixture
async def binance(autojump_clock) -> ScriptedBinance:
    return ScriptedBinance()


@pytest.fixture
async def gateway(binance: ScriptedBinance) -> AsyncIterator[AccountGateway]:
    """An account whose order socket is open."""
    async with binance.account() as account, trio.open_nursery() as nursery:
        nursery.start_soon(account.orders.warm_up)
        await trio.sleep(1)
        yield account
        nursery.cancel_scope.cancel()


def answering(result: dict[str, Any], status: int = 200) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        return {"status": status, "result" if status == 200 else "error": result}

    return answer


async def test_a_market_close_is_answered_with_its_end(autojump_clock, binance, gateway) -> None:
    binance.trade = answering(order_row(ID))

    report = await gateway.orders.place(CLOSE)

    assert (report.state, report.filled, report.average_price) == (OrderState.FILLED, Decimal("0.5"), None)
    assert (report.leg, report.client_order_id, report.side) == (Leg("BTCUSDT"), ID, Side.SELL)
    (request,) = binance.requests
    assert request["method"] == "order.place"
    params = request["params"]
    assert {name: params[name] for name in ("type", "side", "quantity", "reduceOnly", "recvWindow")} == {
        "type": "MARKET",
        "side": "SELL",
        "quantity": "0.5",
        "reduceOnly": "true",
        "recvWindow": 3000,
    }
    assert "timeInForce" not in params
    assert "price" not in params
    assert not binance.called("POST", "/fapi/v1/order")


async def test_an_opening_is_a_bounded_ioc_limit_that_may_end_partly_filled(
    autojump_clock, binance, gateway
) -> None:
    binance.trade = answering(
        order_row(ID, status="EXPIRED", executedQty="0.2", avgPrice="101.25", positionSide="BOTH")
    )

    report = await gateway.orders.place(OPEN)

    assert (report.state, report.filled) == (OrderState.ENDED, Decimal("0.2"))
    assert report.average_price == Decimal("101.25")
    params = binance.requests[0]["params"]
    assert (params["type"], params["price"], params["timeInForce"]) == ("LIMIT", "101.5", "IOC")
    assert "reduceOnly" not in params


async def test_in_hedge_mode_the_position_side_says_what_closes(autojump_clock, binance, gateway) -> None:
    binance.trade = answering(order_row(ID, positionSide="LONG"))

    report = await gateway.orders.place(attrs.evolve(CLOSE, leg=Leg("BTCUSDT", HEDGE_LONG)))

    assert report.leg == Leg("BTCUSDT", HEDGE_LONG)
    assert binance.requests[0]["params"]["positionSide"] == "LONG"
    assert "reduceOnly" not in binance.requests[0]["params"]


@pytest.mark.parametrize(("side", "reduce_only"), [(Side.BUY, True), (Side.SELL, False)])
async def test_an_order_that_would_do_the_opposite_never_leaves(
    autojump_clock, binance, gateway, side, reduce_only
) -> None:
    order = attrs.evolve(CLOSE, leg=Leg("BTCUSDT", HEDGE_LONG), side=side, reduce_only=reduce_only)

    with pytest.raises(RequestRejected):
        await gateway.orders.place(order)

    assert not binance.requests


async def test_an_answer_without_price_and_position_side_is_read(autojump_clock, binance, gateway) -> None:
    row = order_row(ID, cumQuote="50.5")
    del row["positionSide"]
    binance.trade = answering(row)

    report = await gateway.orders.place(attrs.evolve(CLOSE, leg=Leg("BTCUSDT", HEDGE_LONG)))

    assert report.leg == Leg("BTCUSDT", HEDGE_LONG)
    assert report.average_price == Decimal(101)


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"status": "FILLED"},
        order_row("another-id"),
        order_row(ID, symbol="ETHUSDT"),
        order_row(ID, status="HALF"),
        order_row(ID, executedQty="NaN"),
        order_row(ID, executedQty="-1"),
    ],
    ids=["empty", "half", "other id", "other symbol", "new status", "NaN", "negative"],
)
async def test_an_answer_that_cannot_be_trusted_leaves_the_outcome_unknown(
    autojump_clock, binance, gateway, result
) -> None:
    binance.trade = answering(result)

    with pytest.raises(OutcomeUnknown):
        await gateway.orders.place(CLOSE)


async def test_refusals_by_code(autojump_clock, binance, gateway) -> None:
    binance.trade = answering({"code": -2022, "msg": "ReduceOnly Order is rejected."}, status=400)

    with pytest.raises(RequestRejected) as caught:
        await gateway.orders.place(CLOSE)

    assert (caught.value.refusal, caught.value.code) == (Refusal.REDUCE_ONLY, "-2022")


@pytest.mark.parametrize(("status", "code"), [(408, -1007), (503, -1006), (400, -9999), (0, None)])
async def test_a_code_that_does_not_decide_leaves_the_outcome_unknown(
    autojump_clock, binance, gateway, status, code
) -> None:
    binance.trade = answering({"code": code, "msg": "?"}, status=status)

    with pytest.raises(OutcomeUnknown):
        await gateway.orders.place(CLOSE)

    assert len(binance.requests) == 1
    assert not binance.called("POST", "/fapi/v1/order")


async def test_an_order_without_an_answer_is_unknown_and_not_sent_again(
    autojump_clock, binance, gateway
) -> None:
    binance.trade = lambda request: None
    began = trio.current_time()

    with pytest.raises(OutcomeUnknown):
        await gateway.orders.place(CLOSE)

    assert trio.current_time() - began == pytest.approx(15, abs=0.5)
    assert len(binance.requests) == 1
    assert not binance.called("POST", "/fapi/v1/order")


async def test_a_socket_that_left_an_order_unanswered_is_replaced(autojump_clock, binance, gateway) -> None:
    binance.trade = lambda request: None
    with pytest.raises(OutcomeUnknown):
        await gateway.orders.place(CLOSE)
    binance.trade = answering(order_row(ID))
    await trio.sleep(1)

    report = await gateway.orders.place(CLOSE)

    assert report.state is OrderState.FILLED
    assert len(binance.trading) == 2


async def test_a_socket_that_drops_after_the_order_leaves_it_unknown(
    autojump_clock, binance, gateway
) -> None:
    async with trio.open_nursery() as nursery:

        async def cut_when_asked() -> None:
            while not binance.requests:
                await trio.sleep(0.01)
            await cut(binance.trading[-1])

        nursery.start_soon(cut_when_asked)
        with pytest.raises(OutcomeUnknown):
            await gateway.orders.place(CLOSE)

    assert len(binance.requests) == 1
    assert not binance.called("POST", "/fapi/v1/order")


async def test_without_an_order_socket_rest_takes_the_order(autojump_clock, binance) -> None:
    async with binance.account() as account:
        binance.rest["POST", "/fapi/v1/order"] = lambda params: (200, order_row(ID))

        report = await account.orders.place(CLOSE)

    assert report.state is OrderState.FILLED
    (call,) = binance.called("POST", "/fapi/v1/order")
    assert call.headers["x-mbx-apikey"] == KEY
    params = dict(call.params)
    signature = params.pop("signature")
    assert signature == signed(params)
    assert params["newOrderRespType"] == "RESULT"


def signed(params: Params) -> str:
    text = "&".join(f"{name}={value}" for name, value in params.items())
    return Signer(Credentials(api_key=KEY, api_secret=SECRET)).sign(text)


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", '{"code":-1007,"msg":"Timeout"}'])
@pytest.mark.parametrize("status", [200, 400, 500, 502])
async def test_rest_answers_that_decide_nothing(autojump_clock, binance, body: str, status: int) -> None:
    async with binance.account() as account:
        binance.rest["POST", "/fapi/v1/order"] = lambda params: (status, body)

        with pytest.raises(OutcomeUnknown):
            await account.orders.place(CLOSE)

    assert len(binance.called("POST", "/fapi/v1/order")) == 1


async def test_an_order_that_rest_accepts_and_never_answers_is_unknown(autojump_clock, binance) -> None:
    async with binance.account() as account:
        binance.rest["POST", "/fapi/v1/order"] = lambda params: (200, order_row(ID))
        binance.mute_rest = True

        with pytest.raises(OutcomeUnknown):
            await account.orders.place(CLOSE)

    assert len(binance.called("POST", "/fapi/v1/order")) == 1


async def test_where_nothing_listens_nothing_was_sent(autojump_clock, binance) -> None:
    async with binance.serving() as venue:
        account = venue.account(Credentials(api_key=KEY, api_secret=SECRET))
        del binance.network._servers["rest.test", 80]
        try:
            with pytest.raises(RequestNotSent):
                await account.orders.place(CLOSE)
        finally:
            binance.network._servers["rest.test", 80] = None


async def test_a_ban_stops_everything_until_it_is_over(autojump_clock, binance) -> None:
    binance.rest["POST", "/fapi/v1/order"] = lambda params: (
        418,
        {"code": -1003, "msg": "Way too many requests"},
        {"Retry-After": "30"},
    )
    async with binance.account() as account:
        with pytest.raises(RateLimited) as first:
            await account.orders.place(CLOSE)
        with pytest.raises(RateLimited) as second:
            await account.orders.place(CLOSE)
        with pytest.raises(RateLimited):
            await account.snapshot()
        await trio.sleep(31)
        binance.rest["POST", "/fapi/v1/order"] = lambda params: (200, order_row(ID))
        report = await account.orders.place(CLOSE)

    assert first.value.retry_after_s == 30
    assert second.value.retry_after_s == pytest.approx(30, abs=0.1)
    assert len(binance.calls) == 2
    assert report.state is OrderState.FILLED


async def test_too_much_weight_stops_what_is_not_needed_but_no_reduction(autojump_clock, binance) -> None:
    binance.rest["GET", "/fapi/v1/accountConfig"] = lambda params: (
        429,
        {"code": -1003, "msg": "Too many requests"},
        {"Retry-After": "20"},
    )
    binance.rest["POST", "/fapi/v1/order"] = lambda params: (200, order_row(ID))
    async with binance.account() as account:
        with pytest.raises(RateLimited):
            await account.snapshot()

        with pytest.raises(RateLimited):
            await account.orders.place(OPEN)
        report = await account.orders.place(CLOSE)

    assert report.state is OrderState.FILLED
    assert len(binance.called("POST", "/fapi/v1/order")) == 1


async def test_too_many_orders_hold_back_this_account_only(autojump_clock, binance) -> None:
    binance.rest["POST", "/fapi/v1/order"] = lambda params: (429, {"code": -1015, "msg": "Too many orders"})
    async with binance.account() as account:
        with pytest.raises(RateLimited):
            await account.orders.place(CLOSE)

        with pytest.raises(RateLimited):
            await account.orders.place(CLOSE)
        await account.snapshot()

    assert len(binance.called("POST", "/fapi/v1/order")) == 1


async def test_a_refused_timestamp_is_no_order_and_the_clock_is_read_again(
    autojump_clock, binance, gateway
) -> None:
    binance.skew_ms = -1500
    binance.trade = answering({"code": -1021, "msg": "Timestamp is ahead"}, status=400)
    with pytest.raises(RequestNotSent) as caught:
        await gateway.orders.place(CLOSE)
    binance.trade = answering(order_row(ID))

    await gateway.orders.place(CLOSE)

    assert not isinstance(caught.value, OutcomeUnknown)
    assert len(binance.called("GET", "/fapi/v1/time")) == 1
    stamp = binance.requests[-1]["params"]["timestamp"]
    assert stamp == pytest.approx(binance.clock.wall_ms() - 1500, abs=5)


async def test_an_opening_lives_no_longer_than_it_may(autojump_clock, binance, gateway) -> None:
    binance.trade = answering(order_row(ID))
    now = binance.clock.wall_ms()

    await gateway.orders.place(attrs.evolve(OPEN, expires_at_ms=now + 1200))
    with pytest.raises(RequestNotSent):
        await gateway.orders.place(attrs.evolve(OPEN, expires_at_ms=now))

    assert [request["params"]["recvWindow"] for request in binance.requests] == [1200]


async def test_many_orders_at_once_get_their_own_answers(autojump_clock, binance, gateway) -> None:
    binance.trade = lambda request: {
        "status": 200,
        "result": order_row(request["params"]["newClientOrderId"]),
    }
    reports = []

    async def place(number: int) -> None:
        order = attrs.evolve(CLOSE, client_order_id=f"{number:032x}")
        reports.append(((await gateway.orders.place(order)).client_order_id, order.client_order_id))

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(place, number)

    assert len(reports) == 20
    assert all(got == wanted for got, wanted in reports)


async def test_the_order_socket_makes_way_before_its_day_is_over(
    autojump_clock, binance, monkeypatch
) -> None:
    monkeypatch.setattr(orders, "SOCKET_LIFE_S", 300.0)
    monkeypatch.setattr(orders, "SOCKET_SPREAD_S", 10.0)
    binance.trade = answering(order_row(ID))
    async with binance.account() as account, trio.open_nursery() as nursery:
        nursery.start_soon(account.orders.warm_up)
        await trio.sleep(320)

        report = await account.orders.place(CLOSE)
        nursery.cancel_scope.cancel()

    assert len(binance.trading) == 2
    assert report.state is OrderState.FILLED
    assert not binance.called("POST", "/fapi/v1/order")


async def test_cancelling_an_order_under_way_leaves_the_socket_usable(
    autojump_clock, binance, gateway
) -> None:
    binance.trade = lambda request: None
    with trio.move_on_after(1):
        await gateway.orders.place(CLOSE)
    binance.trade = answering(order_row(ID))

    report = await gateway.orders.place(CLOSE)

    assert report.state is OrderState.FILLED
    assert len(binance.trading) == 1
