"""A follower whose key is none bars itself, at the start and later, and nobody else notices."""

from decimal import Decimal
from pathlib import Path

import attrs
import trio
from trio.testing import MockClock

from actors.events import FollowerBarred
from exchanges.port import Credentials
from tests.world import Cast, open_world

D = Decimal
NONSENSE = Credentials(api_key="", api_secret="no key at all", account="0x" + "ab" * 20)


async def test_a_key_that_is_none_bars_its_follower_and_no_other(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    cast = (Cast(), Cast(name="bad", venue="hyperliquid"))
    async with open_world(tmp_path, *cast, start=False) as world:
        good, bad = world.followers
        world.followers = (good, attrs.evolve(bad, credentials=NONSENSE))
        await world.start_engine()
        await world.ready()
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        barred = dict(world.engine.barred)
        running = set(world.engine.followers)
        await world.engine.add_follower(world.followers[1])
        await trio.sleep(1)
        told = world.seen(FollowerBarred)
        await world.engine.add_follower(bad)
        await world.ready()
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert (set(barred), running) == ({"bad"}, {"alice"})
        assert "no key at all" not in barred["bad"]
        assert [event.follower for event in told] == ["bad", "bad"]
        assert world.engine.barred == {}
        assert world.size("alice") == world.size("bad") == D("0.2")


async def test_other_keys_that_are_none_bar_a_follower_that_ran(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    cast = (Cast(), Cast(name="bad", venue="hyperliquid"))
    async with open_world(tmp_path, *cast) as world:
        await world.engine.replace_follower(attrs.evolve(world.followers[1], credentials=NONSENSE))
        gone = set(world.engine.followers), set(world.engine.barred)
        await world.engine.remove_follower("bad")
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert gone == ({"alice"}, {"bad"})
        assert world.engine.barred == {}
        assert world.size("alice") == D("0.1")
