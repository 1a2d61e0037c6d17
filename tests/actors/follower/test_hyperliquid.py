"""What is different for a follower on Hyperliquid: names and multiples, ten dollars, agents, few streams."""

from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.messages import Describe
from exchanges.sandbox import DEFAULT_LISTINGS, DEFAULT_PRICES, FaultKind, SandboxDescription
from exchanges.sandbox.hyperliquid import HyperliquidSandbox
from model.copy import CopyState
from model.reasons import Reason
from tests.world import Cast, World, fixed_ratio, mirror, open_world

D = Decimal
PEPE = attrs.evolve(
    DEFAULT_LISTINGS[-1],
    symbol="1000PEPEUSDT",
    lot_size=D(100),
    min_quantity=D(100),
    tick_size=D("0.0000001"),
)
WITH_PEPE = SandboxDescription(
    accounts=(),
    listings=(*DEFAULT_LISTINGS, PEPE),
    prices={**DEFAULT_PRICES, "1000PEPEUSDT": D("0.0123")},
)


def alice(**settings: object) -> Cast:
    return Cast(venue="hyperliquid", settings={"sizing": fixed_ratio("1"), **settings})


def face(world: World) -> HyperliquidSandbox:
    found = world.house("alice").server._face
    assert isinstance(found, HyperliquidSandbox)
    return found


async def test_a_symbol_is_found_by_its_asset_and_multiple(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, alice(), description=WITH_PEPE) as world:
        world.trade("1000PEPEUSDT", "100000")
        await world.settled()
        opened = world.account("alice").size("kPEPE")
        world.close("1000PEPEUSDT")
        await world.settled()

    assert opened == D(100000)
    assert world.account("alice").size("kPEPE") == 0


