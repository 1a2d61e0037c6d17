"""The private stream, pushed and polled: the same events either way, and what ends it."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchanges.errors import RequestRejected, StreamLost
from exchanges.hyperliquid.limits import STREAMS_MAX
from exchanges.port import Heard, Unreadable
from model.account import Execution, PositionReport, WalletReport
from model.leg import Leg
from model.order import OrderReport, OrderState
from tests.exchanges.hyperliquid.script import AGENT, CLOID, MASTER, SUB, World
from tests.exchanges.hyperliquid.test_orders import BUY

MODES = pytest.mark.parametrize("pushed", [False, True], ids=["polled", "pushed"])


@asynccontextmanager
async def listening(world: World, account: Any, *, pushed: bool = True) -> AsyncIterator[list[Any]]:
    """Collect an account's events but Heard, with the moment of each; the end comes as an exception."""
    if not pushed:
        world.venue._limits.streams._max = 0
    heard: list[Any] = []

    async def listen() -> None:
        try:
            async with account.private_stream() as stream:
                assert stream.is_pushed is pushed
                async for event in stream:
                    if event != Heard():
                        heard.append((trio.current_time(), event))
        except (StreamLost, RequestRejected) as error:
            heard.append((trio.current_time(), error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.sleep(0.5)
        yield heard
        nursery.cancel_scope.cancel()
    await account.aclose()


def sizes(heard: list[Any]) -> list[tuple[str, Decimal]]:
    """Return the sizes that were told, in order."""
    rows = [row for _, event in heard if isinstance(event, tuple) for row in event]
    return [(row.leg.symbol, row.size) for row in rows if isinstance(row, PositionReport)]


def of_kind(heard: list[Any], kind: type[Any]) -> list[Any]:
    """Return the events of a kind."""
    return [event for _, event in heard if isinstance(event, kind)]


@MODES
async def test_positions_and_balances_are_told_once_and_then_only_when_they_move(
    world: World, autojump_clock: MockClock, pushed: bool
) -> None:
    world.script.put(MASTER, "BTC", "0.5")
    async with listening(world, world.account(), pushed=pushed) as heard:
        await trio.sleep(60)
        assert sizes(heard) == [("BTC", Decimal("0.5"))]
        assert len(of_kind(heard, WalletReport)) == 1

        world.script.put(MASTER, "BTC", "0.2")
        world.script.put(MASTER, "SOL", "-3")
        await world.script.push_state(MASTER)
        await trio.sleep(20)
        world.script.put(MASTER, "BTC", "0")
        await world.script.push_state(MASTER)
        await trio.sleep(20)

    assert sizes(heard)[1:] == [
        ("BTC", Decimal("0.2")),
        ("SOL", Decimal(-3)),
        ("BTC", Decimal(0)),  # what a state leaves out is flat
    ]


@MODES
async def test_the_account_speaks_at_least_every_25_s(
    world: World, autojump_clock: MockClock, pushed: bool
) -> None:
    """The view counts as fresh for 25 s after the stream last spoke (R21)."""
    if not pushed:
        world.venue._limits.streams._max = 0
    moments = []
    account = world.account()
    with trio.move_on_after(300):
        async with account.private_stream() as stream:
            async for _ in stream:
                moments.append(trio.current_time())

    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert len(gaps) > 10
    assert max(gaps) < 25
    await account.aclose()


@MODES
async def test_an_order_of_ours_shows_at_once(world: World, autojump_clock: MockClock, pushed: bool) -> None:
    account = world.account()
    await world.venue.instruments()
    async with listening(world, account, pushed=pushed) as heard:
        await trio.sleep(1)
        placed_at = trio.current_time()
        await account.orders.place(BUY)
        await trio.sleep(5)

    told_at = next(moment for moment, event in heard if isinstance(event, tuple))
    assert sizes(heard) == [("BTC", Decimal("0.001"))]
    assert told_at - placed_at < 0.6


async def test_only_so_many_accounts_are_pushed_and_the_rest_are_polled(
    world: World, autojump_clock: MockClock
) -> None:
    pushed = []

    async def watch(number: int) -> None:
        account = world.account("0x" + f"{number:040x}")
        async with account.private_stream() as stream:
            pushed.append(stream.is_pushed)
            async for _ in stream:
                pass

    with trio.move_on_after(30):
        async with trio.open_nursery() as nursery:
            for number in range(STREAMS_MAX + 4):
                nursery.start_soon(watch, number)

    assert sorted(pushed) == [False] * 4 + [True] * STREAMS_MAX
    assert world.venue._limits.streams.take(MASTER)  # all slots are free again


async def test_a_venue_that_watches_no_more_users_is_believed(
    world: World, autojump_clock: MockClock
) -> None:
    world.script.users_max = 0
    account = world.account()

    with pytest.raises(StreamLost):
        async with account.private_stream():
            pytest.fail("it was not refused")
    async with account.private_stream() as stream:
        assert not stream.is_pushed
    await account.aclose()


async def test_a_lost_socket_ends_the_stream_and_the_next_one_is_pushed_again(
    world: World, autojump_clock: MockClock
) -> None:
    account = world.account()
    async with listening(world, account) as heard:
        await world.script.drop_sockets()
        await trio.sleep(1)
        assert isinstance(heard[-1][1], StreamLost)

    async with listening(world, account) as heard:
        world.script.put(MASTER, "SOL", "1")
        await world.script.push_state(MASTER)
        await trio.sleep(1)
    assert sizes(heard) == [("SOL", Decimal(1))]


async def test_a_silent_socket_ends_the_stream(world: World, autojump_clock: MockClock) -> None:
    async with listening(world, world.account()) as heard:
        world.script.answers_pings = False
        # Every read is a sign of life of the venue, but none of this socket.
        await trio.sleep(40)

    lost = heard[-1]
    assert isinstance(lost[1], StreamLost)
    assert lost[0] < 35


async def test_a_subscription_that_fell_silent_is_noticed_by_a_read(
    world: World, autojump_clock: MockClock
) -> None:
    async with listening(world, world.account()) as heard:
        world.script.put(MASTER, "SOL", "4")  # and nothing is pushed
        await trio.sleep(20)

    assert sizes(heard) == [("SOL", Decimal(4))]
    assert isinstance(heard[-1][1], StreamLost)


async def test_a_polled_account_outlives_a_short_trouble_and_not_a_long_one(
    world: World, autojump_clock: MockClock
) -> None:
    async with listening(world, world.account(), pushed=False) as heard:
        world.script.info_failures.extend([500, 500, b"no JSON", 502])
        await trio.sleep(20)
        world.script.put(MASTER, "SOL", "4")
        await trio.sleep(10)
        assert sizes(heard) == [("SOL", Decimal(4))]
        assert len(of_kind(heard, Unreadable)) == 1

        world.script.nonsense.add("clearinghouseState")
        began = trio.current_time()
        await trio.sleep(60)

    ended = [moment for moment, event in heard if isinstance(event, StreamLost)]
    assert len(ended) == 1
    assert 15 < ended[0] - began < 40


async def test_fills_and_updates_of_an_order_become_one_report_with_its_price(
    world: World, autojump_clock: MockClock
) -> None:
    row = {"coin": "BTC", "side": "B", "oid": 77, "cloid": "0x" + CLOID}
    order = {**row, "limitPx": "97200", "sz": "0.0", "origSz": "0.001", "timestamp": 5}
    filled = {"order": order, "status": "filled", "statusTimestamp": 6}
    opened = {"order": {**order, "sz": "0.001"}, "status": "open", "statusTimestamp": 6}
    fills = [
        {**row, "sz": "0.0004", "px": "97000", "time": 6, "tid": 1, "hash": "0x1", "startPosition": "0.0"},
        {**row, "sz": "0.0006", "px": "97100", "time": 6, "tid": 2, "hash": "0x1", "startPosition": "0.1"},
    ]
    async with listening(world, world.account()) as heard:
        old = {"user": MASTER, "isSnapshot": True, "fills": fills}
        await world.script.push("userFills", MASTER, {"channel": "userFills", "data": old})
        await world.script.push("orderUpdates", MASTER, {"channel": "orderUpdates", "data": [opened, filled]})
        for fill in fills:
            news = {"user": MASTER, "fills": [fill]}
            await world.script.push("userFills", MASTER, {"channel": "userFills", "data": news})
        await trio.sleep(1)

    reports = of_kind(heard, OrderReport)
    assert [report.state for report in reports] == [OrderState.ACCEPTED, OrderState.FILLED]
    assert reports[1].filled == Decimal("0.001")
    assert reports[1].average_price == Decimal("97060")
    executions = [row for event in of_kind(heard, tuple) for row in event if isinstance(row, Execution)]
    assert [fill.client_order_id for fill in executions] == [CLOID, CLOID]
    assert len({fill.execution_id for fill in executions}) == 2


async def test_a_cancelled_order_is_left_to_the_look_up(world: World, autojump_clock: MockClock) -> None:
    order = {"coin": "BTC", "side": "B", "oid": 77, "cloid": "0x" + CLOID, "limitPx": "1", "timestamp": 5}
    update = {"order": {**order, "sz": "0.0", "origSz": "1"}, "status": "canceled", "statusTimestamp": 6}
    async with listening(world, world.account()) as heard:
        await world.script.push("orderUpdates", MASTER, {"channel": "orderUpdates", "data": [update]})
        await trio.sleep(1)

    assert not of_kind(heard, OrderReport)


@pytest.mark.parametrize(
    "frame",
    [
        {"channel": "clearinghouseState", "data": {"user": SUB, "clearinghouseState": {}}},
        {"channel": "clearinghouseState", "data": {"user": MASTER, "clearinghouseState": {}}},
        {"channel": "orderUpdates", "data": [{"order": {}}]},
        {"channel": "userFills", "data": None},
        {"no": "channel"},
        [],
    ],
)
async def test_a_frame_that_cannot_be_read_is_kept_and_the_stream_goes_on(
    world: World, autojump_clock: MockClock, frame: Any
) -> None:
    async with listening(world, world.account()) as heard:
        await world.script.push("userFills", MASTER, frame)
        world.script.put(MASTER, "SOL", "1")
        await world.script.push_state(MASTER)
        await trio.sleep(1)

    assert len(of_kind(heard, Unreadable)) == 1
    assert sizes(heard) == [("SOL", Decimal(1))]


@MODES
async def test_equity_is_where_the_accounts_mode_keeps_it(
    world: World, autojump_clock: MockClock, pushed: bool
) -> None:
    world.script.abstraction, world.script.spot = "unifiedAccount", ("2500.5", "100")
    world.script.values[MASTER] = "0.0"
    async with listening(world, world.account(), pushed=pushed) as heard:
        spot = {"user": MASTER, "spotState": world.script.spot_state()}
        await world.script.push("spotState", MASTER, {"channel": "spotState", "data": spot})
        await trio.sleep(30)

    (wallet,) = of_kind(heard, WalletReport)
    assert (wallet.wallet_balance, wallet.equity) == (Decimal("2500.5"), Decimal("2500.5"))
    assert wallet.available == Decimal("2400.5")


async def test_a_mode_that_changes_under_a_pushed_stream_makes_it_subscribe_anew(
    world: World, autojump_clock: MockClock
) -> None:
    account = world.account()
    async with listening(world, account) as heard:
        world.script.abstraction, world.script.spot = "unifiedAccount", ("7", "0")
        world.script.values[MASTER] = "0.0"
        await trio.sleep(70)  # the zero is doubted after a minute at most
        await account.snapshot()
        await world.script.push_state(MASTER)
        await trio.sleep(1)

    assert isinstance(heard[-1][1], StreamLost)


async def test_an_agent_that_has_no_rights_ends_the_stream_with_that(
    world: World, autojump_clock: MockClock
) -> None:
    world.script.roles[AGENT] = {"role": "missing"}
    account = world.account()
    await world.venue.instruments()
    async with listening(world, account) as heard:
        with pytest.raises(RequestRejected):
            await account.orders.place(attrs.evolve(BUY, leg=Leg("SOL")))
        await trio.sleep(1)

    assert isinstance(heard[-1][1], RequestRejected)
    with pytest.raises(RequestRejected):
        async with account.private_stream():
            pytest.fail("it was not refused")
    await account.aclose()
