"""What a venue and a follower's limits allow, judged before anything is sent (R9).

Quantities in base asset, > 0; money in quote asset. Nothing here raises for what a venue or an
operator can cause: the answer is a reason.
"""

from collections.abc import Collection
from decimal import Decimal

import attrs

from model.amounts import (
    EXACT,
    ONE,
    ZERO,
    ceil_ratio_to_step,
    floor_ratio_to_step,
    floor_to_step,
    format_decimal,
    is_multiple,
)
from model.instrument import Instrument
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg, PositionMode, Side
from model.prices import is_in_band, is_price
from model.reasons import Reason
from model.settings import Limits


@attrs.frozen(kw_only=True)
class Exposure:
    """What an account holds beside the leg in question, at the marks."""

    notional_of_symbol: Decimal
    notional_total: Decimal
    positions_open: int


@attrs.frozen(kw_only=True)
class OrderDraft:
    """An order as decided, before it has an id."""

    leg: Leg
    side: Side
    quantity: Decimal
    price: Decimal | None
    """Limit of an IOC order; None is a market order."""
    reduce_only: bool
    opens: bool
    closes_all: bool
    """With the other drafts of its decision it leaves the leg flat."""


@attrs.frozen
class Verdict:
    """Why an order may not leave, and the words for it."""

    reason: Reason
    detail: str


def is_symbol_allowed(limits: Limits, symbols: Collection[str]) -> Reason | None:
    """Return why a symbol is not copied, None when it is.

    ``symbols`` are its spellings, the master's and the follower's: a list may use either.
    """
    if any(symbol in limits.deny for symbol in symbols):
        return Reason.SYMBOL_DENIED
    if limits.allow is not None and not any(symbol in limits.allow for symbol in symbols):
        return Reason.SYMBOL_NOT_ALLOWED
    return None


def cap_by_limits(
    quantity: Decimal,
    mark: Decimal,
    limits: Limits,
    exposure: Exposure,
    instrument: Instrument,
    *,
    dearest: Decimal | None = None,
) -> tuple[Decimal, Reason | None]:
    """Return how much of ``quantity`` the leg may hold in all, in whole lots, and which limit says so.

    Args:
        quantity: what the leg would hold, >= 0, what it already holds included.
        mark: quote asset, > 0.
        dearest: the most that the venue may count for one of it in its tiers; the mark unless given.
    """
    largest_tier = instrument.tiers[-1].notional_max if instrument.tiers else None
    bounds = (
        (limits.max_notional_per_symbol, exposure.notional_of_symbol, mark, Reason.LIMIT_NOTIONAL_PER_SYMBOL),
        (limits.max_notional, exposure.notional_total, mark, Reason.LIMIT_NOTIONAL),
        (largest_tier, ZERO, dearest or mark, Reason.LEVERAGE_TIER),
    )
    allowed, reason = quantity, None
    for notional_max, used, price, name in bounds:
        if notional_max is None:
            continue
        room = max(ZERO, EXACT.subtract(notional_max, used))
        if EXACT.multiply(allowed, price) > room:
            allowed, reason = floor_ratio_to_step(room, price, instrument.lot_size), name
    return allowed, reason


def leverage_for(
    master: Decimal | None,
    limits: Limits,
    instrument: Instrument,
    notional: Decimal,
    *,
    current: Decimal | None = None,
) -> Decimal | None:
    """Return the leverage that an opening shall have, None where it may stay what it is (R7 step 3).

    Args:
        master: the master's; None or 0 where the venue does not say.
        notional: of the whole position after the opening, quote asset.
        current: the follower's now; None while unknown.
    Returns: min(master's, follower's cap, venue's maximum for that notional), rounded down to what the
        venue takes, at least 1. Without the master's, what is set now stays, unless it is over the rest.
    """
    cap = limits.max_leverage
    granted = venue_leverage_max(instrument, notional)
    bound = granted if cap is None else min(cap, granted)
    if master is None or master <= 0:
        if current is not None and current <= bound:
            return None
        if current is None and cap is None:
            return None
        master = bound
    return max(ONE, floor_to_step(min(master, bound), instrument.leverage_step))


