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


def within_band(price: Decimal, side: Side, mark: Decimal | None, instrument: Instrument) -> Decimal:
    """Return ``price``, or the worst one that the venue takes of ``side`` at this mark where that is better.

    A bound that is wider than the venue's band is no reason to be refused. While the mark is unknown, the
    price stays.
    """
    if instrument.price_band is None or mark is None or mark <= 0:
        return price
    edge = EXACT.multiply(mark, EXACT.add(ONE, EXACT.multiply(Decimal(side.sign), instrument.price_band)))
    if EXACT.multiply(EXACT.subtract(price, edge), Decimal(side.sign)) <= 0:
        return price
    step = price_step(edge, instrument)
    return floor_to_step(edge, step) if side is Side.BUY else ceil_to_step(edge, step)


def is_in_band(price: Decimal, mark: Decimal | None, instrument: Instrument) -> bool:
    """Tell whether the venue takes a limit so far from the mark; True while the mark is unknown."""
    if instrument.price_band is None or mark is None or mark <= 0:
        return True
    return abs(EXACT.subtract(price, mark)) <= EXACT.multiply(mark, instrument.price_band)


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
