"""What Binance tells everybody: clock, catalogue, marks; and the leverage tiers, told to accounts."""

from decimal import Decimal

from exchanges.sandbox.binance.budgets import INTERVALS, ORDERS_MAX, WEIGHT_MAX
from exchanges.sandbox.binance.params import Params
from exchanges.sandbox.binance.wire import ASSET, Row, money, number
from exchanges.sandbox.listing import Listing, ListingStatus
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import ONE, ZERO
from model.leg import Side

FUNDING_MS = 8 * 3_600_000
TYPES = ["LIMIT", "MARKET"]
TIFS = ["GTC", "IOC", "FOK", "GTX"]
ONBOARDED_MS = 1_569_398_400_000
DELIVERED_MS = 4_133_404_800_000
COIN_M, COIN_M_OF = "BTCUSD_PERP", "BTCUSDT"
NOTIONAL_UNBOUNDED = Decimal(10) ** 12


class Market:
    """Public reads; ``symbol`` narrows those that know it."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue

    def time(self, params: Params) -> Row:
        """Return the venue's clock."""
        return {"serverTime": self._venue.now_ms()}

    def ping(self, params: Params) -> Row:
        """Return nothing."""
        return {}

    def exchange_info(self, params: Params) -> Row:
        """Return the catalogue, whole whatever is asked for."""
        return {
            "timezone": "UTC",
            "serverTime": self._venue.now_ms(),
            "futuresType": "U_MARGINED",
            "rateLimits": [_limit("REQUEST_WEIGHT", 60_000, WEIGHT_MAX)]
            + [_limit("ORDERS", period_ms, most) for period_ms, most in ORDERS_MAX.items()],
            "exchangeFilters": [],
            "assets": [{"asset": ASSET, "marginAvailable": True, "autoAssetExchange": "-10000"}],
            "symbols": [_symbol(listing) for listing in self._venue.listings.values()],
        }

    def premium_index(self, params: Params) -> Row | list[Row]:
        """Return marks and funding."""
        symbol = params.get("symbol")
        if symbol:
            return self._premium(symbol)
        return [self._premium(it) for it in self._venue.prices()]

    def prices(self, params: Params) -> Row | list[Row]:
        """Return last prices, which are the marks here."""
        symbol = params.get("symbol")
        now_ms = self._venue.now_ms()
        rows: list[Row] = [
            {"symbol": it, "price": number(price), "time": now_ms}
            for it, price in self._venue.prices().items()
            if not symbol or it == symbol
        ]
        if not symbol:
            return rows
        self._venue.listing(symbol)
        return rows[0]

    def book_ticker(self, params: Params) -> Row | list[Row]:
        """Return best bids and asks."""
        symbol = params.get("symbol")
        return self._best(symbol) if symbol else [self._best(it) for it in self._venue.prices()]

    def brackets(self, params: Params) -> Row | list[Row]:
        """Return leverage tiers: a list, or one row where a symbol is asked for."""
        symbol = params.get("symbol")
        if symbol:
            return _brackets(self._venue.listing(symbol))
        return [_brackets(listing) for listing in self._venue.listings.values()]

    def mark_rows(self) -> list[Row]:
        """Return every symbol's row of the mark price stream; since 2026 COIN-M's are among them."""
        rows = [self.mark_row(symbol) for symbol in self._venue.prices()]
        if COIN_M_OF in self._venue.listings:
            rows.append({**self.mark_row(COIN_M_OF), "s": COIN_M, "ps": COIN_M.partition("_")[0], "st": 2})
        return rows

    def mark_row(self, symbol: str) -> Row:
        """Return a symbol's row of the mark price stream; ``st`` 1 is USD-M."""
        mark, now_ms = money(self._venue.mark(symbol)), self._venue.now_ms()
        return {
            "e": "markPriceUpdate",
            "E": now_ms,
            "s": symbol,
            "ps": symbol,
            "p": mark,
            "ap": mark,
            "i": mark,
            "P": mark,
            "r": "0.00010000",
            "T": _next_funding(now_ms),
            "st": 1,
        }

    def _premium(self, symbol: str) -> Row:
        mark, now_ms = money(self._venue.mark(symbol)), self._venue.now_ms()
        return {
            "symbol": symbol,
            "markPrice": mark,
            "indexPrice": mark,
            "estimatedSettlePrice": mark,
            "lastFundingRate": "0.00010000",
            "interestRate": "0.00010000",
            "nextFundingTime": _next_funding(now_ms),
            "time": now_ms,
        }

    def _best(self, symbol: str) -> Row:
        depth = self._venue.liquidity(symbol).depth
        quantity = number(self._venue.listing(symbol).max_market_quantity if depth is None else depth)
        return {
            "symbol": symbol,
            "bidPrice": number(self._venue.best_price(symbol, Side.SELL)),
            "bidQty": quantity,
            "askPrice": number(self._venue.best_price(symbol, Side.BUY)),
            "askQty": quantity,
            "time": self._venue.now_ms(),
        }


def _next_funding(now_ms: int) -> int:
    return (now_ms // FUNDING_MS + 1) * FUNDING_MS


def _limit(kind: str, period_ms: int, limit: int) -> Row:
    interval, count, *_ = INTERVALS[period_ms]
    return {"rateLimitType": kind, "interval": interval, "intervalNum": count, "limit": limit}


def _symbol(listing: Listing) -> Row:
    lot, tick = listing.lot_size, listing.tick_size
    return {
        "symbol": listing.symbol,
        "pair": listing.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": DELIVERED_MS,
        "onboardDate": ONBOARDED_MS,
        "status": "TRADING" if listing.status is ListingStatus.TRADING else "SETTLING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base,
        "quoteAsset": ASSET,
        "marginAsset": ASSET,
        "pricePrecision": max(2, _decimals(tick)),
        "quantityPrecision": _decimals(lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": number(listing.price_band),
        "liquidationFee": "0.012500",
        "marketTakeBound": number(listing.price_band),
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(listing),
        "orderTypes": TYPES,
        "timeInForce": TIFS,
    }


def _filters(listing: Listing) -> list[Row]:
    lot, tick, least = number(listing.lot_size), number(listing.tick_size), number(listing.min_quantity)
    up, down = number(ONE + listing.price_band), number(ONE - listing.price_band)
    return [
        {"filterType": "PRICE_FILTER", "tickSize": tick, "minPrice": tick, "maxPrice": "4529764"},
        {"filterType": "LOT_SIZE", "stepSize": lot, "minQty": least, "maxQty": number(listing.max_quantity)},
        {
            "filterType": "MARKET_LOT_SIZE",
            "stepSize": lot,
            "minQty": least,
            "maxQty": number(listing.max_market_quantity),
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": number(listing.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": up,
            "multiplierDown": down,
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]


def _brackets(listing: Listing) -> Row:
    rows: list[Row] = []
    floor = ZERO
    tiers = listing.tiers or ((NOTIONAL_UNBOUNDED, listing.max_leverage),)
    for index, (cap, leverage) in enumerate(tiers, 1):
        rows.append(
            {
                "bracket": index,
                "initialLeverage": int(leverage),
                "notionalCap": int(cap),
                "notionalFloor": int(floor),
                "maintMarginRatio": float(listing.maintenance_rate),
                "cum": 0.0,
            }
        )
        floor = cap
    return {"symbol": listing.symbol, "brackets": rows}


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