async def test_what_one_venue_has_and_the_other_lacks_is_skipped(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    avax = attrs.evolve(DEFAULT_LISTINGS[2], symbol="AVAXUSDT")
    described = attrs.evolve(
        WITH_PEPE,
        listings=(*DEFAULT_LISTINGS, avax),
        prices={**DEFAULT_PRICES, "AVAXUSDT": D(30)},
    )
    async with open_world(tmp_path, alice(), description=described) as world:
        world.trade("AVAXUSDT", "10")
        await world.settled()

        assert world.copies("alice")[0].state is CopyState.SKIPPED
        assert world.copies("alice")[0].reason is Reason.SYMBOL_NOT_LISTED
        assert len(world.core("alice").ledger) == 0


async def test_a_reduction_below_ten_dollars_waits_and_a_full_close_does_not(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice(sizing=fixed_ratio("0.1"))) as world:
        world.trade("ETHUSDT", "0.10")
        await world.settled()
        opened = world.size("alice", "ETHUSDT")
        world.trade("ETHUSDT", "-0.02")
        await world.settled()
        waiting = world.size("alice", "ETHUSDT")
        world.close("ETHUSDT")
        await world.settled()

    assert opened == waiting == D("0.01")
    assert world.size("alice", "ETHUSDT") == 0
    assert all(row.accepted for row in world.core("alice").ledger)


async def test_what_is_left_below_ten_dollars_is_closed_whole(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice(sizing=fixed_ratio("0.1"))) as world:
        world.trade("ETHUSDT", "0.10")
        await world.settled()
        world.trade("ETHUSDT", "-0.08")
        await world.settled()
        world.trade("ETHUSDT", "-0.02")
        await world.settled()

    assert world.size("alice", "ETHUSDT") == 0
    assert all(row.accepted for row in world.core("alice").ledger)


async def test_an_exit_in_the_window_after_an_upgrade_goes_on_until_it_is_done(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        window = world.core("alice").faults.add(FaultKind.POST_ONLY_WINDOW)
        world.close("BTCUSDT")
        world.trade("ETHUSDT", "1")
        await trio.sleep(120)
        held = world.size("alice")
        world.core("alice").faults.remove(window)
        await world.settled(timeout_s=120)

    assert held == D("0.1")
    assert world.size("alice") == 0
    assert world.size("alice", "ETHUSDT") == 0  # too old by then


async def test_an_agent_that_ends_stops_openings_and_one_that_is_approved_again_exits(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice(), Cast(name="bob")) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        directory, core = face(world).directory, world.core("alice")
        (agent,) = directory.agents(core.account("alice"))
        directory.expire_agents("alice", core.now_ms())
        world.trade("ETHUSDT", "1")
        world.close("BTCUSDT")
        await trio.sleep(60)
        left = world.size("alice"), world.size("alice", "ETHUSDT"), world.size("bob", "ETHUSDT")
        directory.approve_agent("alice", agent.address)
        await world.until(lambda: world.size("alice") == 0, timeout_s=900)

    assert left == (D("0.1"), D(0), D(1))
    assert world.size("bob") == 0


async def test_more_followers_than_an_address_may_watch_are_copied_for_alike(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    cast = [attrs.evolve(alice(), name=f"f{n}") for n in range(14)]
    async with open_world(tmp_path, *cast) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        opened = {world.size(it.name) for it in cast}
        await trio.sleep(30)
        world.trade("BTCUSDT", "-0.04")
        await world.settled()
        reduced = {world.size(it.name) for it in cast}
        world.close("BTCUSDT")
        await world.settled()

    assert (opened, reduced) == ({D("0.1")}, {D("0.06")})
    assert {world.size(it.name) for it in cast} == {D(0)}
    assert not world.sent_twice()


async def test_followers_on_two_venues_follow_one_master(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, alice(), Cast(name="bob")) as world:
        for quantity in ("0.2", "-0.05", "-0.4", "0.1"):
            world.trade("BTCUSDT", quantity)
            await world.settled()
            assert world.size("alice") == world.size("bob") == world.size("master")
        world.venue.set_price("BTCUSDT", D(61000))
        world.close("BTCUSDT")
        await world.settled()

    assert world.size("alice") == world.size("bob") == 0


async def test_an_account_with_one_balance_is_sized_by_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    cast = attrs.evolve(alice(sizing=mirror("1")), equity="5000")
    async with open_world(tmp_path, cast, start=False) as world:
        face(world).directory.set_mode("alice", "unifiedAccount")
        await world.start_engine()
        await world.ready()
        world.trade("ETHUSDT", "2")
        await world.settled()

    assert D("0.99") < world.size("alice", "ETHUSDT") < D("1.01")


@pytest.mark.parametrize("kind", [FaultKind.DELAY_REQUEST, FaultKind.DELAY_ENGINE])
async def test_an_opening_that_the_venue_takes_up_too_late_is_none(
    tmp_path: Path, autojump_clock: MockClock, kind: FaultKind
) -> None:
    async with open_world(tmp_path, alice()) as world:
        world.core("alice").faults.add(kind, account="alice", endpoint="post/order", seconds=8.0, count=1)
        world.trade("BTCUSDT", "0.1")
        await world.settled(timeout_s=120)
        (copy,) = world.copies("alice")

    assert (copy.state, world.size("alice")) == (CopyState.SKIPPED, D(0))
    assert copy.reason is Reason.EXPIRED
    assert len(world.core("alice").ledger) == 0


async def test_ten_followers_of_one_address_know_their_accounts_at_once_and_their_keys_in_two_minutes(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The engine keeps the venue's weight: questions about keys went first, and were asked twice."""
    cast = [Cast(name=f"f{number}", venue="hyperliquid") for number in range(10)]
    async with open_world(tmp_path, *cast, start=False, paced=True) as world:
        await world.start_engine()
        await trio.sleep(20)
        statuses = [await world.engine.followers[it.name].ask(Describe(), timeout_s=1) for it in cast]
        known = [status.equity for status in statuses]
        await world.ready(timeout_s=120)

    assert known == ["10000"] * 10
