"""Our Bybit against the sandbox's: two readings of the same sheet, in virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchanges.bybit import BybitEndpoints, BybitVenue
from exchanges.clock import TrioClock
from exchanges.errors import Refusal, RequestRejected
from exchanges.network import MemoryNetwork
from exchanges.port import AccountGateway, Credentials
from exchanges.sandbox.bybit import BybitServer
from model.account import Execution, PositionReport
from model.leg import Leg, PositionMode, Side
from model.order import OrderReport, OrderRequest, OrderState
from tests.exchanges.sandbox.factories import make_venue

D = Decimal
LEG = Leg("BTCUSDT")


@asynccontextmanager
async def sandboxed(key: str, *, trade: bool = True) -> AsyncIterator[tuple[BybitVenue, AccountGateway]]:
    network = MemoryNetwork()
    server = BybitServer(make_venue(clock=TrioClock()))
    addresses = server.endpoints("sandbox", 80)
    endpoints = BybitEndpoints(
        rest=addresses["rest"],
        private_ws=addresses["private_ws"],
        public_ws=addresses["public_ws"],
        trade_ws=addresses["trade_ws"] if trade else None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve_memory, network, "sandbox", 80)
        venue = BybitVenue(endpoints, network=network, clock=TrioClock())
        account = venue.account(Credentials(api_key=f"{key}k", api_secret=f"{key}s"))
        nursery.start_soon(account.orders.warm_up)
        await trio.sleep(1)
        yield venue, account
        await account.aclose()
        await venue.aclose()
        nursery.cancel_scope.cancel()


def order(n: int, side: Side = Side.BUY, **changes: object) -> OrderRequest:
    request = OrderRequest(
        client_order_id=f"{n:032x}", leg=LEG, side=side, quantity=D("0.01"), price=None, reduce_only=False
    )
    return attrs.evolve(request, **changes)


@pytest.mark.parametrize("trade", [True, False])
async def test_an_order_is_taken_filled_told_and_found(autojump_clock: MockClock, trade: bool) -> None:
    async with sandboxed("m", trade=trade) as (_, account), account.private_stream() as stream:
        accepted = await account.orders.place(order(1))
        told: list[object] = []
        with trio.move_on_after(2):
            async for event in stream:
                told.extend(event if isinstance(event, tuple) else [event])
        found = await account.find_order(LEG, f"{1:032x}")
        snapshot = await account.snapshot()

        assert accepted.state is OrderState.ACCEPTED
        assert [e.client_order_id for e in told if isinstance(e, Execution)] == [f"{1:032x}"]
        assert [e.state for e in told if isinstance(e, OrderReport)][-1] is OrderState.FILLED
        assert [e.size for e in told if isinstance(e, PositionReport)][-1] == D("0.01")
        assert found is not None
        assert (found.state, found.filled, found.order_id) == (
            OrderState.FILLED,
            D("0.01"),
            accepted.order_id,
        )
        assert [(row.leg, row.size) for row in snapshot.positions] == [(LEG, D("0.01"))]
        assert snapshot.wallet.wallet_balance is not None
        assert await account.find_order(LEG, f"{2:032x}") is None


@pytest.mark.parametrize("trade", [True, False])
async def test_refusals_have_the_same_names_on_both_ways(autojump_clock: MockClock, trade: bool) -> None:
    async with sandboxed("m", trade=trade) as (_, account):
        await account.orders.place(order(1))
        refusals = []
        for request in (
            order(1),
            order(2, reduce_only=True),
            order(3, quantity=D(20)),
            order(4, leg=Leg("BTCUSDT", 1)),
        ):
            with pytest.raises(RequestRejected) as refused:
                await account.orders.place(request)
            refusals.append(refused.value.refusal)

    assert refusals == [
        Refusal.DUPLICATE_ID,
        Refusal.REDUCE_ONLY,
        Refusal.MARGIN,
        Refusal.POSITION_MODE,
    ]


async def test_modes_leverage_catalogue_marks_and_clock(autojump_clock: MockClock) -> None:
    async with sandboxed("h") as (venue, account):
        assert await account.position_mode("BTCUSDT") is PositionMode.HEDGE
        await account.set_leverage(LEG, D(7))
        await account.set_leverage(LEG, D(7))
        rows = await account.positions_of("BTCUSDT")
        marks = await venue.read_marks()

        assert {row.leg.position_idx: row.leverage for row in rows} == {1: D(7), 2: D(7)}
        assert (await venue.instruments())["BTCUSDT"].lot_size > 0
        assert abs(await venue.clock_offset_ms()) < 10
        async with venue.marks(frozenset({"BTCUSDT"})) as updates:
            assert await anext(updates) == ("BTCUSDT", marks["BTCUSDT"])


async def test_a_wrong_secret_is_refused_everywhere(autojump_clock: MockClock) -> None:
    async with sandboxed("m") as (venue, _):
        account = venue.account(Credentials(api_key="mk", api_secret="wrong"))
        with pytest.raises(RequestRejected) as by_rest:
            await account.snapshot()
        with pytest.raises(RequestRejected) as by_stream:
            async with account.private_stream():
                raise AssertionError

    assert {by_rest.value.refusal, by_stream.value.refusal} == {Refusal.AUTH}
