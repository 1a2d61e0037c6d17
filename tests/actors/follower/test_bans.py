"""A venue has stopped our address: who must read his account first does so as soon as it is over."""

from pathlib import Path

import trio
from trio.testing import MockClock

from exchanges.sandbox import FaultKind
from model.copy import CopyState
from model.reasons import Reason
from tests.world import MASTER, Cast, open_world

STOP_S, BAN_S = 60.0, 120.0


async def test_a_follower_that_starts_during_a_ban_is_ready_right_after_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It asked at intervals that doubled, whatever the venue had said, and came back half a minute late."""
    async with open_world(tmp_path, Cast(venue="binance")) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        world.core("alice").faults.add(
            FaultKind.RATE_LIMIT, account="alice", status=429, headers=False, count=1
        )
        await world.kill_engine()
        world.close("BTCUSDT")
        began = trio.current_time()
        await world.start_engine()
        await world.until(lambda: not world.size("alice"), timeout_s=STOP_S + 60)

        assert trio.current_time() - began < STOP_S + 5


async def test_what_waits_for_the_account_to_be_read_goes_right_after_a_ban(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It tried again at intervals that doubled, up to half a minute after the account was known again."""
    async with open_world(tmp_path, Cast(venue="binance")) as world:
        world.core("alice").faults.add(
            FaultKind.RATE_LIMIT, account="alice", status=418, headers=True, count=1
        )
        assert world.house("alice").server.drop_connections(account="alice", kind="private")
        began = trio.current_time()
        await trio.sleep(1)
        assert world.server.drop_connections(account=MASTER, kind="private")
        world.trade("BTCUSDT", "0.1")
        await world.until(lambda: bool(world.size("alice")), timeout_s=BAN_S + 60)

        assert BAN_S - 1 < trio.current_time() - began < BAN_S + 5


async def test_an_opening_that_a_ban_outlasts_is_told_as_expired_when_it_is(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It had no outcome until the ban was over."""
    async with open_world(tmp_path, Cast(venue="binance")) as world:
        world.core("alice").faults.add(
            FaultKind.RATE_LIMIT, account="alice", endpoint="order.place", status=418, headers=True, count=1
        )
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(6)

        (copy,) = world.copies("alice")
        assert (copy.state, copy.reason) == (CopyState.SKIPPED, Reason.EXPIRED)
