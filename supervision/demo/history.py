"""A real trader's history as a master session: Hyperliquid `userFills` rows become orders to replay.

Orders of several fills stay several fills. Spot rows, other perp dexes and settlements are skipped
with a count. A history may begin inside a position or miss a row: `startPosition` tells, and the
missing move becomes an order of its own, counted too.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from model.amounts import ZERO, decimal_from_text

SKIPPED_DIRECTIONS = {
    "Settlement": "settlement",
    "Buy": "spot",
    "Sell": "spot",
    "Spot Dust Conversion": "spot",
}
SIDES = {"B": 1, "A": -1}


class BadHistory(ValueError):
    """The file is not a list of `userFills` rows; the message says where."""


@attrs.frozen(kw_only=True)
class HistoricalFill:
    """One fill: price in quote asset, signed quantity in base asset."""

    price: Decimal
    quantity: Decimal


@attrs.frozen(kw_only=True)
class HistoricalOrder:
    """One order of the trader with all its fills, in time order."""

    coin: str
    symbol: str
    time_ms: int
    fills: tuple[HistoricalFill, ...]
    unrecorded: bool = False
    """Not in the file: what `startPosition` says must have happened before."""

    @property
    def quantity(self) -> Decimal:
        """The signed sum of the fills."""
        return sum((fill.quantity for fill in self.fills), ZERO)


@attrs.frozen(kw_only=True)
class History:
    """What a file holds, ready to be replayed."""

    orders: tuple[HistoricalOrder, ...]
    skipped: Mapping[str, int]
    """Rows that are not trades of this perp dex, by kind."""
    lots: Mapping[str, Decimal]
    """The step of all quantities, by symbol."""
    ticks: Mapping[str, Decimal]

    @property
    def fills(self) -> int:
        """How many fills the orders have."""
        return sum(len(order.fills) for order in self.orders)


@attrs.frozen(kw_only=True)
class _Row:
    coin: str
    order_id: int
    time_ms: int
    before: Decimal
    fill: HistoricalFill


def load_history(path: Path) -> History:
    """Read a `userFills` JSON file, plain or gzipped; raises BadHistory or OSError."""
    raw = path.read_bytes()
    try:
        text = gzip.decompress(raw) if path.suffix == ".gz" else raw
        rows = json.loads(text, parse_float=str)
    except (ValueError, OSError, EOFError) as error:
        raise BadHistory(f"{path}: not (gzipped) JSON: {error}") from error
    if not isinstance(rows, list):
        raise BadHistory(f"{path}: expected a list of userFills rows, got {type(rows).__name__}")
    return read_history(rows)


def read_history(rows: Iterable[Mapping[str, Any]]) -> History:
    """Return the history in rows of `userFills`, newest first as the venue gives them."""
    skipped: Counter[str] = Counter()
    kept: list[_Row] = []
    for index, row in enumerate(rows):
        kind = _kind_to_skip(row, index)
        if kind is not None:
            skipped[kind] += 1
            continue
        kept.append(_parse(row, index))
    kept.sort(key=lambda row: row.time_ms)  # stable: rows of one instant keep their (reversed) order
    ordered = _reverse_instants(kept)
    return History(
        orders=tuple(_orders(ordered)),
        skipped=dict(skipped),
        lots=_steps((symbol_of(row.coin), row.fill.quantity) for row in ordered),
        ticks=_steps((symbol_of(row.coin), row.fill.price) for row in ordered),
    )


def symbol_of(coin: str) -> str:
    """Return the Bybit symbol of a Hyperliquid coin: kPEPE is 1000PEPEUSDT."""
    if coin[0] == "k" and coin[1:].isupper():
        return f"1000{coin[1:]}USDT"
    return f"{coin}USDT"


def _kind_to_skip(row: Mapping[str, Any], index: int) -> str | None:
    try:
        coin, direction = str(row["coin"]), str(row["dir"])
    except (KeyError, TypeError) as error:
        raise BadHistory(f"row {index}: no {error}") from error
    if ":" in coin:
        return "foreign dex"
    if coin.startswith("#"):
        return "outcome market"
    if direction in SKIPPED_DIRECTIONS:
        return SKIPPED_DIRECTIONS[direction]
    if coin.startswith("@") or "/" in coin:
        return "spot"
    return None


def _parse(row: Mapping[str, Any], index: int) -> _Row:
    try:
        sign = SIDES[row["side"]]
        quantity, price = decimal_from_text(row["sz"]), decimal_from_text(row["px"])
        if quantity <= 0 or price <= 0:
            raise ValueError("size and price are positive")
        return _Row(
            coin=str(row["coin"]),
            order_id=int(row["oid"]),
            time_ms=int(row["time"]),
            before=decimal_from_text(row["startPosition"]),
            fill=HistoricalFill(price=price, quantity=sign * quantity),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadHistory(f"row {index}: {error!r} in {dict(row)!r}") from error


def _reverse_instants(rows: list[_Row]) -> list[_Row]:
    """The venue gives newest first, so the rows of one millisecond stand in reverse."""
    result: list[_Row] = []
    begin = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end].time_ms != rows[begin].time_ms:
            result.extend(reversed(rows[begin:end]))
            begin = end
    return result


def _orders(rows: list[_Row]) -> Iterable[HistoricalOrder]:
    sizes: dict[str, Decimal] = {}
    index = 0
    while index < len(rows):
        row = rows[index]
        before = sizes.get(row.coin, ZERO)
        if row.before != before:
            missing = HistoricalFill(price=row.fill.price, quantity=row.before - before)
            yield _order(row, (missing,), unrecorded=True)
            sizes[row.coin] = row.before
        fills = [row.fill]
        sizes[row.coin] = row.before + row.fill.quantity
        index += 1
        while index < len(rows) and _continues(rows[index], row, sizes[row.coin]):
            fills.append(rows[index].fill)
            sizes[row.coin] += rows[index].fill.quantity
            index += 1
        yield _order(row, tuple(fills))


def _continues(row: _Row, first: _Row, size: Decimal) -> bool:
    return row.order_id == first.order_id and row.coin == first.coin and row.before == size


def _order(row: _Row, fills: tuple[HistoricalFill, ...], *, unrecorded: bool = False) -> HistoricalOrder:
    return HistoricalOrder(
        coin=row.coin,
        symbol=symbol_of(row.coin),
        time_ms=row.time_ms,
        fills=fills,
        unrecorded=unrecorded,
    )


def _steps(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Return the coarsest power of ten by symbol that divides all of its amounts, at most 1."""
    steps: dict[str, Decimal] = {}
    for symbol, amount in amounts:
        exponent = min(0, int(amount.normalize().as_tuple().exponent))
        step = Decimal(1).scaleb(exponent)
        steps[symbol] = min(steps.get(symbol, step), step)
    return steps
