"""Our Hyperliquid against the sandbox's: two readings of the same sheet, in virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchanges.clock import TrioClock
from exchanges.errors import OutcomeUnknown, RateLimited, Refusal, RequestNotSent, RequestRejected, StreamLost
from exchanges.hyperliquid import HyperliquidEndpoints, HyperliquidVenue
from exchanges.hyperliquid.account import HyperliquidAccount
from exchanges.network import MemoryNetwork
from exchanges.port import Credentials
from exchanges.sandbox import FaultKind, Liquidity, SandboxVenue, build_venue
from exchanges.sandbox.hyperliquid import (
    HyperliquidSandbox,
    HyperliquidServer,
    describe_wallet,
    hyperliquid_description,
)
from exchanges.sandbox.hyperliquid.signing import address_of
from model.account import Execution, PositionReport, WalletReport
from model.leg import Leg, PositionMode, Side
from model.order import OrderReport, OrderRequest, OrderState

D = Decimal
LEG = Leg("BTC")
SUB = "0x" + "5b" * 20


@attrs.frozen(kw_only=True)
class House:
    """Both readings, and the account ``m`` on them."""

    core: SandboxVenue
    server: HyperliquidServer
    venue: HyperliquidVenue
    account: HyperliquidAccount

    @property
    def face(self) -> HyperliquidSandbox:
        return self.server.face

    def via(self) -> set[str]:
        """Return the ways on which orders came."""
        return {row.via for row in self.core.ledger}

    def gateway(self, name: str = "m", *, address: str = "", key: str = "") -> HyperliquidAccount:
        """Return another gateway, of an account or of any address and key."""
        found = self.core.account(name)
        return self.venue.account(
            Credentials(api_key="", api_secret=key or found.api_secret, account=address or found.api_key)
        )


@asynccontextmanager
async def sandboxed(*, socket: bool = True, paced: bool = True, **settings: Any) -> AsyncIterator[House]:
    network, clock = MemoryNetwork(), TrioClock()
    accounts = [describe_wallet(name, D(10_000)) for name in ("m", "n")]
    core = build_venue(hyperliquid_description(accounts), clock=clock)
    server = HyperliquidServer(core, **settings)
    addresses = server.endpoints("sandbox", 80)
    endpoints = HyperliquidEndpoints(rest=addresses["rest"], ws=addresses["ws"], chain="testnet", paced=paced)
    venue = HyperliquidVenue(endpoints, network=network, clock=clock)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve_memory, network, "sandbox", 80)
        found = core.account("m")
        account = venue.account(
            Credentials(
                api_key="", api_secret=found.api_secret, account=found.api_key.upper().replace("0X", "0x")
            )
        )
        if socket:
            nursery.start_soon(account.orders.warm_up)
        await trio.sleep(1)
        yield House(core=core, server=server, venue=venue, account=account)
        await account.aclose()
        await venue.aclose()
        nursery.cancel_scope.cancel()
    assert server.crashes == []


def order(n: int, side: Side = Side.BUY, **changes: object) -> OrderRequest:
    request = OrderRequest(
        client_order_id=f"{n:032x}", leg=LEG, side=side, quantity=D("0.01"), price=None, reduce_only=False
    )
    return attrs.evolve(request, **changes)


async def heard(account: HyperliquidAccount, seconds: float, work: Any = None) -> list[object]:
    """Return what a stream tells while something is done and for so many seconds after."""
    told: list[object] = []
    async with account.private_stream() as stream:
        if work is not None:
            await work()
        with trio.move_on_after(seconds):
            async for event in stream:
                told.extend(event if isinstance(event, tuple) else [event])
    return told


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
        assert placed[0].average_price == D(60000)
        assert house.via() == {"post/order" if socket else "/exchange/order"}
        assert [e.client_order_id for e in told if isinstance(e, Execution)] == [f"{1:032x}"]
        assert [e.state for e in told if isinstance(e, OrderReport)] == [
            OrderState.ACCEPTED,
            OrderState.FILLED,
        ]
        assert [e.size for e in told if isinstance(e, PositionReport)][-1] == D("0.01")
        assert found is not None
        assert (found.state, found.filled, found.average_price, found.order_id) == (
            OrderState.FILLED,
            D("0.01"),
            D(60000),
            placed[0].order_id,
        )
        assert [(row.leg, row.size, row.leverage) for row in snapshot.positions] == [(LEG, D("0.01"), D(10))]
        assert snapshot.wallet.equity == D("9999.73")
        assert await house.account.find_order(LEG, f"{2:032x}") is None


@pytest.mark.parametrize("socket", [True, False])
async def test_refusals_have_the_same_names_on_both_ways(autojump_clock: MockClock, socket: bool) -> None:
    async with sandboxed(socket=socket) as house:
        await house.account.orders.place(order(1))
        refusals = []
        for request in (
            order(1),
            order(2, reduce_only=True),
            order(3, Side.SELL, reduce_only=True, quantity=D("0.02")),
            order(4, quantity=D(20)),
            order(5, quantity=D("0.0001")),
            order(6, price=D("60000.5")),
            order(7, quantity=D("0.0100001")),
            order(8, quantity=D(600)),
            order(9, leg=Leg("NOPE")),
        ):
            with pytest.raises(RequestRejected) as refused:
                await house.account.orders.place(request)
            refusals.append(refused.value.refusal)

    assert refusals == [
        Refusal.DUPLICATE_ID,
        Refusal.REDUCE_ONLY,
        Refusal.REDUCE_ONLY,
        Refusal.MARGIN,
        Refusal.MIN_SIZE,
        Refusal.PRICE,
        Refusal.PARAMETER,
        Refusal.MAX_SIZE,
        Refusal.SYMBOL,
    ]


@pytest.mark.parametrize("keeps_rest", [True, False])
async def test_what_finds_nothing_or_only_a_part_ends_with_that(
    autojump_clock: MockClock, keeps_rest: bool
) -> None:
    async with sandboxed() as house:
        house.face.queries.keeps_rest = keeps_rest
        nothing = await house.account.orders.place(order(1, price=D(50000)))
        house.core.set_liquidity("BTC", Liquidity(depth=D("0.004"), fill_parts=2, part_slip_ticks=1))
        part = await house.account.orders.place(order(2))
        # Where a cancelled order does not say what it had not filled, its fills are believed after a while.
        await trio.sleep(0 if keeps_rest else 11)
        found = [await house.account.find_order(LEG, f"{n:032x}") for n in (1, 2)]

    assert (nothing.state, nothing.filled) == (OrderState.ENDED, D(0))
    assert (part.state, part.filled, part.average_price) == (OrderState.ENDED, D("0.004"), D("60000.5"))
    assert [(report.state, report.filled) for report in found if report] == [
        (OrderState.ENDED, D(0)),
        (OrderState.ENDED, D("0.004")),
    ]


async def test_leverage_catalogue_marks_and_clock(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.core.faults.clock_skew_ms = 700
        assert await house.account.position_mode("BTC") is PositionMode.ONE_WAY
        await house.account.set_leverage(LEG, D("7.9"))
        await house.account.set_leverage(LEG, D(7))
        rows = await house.account.positions_of("BTC")
        with pytest.raises(RequestRejected) as refused:
            await house.account.set_leverage(LEG, D(41))
        instruments, marks = await house.venue.instruments(), await house.venue.read_marks()

        assert [(row.size, row.leverage) for row in rows] == [(D(0), D(7))]
        assert refused.value.refusal is Refusal.LEVERAGE
        assert instruments["BTC"].tiers[0].leverage_max == D(40)
        assert marks["kPEPE"] == D("0.0123")
        assert abs(await house.venue.clock_offset_ms() - 700) < 10
        async with house.venue.marks(frozenset({"BTC", "ETH"})) as updates:
            first = {await anext(updates), await anext(updates)}
            house.core.set_price("ETH", D("2999.5"))
            moved = await anext(updates)
        assert first == {("BTC", D(60000)), ("ETH", D(3000))}
        assert moved == ("ETH", D("2999.5"))


async def test_an_account_that_may_not_be_watched_is_polled(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.face.feed.users_max = 0
        with pytest.raises(StreamLost, match="total users"):
            await heard(house.account, 1)

        async def place() -> None:
            await house.account.orders.place(order(1))

        began = trio.current_time()
        async with house.account.private_stream() as stream:
            assert not stream.is_pushed
            await anext(stream)
            await place()
            told = await anext(stream)
            took_s = trio.current_time() - began
            house.core.trade("m", "BTC", D("0.02"))
            with trio.fail_after(10):
                while not (
                    isinstance(told, tuple)
                    and isinstance(told[0], PositionReport)
                    and told[0].size == D("0.03")
                ):
                    told = await anext(stream)

    assert took_s < 1  # our own order asks for a read at once; what others do is seen within the period


@pytest.mark.parametrize("pushed", [True, False])
async def test_a_stream_tells_what_others_do(autojump_clock: MockClock, pushed: bool) -> None:
    async with sandboxed() as house:
        if not pushed:
            for user in range(6):
                house.venue._limits.streams.take(f"someone {user}")

        async def trade() -> None:
            house.core.trade("m", "BTC", D("-0.02"))
            house.core.deposit("m", D(500))

        told = await heard(house.account, 12, trade)

    sizes = [event.size for event in told if isinstance(event, PositionReport)]
    wallets = [event.equity for event in told if isinstance(event, WalletReport)]
    assert sizes[-1] == D("-0.02")
    assert wallets[-1] == D("10499.46")
    assert any(isinstance(event, Execution) for event in told) is pushed


async def test_only_an_approved_agent_acts_and_only_until_it_ends(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        stranger = house.gateway(key="0x" + "77" * 32)
        other = house.gateway("n", address=house.core.account("m").api_key)
        refused = []
        for gateway in (stranger, other):
            with pytest.raises(RequestRejected) as error:
                await gateway.orders.place(order(1))
            refused.append(error.value.refusal)
            await trio.sleep(20)  # a role costs 60 of our 300 of weight
        await house.account.orders.place(order(2))
        house.face.directory.expire_agents("m", house.core.now_ms())
        with pytest.raises(RequestRejected) as expired:
            await house.account.orders.place(order(3))
        with pytest.raises(RequestRejected) as again:
            await house.account.orders.place(order(4))
        with pytest.raises(RequestRejected) as stream:
            await heard(house.account, 1)

    assert refused == [Refusal.AUTH, Refusal.AUTH]
    assert {it.value.refusal for it in (expired, again, stream)} == {Refusal.AUTH}
    assert [row.client_order_id for row in house.core.ledger] == [f"0x{2:032x}"]


async def test_the_key_of_the_account_itself_and_what_is_no_key_are_refused(
    autojump_clock: MockClock,
) -> None:
    async with sandboxed() as house:
        key = "0x" + "42" * 32
        owner = address_of(key)
        assert owner is not None
        house.core.add_account("own", api_key=owner, api_secret=key, equity=D(100))
        with pytest.raises(RequestRejected) as own:
            await house.gateway("own").orders.place(order(1))
        with pytest.raises(RequestRejected) as malformed:
            house.gateway(key="nonsense")

    assert {own.value.refusal, malformed.value.refusal} == {Refusal.AUTH}
    assert len(house.core.ledger) == 0


async def test_a_sub_account_is_traded_by_its_masters_agent(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.face.directory.open_sub_account("s", master="m", address=SUB, equity=D(5000))
        sub = house.gateway(address=SUB)
        reports = [await sub.orders.place(order(1)), await house.account.orders.place(order(2))]
        await sub.set_leverage(LEG, D(3))
        snapshot = await sub.snapshot()

    assert [report.state for report in reports] == [OrderState.FILLED] * 2
    assert [(row.size, row.leverage) for row in snapshot.positions] == [(D("0.01"), D(3))]
    assert house.core.account("m").leverage("BTC") == D(10)
    assert {row.account for row in house.core.ledger} == {"m", "s"}


async def test_while_the_order_socket_is_away_orders_go_by_http_and_then_by_it_again(
    autojump_clock: MockClock,
) -> None:
    async with sandboxed() as house:
        await house.account.orders.place(order(1))
        maintenance = house.core.faults.add(FaultKind.MAINTENANCE, endpoint="/ws")
        assert house.server.drop_connections(kind="trade", reset=True) == 1
        await trio.sleep(0.5)
        await house.account.orders.place(order(2))
        house.core.faults.remove(maintenance)
        await trio.sleep(60)
        await house.account.orders.place(order(3))

    assert [row.via for row in house.core.ledger] == ["post/order", "/exchange/order", "post/order"]


@pytest.mark.parametrize("socket", [True, False])
@pytest.mark.parametrize("kind", [FaultKind.LOSE_ANSWER, FaultKind.RESET_AFTER, FaultKind.ERROR_AFTER])
async def test_an_order_without_an_answer_is_found(
    autojump_clock: MockClock, kind: FaultKind, socket: bool
) -> None:
    async with sandboxed(socket=socket) as house:
        await house.account.snapshot()
        fault = house.core.faults.add(kind, account="m", endpoint="*/order", count=1)
        with pytest.raises(OutcomeUnknown):
            await house.account.orders.place(order(1))
        await trio.sleep(1)
        found = await house.account.find_order(LEG, f"{1:032x}")

    assert fault.struck == 1
    assert found is not None
    assert found.state is OrderState.FILLED


async def test_an_order_that_is_held_up_never_acts_after_its_expiry(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.core.faults.add(FaultKind.DELAY_REQUEST, endpoint="post/order", seconds=5.0, count=1)
        with pytest.raises(RequestNotSent):
            await house.account.orders.place(order(1))

    assert len(house.core.ledger) == 0


async def test_what_is_not_taken_now_may_be_sent_again(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.core.faults.add(FaultKind.POST_ONLY_WINDOW, count=1)
        house.core.faults.add(FaultKind.RATE_LIMIT, account="m", endpoint="post/order", count=1)
        for kind in (RateLimited, RequestNotSent):
            with pytest.raises(kind):
                await house.account.orders.place(order(1))
            await trio.sleep(600)  # until the account's actions are asked for again
        done = await house.account.orders.place(order(1))

    assert done.state is OrderState.FILLED


async def test_an_account_with_one_balance_has_its_equity_there(autojump_clock: MockClock) -> None:
    async with sandboxed() as house:
        house.face.directory.set_mode("m", "unifiedAccount")
        house.core.trade("m", "BTC", D("0.1"))
        house.core.set_price("BTC", D(59000))
        snapshot = await house.account.snapshot()
        told = await heard(house.account, 3)

    wallets = [event.equity for event in told if isinstance(event, WalletReport)]
    assert snapshot.wallet.equity == wallets[-1] == D("9897.3")


async def test_our_budgets_keep_a_crowd_within_the_venues(autojump_clock: MockClock) -> None:
    async with sandboxed(enforce_limits=True) as house:
        gateways = [house.account, *(house.gateway(name) for name in ("n", "m") for _ in range(20))]
        done: list[OrderReport] = []

        async def act(n: int, gateway: HyperliquidAccount) -> None:
            await gateway.snapshot()
            done.append(await gateway.orders.place(order(n, quantity=D("0.001"))))

        with trio.fail_after(600):
            for n, gateway in enumerate(gateways):
                await act(n, gateway)

    assert len(done) == len(gateways)
