"""What may be traded, and in which steps (R9)."""

from decimal import Decimal
from enum import Enum

import attrs
from attrs.validators import gt, optional

from model.amounts import ZERO


class InstrumentStatus(Enum):
    """Whether orders are taken now."""

    TRADING = "trading"
    REDUCE_ONLY = "reduce_only"
    CLOSED = "closed"


@attrs.frozen(kw_only=True)
class LeverageTier:
    """Up to this notional (quote asset) the venue grants this leverage."""

    notional_max: Decimal
    leverage_max: Decimal


@attrs.frozen(kw_only=True)
class Instrument:
    """One perpetual of one venue. Quantities in base asset, prices and notional in quote asset.

    Raises: ValueError for steps that are not positive, or a price without any rule: no order of such
    an instrument could be made.
    """

    exchange: str
    symbol: str
    base: str
    quote: str
    lot_size: Decimal = attrs.field(validator=gt(ZERO))
    min_quantity: Decimal
    max_quantity: Decimal
    """Of a limit order; zero where the venue names none."""
    max_market_quantity: Decimal
    min_notional: Decimal
    min_notional_exempts_reductions: bool
    """Reductions may be below ``min_notional``; one that closes everything always may (R9)."""
    min_notional_exempts_hedged: bool = True
    """Whether that includes hedged legs, whose reductions carry no flag (Binance does not say)."""
    tick_size: Decimal | None = attrs.field(validator=optional(gt(ZERO)))
    price_digits: int | None = None
    """Significant figures a price may have, where the venue counts them (Hyperliquid: 5)."""
    price_decimals: int | None = None
    """Decimals a price may have, where the venue counts them (Hyperliquid: 6 - szDecimals)."""
    price_band: Decimal | None = None
    """How far from the mark a limit may be, a fraction; None where the venue names none or moves it."""
    max_leverage: Decimal
    leverage_step: Decimal = attrs.field(validator=gt(ZERO))
    status: InstrumentStatus = InstrumentStatus.TRADING
    tiers: tuple[LeverageTier, ...] = ()
    """By rising notional. The last one bounds what may be held at all; empty: nothing is known."""

    def __attrs_post_init__(self) -> None:
        if self.tick_size is None and self.price_digits is None and self.price_decimals is None:
            raise ValueError(f"{self.exchange} {self.symbol}: no rule for prices")

    def exempts_reductions(self, *, hedged: bool) -> bool:
        """Tell whether what takes something off a leg may be below the minimum notional."""
        return self.min_notional_exempts_reductions and (self.min_notional_exempts_hedged or not hedged)
