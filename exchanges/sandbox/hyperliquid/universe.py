"""Public reads: the universe with its margin tables, asset contexts, mids and books."""

from decimal import Decimal

from exchanges.sandbox.hyperliquid.wire import Row, number
from exchanges.sandbox.listing import Listing, ListingStatus
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import ZERO
from model.leg import Side

FIRST_TABLE = 50
"""Below it, a table's id is the leverage of its one tier."""
ENDLESS_DEPTH = Decimal(1_000_000)


class Universe:
    """An asset's index is its place among the listings; delisted ones keep theirs."""

    def __init__(self, venue: SandboxVenue, isolated_only: frozenset[str]) -> None:
        self._venue = venue
        self.isolated_only = isolated_only

    def symbols(self) -> list[str]:
        """Return the names in the order of their indices."""
        return list(self._venue.listings)

    def symbol_at(self, index: int) -> str | None:
        """Return the name at an index."""
        names = self.symbols()
        return names[index] if index < len(names) else None

    def meta(self) -> Row:
        """Return ``meta``."""
        rows, tables = [], []
        for index, listing in enumerate(self._venue.listings.values()):
            table_id = int(listing.max_leverage)
            if listing.tiers or table_id >= FIRST_TABLE:
                table_id = FIRST_TABLE + index
                tables.append([table_id, _margin_table(listing)])
            row: Row = {
                "szDecimals": -int(listing.lot_size.normalize().as_tuple().exponent),
                "name": listing.symbol,
                "maxLeverage": int(listing.max_leverage),
                "marginTableId": table_id,
            }
            if listing.symbol in self.isolated_only:
                row |= {"onlyIsolated": True, "marginMode": "strictIsolated"}
            if listing.status is ListingStatus.CLOSED:
                row["isDelisted"] = True
            rows.append(row)
        return {"universe": rows, "marginTables": tables, "collateralToken": 0}

    def contexts(self) -> list[Row]:
        """Return every asset's context, by its place."""
        return [self.context(symbol) for symbol in self.symbols()]

    def context(self, symbol: str) -> Row:
        """Return one asset's context; marks, oracle and previous day are one price here."""
        mark, mid = number(self._venue.mark(symbol)), self.mid(symbol)
        return {
            "funding": "0.0000125",
            "openInterest": "0.0",
            "prevDayPx": mark,
            "dayNtlVlm": "0.0",
            "premium": "0.0",
            "oraclePx": mark,
            "markPx": mark,
            "midPx": None if mid is None else number(mid),
            "impactPxs": None,
            "dayBaseVlm": "0.0",
        }

    def mids(self) -> Row:
        """Return ``allMids``: of an empty book the last price."""
        return {symbol: number(self.mid(symbol) or self._venue.mark(symbol)) for symbol in self.symbols()}

    def mid(self, symbol: str) -> Decimal | None:
        """Return the middle of the book, None where it is empty."""
        if self._venue.liquidity(symbol).depth == 0:
            return None
        bid, ask = self._venue.best_price(symbol, Side.SELL), self._venue.best_price(symbol, Side.BUY)
        return (bid + ask) / 2

    def book(self, symbol: str) -> Row:
        """Return ``l2Book``: one level on either side."""
        depth = self._venue.liquidity(symbol).depth
        size = number(ENDLESS_DEPTH if depth is None else depth)
        levels: list[list[Row]] = [[], []]
        if depth is None or depth > ZERO:
            for side, level in ((Side.SELL, levels[0]), (Side.BUY, levels[1])):
                level.append({"px": number(self._venue.best_price(symbol, side)), "sz": size, "n": 1})
        return {"coin": symbol, "time": self._venue.now_ms(), "levels": levels}


def _margin_table(listing: Listing) -> Row:
    lower, tiers = ZERO, []
    for most, leverage in listing.tiers or ((ZERO, listing.max_leverage),):
        tiers.append({"lowerBound": number(lower), "maxLeverage": int(leverage)})
        lower = most
    return {"description": f"tiered {int(listing.max_leverage)}x", "marginTiers": tiers}
