"""The master's hand: a random new size of a random symbol, many times a second."""

import random
from decimal import Decimal

import attrs
import trio

from model.leg import Side
from tests.crashes.town import MASTER, Town

UNITS = {"BTCUSDT": Decimal("0.02"), "ETHUSDT": Decimal("0.5"), "SOLUSDT": Decimal("10")}
STEPS_MAX = 4
EVERY_S = 0.05
LEAVING, LEFT_AT_A_TIME = "XRPUSDT", Decimal(1_000)
"""What the master leaves step by step while a storm rages in which nobody may open."""


@attrs.define
class Storm:
    """Moves of the master from a seed."""

    town: Town
    chance: random.Random

    def move(self, *, fills: int = 1) -> None:
        """Open, add, take off, flip or close; by so many equal fills."""
        symbol = self.chance.choice(tuple(UNITS))
        core = self.town.market.core
        size = core.account(MASTER).size(symbol, 0)
        others = [it for it in range(-STEPS_MAX, STEPS_MAX + 1) if it * UNITS[symbol] != size]
        step = self.chance.choice(others) * UNITS[symbol] - size
        price = core.best_price(symbol, Side.BUY if step > 0 else Side.SELL)
        core.trade(MASTER, symbol, step, fills=[(price, abs(step) / fills)] * fills)

    def held(self) -> list[str]:
        """Return the symbols in which the master holds anything."""
        account = self.town.market.core.account(MASTER)
        return [symbol for symbol in UNITS if account.size(symbol, 0)]

    def stock_up(self, steps: int) -> None:
        """Buy what is to be left in so many steps."""
        core = self.town.market.core
        core.trade(MASTER, LEAVING, steps * LEFT_AT_A_TIME - core.account(MASTER).size(LEAVING, 0))

    def leave_some(self) -> None:
        """Sell a little of it."""
        if self.town.market.core.account(MASTER).size(LEAVING, 0) > 0:
            self.town.market.core.trade(MASTER, LEAVING, -LEFT_AT_A_TIME, reduce_only=True)

    async def rage(self, seconds: float) -> None:
        """Move twenty times a second, by the clock; once a second leave a little of what is being left."""
        began = trio.current_time()
        for number in range(round(seconds / EVERY_S)):
            self.move()
            if number % 20 == 10:
                self.leave_some()
            await trio.sleep_until(began + (number + 1) * EVERY_S)

    async def blow(self, changes: int, every_s: float) -> None:
        """Move so many times, by the clock."""
        began = trio.current_time()
        for number in range(changes):
            self.move()
            await trio.sleep_until(began + (number + 1) * every_s)
