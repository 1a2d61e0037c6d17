"""Smart reduction: what to do with a size that validation or the venue refuses (R10).

Quantities in base asset, > 0 and whole lots; a plan's parts add up exactly to what is to be moved.
"""

from decimal import Decimal

from model.amounts import EXACT, ZERO, ceil_to_step, floor_to_step
from model.instrument import Instrument
from model.reasons import Reason
from model.validation import maximum_order, minimum_order

Plan = tuple[tuple[Decimal, ...], Reason | None]
"""Quantities of the orders to send, and why it is less than what was asked for."""

PARTS_MAX = 100
"""Orders of one plan: the largest positions need a handful; more is a broken instrument."""
HEADROOM = Decimal("1.02")
"""Over the minimum notional when rounding up to it: venues check at a price of their own."""
SHRINKS = (Decimal("0.98"), Decimal("0.9"), Decimal("0.5"))
"""Shares of what is affordable, try by try: fees, losses and the mark take the rest."""


def plan_opening(quantity: Decimal, instrument: Instrument, *, mark: Decimal | None, round_up: bool) -> Plan:
    """Return the orders that open ``quantity``, a positive number of lots.

    Below the venue's minimum: none, with the reason, or one minimum order when the follower asks for
    it (``round_up``). Above the maximum: parts.
    """
    least = minimum_order(instrument, mark)
    if quantity < least:
        if not round_up:
            return (), _below(quantity, instrument)
        quantity = max(least, _with_headroom(instrument, mark))
    return _split(quantity, instrument, market=False)


def plan_reduction(
    size: Decimal, desired: Decimal, instrument: Instrument, *, mark: Decimal | None, hedged: bool = False
) -> Plan:
    """Return the orders that bring a leg from ``size`` to ``desired``, both signed and of one side.

    What would leave less than one minimum order closes all. What is below the minimum is deferred,
    except that a close of everything needs no minimum notional. A part of a lot cannot be traded: it
    stays, deferred.
    """
    held, left = abs(size), abs(desired)
    if left and left < minimum_order(instrument, mark):
        left = ZERO
    quantity = _whole_lots(held - left, held, instrument.lot_size)
    exempt = not left or instrument.exempts_reductions(hedged=hedged)
    if quantity < minimum_order(instrument, None if exempt else mark):
        return (), Reason.DEFERRED
    parts, reason = _split(quantity, instrument, market=True)
    dust = not left and quantity < held
    return parts, reason or (Reason.DEFERRED if dust else None)


def shrink_to_margin(
    quantity: Decimal,
    shrinks: int,
    instrument: Instrument,
    *,
    available: Decimal | None,
    price: Decimal,
    leverage: Decimal | None,
) -> Decimal | None:
    """Return a smaller opening after ``shrinks`` refusals for margin, None when there is none left.

    Args:
        available: free margin, quote asset; while it or the leverage is unknown, the quantity itself
            counts as affordable.
        price: quote asset, > 0.
    """
    if not 1 <= shrinks <= len(SHRINKS):
        return None
    affordable = quantity
    if available is not None and leverage is not None and price > 0:
        affordable = min(quantity, available * leverage / price)
    most = maximum_order(instrument, market=False)
    share = affordable * SHRINKS[shrinks - 1]
    smaller = floor_to_step(share if most is None else min(share, most), instrument.lot_size)
    return None if smaller < minimum_order(instrument, price) else smaller


def _below(quantity: Decimal, instrument: Instrument) -> Reason:
    by_quantity = quantity < instrument.min_quantity
    return Reason.BELOW_MIN_QUANTITY if by_quantity else Reason.BELOW_MIN_NOTIONAL


def _with_headroom(instrument: Instrument, mark: Decimal | None) -> Decimal:
    if mark is None or mark <= 0:
        return ZERO
    return ceil_to_step(instrument.min_notional * HEADROOM / mark, instrument.lot_size)


def _whole_lots(quantity: Decimal, held: Decimal, lot: Decimal) -> Decimal:
    """Round what is taken off up to the lot, but never above what is held."""
    rounded = ceil_to_step(quantity, lot)
    return rounded if rounded <= held else floor_to_step(held, lot)


def _split(quantity: Decimal, instrument: Instrument, *, market: bool) -> Plan:
    """Return equal parts of whole lots, as few as the venue's maximum allows; larger ones first."""
    most = maximum_order(instrument, market=market)
    if most is None or quantity <= most:
        return (quantity,), None
    lot, least = instrument.lot_size, minimum_order(instrument, None)
    if most < least:
        return (), Reason.ABOVE_MAX_QUANTITY
    lots, lots_max = int(EXACT.divide_int(quantity, lot)), int(EXACT.divide_int(most, lot))
    taken = min(lots, lots_max * PARTS_MAX)
    count = -(-taken // lots_max)
    if EXACT.multiply(Decimal(taken // count), lot) < least:
        count -= 1  # equal parts would be too small: leave the last one out
        taken = count * lots_max
    each, larger = divmod(taken, count)
    parts = tuple(EXACT.multiply(Decimal(each + (n < larger)), lot) for n in range(count))
    return parts, Reason.ABOVE_MAX_QUANTITY if taken < lots else None
