"""The master's hand: a random new size of a random symbol, many times a second."""

import random
from decimal import Decimal

import attrs
import trio

from model.leg import Side
from tests.crashes.town import MASTER, Town

UNITS = {"BTCUSDT": Decimal("0.02"), "ETHUSDT": Decimal("0.5"), "SOLUSDT": Decimal("10")}
STEPS_MAX = 4


@attrs.define
class Storm:
    """Moves of the master from a seed."""

    town: Town
    chance: random.Random

    def move(self, *, fills: int = 1) -> None:
        """Open, add, take off, flip or close; by so many equal fills."""
        symbol = self.chance.choice(tuple(UNITS))
        wanted = self.chance.randint(-STEPS_MAX, STEPS_MAX) * UNITS[symbol]
        core = self.town.market.core
        step = wanted - core.account(MASTER).size(symbol, 0)
        if step:
            price = core.best_price(symbol, Side.BUY if step > 0 else Side.SELL)
            core.trade(MASTER, symbol, step, fills=[(price, abs(step) / fills)] * fills)

    def held(self) -> list[str]:
        """Return the symbols in which the master holds anything."""
        account = self.town.market.core.account(MASTER)
        return [symbol for symbol in UNITS if account.size(symbol, 0)]

    async def blow(self, changes: int, every_s: float) -> None:
        """Move so many times."""
        for _ in range(changes):
            self.move()
            await trio.sleep(every_s)
