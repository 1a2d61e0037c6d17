"""Reads, settings and the venue's own calls, over a scripted venue."""

from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from exchanges.errors import (
    ExchangeError,
    MalformedMessage,
    OutcomeUnknown,
    RateLimited,
    Refusal,
    RequestRejected,
    StreamLost,
)
from exchanges.hyperliquid import HyperliquidEndpoints, HyperliquidVenue
from exchanges.network import MemoryNetwork
from exchanges.port import AccountGateway, Credentials, Venue
from model.leg import Leg, PositionMode
from model.prices import is_price
from tests.exchanges.hyperliquid.script import CLOID, KEY, MASTER, SUB, Silence, World
from tests.exchanges.hyperliquid.test_orders import BUY


async def test_the_port_is_satisfied(world: World, autojump_clock: MockClock) -> None:
    venue: Venue = world.venue
    gateway: AccountGateway = world.account()

    assert venue.exchange == gateway.exchange == "hyperliquid"
    assert await gateway.position_mode("BTC") is PositionMode.ONE_WAY


async def test_a_snapshot_is_the_account_at_one_moment(world: World, autojump_clock: MockClock) -> None:
    world.script.put(SUB, "BTC", "-0.5")
    world.script.put(MASTER, "SOL", "9")
    account = world.account(SUB)

    snapshot = await account.snapshot()

    assert [(row.leg, row.size) for row in snapshot.positions] == [(Leg("BTC"), Decimal("-0.5"))]
    assert snapshot.wallet.wallet_balance == Decimal(1000)
    assert snapshot.hedge_symbols == frozenset()
    assert snapshot.positions[0].venue_time_ms == snapshot.wallet.venue_time_ms > 0
    await account.aclose()


async def test_the_leverage_of_a_flat_leg_is_asked_for_by_who_sets_it_alone(
    world: World, autojump_clock: MockClock
) -> None:
    """The question costs ten times as much as all positions, and most reads do not need it."""
    account = world.account()

    (unknown,) = await account.positions_of("BTC")
    asked_by_reads = world.script.asked["activeAssetData"]
    await account.set_leverage(Leg("BTC"), Decimal(20))
    (known,) = await account.positions_of("BTC")

    assert (unknown.leg, unknown.size, unknown.leverage) == (Leg("BTC"), Decimal(0), None)
    assert (asked_by_reads, world.script.asked["activeAssetData"]) == (0, 1)
    assert (known.leverage, world.script.actions) == (Decimal(20), [])
    await trio.sleep(601)
    (forgotten,) = await account.positions_of("BTC")
    assert forgotten.leverage is None
    await account.aclose()


async def test_leverage_is_set_where_the_venue_does_not_say_how_it_is_set(
    world: World, autojump_clock: MockClock
) -> None:
    world.script.nonsense.add("activeAssetData")
    account = world.account()

    await account.set_leverage(Leg("BTC"), Decimal(20))

    assert len(world.script.actions) == 1
    await account.aclose()


@pytest.mark.parametrize(
    ("coin", "now", "cross"),
    [("BTC", None, True), ("BTC", (5, True), True), ("BTC", (5, False), False), ("HPOS", None, False)],
)
async def test_leverage_is_set_in_whole_numbers_and_the_margin_type_stays(
    world: World, autojump_clock: MockClock, coin: str, now: tuple[int, bool] | None, cross: bool
) -> None:
    account = world.account(SUB)
    if now is not None:
        world.script.leverages[coin] = now
        world.script.put(SUB, coin, "1")
        await account.positions_of(coin)

    await account.set_leverage(Leg(coin), Decimal("3.9"))

    assert world.script.leverages[coin] == (3, cross)
    assert world.script.actions[0]["vaultAddress"] == SUB
    await account.aclose()


async def test_the_leverage_that_was_set_is_remembered_as_it_was_set(
    world: World, autojump_clock: MockClock
) -> None:
    account = world.account()

    await account.set_leverage(Leg("BTC"), Decimal("3.9"))

    (row,) = await account.positions_of("BTC")
    assert row.leverage == Decimal(3)
    await account.aclose()


