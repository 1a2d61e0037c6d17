"""The server: arrivals are stamped before work, and venues outlive the servers in front of them."""

import time
from decimal import Decimal

import trio
import trio.testing

from exchanges.network import MemoryNetwork
from exchanges.sandbox import FaultKind, OrderIntent, SandboxVenue
from exchanges.sandbox.bybit import BybitServer
from exchanges.sandbox.events import OrderChanged
from exchanges.sandbox.turns import Turns
from model.leg import Side
from tests.exchanges.sandbox.bybit.client import order

D = Decimal


async def test_orders_that_come_together_are_stamped_before_they_are_handled(autojump_clock, world):
    handled = []
    world.venue.subscribe(
        lambda event: handled.append(time.perf_counter_ns()) if isinstance(event, OrderChanged) else None
    )
    sockets = 20

    async def place(number: int, ready: trio.Event) -> None:
        async with world.trade() as socket:
            request = socket.request("order.create", order(qty="0.001", orderLinkId=f"o{number}"))
            await ready.wait()
            assert (await socket.ask(request))["retCode"] == 0

    ready = trio.Event()
    async with trio.open_nursery() as nursery:
        for number in range(sockets):
            nursery.start_soon(place, number, ready)
        await trio.testing.wait_all_tasks_blocked()
        ready.set()

    assert len(handled) == sockets
    assert max(row.arrived_ns for row in world.venue.ledger) < handled[sockets // 2]


async def test_turns_come_in_order_and_one_in_a_pass(autojump_clock, nursery):
    turns = Turns()
    passes = 0
    log: list[tuple[int, int]] = []

    async def take(number: int) -> None:
        await turns.wait()
        log.append((number, passes))

    async with trio.open_nursery() as takers:
        for number in range(10):
            takers.start_soon(take, number)
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(turns.run)
        while len(log) < 10:
            passes += 1
            await trio.lowlevel.checkpoint()

    assert [number for number, _ in log] == list(range(10))
    assert log[-1][1] - log[0][1] >= 8, "tasks of one pass run in any order, so one either way"


async def delayed_fill(venue: SandboxVenue) -> Decimal:
    """Place an order whose fill waits a second, and return what it has after two."""
    intent = OrderIntent(symbol="BTCUSDT", side=Side.BUY, quantity=D("0.01"))
    placed = venue.place("m", intent)
    await trio.sleep(2)
    return placed.filled


async def test_a_venue_outlives_its_servers(autojump_clock, nursery):
    venue = SandboxVenue()
    venue.add_account("m", api_key="mk", api_secret="ms", equity=D(10_000))
    venue.faults.add(FaultKind.DELAY_FILL, seconds=1.0)
    network = MemoryNetwork()
    first, second = BybitServer(venue), BybitServer(venue)
    filled = []

    async with trio.open_nursery() as servers:
        await servers.start(first.serve_memory, network, "one", 1)
        await servers.start(second.serve_memory, network, "two", 2)
        filled.append(await delayed_fill(venue))
        servers.cancel_scope.cancel()
    await nursery.start(first.serve_memory, network, "one", 1)
    async with trio.open_nursery() as servers:
        await servers.start(second.serve_memory, network, "two", 2)
        servers.cancel_scope.cancel()
    filled.append(await delayed_fill(venue))

    assert filled == [D("0.01"), D("0.01")]
