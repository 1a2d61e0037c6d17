"""Orders over the order socket and over HTTP: answers, refusals, lost answers, look-ups."""

from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchanges.errors import (
    OutcomeUnknown,
    RateLimited,
    Refusal,
    RequestNotSent,
    RequestRejected,
)
from model.leg import Leg, Side
from model.order import OrderReport, OrderRequest, OrderState
from tests.exchanges.hyperliquid.script import (
    AGENT,
    CLOID,
    KEY,
    MASTER,
    STRANGER,
    SUB,
    Reset,
    Silence,
    World,
)

BUY = OrderRequest(
    client_order_id=CLOID,
    leg=Leg("BTC"),
    side=Side.BUY,
    quantity=Decimal("0.001"),
    price=Decimal("97200"),
    reduce_only=False,
)
CLOSE = attrs.evolve(BUY, side=Side.SELL, price=None, reduce_only=True)
ROUTES = pytest.mark.parametrize("by_socket", [False, True], ids=["http", "socket"])


async def ready(world: World, address: str = MASTER, *, by_socket: bool = True) -> Any:
    """Return an account that may order at once."""
    account = world.account(address)
    await world.venue.instruments()
    if by_socket:
        world.nursery.start_soon(account.orders.warm_up)
        await trio.sleep(1)
    return account


@ROUTES
async def test_an_answer_says_at_once_what_was_filled(
    world: World, autojump_clock: MockClock, by_socket: bool
) -> None:
    account = await ready(world, by_socket=by_socket)

    report = await account.orders.place(BUY)

    assert report == OrderReport(
        leg=Leg("BTC"),
        client_order_id=CLOID,
        order_id="5000000001",
        state=OrderState.FILLED,
        filled=Decimal("0.001"),
        average_price=Decimal("97123"),
        venue_time_ms=world.script.clock.wall_ms(),
    )
    (sent,) = world.script.actions
    assert sent["signer"] == AGENT
    assert sent["via"] == ("ws" if by_socket else "http")
    assert sent["action"]["orders"][0] == {
        "a": 1,
        "b": True,
        "p": "97200",
        "s": "0.001",
        "r": False,
        "t": {"limit": {"tif": "Ioc"}},
        "c": "0x" + CLOID,
    }
    assert "vaultAddress" not in sent
    await account.aclose()


async def test_a_part_fill_of_an_ioc_is_its_end(world: World, autojump_clock: MockClock) -> None:
    account = await ready(world)
    world.script.statuses = lambda order: {"filled": {"totalSz": "0.0004", "avgPx": "97150.5", "oid": 7}}

    report = await account.orders.place(BUY)

    assert (report.state, report.filled) == (OrderState.ENDED, Decimal("0.0004"))
    assert report.average_price == Decimal("97150.5")
    await account.aclose()


async def test_an_order_that_found_nothing_ended_unfilled(world: World, autojump_clock: MockClock) -> None:
    account = await ready(world)
    text = "Order could not immediately match against any resting orders. asset=1"
    world.script.statuses = lambda order: {"error": text}

    report = await account.orders.place(BUY)

    assert (report.state, report.filled, report.reject_reason) == (OrderState.ENDED, Decimal(0), text)
    await account.aclose()


async def test_a_resting_order_is_accepted_and_looked_up_later(
    world: World, autojump_clock: MockClock
) -> None:
    account = await ready(world)
    world.script.statuses = lambda order: {"resting": {"oid": 88383, "cloid": order["c"]}}

    report = await account.orders.place(BUY)

    assert (report.state, report.order_id) == (OrderState.ACCEPTED, "88383")
    await account.aclose()


@ROUTES
@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("Insufficient margin to place order. asset=1", Refusal.MARGIN),
        ("Reduce only order would increase position. asset=1", Refusal.REDUCE_ONLY),
        ("Cloid already used", Refusal.DUPLICATE_ID),
    ],
)
async def test_ok_is_said_of_the_action_and_the_orders_own_error_counts(
    world: World, autojump_clock: MockClock, by_socket: bool, text: str, refusal: Refusal
) -> None:
    account = await ready(world, by_socket=by_socket)
    world.script.statuses = lambda order: {"error": text}

    with pytest.raises(RequestRejected) as refused:
        await account.orders.place(BUY)

    assert refused.value.refusal is refusal
    await account.aclose()


