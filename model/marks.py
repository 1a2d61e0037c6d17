"""The latest mark prices of one venue, and how old they are (R21)."""

from decimal import Decimal


class Marks:
    """Mark prices by symbol, in quote asset; one writer, any number of readers.

    Times are seconds of the caller's clock.
    """

    def __init__(self) -> None:
        self._prices: dict[str, tuple[Decimal, float]] = {}

    def put(self, symbol: str, price: Decimal, now: float) -> None:
        """Remember the venue's mark price of ``symbol`` at ``now``."""
        self._prices[symbol] = (price, now)

    def price(self, symbol: str, *, now: float, age_s_max: float) -> Decimal | None:
        """Return the price when it is at most ``age_s_max`` old, else None."""
        known = self._prices.get(symbol)
        if known is None or now - known[1] > age_s_max:
            return None
        return known[0]

    def latest(self, symbol: str) -> Decimal | None:
        """Return the last price, however old."""
        known = self._prices.get(symbol)
        return None if known is None else known[0]
