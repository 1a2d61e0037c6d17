"""Where a follower of a replay sits: its venue's names, filters and rounding, for targets computed apart."""

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import attrs

from exchanges.sandbox import SandboxVenue
from tests.simulation.targets import WIRE_UNIT, Filters, Interval
from tests.world import Cast, World

MICRO = Fraction(1, 10**6)
EIGHT_DECIMALS = Decimal("0.00000001")
SIX_FIGURES = Context(prec=6, rounding=ROUND_HALF_EVEN)


@attrs.frozen(kw_only=True)
class Writing:
    """How a venue writes what equity follows from."""

    entry: Callable[[Decimal], Decimal]
    """An entry price as the venue writes it."""
    error: Fraction
    """Of the balance."""
    error_per_leg: Fraction = Fraction(0)
    exempts_reductions: bool = True
    notional_kept: Fraction = Fraction(0)
    """How far above the venue's minimum notional the engine stays."""


WRITINGS: Mapping[str, Writing] = {
    "bybit": Writing(entry=lambda it: it.quantize(EIGHT_DECIMALS), error=2 * WIRE_UNIT),
    "binance": Writing(
        entry=lambda it: it.quantize(EIGHT_DECIMALS, rounding=ROUND_DOWN), error=2 * WIRE_UNIT
    ),
    # Account value and unrealised profits have six decimals each; the balance is their difference.
    "hyperliquid": Writing(
        entry=SIX_FIGURES.plus,
        error=MICRO,
        error_per_leg=MICRO,
        exempts_reductions=False,
        notional_kept=Fraction(1, 2),
    ),
}


@attrs.frozen(kw_only=True)
class Seat:
    """One follower of a replay."""

    world: World
    cast: Cast

    @property
    def name(self) -> str:
        """The follower's name."""
        return self.cast.name

    @property
    def core(self) -> SandboxVenue:
        """Its venue."""
        return self.world.core(self.name)

    def name_of(self, symbol: str) -> str | None:
        """Return its venue's name for a symbol of the master's, None where that is not listed."""
        own = self.world.house(self.name).own_symbol(symbol)
        return own if own in self.core.listings else None

    def size(self, symbol: str) -> Decimal:
        """Return what it holds, legs of a hedge together."""
        own = self.name_of(symbol)
        if own is None:
            return Decimal(0)
        return sum((leg.size for leg in self.core.account(self.name).legs(own)), Decimal(0))

    def filters(self, symbol: str) -> Filters:
        """Return what its venue takes of a symbol that it lists."""
        own = self.name_of(symbol)
        assert own is not None
        listing, writing = self.core.listing(own), WRITINGS[self.cast.venue]
        return Filters(
            lot=Fraction(listing.lot_size),
            min_notional=Fraction(listing.min_notional) + writing.notional_kept,
            exempts_reductions=writing.exempts_reductions,
        )

    def told_equity(self) -> Interval:
        """Return its equity as it follows from what the venue writes."""
        account, marks, writing = self.core.account(self.name), self.core.prices(), WRITINGS[self.cast.venue]
        legs = account.open_positions()
        unrealised = sum(leg.size * (marks[leg.symbol] - writing.entry(leg.entry_price)) for leg in legs)
        exact = Fraction(account.wallet) + Fraction(unrealised)
        return Interval.of(exact, writing.error + len(legs) * writing.error_per_leg)
