"""A day of the master, hour by hour: some are busy, some idle, and sockets drop now and then."""

import random
from decimal import Decimal

import attrs
import trio

from tests.world import MASTER, World

UNITS = {"BTCUSDT": Decimal("0.02"), "ETHUSDT": Decimal("0.5"), "SOLUSDT": Decimal("10")}
STEPS_MAX = 4
EVERY_S = {"busy": 20.0, "slow": 180.0, "idle": 3_000.0}
HOURS = ("busy", "slow", "busy", "idle", "slow", "busy")
"""Again and again, so that every quarter of a day has some of each."""
DROP_EVERY_S = 600.0
KINDS = (None, "private", "trade", "rest", "public")
PRICE_EVERY_S = 15.0
STEP = Decimal("0.001")
STRAY = 10
"""By so many steps prices may be away from where they began."""


@attrs.define
class Trader:
    """The master's hand and the world's weather, from a seed."""

    world: World
    chance: random.Random
    changes: int = 0
    drops: int = 0
    _first: dict[str, Decimal] = attrs.field(factory=dict)
    _strayed: dict[str, int] = attrs.field(factory=dict)

    async def hour(self, number: int, seconds: float) -> None:
        """Trade for so long, then leave everything and let it settle."""
        every_s = EVERY_S[HOURS[number % len(HOURS)]]
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._drop_sockets)
                nursery.start_soon(self._move_prices)
                while True:
                    await trio.sleep(self.chance.uniform(0.2, 1.8) * every_s)
                    self._trade()
        for symbol in UNITS:
            if self.world.size(MASTER, symbol):
                self.world.close(symbol)
                self.changes += 1

    def _trade(self) -> None:
        """Open, add, take off, flip or close."""
        symbol = self.chance.choice(tuple(UNITS))
        wanted = self.chance.randint(-STEPS_MAX, STEPS_MAX) * UNITS[symbol]
        step = wanted - self.world.size(MASTER, symbol)
        if step:
            self.world.trade(symbol, str(step))
            self.changes += 1

    async def _drop_sockets(self) -> None:
        while True:
            await trio.sleep(self.chance.uniform(0.5, 1.5) * DROP_EVERY_S)
            house = self.chance.choice(self.world.houses)
            account = self.chance.choice([*house.core.accounts, None])
            self.drops += house.server.drop_connections(
                account=account, kind=self.chance.choice(KINDS), reset=self.chance.random() < 0.5
            )

    async def _move_prices(self) -> None:
        """Walk a little, never far from where the day began."""
        while True:
            await trio.sleep(PRICE_EVERY_S)
            for symbol in UNITS:
                first = self._first.setdefault(symbol, self.world.venue.mark(symbol))
                strayed = self._strayed.get(symbol, 0) + self.chance.choice((-1, 1))
                if abs(strayed) <= STRAY:
                    self._strayed[symbol] = strayed
                    self.world.venue.set_price(symbol, first * (1 + STEP * strayed))
