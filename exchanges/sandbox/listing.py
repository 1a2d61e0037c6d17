"""What the sandbox lists: filters of each perpetual, in the venue core's own words."""

from decimal import Decimal
from enum import Enum

import attrs

from model.amounts import ONE


class ListingStatus(Enum):
    """Whether orders are taken."""

    TRADING = "trading"
    CLOSED = "closed"


@attrs.frozen(kw_only=True)
class Listing:
    """One USDT perpetual. Quantities in base asset, prices and notional in USDT, ratios as fractions."""

    symbol: str
    lot_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    """Of a limit order."""
    max_market_quantity: Decimal
    min_notional: Decimal = Decimal(5)
    max_notional: Decimal | None = None
    """Of one order; None where the venue names none."""
    tick_size: Decimal
    price_digits: int | None = None
    """Significant figures a price may have; integers are always taken. None: the tick is all."""
    max_leverage: Decimal = Decimal(100)
    leverage_step: Decimal = Decimal("0.01")
    tiers: tuple[tuple[Decimal, Decimal], ...] = ()
    """(up to this notional, at most this leverage), smallest notional first; empty: no such rule."""
    maintenance_rate: Decimal = Decimal("0.005")
    price_band: Decimal = Decimal("0.05")
    """How far from the mark an order may trade: the hidden limit of a market order."""
    status: ListingStatus = ListingStatus.TRADING

    @property
    def base(self) -> str:
        """The base asset: ``BTC`` of ``BTCUSDT``."""
        return self.symbol.removesuffix("USDT")


def price_step(listing: Listing, price: Decimal) -> Decimal:
    """Return the step of prices near ``price`` (> 0): the tick, or what significant figures leave."""
    if listing.price_digits is None:
        return listing.tick_size
    by_digits = min(ONE, ONE.scaleb(price.adjusted() - listing.price_digits + 1))
    return max(listing.tick_size, by_digits)


def notional_max_at(listing: Listing, leverage: Decimal) -> Decimal | None:
    """Return the most that may be held at this leverage; None where there are no tiers."""
    return max((most for most, allowed in listing.tiers if allowed >= leverage), default=None)


def _listing(symbol: str, lot: str, tick: str, most: str, most_at_market: str, leverage: str) -> Listing:
    """Return a perpetual; its leverage halves beyond 20 million, and again twice, to 2 billion."""
    allowed = Decimal(leverage)
    bounds = (Decimal(millions) * 1_000_000 for millions in (20, 100, 500, 2_000))
    return Listing(
        symbol=symbol,
        lot_size=Decimal(lot),
        min_quantity=Decimal(lot),
        max_quantity=Decimal(most),
        max_market_quantity=Decimal(most_at_market),
        tick_size=Decimal(tick),
        max_leverage=allowed,
        tiers=tuple((bound, allowed / 2**halved) for halved, bound in enumerate(bounds)),
    )


DEFAULT_LISTINGS = (
    _listing("BTCUSDT", "0.001", "0.10", "1190", "500", "100"),
    _listing("ETHUSDT", "0.01", "0.01", "7240", "724", "100"),
    _listing("SOLUSDT", "0.1", "0.01", "79770", "7970", "75"),
    _listing("XRPUSDT", "0.1", "0.0001", "2827050", "282705", "75"),
    _listing("DOGEUSDT", "1", "0.00001", "19457000", "1945700", "75"),
)
DEFAULT_PRICES = {
    "BTCUSDT": Decimal("60000"),
    "ETHUSDT": Decimal("3000"),
    "SOLUSDT": Decimal("150"),
    "XRPUSDT": Decimal("0.6"),
    "DOGEUSDT": Decimal("0.12"),
}
