"""The other side of every trade: liquidity around the mark price, as deep as one sets it."""

from decimal import Decimal

import attrs

from exchanges.sandbox.listing import Listing, price_step
from model.amounts import ZERO, ceil_to_step, floor_to_step
from model.leg import Side

Slice = tuple[Decimal, Decimal]
"""Price and quantity of one fill."""


@attrs.frozen(kw_only=True)
class Liquidity:
    """What an order finds. It is there again for the next order."""

    depth: Decimal | None = None
    """Base asset that one order finds; None has no end, zero is an empty book."""
    spread_ticks: int = 0
    """From the mark to either side's best price."""
    fill_parts: int = 1
    """Into how many fills an order falls, lots permitting."""
    part_slip_ticks: int = 0
    """By how much each part is worse than the one before."""
    part_gap_s: float = 0.0
    """Time between parts: zero makes them one match, in one frame."""


def best_price(listing: Listing, mark: Decimal, side: Side, liquidity: Liquidity) -> Decimal:
    """Return what a taker of ``side`` pays or gets first, on the tick."""
    step = price_step(listing, mark)
    away = step * liquidity.spread_ticks
    if side is Side.BUY:
        return ceil_to_step(mark, step) + away
    return max(step, floor_to_step(mark, step) - away)


def market_bound(listing: Listing, mark: Decimal, side: Side) -> Decimal:
    """Return the worst price at which a market order trades, on the tick."""
    bound = mark * (1 + listing.price_band * side.sign)
    if side is Side.BUY:
        return floor_to_step(bound, price_step(listing, bound))
    return ceil_to_step(bound, price_step(listing, bound))


def is_within(price: Decimal, limit: Decimal, side: Side) -> bool:
    """Tell whether an order of ``side`` with this limit may trade at ``price``."""
    return price <= limit if side is Side.BUY else price >= limit


def split(quantity: Decimal, parts: int, lot_size: Decimal) -> list[Decimal]:
    """Return up to ``parts`` positive multiples of the lot that add up to ``quantity``."""
    each = floor_to_step(quantity / parts, lot_size) if parts > 1 else quantity
    if not each:
        return [quantity]
    return [each] * (parts - 1) + [quantity - each * (parts - 1)]


def match(
    listing: Listing, mark: Decimal, side: Side, limit: Decimal, quantity: Decimal, liquidity: Liquidity
) -> list[Slice]:
    """Return the fills an order gets now, within its limit and the depth; empty when there are none."""
    available = quantity if liquidity.depth is None else min(quantity, liquidity.depth)
    if available <= ZERO:
        return []
    price = best_price(listing, mark, side, liquidity)
    slip = price_step(listing, mark) * liquidity.part_slip_ticks * side.sign
    slices = []
    for number, part in enumerate(split(available, liquidity.fill_parts, listing.lot_size)):
        at = price + slip * number
        if at > 0 and is_within(at, limit, side):
            slices.append((at, part))
    return slices
