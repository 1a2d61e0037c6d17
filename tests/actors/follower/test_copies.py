"""A follower answers what the master does: every class of change, in one-way and hedge mode (R5, R6)."""

from decimal import Decimal
from pathlib import Path

import trio
from trio.testing import MockClock

from exchanges.clock import VIRTUAL_EPOCH_MS
from model.copy import CopyState
from model.reasons import Reason
from model.settings import Join
from tests.world import Cast, fixed_margin, fixed_ratio, mirror, open_world

D = Decimal


async def test_every_class_of_change_is_copied_to_the_target(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue, settings={"sizing": fixed_ratio("0.5")})) as world:
        sizes = []
        for quantity in ("0.2", "0.1", "-0.15", "-0.45", "0.3"):
            world.trade("BTCUSDT", quantity)
            await world.settled()
            sizes.append(world.size("alice"))

        assert sizes == [D("0.1"), D("0.15"), D("0.075"), D("-0.15"), D(0)]
        assert not world.sent_twice()
        assert [row.state for row in world.copies("alice")] == [CopyState.APPLIED] * 5


async def test_a_mirror_commits_the_share_of_equity_that_the_master_committed(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    cast = Cast(venue=venue, equity="2500", settings={"sizing": mirror("2")})
    async with open_world(tmp_path, cast, master_equity="10000") as world:
        world.trade("ETHUSDT", "4")
        await world.settled()

        # The master's fee has lowered its equity a little: twice a quarter of 4, and a lot more.
        assert D("2.00") <= world.size("alice", "ETHUSDT") < D("2.01")


async def test_a_fixed_margin_is_at_its_fullest_where_the_episode_is(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    cast = Cast(venue=venue, equity="1000", settings={"sizing": fixed_margin("0.1")})
    async with open_world(tmp_path, cast) as world:
        world.trade("ETHUSDT", "4")
        await world.settled()
        full = world.size("alice", "ETHUSDT")
        world.trade("ETHUSDT", "-3")
        await world.settled()

        # 10 % of 1,000 at 10x is a notional of about 1,000: 0.33 ETH at 3,000, less the fee in the margin.
        assert D("0.32") <= full < D("0.34")
        assert D("0.08") <= world.size("alice", "ETHUSDT") <= D("0.09")


async def test_a_hedging_follower_keeps_the_legs_apart_and_a_one_way_one_holds_the_net(
    tmp_path: Path, autojump_clock: MockClock, hedging_venue: str
) -> None:
    cast = (Cast(venue=hedging_venue, name="apart", hedge=True), Cast(venue=hedging_venue, name="net"))
    async with open_world(tmp_path, *cast, master_hedges=["BTCUSDT"]) as world:
        world.trade("BTCUSDT", "0.3", position_idx=1)
        await world.settled()
        world.trade("BTCUSDT", "-0.1", position_idx=2)
        await world.settled()
        hedged = world.size("apart", position_idx=1), world.size("apart", position_idx=2)
        net = world.size("net")
        world.close("BTCUSDT", 1)
        await world.settled()

        assert hedged == (D("0.3"), D("-0.1"))
        assert net == D("0.2")
        assert world.size("apart", position_idx=1) == 0
        assert world.size("net") == D("-0.1")


async def test_one_exchange_call_a_copy(tmp_path: Path, autojump_clock: MockClock, venue: str) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        calls = len(world.core("alice").ledger.of("alice"))
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        rows = world.core("alice").ledger.of("alice")

        assert len(rows) - calls == 1
        assert {row.via for row in rows} == {world.house("alice").order_endpoint}


async def test_leverage_is_set_only_when_it_differs(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.1", leverage=D(20))
        await world.settled()

        assert world.account("alice").leverage(world.house("alice").own_symbol("BTCUSDT")) == D(20)
        assert world.size("alice") == D("0.1")


async def test_what_the_master_held_before_is_copied_only_by_who_joins_now(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    next_only = {"sizing": fixed_ratio("1"), "join": Join.NEXT, "joined_at_ms": VIRTUAL_EPOCH_MS + 60_000}
    cast = (Cast(venue=venue, name="now"), Cast(venue=venue, name="next", settings=next_only))
    async with open_world(tmp_path, *cast, start=False) as world:
        world.trade("BTCUSDT", "0.1")
        await world.start_engine()
        await world.ready()
        await world.settled()
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        sizes = world.size("now"), world.size("next")
        world.close("BTCUSDT")
        await trio.sleep(60)
        world.trade("BTCUSDT", "-0.1")
        await world.settled()

        assert sizes == (D("0.2"), D(0))
        assert world.copies("next")[0].reason is Reason.NOT_JOINED
        assert world.size("next") == D("-0.1")


async def test_a_position_that_the_engine_did_not_open_is_foreign(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue), start=False) as world:
        world.core("alice").trade("alice", world.house("alice").own_symbol("BTCUSDT"), D("0.7"))
        await world.start_engine()
        await world.ready()
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        world.close("BTCUSDT")
        await world.settled()

        assert world.size("alice") == D("0.7")
        assert {row.reason for row in world.copies("alice")} == {Reason.FOREIGN_POSITION}


async def test_what_the_operator_opens_on_a_flat_leg_is_not_ours(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        world.close("BTCUSDT")
        await world.settled()
        world.core("alice").trade("alice", world.house("alice").own_symbol("BTCUSDT"), D("0.5"))
        await trio.sleep(0.2)  # where positions are pushed once a block, it is seen only then
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert world.size("alice") == D("0.5")
        assert world.copies("alice")[-1].reason is Reason.FOREIGN_POSITION