async def test_a_refused_action_is_definitive(world: World, autojump_clock: MockClock) -> None:
    account = await ready(world)
    world.script.act_first = False
    world.script.answers.append({"status": "err", "response": f"User or API Wallet {AGENT} does not exist."})

    with pytest.raises(RequestRejected) as refused:
        await account.orders.place(BUY)

    assert refused.value.refusal is Refusal.AUTH
    assert (await account.orders.place(BUY)).state is OrderState.FILLED
    assert world.script.asked["userRole"] == 2  # it asked again whom the agent acts for
    await account.aclose()


@ROUTES
@pytest.mark.parametrize(
    "answer",
    [
        Silence,
        Reset,
        {"status": "maybe"},
        {"status": "ok", "response": {"type": "order", "data": {"statuses": []}}},
        {"status": "ok", "response": {"data": {"statuses": ["waitingForFill"]}}},
        {"status": "ok", "response": {"data": {"statuses": [{"filled": {"totalSz": "x", "oid": 1}}]}}},
        {
            "status": "ok",
            "response": {
                "data": {"statuses": [{"filled": {"totalSz": "1", "avgPx": "1", "oid": 1, "cloid": "0xdd"}}]}
            },
        },
        {"status": "err", "response": "Words that nobody has heard before"},
    ],
    ids=["silence", "reset", "status", "no statuses", "a child's", "unreadable", "another's", "unknown text"],
)
async def test_an_order_that_was_taken_without_a_good_answer_is_unknown_and_found(
    world: World, autojump_clock: MockClock, by_socket: bool, answer: Any
) -> None:
    account = await ready(world, by_socket=by_socket)
    world.script.answers.append(answer)

    with pytest.raises(OutcomeUnknown):
        await account.orders.place(BUY)

    assert len(world.script.actions) == 1  # never sent twice
    found = await account.find_order(BUY.leg, CLOID)
    assert (found.state, found.filled, found.side) == (OrderState.FILLED, Decimal("0.001"), Side.BUY)
    assert found.average_price == Decimal("97123")
    await account.aclose()


@pytest.mark.parametrize(("status", "kind"), [(429, OutcomeUnknown), (500, OutcomeUnknown)])
async def test_a_status_that_does_not_say_whether_it_ran_leaves_it_unknown(
    world: World, autojump_clock: MockClock, status: int, kind: type[Exception]
) -> None:
    account = await ready(world, by_socket=False)
    world.script.answers.append(status)

    with pytest.raises(kind):
        await account.orders.place(BUY)

    await account.aclose()


async def test_a_socket_error_that_mirrors_http_is_judged_like_it(
    world: World, autojump_clock: MockClock
) -> None:
    account = await ready(world)
    world.script.act_first = False
    world.script.answers.append("422 Unprocessable Entity: Failed to deserialize")

    with pytest.raises(RequestRejected):
        await account.orders.place(BUY)

    await account.aclose()


async def test_orders_go_by_http_while_the_socket_is_away_and_return_to_it(
    world: World, autojump_clock: MockClock
) -> None:
    account = await ready(world)
    await account.orders.place(BUY)

    await world.script.drop_sockets()
    await account.orders.place(BUY)
    await trio.sleep(5)
    await account.orders.place(BUY)

    assert [sent["via"] for sent in world.script.actions] == ["ws", "http", "ws"]
    assert len({sent["nonce"] for sent in world.script.actions}) == 3
    await account.aclose()


