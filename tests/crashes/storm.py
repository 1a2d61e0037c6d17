"""The master's hand: a random new size of a random symbol, many times a second."""

import random
from decimal import Decimal

import attrs
import trio

from tests.crashes.town import MASTER, Town

UNITS = {"BTCUSDT": Decimal("0.02"), "ETHUSDT": Decimal("0.5"), "SOLUSDT": Decimal("10")}
STEPS_MAX = 4


@attrs.define
class Storm:
    """Moves of the master from a seed."""

    town: Town
    chance: random.Random

    def move(self) -> None:
        """Open, add, take off, flip or close."""
        symbol = self.chance.choice(tuple(UNITS))
        wanted = self.chance.randint(-STEPS_MAX, STEPS_MAX) * UNITS[symbol]
        core = self.town.market.core
        step = wanted - core.account(MASTER).size(symbol, 0)
        if step:
            core.trade(MASTER, symbol, step)

    def held(self) -> list[str]:
        """Return the symbols in which the master holds anything."""
        account = self.town.market.core.account(MASTER)
        return [symbol for symbol in UNITS if account.size(symbol, 0)]

    async def blow(self, changes: int, every_s: float) -> None:
        """Move so many times."""
        for _ in range(changes):
            self.move()
            await trio.sleep(every_s)
