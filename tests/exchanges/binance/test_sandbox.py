"""Our Binance against the sandbox's: orders, refusals, settings, reads."""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from exchanges.errors import Refusal, RequestRejected
from exchanges.port import Credentials
from exchanges.sandbox import (
    Liquidity,
)
from model.account import Execution, PositionReport, WalletReport
from model.leg import Leg, PositionMode, Side
from model.order import OrderReport, OrderState
from tests.exchanges.binance.sandboxed import LEG, heard, order, resting, sandboxed

D = Decimal


@pytest.mark.parametrize("socket", [True, False])
async def test_an_order_is_filled_in_its_answer_told_and_found(
    autojump_clock: MockClock, socket: bool
) -> None:
    async with sandboxed(socket=socket) as house:
        placed: list[OrderReport] = []

        async def place() -> None:
            placed.append(await house.account.orders.place(order(1)))

        told = await heard(house.account, 2, place)
        found = await house.account.find_order(LEG, f"{1:032x}")
        snapshot = await house.account.snapshot()

        assert (placed[0].state, placed[0].filled) == (OrderState.FILLED, D("0.01"))
        assert placed[0].average_price in (None, D(60000))  # the answer has none; the stream may be faster
        assert house.via() == ["order.place" if socket else "POST /fapi/v1/order"]
        executions = [it for it in told if isinstance(it, Execution)]
        assert [(it.client_order_id, it.price) for it in executions] == [(f"{1:032x}", D(60000))] * 2
        assert len({it.execution_id for it in executions}) == 1  # told twice, the short form first
        assert [it.state for it in told if isinstance(it, OrderReport)] == [
            OrderState.ACCEPTED,
            OrderState.FILLED,
        ]
        assert [it.size for it in told if isinstance(it, PositionReport)] == [D("0.01")]
        assert [it.wallet_balance for it in told if isinstance(it, WalletReport)] == [D("9999.7")]
        assert found is not None
        assert (found.state, found.filled, found.average_price, found.order_id) == (
            OrderState.FILLED,
            D("0.01"),
            D(60000),
            placed[0].order_id,
        )
        assert [(row.leg, row.size, row.leverage) for row in snapshot.positions] == [(LEG, D("0.01"), D(10))]
        assert snapshot.wallet.wallet_balance == D("9999.7")
        assert await house.account.find_order(LEG, f"{2:032x}") is None


@pytest.mark.parametrize("socket", [True, False])
async def test_refusals_have_the_same_names_on_both_ways(autojump_clock: MockClock, socket: bool) -> None:
    async with sandboxed(socket=socket) as house:
        await house.account.orders.place(order(1))
        house.core.place("m", resting("ETHUSDT", D("0.1"), D(2990), client_order_id=f"{2:032x}"))
        refusals = []
        for request in (
            order(2, leg=Leg("ETHUSDT"), quantity=D("0.1")),
            order(3, reduce_only=True),
            order(4, quantity=D(20)),
            order(5, quantity=D("0.0001")),
            order(6, price=D("60000.55")),
            order(7, quantity=D("0.0105")),
            order(8, quantity=D(121)),
            order(9, leg=Leg("NOPE")),
            order(10, leg=Leg("BTCUSDT", 1)),
            order(11, leg=Leg("ETHUSDT"), quantity=D("0.001")),
            order(12, price=D(64000)),
        ):
            with pytest.raises(RequestRejected) as refused:
                await house.account.orders.place(request)
            refusals.append(refused.value.refusal)

    assert refusals == [
        Refusal.DUPLICATE_ID,
        Refusal.REDUCE_ONLY,
        Refusal.MARGIN,
        Refusal.PARAMETER,  # too precise; a listing whose minimum is above its lot says MIN_SIZE
        Refusal.PRICE,
        Refusal.PARAMETER,
        Refusal.MAX_SIZE,
        Refusal.SYMBOL,
        Refusal.POSITION_MODE,
        Refusal.MIN_SIZE,
        Refusal.PRICE,
    ]