async def test_a_keeper_that_stops_lets_anothers_order_be_answered(
    world: World, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    keeper, other = world.account(), world.account(SUB)
    await world.venue.instruments()
    scope = trio.CancelScope()

    async def keep() -> None:
        with scope:
            await keeper.orders.warm_up()

    nursery.start_soon(keep)
    await trio.sleep(1)
    reports: list[Any] = []

    async def place() -> None:
        reports.append(await other.orders.place(BUY))

    await other.snapshot()
    await other.positions_of("BTC")
    with pytest.raises(RequestNotSent):
        await other.orders.place(attrs.evolve(BUY, expires_at_ms=1))  # resolves whom the agent acts for
    world.script.thinks_s = 1.0
    nursery.start_soon(place)
    await trio.sleep(0.5)
    scope.cancel()
    await trio.sleep(3)

    assert [report.state for report in reports] == [OrderState.FILLED]
    assert [sent["via"] for sent in world.script.actions] == ["ws"]
    await keeper.aclose()
    await other.aclose()


async def test_a_market_order_leaves_as_a_limit_far_outside_on_the_price_grid(
    world: World, autojump_clock: MockClock
) -> None:
    account = await ready(world)

    await account.orders.place(CLOSE)
    await account.orders.place(attrs.evolve(CLOSE, side=Side.BUY, leg=Leg("kPEPE"), quantity=Decimal(500)))

    sell, buy = (sent["action"]["orders"][0] for sent in world.script.actions)
    assert (sell["p"], sell["r"], sell["b"]) == ("87410", True, False)  # 87410.7 down to 5 figures
    assert buy["p"] == "0.01353"
    await account.aclose()


async def test_a_market_order_without_any_mark_is_not_sent(world: World, autojump_clock: MockClock) -> None:
    account = await ready(world)

    with pytest.raises(RequestNotSent):
        await account.orders.place(attrs.evolve(CLOSE, leg=Leg("LOOM")))

    assert not world.script.actions
    await account.aclose()


async def test_every_order_expires_by_the_venues_clock(world: World, autojump_clock: MockClock) -> None:
    account = await ready(world)
    now = world.script.clock.wall_ms()

    await account.orders.place(attrs.evolve(BUY, expires_at_ms=now + 1_500))
    await account.orders.place(CLOSE)

    opening, closing = world.script.actions
    assert opening["expiresAfter"] == now + 1_500
    assert closing["expiresAfter"] == now + 3_000
    await account.aclose()


async def test_an_opening_that_has_expired_already_is_not_sent(
    world: World, autojump_clock: MockClock
) -> None:
    account = await ready(world)

    with pytest.raises(RequestNotSent):
        await account.orders.place(attrs.evolve(BUY, expires_at_ms=world.script.clock.wall_ms() + 50))

    assert not world.script.actions
    await account.aclose()


async def test_a_sub_account_is_named_and_a_master_is_not(world: World, autojump_clock: MockClock) -> None:
    account = await ready(world, SUB)

    report = await account.orders.place(BUY)

    assert report.state is OrderState.FILLED
    (sent,) = world.script.actions
    assert (sent["vaultAddress"], sent["signer"]) == (SUB, AGENT)
    assert world.script.positions[SUB] == {"BTC": Decimal("0.001")}
    await account.aclose()


@pytest.mark.parametrize(
    ("address", "agent"),
    [
        (STRANGER, {"role": "agent", "data": {"user": MASTER}}),
        (MASTER, {"role": "missing"}),
        (MASTER, {"role": "user"}),
        (MASTER, {"role": "agent", "data": {"user": STRANGER}}),
        (AGENT, {"role": "user"}),
    ],
    ids=["another's account", "not approved", "a user", "another's agent", "the account's own key"],
)
async def test_an_agent_without_rights_sends_nothing(
    world: World, autojump_clock: MockClock, address: str, agent: Any
) -> None:
    world.script.roles[AGENT] = agent
    account = await ready(world, address, by_socket=False)

    with pytest.raises(RequestRejected) as refused:
        await account.orders.place(BUY)

    assert refused.value.refusal is Refusal.AUTH
    assert KEY not in str(refused.value)
    assert not world.script.actions
    await account.aclose()


async def test_a_venue_that_cannot_be_asked_first_gets_no_order(
    world: World, autojump_clock: MockClock
) -> None:
    account = await ready(world, by_socket=False)
    world.script.info_failures.extend([500, 500])

    with pytest.raises(RequestNotSent):
        await account.orders.place(BUY)

    assert not world.script.actions
    assert (await account.orders.place(BUY)).state is OrderState.FILLED
    await account.aclose()


async def test_a_coin_that_is_not_listed_is_refused_here(world: World, autojump_clock: MockClock) -> None:
    account = await ready(world)

    with pytest.raises(RequestRejected) as refused:
        await account.orders.place(attrs.evolve(BUY, leg=Leg("xyz:TSLA")))

    assert refused.value.refusal is Refusal.SYMBOL
    await account.aclose()


async def test_a_hundred_orders_at_once_have_a_hundred_nonces(
    world: World, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    account, sub = await ready(world), await ready(world, SUB)
    await account.orders.place(BUY)
    await sub.orders.place(BUY)
    await trio.sleep(20)  # what the start took of the address's weight comes back
    done: list[OrderState] = []

    async def place(number: int) -> None:
        whose = sub if number % 2 else account
        order = attrs.evolve(BUY, client_order_id=f"{number:032x}", reduce_only=True)
        done.append((await whose.orders.place(order)).state)

    async with trio.open_nursery() as together:
        for number in range(100):
            together.start_soon(place, number)

    assert done == [OrderState.FILLED] * 100
    assert len({sent["nonce"] for sent in world.script.actions}) == 102
    assert {sent["via"] for sent in world.script.actions} == {"ws", "http"}  # 80 in flight, the rest by HTTP
    await account.aclose()
    await sub.aclose()


async def test_an_account_whose_actions_are_spent_stops_opening_and_paces_reductions(
    world: World, autojump_clock: MockClock
) -> None:
    account = await ready(world)
    world.script.act_first = False
    world.script.answers.append(
        {"status": "err", "response": "Too many cumulative requests sent (3 > 2) for volume"}
    )

    with pytest.raises(RateLimited):
        await account.orders.place(BUY)
    for order in (BUY, CLOSE):
        with pytest.raises(RateLimited):
            await account.orders.place(order)
    await trio.sleep(10)

    assert (await account.orders.place(CLOSE)).state is OrderState.FILLED
    assert len(world.script.actions) == 2
    await account.aclose()


# Look-ups


async def test_an_order_that_never_came_is_not_found(world: World, autojump_clock: MockClock) -> None:
    account = await ready(world)

    assert await account.find_order(BUY.leg, CLOID) is None
    await account.aclose()


@pytest.mark.parametrize("rest", ["0.0006", "0.001", "0.0"], ids=["remainder", "all of it", "zeroed"])
async def test_the_fills_tell_how_much_of_a_cancelled_order_was_filled(
    world: World, autojump_clock: MockClock, rest: str
) -> None:
    """What `sz` counts of a cancelled IOC order is not published."""
    account = await ready(world)
    order = {"b": True, "p": "97200", "s": "0.001", "c": "0x" + CLOID}
    fills = (("0.0003", "97000"), ("0.0001", "97100"))
    world.script.record(order, "BTC", status="canceled", rest=rest, fills=fills)
    await trio.sleep(11)

    found = await account.find_order(BUY.leg, CLOID)

    assert (found.state, found.filled) == (OrderState.ENDED, Decimal("0.0004"))
    assert found.average_price == Decimal("97025")
    await account.aclose()


async def test_fills_that_are_not_listed_yet_are_waited_for(world: World, autojump_clock: MockClock) -> None:
    account = await ready(world)
    order = {"b": True, "p": "97200", "s": "0.001", "c": "0x" + CLOID}
    world.script.record(order, "BTC", status="canceled", rest="0.0006")

    with pytest.raises(OutcomeUnknown):
        await account.find_order(BUY.leg, CLOID)
    await trio.sleep(11)

    assert (await account.find_order(BUY.leg, CLOID)).filled == Decimal(0)
    await account.aclose()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("open", OrderState.ACCEPTED),
        ("perpMarginRejected", OrderState.REJECTED),
        ("minTradeNtlRejected", OrderState.REJECTED),
        ("iocCancelRejected", OrderState.ENDED),
        ("aStatusOfNextYear", OrderState.ENDED),
    ],
)
async def test_a_status_is_a_state(
    world: World, autojump_clock: MockClock, status: str, state: OrderState
) -> None:
    account = await ready(world)
    order = {"b": True, "p": "97200", "s": "0.001", "c": "0x" + CLOID}
    world.script.record(order, "BTC", status=status, rest="0.001")

    found = await account.find_order(BUY.leg, CLOID)

    assert (found.state, found.filled) == (state, Decimal(0))
    await account.aclose()


async def test_a_filled_order_is_believed_although_its_fills_cannot_be_read(
    world: World, autojump_clock: MockClock
) -> None:
    account = await ready(world)
    await account.orders.place(BUY)
    world.script.nonsense.add("userFillsByTime")

    found = await account.find_order(BUY.leg, CLOID)

    assert (found.state, found.filled, found.average_price) == (OrderState.FILLED, BUY.quantity, None)
    await account.aclose()
