"""An operator who changes his mind in a storm: who is resumed at the end follows the master out (4, R14)."""

import random
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from model.copy import CopyState
from model.settings import FollowerMode
from tests.actors.follower.test_flatten_storm import SYMBOLS, VENUES, Storm
from tests.world import MASTER, Cast, open_world


@pytest.mark.parametrize("seed", range(18))
async def test_whatever_an_operator_orders_in_a_storm_nothing_is_left_behind(
    tmp_path: Path, autojump_clock: MockClock, seed: int
) -> None:
    chance = random.Random(1_000 + seed)
    cast = Cast(venue=VENUES[seed % len(VENUES)], equity="100000"), Cast(name="bob", equity="100000")
    async with open_world(tmp_path, *cast, master_equity="100000") as world:
        storm = Storm(world, chance)
        for _ in range(8):
            await storm.blow(chance.randrange(1, 5))
            world.order("alice", chance.choice(tuple(FollowerMode)))
        world.core("alice").faults.clear()
        world.order("alice", FollowerMode.ACTIVE)
        await world.ready()
        await trio.sleep(60)
        for symbol in SYMBOLS:
            if world.account(MASTER).size(symbol, 0):
                world.close(symbol)
        await world.settled(200)
        await trio.sleep(60)

        for name in ("alice", "bob"):
            assert [world.size(name, symbol) for symbol in SYMBOLS] == [0, 0, 0]
        assert not world.sent_twice()
        assert CopyState.CLAIMED not in {copy.state for copy in world.copies("alice")}
