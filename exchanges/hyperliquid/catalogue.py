"""What may be traded on the first perp dex: asset indices, steps, leverage, and the marks beside them.

Dexes of builders are left out: they have collateral, fees and limits of their own. An asset's index is
its place in the universe, delisted ones keep theirs, and the two networks differ.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from exchanges.hyperliquid.limits import EXCHANGE
from exchanges.hyperliquid.wire import Row, number, positive, reading, whole
from model.amounts import CONTEXT, ONE, ZERO, floor_ratio_to_step, floor_to_step
from model.instrument import Instrument, InstrumentStatus, LeverageTier

QUOTE = "USDC"
PRICE_DIGITS = 5
PRICE_DECIMALS = 6
"""Of perps, less the decimals of the size (docs: "Tick and lot size")."""
MIN_NOTIONAL = Decimal("10.5")
"""The venue's is $10; at which price it is taken is not published, and the mark moves meanwhile."""
PRICE_BAND = Decimal("0.75")
"""Refused is what is more than 95 % away from the reference price, in places 80 %."""
NOTIONAL_UNBOUNDED = Decimal(10) ** 15
SINGLE_TIER_BELOW = 50
"""A margin table with a smaller id has one tier: its id is the leverage."""

_ORDER_VALUE_MAX = (
    (25, Decimal(30_000_000)),
    (20, Decimal(5_000_000)),
    (10, Decimal(2_000_000)),
    (0, Decimal(500_000)),
)
"""Of a market order by the asset's maximum leverage; whether an IOC limit has ten times as much, as
resting orders do, is not published."""
_ORDER_VALUE_SHARE = Decimal("0.8")
"""The quantity is worked out once an hour; the price moves meanwhile."""
_SIZE_DECIMALS_MAX = 8


@attrs.frozen(kw_only=True)
class Asset:
    """An instrument and what only orders on this venue need to know of it."""

    index: int
    instrument: Instrument
    cross_allowed: bool


@attrs.frozen(kw_only=True)
class Catalogue:
    """The assets of the first dex by name, and their marks at the time of reading."""

    assets: Mapping[str, Asset]
    marks: Mapping[str, Decimal]

    @property
    def instruments(self) -> dict[str, Instrument]:
        """The instruments by symbol."""
        return {symbol: asset.instrument for symbol, asset in self.assets.items()}


def parse_catalogue(data: Any) -> Catalogue:
    """Return what metaAndAssetCtxs says. Raises: MalformedMessage."""
    with reading("metaAndAssetCtxs"):
        meta, _ = data
        tables = {whole(table_id): table for table_id, table in meta.get("marginTables") or ()}
        marks = parse_marks(data)
        assets = {}
        for index, row in enumerate(meta["universe"]):
            asset = _parse_asset(index, row, tables, marks)
            if asset is not None:
                assets[asset.instrument.symbol] = asset
        return Catalogue(assets=assets, marks=marks)


def parse_marks(data: Any) -> dict[str, Decimal]:
    """Return the mark prices in metaAndAssetCtxs; rows go by their place. Raises: MalformedMessage."""
    with reading("metaAndAssetCtxs"):
        meta, contexts = data
        universe = meta["universe"]
        if len(contexts) > len(universe):
            raise ValueError(f"{len(contexts)} contexts of {len(universe)} assets")
        # A universe that grew by one asset while it was read still has its rows in their places.
        pairs = zip(universe, contexts, strict=False)
        return {row["name"]: price for row, context in pairs if (price := parse_mark(context)) is not None}


def parse_mark(context: Row) -> Decimal | None:
    """Return the mark price of an asset's context, None where it has none (delisted)."""
    with reading("asset context"):
        text = context["markPx"]
        price = None if text is None else number(text)
        return price if price is not None and price > 0 else None


def _parse_asset(
    index: int, row: Row, tables: Mapping[int, Row], marks: Mapping[str, Decimal]
) -> Asset | None:
    name = row["name"]
    if not isinstance(name, str) or not name:
        raise ValueError(f"no name: {name!r}")
    if ":" in name:
        return None
    size_decimals = whole(row["szDecimals"])
    if not 0 <= size_decimals <= _SIZE_DECIMALS_MAX:
        raise ValueError(f"szDecimals {size_decimals}")
    max_leverage = positive(row["maxLeverage"])
    lot = ONE.scaleb(-size_decimals)
    most = _max_quantity(max_leverage, marks.get(name), lot)
    instrument = Instrument(
        exchange=EXCHANGE,
        symbol=name,
        base=name,
        quote=QUOTE,
        lot_size=lot,
        min_quantity=lot,
        max_quantity=most,
        max_market_quantity=most,
        min_notional=MIN_NOTIONAL,
        min_notional_exempts_reductions=False,
        tick_size=None,
        price_digits=PRICE_DIGITS,
        price_decimals=max(0, PRICE_DECIMALS - size_decimals),
        price_band=PRICE_BAND,
        max_leverage=floor_to_step(max_leverage, ONE),
        leverage_step=ONE,
        status=InstrumentStatus.CLOSED if row.get("isDelisted") else InstrumentStatus.TRADING,
        tiers=_tiers(row, max_leverage, tables),
    )
    isolated = bool(row.get("onlyIsolated")) or row.get("marginMode") in ("strictIsolated", "noCross")
    return Asset(index=index, instrument=instrument, cross_allowed=not isolated)


def _max_quantity(max_leverage: Decimal, mark: Decimal | None, lot: Decimal) -> Decimal:
    """Return the largest quantity of one order, at least a lot; zero, no maximum, without a price."""
    if mark is None:
        return ZERO
    value_max = next(value for leverage, value in _ORDER_VALUE_MAX if max_leverage >= leverage)
    return max(lot, floor_ratio_to_step(CONTEXT.multiply(value_max, _ORDER_VALUE_SHARE), mark, lot))


def _tiers(row: Row, max_leverage: Decimal, tables: Mapping[int, Row]) -> tuple[LeverageTier, ...]:
    table_id = row.get("marginTableId")
    table = None if table_id is None else tables.get(whole(table_id))
    if table is None or whole(table_id) < SINGLE_TIER_BELOW:
        return (LeverageTier(notional_max=NOTIONAL_UNBOUNDED, leverage_max=max_leverage),)
    tiers = sorted(
        (number(tier["lowerBound"]), positive(tier["maxLeverage"])) for tier in table["marginTiers"]
    )
    bounds = [lower for lower, _ in tiers[1:]] + [NOTIONAL_UNBOUNDED]
    return tuple(
        LeverageTier(notional_max=bound, leverage_max=min(leverage, max_leverage))
        for bound, (_, leverage) in zip(bounds, tiers, strict=True)
    )