async def test_a_leverage_that_is_refused_says_so(world: World, autojump_clock: MockClock) -> None:
    account = world.account()
    text = "Cannot switch leverage type with open position."
    world.script.answers.append({"status": "err", "response": text})

    with pytest.raises(RequestRejected) as refused:
        await account.set_leverage(Leg("BTC"), Decimal(3))

    assert refused.value.refusal is Refusal.LEVERAGE
    await account.aclose()


async def test_a_setting_that_is_not_answered_is_unknown(world: World, autojump_clock: MockClock) -> None:
    account = world.account()
    world.script.answers.append(Silence)

    with pytest.raises(OutcomeUnknown):
        await account.set_leverage(Leg("BTC"), Decimal(3))

    await account.aclose()


async def test_a_unified_account_is_read_where_its_money_is(world: World, autojump_clock: MockClock) -> None:
    world.script.abstraction, world.script.spot = "portfolioMargin", ("500", "20")
    world.script.values[MASTER] = "0.0"
    account = world.account()

    wallet = (await account.snapshot()).wallet

    assert (wallet.wallet_balance, wallet.available) == (Decimal(500), Decimal(480))
    await account.aclose()


async def test_a_mode_is_asked_for_seldom_and_sooner_when_the_summary_contradicts_it(
    world: World, autojump_clock: MockClock
) -> None:
    account = world.account()
    for _ in range(20):
        await account.snapshot()
        await trio.sleep(10)
    assert world.script.asked["userAbstraction"] == 1

    world.script.abstraction, world.script.spot = "unifiedAccount", ("700", "0")
    world.script.values[MASTER] = "0.0"

    assert (await account.snapshot()).wallet.wallet_balance == Decimal(700)
    await account.aclose()


@pytest.mark.parametrize(
    ("failures", "kind"),
    [
        ([500, 500], OutcomeUnknown),
        ([429], RateLimited),
        ([422], RequestRejected),
        ([b"<html>"], MalformedMessage),
        ([b"null"], MalformedMessage),
    ],
)
async def test_a_read_fails_in_a_kind_that_the_port_knows(
    world: World, autojump_clock: MockClock, failures: list[Any], kind: type[ExchangeError]
) -> None:
    account = world.account()
    world.script.info_failures.extend(failures)

    with pytest.raises(ExchangeError) as failed:
        await account.positions_of("BTC")

    assert type(failed.value) is kind
    await account.aclose()


async def test_a_lost_read_is_asked_for_once_more(world: World, autojump_clock: MockClock) -> None:
    world.script.info_failures.append(502)
    account = world.account()

    assert (await account.snapshot()).wallet.wallet_balance == Decimal(1000)
    await account.aclose()


async def test_network_errors_are_never_not_found(world: World, autojump_clock: MockClock) -> None:
    account = world.account()
    world.script.info_failures.extend([500, 500])

    with pytest.raises(OutcomeUnknown):
        await account.find_order(BUY.leg, CLOID)
    await account.aclose()


@pytest.mark.parametrize(
    ("account", "key"), [("", KEY), ("0x12", KEY), (MASTER, "0x12"), (MASTER, ""), ("aa" * 20, KEY)]
)
def test_credentials_that_are_none_are_refused(account: str, key: str) -> None:
    venue = HyperliquidVenue(
        HyperliquidEndpoints(rest="http://hl", ws="ws://hl"), network=MemoryNetwork(), clock=_Stopped()
    )

    with pytest.raises(RequestRejected) as refused:
        venue.account(Credentials(api_key="", api_secret=key, account=account))

    assert refused.value.refusal is Refusal.AUTH


class _Stopped:
    def wall_ms(self) -> int:
        return 5


def test_a_chain_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError):
        HyperliquidEndpoints(rest="http://hl", ws="ws://hl", chain="demo")


# The venue


