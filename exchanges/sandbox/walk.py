"""A seeded random walk of the mark prices, so that a rehearsal shows movement."""

import random
from collections.abc import Iterable
from decimal import Decimal

import trio

from exchanges.sandbox.venue import SandboxVenue
from model.amounts import floor_to_step

BASIS_POINT = Decimal("0.0001")


class PriceWalk:
    """Moves every price by up to ``step_bp`` basis points each ``period_s`` seconds.

    It is pulled back to where it began, so that it stays within about ``span_bp`` of that.
    """

    def __init__(
        self,
        venue: SandboxVenue,
        *,
        symbols: Iterable[str] | None = None,
        seed: int = 0,
        period_s: float = 1.0,
        step_bp: int = 5,
        span_bp: int = 200,
    ) -> None:
        self._venue = venue
        self._random = random.Random(seed)
        self._period_s = period_s
        self._step_bp, self._span_bp = step_bp, span_bp
        prices = venue.prices()
        self._start = {symbol: prices[symbol] for symbol in (symbols or prices)}

    def step(self) -> None:
        """Move every price once."""
        for symbol, start in self._start.items():
            tick = self._venue.listing(symbol).tick_size
            moved = floor_to_step(self._venue.mark(symbol) * (1 + self._drift(symbol, start)), tick)
            self._venue.set_price(symbol, max(moved, tick))

    async def run(self) -> None:
        """Walk until cancelled."""
        while True:
            await trio.sleep(self._period_s)
            self.step()

    def _drift(self, symbol: str, start: Decimal) -> Decimal:
        away_bp = (self._venue.mark(symbol) / start - 1) / BASIS_POINT
        pull = -int(away_bp * self._step_bp / self._span_bp)
        return (self._random.randint(-self._step_bp, self._step_bp) + pull) * BASIS_POINT
