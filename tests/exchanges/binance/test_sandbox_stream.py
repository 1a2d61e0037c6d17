"""Our user streams against the sandbox's: the life of a key and of a connection, and what others do."""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from exchanges.errors import StreamLost
from exchanges.sandbox import (
    FaultKind,
)
from model.account import PositionReport, WalletReport
from model.order import OrderReport
from tests.exchanges.binance.sandboxed import heard, order, sandboxed

D = Decimal


async def test_a_stream_outlives_the_hour_of_its_key_and_makes_way_within_a_day(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchanges.binance.sockets.PING_EVERY_S", 240.0)  # thousands of pings prove nothing
    async with sandboxed() as house:
        began = trio.current_time()
        with pytest.raises(StreamLost, match="24 hours"):
            await heard(house.account, 90_000)
        lasted = trio.current_time() - began
        told = await heard(house.account, 1, lambda: house.account.orders.place(order(1)))

    assert 23 * 3600 <= lasted < 24 * 3600
    assert [it.size for it in told if isinstance(it, PositionReport)] == [D("0.01")]


async def test_a_key_that_cannot_be_prolonged_ends_the_stream(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.core.faults.add(FaultKind.ERROR_BEFORE, endpoint="PUT /fapi/v1/listenKey")
        began = trio.current_time()
        with pytest.raises(StreamLost, match="listen key"):
            await heard(house.account, 90_000)

    assert trio.current_time() - began <= 3600


async def test_a_key_that_another_program_deleted_is_noticed_by_an_order_that_does_not_show_up(
    autojump_clock: MockClock,
) -> None:
    async with sandboxed() as house:

        async def delete_and_place() -> None:
            house.face.keys.delete(house.core.account("m"))
            await house.account.orders.place(order(1))

        began = trio.current_time()
        with pytest.raises(StreamLost, match="did not show up"):
            await heard(house.account, 3600, delete_and_place)
        took_s = trio.current_time() - began
        again = await heard(house.account, 1, lambda: house.account.orders.place(order(2)))

    assert took_s < 30
    assert [it.size for it in again if isinstance(it, PositionReport)] == [D("0.02")]


async def test_a_deleted_key_is_noticed_when_it_is_to_be_prolonged(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:

        async def delete() -> None:
            house.face.keys.delete(house.core.account("m"))

        began = trio.current_time()
        with pytest.raises(StreamLost, match="key is gone"):
            await heard(house.account, 7200, delete)

    assert trio.current_time() - began < 1600


async def test_a_stream_tells_what_others_do(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:

        async def trade() -> None:
            house.core.trade("m", "BTCUSDT", D("-0.02"))
            house.core.deposit("m", D(500))
            house.core.fund("BTCUSDT", D("0.0001"))

        told = await heard(house.account, 2, trade)

    wallets = [it.wallet_balance for it in told if isinstance(it, WalletReport)]
    assert [it.size for it in told if isinstance(it, PositionReport)] == [D("-0.02")]
    assert wallets == [D("9999.4"), D("10499.4"), D("10499.52")]
    assert [it.client_order_id for it in told if isinstance(it, OrderReport)][-1].startswith("web_")


async def test_a_half_open_stream_is_let_go(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:

        async def silence() -> None:
            assert house.server.silence_connections(account="m", kind="private") == 1

        began = trio.current_time()
        with pytest.raises(StreamLost):
            await heard(house.account, 3600, silence)

    assert trio.current_time() - began < 30
