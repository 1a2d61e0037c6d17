"""Whatever goes wrong, whoever shall be flat gets flat, stays flat, and comes back when resumed (4)."""

import random
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.messages import CrashNow
from exchanges.sandbox import FaultKind
from model.copy import CopyState
from model.settings import FollowerMode
from tests.world import MASTER, Cast, World, open_world

D = Decimal
SYMBOLS = {"BTCUSDT": "0.1", "ETHUSDT": "1", "SOLUSDT": "10"}
VENUES = ("bybit", "binance", "hyperliquid")
ORDER_FAULTS = (FaultKind.LOSE_ANSWER, FaultKind.RESET_AFTER, FaultKind.ERROR_AFTER)


class Storm:
    """Trades, faults, crashes and kills, and in the middle an operator who wants alice flat."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance

    async def blow(self, steps: int) -> None:
        for _ in range(steps):
            await self.chance.choice((self.trade, self.trade, self.trade, self.fault, self.end))()
            await trio.sleep(self.chance.choice((0.0, 0.01, 0.1, 1.0)))

    async def trade(self) -> None:
        symbol, unit = self.chance.choice(tuple(SYMBOLS.items()))
        held = self.world.account(MASTER).size(symbol, 0)
        quantity = D(unit) * self.chance.choice((1, 1, 2, -1))
        if held and self.chance.random() < 0.3:
            quantity = -held
        self.world.trade(symbol, str(quantity))

    async def fault(self) -> None:
        faults, house = self.world.core("alice").faults, self.world.house("alice")
        match self.chance.randrange(6):
            case 0:
                kind = self.chance.choice(ORDER_FAULTS)
                faults.add(kind, account="alice", endpoint=house.order_endpoint, count=1)
            case 1:
                faults.add(
                    FaultKind.DELAY_FILL, account="alice", seconds=self.chance.choice((0.5, 6.0)), count=1
                )
            case 2:
                faults.add(FaultKind.REJECT, account="alice", code=110079, count=self.chance.choice((1, 3)))
            case 3:
                faults.add(FaultKind.DROP_FRAME, account="alice", count=3)
            case 4:
                house.server.drop_connections(account="alice")
            case _:
                faults.add(FaultKind.DELAY_ANSWER, account="alice", seconds=2.0, count=2)

    async def end(self) -> None:
        match self.chance.randrange(4):
            case 0:
                self.world.engine.followers["alice"].tell(CrashNow("the storm"))
            case 1:
                await self.world.kill_engine()
                await trio.sleep(self.chance.choice((0.0, 3.0)))
                await self.world.start_engine()
            case _:
                return


@pytest.mark.parametrize("seed", [*range(18), 76, 116, 151])
async def test_a_follower_gets_flat_in_any_storm(
    tmp_path: Path, autojump_clock: MockClock, seed: int
) -> None:
    chance = random.Random(seed)
    venue = VENUES[seed % len(VENUES)]
    cast = Cast(venue=venue, equity="100000"), Cast(name="bob", equity="100000")
    async with open_world(tmp_path, *cast, master_equity="100000") as world:
        storm = Storm(world, chance)
        await storm.blow(12)
        world.order("alice", FollowerMode.FLATTENING)
        await storm.blow(12)
        world.core("alice").faults.clear()
        await world.until(lambda: world.mode_kept("alice") is FollowerMode.PAUSED, 400)
        flat = [world.size("alice", symbol) for symbol in SYMBOLS]
        for _ in range(5):
            await storm.trade()
            await trio.sleep(3)
        still = [world.size("alice", symbol) for symbol in SYMBOLS]
        world.order("alice", FollowerMode.ACTIVE)
        for symbol in SYMBOLS:
            if world.account(MASTER).size(symbol, 0):
                world.close(symbol)
        await world.settled(200)

        assert flat == [0, 0, 0]
        assert still == [0, 0, 0]
        for name in ("alice", "bob"):
            assert [world.size(name, symbol) for symbol in SYMBOLS] == [0, 0, 0]
        assert not world.sent_twice()
        assert CopyState.CLAIMED not in {copy.state for copy in world.copies("alice")}