async def test_the_catalogue_has_steps_that_orders_pass(world: World, autojump_clock: MockClock) -> None:
    instruments = await world.venue.instruments()

    assert set(instruments) == {"SOL", "BTC", "kPEPE", "HPOS", "LOOM"}
    bitcoin = instruments["BTC"]
    assert is_price(Decimal("97123"), bitcoin)
    assert is_price(Decimal("123456"), bitcoin)
    assert not is_price(Decimal("97123.4"), bitcoin)
    assert is_price(Decimal("0.012345"), instruments["kPEPE"])
    assert bitcoin.max_quantity * Decimal("97123") <= Decimal(30_000_000)
    assert instruments["LOOM"].max_quantity == 0
    assert not bitcoin.min_notional_exempts_reductions
    assert [tier.leverage_max for tier in instruments["SOL"].tiers] == [Decimal(20), Decimal(10)]


async def test_all_marks_are_read_and_those_without_one_are_left_out(
    world: World, autojump_clock: MockClock
) -> None:
    marks = await world.venue.read_marks()

    assert marks == {
        "SOL": Decimal("150.5"),
        "BTC": Decimal(97123),
        "kPEPE": Decimal("0.0123"),
        "HPOS": Decimal(1),
    }


async def test_marks_are_streamed_by_symbol(world: World, autojump_clock: MockClock) -> None:
    heard: list[tuple[str, Decimal]] = []

    async def listen() -> None:
        async with world.venue.marks(frozenset({"BTC", "SOL"})) as updates:
            async for update in updates:
                heard.append(update)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.sleep(1)
        for coin, mark in (("BTC", "97000"), ("SOL", None), ("SOL", "151")):
            frame = {"channel": "activeAssetCtx", "data": {"coin": coin, "ctx": {"markPx": mark}}}
            await world.script.push("activeAssetCtx", "", frame)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert heard == [("BTC", Decimal(97000)), ("SOL", Decimal(151))]


async def test_a_mark_stream_on_which_nothing_moves_has_stalled(
    world: World, autojump_clock: MockClock
) -> None:
    async with world.venue.marks(frozenset({"BTC"})) as updates:
        with pytest.raises(StreamLost):
            await anext(updates)

    assert 29 < trio.current_time() < 31


@pytest.mark.parametrize("spoiled", [False, True], ids=["status", "book"])
async def test_the_clocks_are_compared_by_the_status_or_by_a_book(
    world: World, autojump_clock: MockClock, spoiled: bool
) -> None:
    if spoiled:
        world.script.nonsense.add("exchangeStatus")
    world.script.clock.ahead_ms = 0
    world.venue._clock._clock = _Behind(world, 1_500)

    assert await world.venue.clock_offset_ms() == 1_500

    account = world.account()
    await world.venue.instruments()
    await account.orders.place(BUY)
    # The expiry is the venue's: a clock that is behind must not make every order late.
    assert world.script.actions[0]["expiresAfter"] == world.script.clock.wall_ms() + 3_000
    await account.aclose()


class _Behind:
    def __init__(self, world: World, by_ms: int) -> None:
        self._world, self._by_ms = world, by_ms

    def wall_ms(self) -> int:
        return self._world.script.clock.wall_ms() - self._by_ms


async def test_an_order_does_not_wait_for_a_starting_crowd(world: World, autojump_clock: MockClock) -> None:
    """Forty accounts start at once: their reads take minutes of the venue's weight, an order does not."""
    await world.venue.instruments()
    accounts = [world.account("0x" + f"{number:040x}") for number in range(40)]
    took: list[float] = []

    async def start(account: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(account.orders.warm_up)
            async with account.private_stream() as stream:
                async for _ in stream:
                    pass

    with trio.move_on_after(12):
        async with trio.open_nursery() as nursery:
            for account in accounts:
                nursery.start_soon(start, account)
            await trio.sleep(5)
            late = world.account()
            began = trio.current_time()
            await late.orders.place(BUY)
            took.append(trio.current_time() - began)
            await trio.sleep_forever()

    assert took
    assert took[0] < 2
    assert sum(world.script.asked.values()) < 200
    for account in (*accounts, late):
        await account.aclose()
