"""What may be traded, and in which steps (R9)."""

from decimal import Decimal
from enum import Enum

import attrs


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
    """One perpetual of one venue. Quantities in base asset, prices and notional in quote asset."""

    exchange: str
    symbol: str
    base: str
    quote: str
    lot_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    """Of a limit order."""
    max_market_quantity: Decimal
    min_notional: Decimal
    min_notional_exempts_reductions: bool
    tick_size: Decimal | None
    price_digits: int | None = None
    """Significant figures a price may have, where the venue counts them (Hyperliquid: 5)."""
    price_decimals: int | None = None
    """Decimals a price may have, where the venue counts them (Hyperliquid: 6 - szDecimals)."""
    max_leverage: Decimal
    leverage_step: Decimal
    status: InstrumentStatus = InstrumentStatus.TRADING
    tiers: tuple[LeverageTier, ...] = ()
