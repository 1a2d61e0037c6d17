"""Our orders at a sandbox in trouble: lost answers, late ones, stops, wrong clocks, small budgets."""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from exchanges.binance.account import BinanceAccount
from exchanges.errors import OutcomeUnknown, RateLimited, RequestNotSent
from exchanges.sandbox import (
    FaultKind,
)
from model.leg import Side
from model.order import OrderReport, OrderState
from tests.exchanges.binance.sandboxed import LEG, order, sandboxed

D = Decimal


async def test_while_the_order_socket_is_away_orders_go_by_rest_and_then_by_it_again(
    autojump_clock: MockClock,
) -> None:
    async with sandboxed() as house:
        await house.account.orders.place(order(1))
        maintenance = house.core.faults.add(FaultKind.MAINTENANCE, endpoint="/ws-fapi/v1")
        assert house.server.drop_connections(kind="trade", reset=True) == 1
        await trio.sleep(0.5)
        await house.account.orders.place(order(2))
        house.core.faults.remove(maintenance)
        await trio.sleep(60)
        await house.account.orders.place(order(3))

    assert house.via() == ["order.place", "POST /fapi/v1/order", "order.place"]


@pytest.mark.parametrize("socket", [True, False])
@pytest.mark.parametrize("kind", [FaultKind.LOSE_ANSWER, FaultKind.RESET_AFTER, FaultKind.ERROR_AFTER])
@pytest.mark.parametrize("status", [503, 408])
async def test_an_order_without_an_answer_is_found(
    autojump_clock: MockClock, kind: FaultKind, socket: bool, status: int
) -> None:
    async with sandboxed(socket=socket) as house:
        endpoint = "order.place" if socket else "POST */order"
        fault = house.core.faults.add(kind, account="m", endpoint=endpoint, count=1, status=status)
        with pytest.raises(OutcomeUnknown):
            await house.account.orders.place(order(1))
        found = await house.account.find_order(LEG, f"{1:032x}")

    assert fault.struck == 1
    assert found is not None
    assert found.state is OrderState.FILLED


@pytest.mark.parametrize("socket", [True, False])
@pytest.mark.parametrize("kind", [FaultKind.ERROR_BEFORE, FaultKind.MAINTENANCE, FaultKind.POST_ONLY_WINDOW])
async def test_an_order_that_certainly_was_not_taken_may_be_sent_again(
    autojump_clock: MockClock, kind: FaultKind, socket: bool
) -> None:
    async with sandboxed(socket=socket) as house:
        house.core.faults.add(kind, account="m", count=1)
        with pytest.raises(RequestNotSent):
            await house.account.orders.place(order(1))
        done = await house.account.orders.place(order(1))

    assert done.state is OrderState.FILLED
    assert house.core.account("m").size("BTCUSDT") == D("0.01")


@pytest.mark.parametrize("socket", [True, False])
@pytest.mark.parametrize("kind", [FaultKind.DELAY_REQUEST, FaultKind.DELAY_ENGINE])
async def test_an_order_that_is_held_up_never_acts_after_its_window(
    autojump_clock: MockClock, kind: FaultKind, socket: bool
) -> None:
    async with sandboxed(socket=socket) as house:
        endpoint = "order.place" if socket else "POST */order"
        house.core.faults.add(kind, endpoint=endpoint, seconds=5.0, count=1)
        with pytest.raises(RequestNotSent) as late:
            await house.account.orders.place(order(1))

    assert late.value.code == ("-1021" if kind is FaultKind.DELAY_REQUEST else "-5028")
    assert len(house.core.ledger) == 0


async def test_a_young_order_is_not_found_yet(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.face.queries.visible_after_ms = 1500
        await house.account.orders.place(order(1))
        at_once = await house.account.find_order(LEG, f"{1:032x}")
        await trio.sleep(2)
        later = await house.account.find_order(LEG, f"{1:032x}")

    assert at_once is None
    assert later is not None


@pytest.mark.parametrize("socket", [True, False])
async def test_the_venues_stops_are_heeded(autojump_clock: MockClock, socket: bool) -> None:
    async with sandboxed(socket=socket) as house:
        endpoint = "order.place" if socket else "POST */order"
        house.core.faults.add(FaultKind.RATE_LIMIT, endpoint=endpoint, count=1)
        with pytest.raises(RateLimited) as orders:
            await house.account.orders.place(order(1))
        await trio.sleep(orders.value.retry_after_s)
        await house.account.orders.place(order(2))
        house.core.faults.add(FaultKind.RATE_LIMIT, endpoint=endpoint, status=418, count=1)
        with pytest.raises(RateLimited) as banned:
            await house.account.orders.place(order(3))
        with pytest.raises(RateLimited):
            await house.account.orders.place(order(4, Side.SELL, reduce_only=True))
        await trio.sleep(banned.value.retry_after_s)
        await house.account.orders.place(order(5, Side.SELL, reduce_only=True))

    assert (orders.value.code, banned.value.code) == ("-1015", "-1003")
    assert 110 < banned.value.retry_after_s <= 121
    assert [row.client_order_id for row in house.core.ledger] == [f"{n:032x}" for n in (2, 5)]


async def test_a_clock_that_is_wrong_is_set_right_by_the_first_refusal(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.core.faults.clock_skew_ms = -1500
        with pytest.raises(RequestNotSent):
            await house.account.orders.place(order(1))
        done = await house.account.orders.place(order(1))
        snapshot = await house.account.snapshot()

    assert done.state is OrderState.FILLED
    assert [it.size for it in snapshot.positions] == [D("0.01")]


async def test_our_budgets_keep_a_crowd_within_the_venues(autojump_clock: MockClock) -> None:
    async with sandboxed(enforce_limits=True) as house:
        for n in range(60):
            house.core.add_account(f"c{n}", api_key=f"CROWD{n}", api_secret="s", equity=D(1000))
        gateways = [house.gateway(f"c{n}") for n in range(60)]
        done: list[OrderReport] = []

        async def act(n: int, gateway: BinanceAccount) -> None:
            for round_ in range(3):
                await gateway.snapshot()
                done.append(await gateway.orders.place(order(10 * n + round_, quantity=D("0.001"))))
            await gateway.aclose()

        with trio.fail_after(900):
            async with trio.open_nursery() as nursery:
                for n, gateway in enumerate(gateways):
                    nursery.start_soon(act, n, gateway)

    assert len(done) == 180
    assert house.face.budgets.banned_until_ms == 0
