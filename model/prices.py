"""The prices that a venue takes, and the bound of an opening (R9, R13)."""

from decimal import Decimal

from model.amounts import EXACT, ONE, ceil_to_step, floor_to_step, is_multiple
from model.instrument import Instrument
from model.leg import Side


def limit_price(reference: Decimal, side: Side, max_slippage: Decimal, instrument: Instrument) -> Decimal:
    """Return the worst price at which an opening may fill (R13).

    Args:
        reference: the master's price, > 0.
        max_slippage: a fraction, >= 0.
    Returns: reference × (1 ± max_slippage), rounded to the venue's grid *inside* that bound: a buy
        down, a sell up. Zero when the grid has no price inside it; ``check_order`` refuses that.
    """
    share = EXACT.add(ONE, EXACT.multiply(Decimal(side.sign), max_slippage))
    bound = EXACT.multiply(reference, share)
    step = price_step(bound, instrument)
    return floor_to_step(bound, step) if side is Side.BUY else ceil_to_step(bound, step)


def is_price(price: Decimal, instrument: Instrument) -> bool:
    """Tell whether the venue takes ``price``: positive and on its grid."""
    return price > 0 and is_multiple(price, price_step(price, instrument))


def price_step(price: Decimal, instrument: Instrument) -> Decimal:
    """Return the grid's step at ``price``: a tick, or what digits and decimals allow there.

    Hyperliquid: at most 5 significant figures and 6 - szDecimals decimals; an integer is always taken
    (docs: Tick and lot size). Rounding onto a coarser decade ends on a power of ten, which is on the grid.
    """
    steps = [] if instrument.tick_size is None else [instrument.tick_size]
    if instrument.price_digits is not None:
        steps.append(min(ONE, ONE.scaleb(price.adjusted() - instrument.price_digits + 1)))
    if instrument.price_decimals is not None:
        steps.append(min(ONE, ONE.scaleb(-instrument.price_decimals)))
    return max(steps)