async def test_a_client_id_is_free_again_once_its_order_has_ended(autojump_clock: MockClock) -> None:
    """So a market order that is sent again fills again: nothing here may ever do that."""
    async with sandboxed() as house:
        reports = [await house.account.orders.place(order(1)) for _ in range(2)]

    assert [it.state for it in reports] == [OrderState.FILLED] * 2
    assert house.core.account("m").size("BTCUSDT") == D("0.02")


async def test_what_finds_nothing_or_only_a_part_ends_with_that(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        told: list[OrderReport] = []

        async def place() -> None:
            told.append(await house.account.orders.place(order(1, price=D(59000))))
            house.core.set_liquidity("BTCUSDT", Liquidity(depth=D("0.004"), fill_parts=2, part_slip_ticks=1))
            told.append(await house.account.orders.place(order(2, price=D(60100))))
            told.append(await house.account.orders.place(order(3)))

        events = await heard(house.account, 1, place)
        found = [await house.account.find_order(LEG, f"{n:032x}") for n in (1, 2, 3)]

    assert [(it.state, it.filled) for it in told] == [
        (OrderState.ENDED, D(0)),
        (OrderState.ENDED, D("0.004")),
        (OrderState.ENDED, D("0.004")),
    ]
    assert [(it.state, it.filled, it.average_price) for it in found if it] == [
        (OrderState.ENDED, D(0), None),
        (OrderState.ENDED, D("0.004"), D("60000.05")),
        (OrderState.ENDED, D("0.004"), D("60000.05")),
    ]
    ends = [it for it in events if isinstance(it, OrderReport) and it.state is OrderState.ENDED]
    assert [it.reject_reason for it in ends] == [
        "IOC remainder cancelled",
        "IOC remainder cancelled",
        "no more depth within the venue's price bound",
    ]
    sizes = [it.size for it in events if isinstance(it, PositionReport)]
    assert sizes == [D("0.002"), D("0.004"), D("0.006"), D("0.008")]


async def test_a_hedged_account_keeps_two_legs_and_refuses_what_is_larger_than_one(
    autojump_clock: MockClock,
) -> None:
    async with sandboxed() as house:
        account = house.gateway("h")
        long, short = Leg("BTCUSDT", 1), Leg("BTCUSDT", 2)

        async def place() -> None:
            await account.orders.place(order(1, leg=long))
            await account.orders.place(order(2, Side.SELL, leg=short, quantity=D("0.02")))

        told = await heard(account, 1, place)
        rows = await account.positions_of("BTCUSDT")
        with pytest.raises(RequestRejected) as larger:
            await account.orders.place(order(3, Side.SELL, leg=long, quantity=D("0.02"), reduce_only=True))
        with pytest.raises(RequestRejected) as mode:
            await account.orders.place(order(4))
        closed = await account.orders.place(order(5, Side.SELL, leg=long, reduce_only=True))
        after = await account.snapshot()
        assert await account.position_mode("BTCUSDT") is PositionMode.HEDGE
        await account.aclose()

    assert {(it.leg, it.size) for it in rows} == {(long, D("0.01")), (short, D("-0.02"))}
    told_rows = [(it.leg, it.size) for it in told if isinstance(it, PositionReport)]
    assert told_rows == [(long, D("0.01")), (short, D("-0.02"))]
    assert (larger.value.refusal, mode.value.refusal) == (Refusal.REDUCE_ONLY, Refusal.POSITION_MODE)
    assert closed.state is OrderState.FILLED
    assert [(it.leg, it.size) for it in after.positions] == [(short, D("-0.02"))]


async def test_leverage_catalogue_marks_and_clock(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.core.faults.clock_skew_ms = 700
        instruments = await house.venue.instruments()

        async def set_leverage() -> None:
            await house.account.set_leverage(LEG, D(7))
            await house.account.set_leverage(LEG, D(7))

        told = await heard(house.account, 1, set_leverage)
        rows = await house.account.positions_of("BTCUSDT")
        with pytest.raises(RequestRejected) as refused:
            await house.account.set_leverage(LEG, D(126))
        await house.account.snapshot()
        marks = await house.venue.read_marks()

        assert [(it.size, it.leverage) for it in rows] == [(D(0), D(7))]
        assert not [it for it in told if isinstance(it, PositionReport)]  # a flat leg has none to tell
        assert refused.value.refusal is Refusal.LEVERAGE
        btc = instruments["BTCUSDT"]
        assert (btc.lot_size, btc.tick_size, btc.min_notional) == (D("0.001"), D("0.1"), D(50))
        assert (btc.max_quantity, btc.max_market_quantity) == (D(1000), D(120))
        assert btc.tiers[0].leverage_max == btc.max_leverage == D(125)
        assert marks["1000PEPEUSDT"] == D("0.0123")
        assert 650 < await house.venue.clock_offset_ms() <= 700
        async with house.venue.marks(frozenset({"BTCUSDT"})) as updates:
            first = {await anext(updates) for _ in house.core.listings}
            assert first == set(house.core.prices().items())
            house.core.set_price("ETHUSDT", D("2999.5"))
            moved = await anext(updates)
        assert moved == ("ETHUSDT", D("2999.5"))


async def test_the_position_cap_of_a_leverage_is_told(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.core.deposit("m", D(1_000_000))
        await house.account.set_leverage(LEG, D(125))
        with pytest.raises(RequestRejected) as refused:
            await house.account.orders.place(order(1, quantity=D(6)))
        await house.account.set_leverage(LEG, D(50))
        await house.account.orders.place(order(2, quantity=D(6)))
        with pytest.raises(RequestRejected) as held:
            await house.account.set_leverage(LEG, D(125))

    assert (refused.value.refusal, held.value.refusal) == (Refusal.LEVERAGE, Refusal.LEVERAGE)


async def test_a_key_is_told_apart_from_what_is_none(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        good, read_only = await house.account.check_key(), await house.gateway("r").check_key()
        stranger = house.venue.account(Credentials(api_key="NOBODY", api_secret="x"))
        refused = []
        for gateway, doing in (
            (stranger, "snapshot"),
            (house.gateway("m", secret="wrong"), "snapshot"),
            (house.gateway("r"), "place"),
        ):
            with pytest.raises(RequestRejected) as error:
                await (gateway.snapshot() if doing == "snapshot" else gateway.orders.place(order(1)))
            refused.append((error.value.refusal, error.value.code))
            await gateway.aclose()

    assert (good.is_read_only, good.may_trade, good.may_withdraw, good.may_transfer) == (
        False,
        True,
        False,
        False,
    )
    assert (read_only.is_read_only, read_only.may_trade) == (True, False)
    assert refused == [(Refusal.AUTH, "-2015"), (Refusal.AUTH, "-1022"), (Refusal.AUTH, "-2015")]
    assert not house.core.ledger.of("m")


async def test_a_flat_leg_is_dated_by_the_clock_that_its_read_has_set_right(
    autojump_clock: MockClock,
) -> None:
    """Found by simulation: dated by the wrong clock, it hid the position that was opened next."""
    async with sandboxed() as house:
        await house.account.snapshot()
        house.core.faults.clock_skew_ms = -8000
        (flat,) = await house.account.positions_of("BTCUSDT")
        told = await heard(house.account, 1, lambda: house.account.orders.place(order(1)))

    rows = [it for it in told if isinstance(it, PositionReport)]
    assert [row.size for row in rows] == [D("0.01")]
    assert flat.seq <= rows[0].seq


async def test_those_who_need_the_accounts_settings_at_once_share_one_read(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        before = house.face.budgets.headers(None)["X-MBX-USED-WEIGHT-1M"]
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(house.account.positions_of, "BTCUSDT")
        after = house.face.budgets.headers(None)["X-MBX-USED-WEIGHT-1M"]

    assert int(after) - int(before) == 5 + 5 * 10