def venue_leverage_max(instrument: Instrument, notional: Decimal) -> Decimal:
    """Return the most that the venue grants a position of ``notional``."""
    for tier in instrument.tiers:
        if notional <= tier.notional_max:
            return min(tier.leverage_max, instrument.max_leverage)
    return min((tier.leverage_max for tier in instrument.tiers), default=instrument.max_leverage)


def minimum_order(instrument: Instrument, price: Decimal | None) -> Decimal:
    """Return the smallest quantity, in whole lots, that the venue takes at ``price``.

    By quantity alone while the price is unknown.
    """
    lot = instrument.lot_size
    least = ceil_ratio_to_step(max(instrument.min_quantity, lot), ONE, lot)
    if price is None or price <= 0 or instrument.min_notional <= 0:
        return least
    return max(least, ceil_ratio_to_step(instrument.min_notional, price, lot))


def maximum_order(instrument: Instrument, *, market: bool) -> Decimal | None:
    """Return the largest quantity of one order in whole lots, None where the venue names none."""
    most = instrument.max_market_quantity if market else instrument.max_quantity
    return floor_to_step(most, instrument.lot_size) if most > 0 else None


def check_order(
    draft: OrderDraft, instrument: Instrument, *, mark: Decimal | None, mode: PositionMode
) -> Verdict | None:
    """Return why the venue would refuse ``draft``, None when nothing speaks against it (R9).

    Args:
        mark: for the minimum notional, beside the draft's own limit; None while unknown.
    """
    return (
        _check_leg(draft, mode) or _check_quantity(draft, instrument) or _check_price(draft, instrument, mark)
    )


def worse_price(mark: Decimal | None, limit: Decimal | None) -> Decimal | None:
    """Return the lower price: which one a venue takes for its minimum notional differs."""
    known = [price for price in (mark, limit) if price is not None and price > 0]
    return min(known, default=None)


_OPENS_WITH = {HEDGE_LONG: Side.BUY, HEDGE_SHORT: Side.SELL}


def _check_leg(draft: OrderDraft, mode: PositionMode) -> Verdict | None:
    one_way = draft.leg.position_idx == ONE_WAY
    if one_way is not (mode is PositionMode.ONE_WAY):
        return Verdict(Reason.POSITION_MODE_MISMATCH, f"{draft.leg} in {mode.value} mode")
    if draft.reduce_only is draft.opens:
        return Verdict(Reason.POSITION_MODE_MISMATCH, "an order either opens or is reduce-only")
    if not one_way and draft.opens is not (draft.side is _OPENS_WITH[draft.leg.position_idx]):
        return Verdict(Reason.POSITION_MODE_MISMATCH, f"{draft.side.value} on {draft.leg}")
    return None


def _check_quantity(draft: OrderDraft, instrument: Instrument) -> Verdict | None:
    quantity = draft.quantity
    most = maximum_order(instrument, market=draft.price is None)
    if quantity <= 0 or not is_multiple(quantity, instrument.lot_size):
        lots = f"{format_decimal(quantity)} in lots of {format_decimal(instrument.lot_size)}"
        return Verdict(Reason.ROUNDED_TO_ZERO, lots)
    if quantity < instrument.min_quantity:
        return Verdict(Reason.BELOW_MIN_QUANTITY, f"{format_decimal(quantity)}")
    if most is not None and quantity > most:
        return Verdict(Reason.ABOVE_MAX_QUANTITY, f"{format_decimal(quantity)} > {format_decimal(most)}")
    return None


def _check_price(draft: OrderDraft, instrument: Instrument, mark: Decimal | None) -> Verdict | None:
    if draft.price is not None and not is_price(draft.price, instrument):
        return Verdict(Reason.PRICE_UNKNOWN, f"no price of the venue: {format_decimal(draft.price)}")
    if draft.price is not None and not is_in_band(draft.price, mark, instrument):
        return Verdict(Reason.PRICE_MOVED, f"beyond the venue's band: {format_decimal(draft.price)}")
    hedged = draft.leg.position_idx != ONE_WAY
    exempt = draft.closes_all or (draft.reduce_only and instrument.exempts_reductions(hedged=hedged))
    price = worse_price(mark, draft.price)
    if exempt or price is None:
        return None
    notional = EXACT.multiply(draft.quantity, price)
    if notional < instrument.min_notional:
        return Verdict(Reason.BELOW_MIN_NOTIONAL, format_decimal(notional))
    return None
