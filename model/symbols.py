"""The same perpetual under two venues' names: by base asset, quote and contract multiplier.

``1000PEPEUSDT`` is ``kPEPE``, ``SHIB1000USDT`` is ``kSHIB``; ``1000TURBOUSDT`` is a thousand ``TURBO``.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

import attrs

from model.amounts import EXACT, ONE, positive_or_none
from model.instrument import Instrument, InstrumentStatus

DOLLARS = frozenset({"USDT", "USDC", "USD"})
"""Quotes that count as one: what they are apart shows in the price and is judged by max_basis (R9)."""
PRICE_RATIO_OFF_MAX = Decimal("0.05")
"""A contract of another asset, or of another multiplier, is off by far more."""

_PREFIX = re.compile(r"(10{3,7}|1M)(?=[A-Z])")
_SUFFIX = re.compile(r"(?<=[A-Z])(10{3,7})$")
_THOUSANDS = re.compile(r"k(?=[A-Z])")


@attrs.frozen
class Unit:
    """What one unit of a contract's base is: so many of an asset."""

    asset: str
    multiple: Decimal


@attrs.frozen
class SymbolMatch:
    """A master's symbol as a follower's venue has it."""

    symbol: str
    factor: Decimal = ONE
    """Units of the follower's contract in one unit of the master's; prices go the other way."""


def unit_of(base: str) -> Unit:
    """Return the asset behind a contract's base, and how many of it are one unit."""
    for pattern in (_PREFIX, _SUFFIX, _THOUSANDS):
        found = pattern.search(base) if pattern is _SUFFIX else pattern.match(base)
        if found is not None:
            return Unit(base[: found.start()] + base[found.end() :], _MULTIPLES[found.group()])
    return Unit(base, ONE)


_MULTIPLES: Mapping[str, Decimal] = {
    **{f"1{'0' * zeros}": Decimal(10) ** zeros for zeros in range(3, 8)},
    "1M": Decimal(10) ** 6,
    "k": Decimal(1000),
}


class SymbolIndex:
    """A venue's catalogue by asset, made once for each reading of it."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._by_asset: dict[str, list[Instrument]] = {}
        for instrument in instruments.values():
            self._by_asset.setdefault(unit_of(instrument.base).asset, []).append(instrument)

    def match(self, master: Instrument, overrides: Mapping[str, str]) -> SymbolMatch | None:
        """Return the follower's symbol for a master's instrument, None where the venue has none.

        Args:
            overrides: the operator's word by master symbol; blank means that there is none.
        """
        if master.symbol in overrides:
            found = self._instruments.get(overrides[master.symbol])
        else:
            unit = unit_of(master.base)
            found = _best(self._by_asset.get(unit.asset, ()), master, unit)
        if found is None:
            return None
        factor = EXACT.divide(unit_of(master.base).multiple, unit_of(found.base).multiple)
        return SymbolMatch(found.symbol, factor)


def is_same_price(master_mark: Decimal | None, mark: Decimal | None, factor: Decimal) -> bool:
    """Tell whether two marks are of the same thing: a name alone proves nothing.

    Args:
        master_mark: quote asset for one unit of the master's contract; None while unknown.
        mark: the same of the follower's.
        factor: as in SymbolMatch.
    """
    theirs, ours = positive_or_none(master_mark), positive_or_none(mark)
    if theirs is None or ours is None:
        return False
    ours_for_one = EXACT.multiply(ours, factor)
    return abs(EXACT.subtract(ours_for_one, theirs)) <= EXACT.multiply(theirs, PRICE_RATIO_OFF_MAX)


def _best(found: Iterable[Instrument], master: Instrument, unit: Unit) -> Instrument | None:
    """Prefer the same quote, what is traded, the same multiple, the name: one answer, whatever the order."""
    same = [it for it in found if it.quote == master.quote or {it.quote, master.quote} <= DOLLARS]
    return min(
        same,
        key=lambda it: (
            it.quote != master.quote,
            it.status is InstrumentStatus.CLOSED,
            unit_of(it.base).multiple != unit.multiple,
            it.symbol,
        ),
        default=None,
    )
