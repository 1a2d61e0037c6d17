"""Public reads: time, catalogue, tickers."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from exchanges.sandbox.bybit import params as read
from exchanges.sandbox.bybit.codes import VenueError
from exchanges.sandbox.bybit.pages import listing, nothing, page_of
from exchanges.sandbox.bybit.wire import Row, number
from exchanges.sandbox.listing import Listing, ListingStatus
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import format_decimal
from model.leg import Side

Query = Mapping[str, str]
HOUR_MS = 3_600_000
RATE = Decimal("0.0001")
FUNDING_MS = 8 * HOUR_MS


class Market:
    """Answers what needs no key."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue

    def time(self, query: Query) -> dict[str, Any]:
        """``/v5/market/time``"""
        now_ms = self._venue.now_ms()
        return {"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)}

    def instruments(self, query: Query) -> dict[str, Any]:
        """``/v5/market/instruments-info``: 500 a page unless asked otherwise, 1000 at most.

        Only linear contracts are there; of the other categories there are none.
        """
        if read.is_empty_category(query):
            return nothing(query["category"])
        read.check_category(query)
        symbol, base = query.get("symbol"), query.get("baseCoin")
        status = query.get("status", "Trading")
        rows = [
            instrument_row(listed, number_)
            for number_, listed in enumerate(self._venue.listings.values(), 1)
            if (listed.symbol == symbol if symbol else STATUSES[listed.status] == status)
            and base in (None, listed.base)
        ]
        if symbol and not rows:
            raise VenueError(10001, "params error: symbol invalid")
        return listing(*page_of(rows, query, default=500, most=1000))

    def tickers(self, query: Query) -> dict[str, Any]:
        """``/v5/market/tickers``: one symbol, or all of them."""
        read.check_category(query)
        symbol = query.get("symbol")
        if symbol and symbol not in self._venue.listings:
            raise VenueError(10001, "params error: symbol invalid")
        symbols = [symbol] if symbol else list(self._venue.prices())
        return {"category": "linear", "list": [ticker_row(self._venue, name) for name in symbols]}

    def price_limit(self, query: Query) -> dict[str, Any]:
        """``/v5/market/price-limit``: how far limits reach."""
        read.check_category(query)
        listed = self._venue.listings.get(query.get("symbol", ""))
        if listed is None:
            raise VenueError(10001, "params error: symbol invalid")
        mark = self._venue.mark(listed.symbol)
        return {
            "symbol": listed.symbol,
            "buyLmt": number(mark * (1 + listed.price_band)),
            "sellLmt": number(mark * (1 - listed.price_band)),
            "ts": str(self._venue.now_ms()),
        }

    def risk_limits(self, query: Query) -> dict[str, Any]:
        """``/v5/market/risk-limit``: every tier of one symbol, or of 15 symbols a page."""
        read.check_category(query)
        symbol = query.get("symbol")
        if symbol and symbol not in self._venue.listings:
            raise VenueError(10001, "params error: symbol invalid")
        listed = [it for it in self._venue.listings.values() if symbol in (None, "", it.symbol)]
        paging = {"cursor": query.get("cursor", "")}
        page, cursor = page_of(listed, paging, default=RISK_SYMBOLS, most=RISK_SYMBOLS)
        rows = [row for it in page for row in risk_limit_rows(it)]
        return listing(rows, cursor)


RISK_SYMBOLS = 15
UNBOUNDED = Decimal(10) ** 12
"""The one tier of a listing that has none."""
STATUSES = {ListingStatus.TRADING: "Trading", ListingStatus.CLOSED: "Closed"}


def instrument_row(listed: Listing, symbol_id: int) -> Row:
    """Return one row of the catalogue."""
    return {
        "symbol": listed.symbol,
        "symbolId": symbol_id,
        "contractType": "LinearPerpetual",
        "status": STATUSES[listed.status],
        "baseCoin": listed.base,
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -int(listed.tick_size.as_tuple().exponent))),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": str(listed.max_leverage.quantize(listed.leverage_step)),
            "leverageStep": format_decimal(listed.leverage_step),
        },
        "priceFilter": {
            "minPrice": str(listed.tick_size),
            "maxPrice": str(listed.tick_size * 19_999_998),
            "tickSize": str(listed.tick_size),
        },
        "lotSizeFilter": {
            "maxOrderQty": str(listed.max_quantity),
            "minOrderQty": str(listed.min_quantity),
            "qtyStep": str(listed.lot_size),
            "postOnlyMaxOrderQty": str(listed.max_quantity),
            "maxMktOrderQty": str(listed.max_market_quantity),
            "minNotionalValue": format_decimal(listed.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {
            "priceLimitRatioX": number(listed.price_band),
            "priceLimitRatioY": number(listed.price_band * 2),
        },
        "symbolType": "",
    }


def risk_limit_rows(listed: Listing) -> list[Row]:
    """Return a symbol's tiers, lowest risk first; the maintenance rate doubles the leverage here."""
    tiers = listed.tiers or ((UNBOUNDED, listed.max_leverage),)
    return [
        {
            "id": number_,
            "symbol": listed.symbol,
            "riskLimitValue": format_decimal(notional_max),
            "maintenanceMargin": number((1 / (2 * leverage)).quantize(RATE)),
            "initialMargin": number((1 / leverage).quantize(RATE)),
            "isLowestRisk": int(number_ == 1),
            "maxLeverage": str(leverage.quantize(listed.leverage_step)),
            "mmDeduction": "",
        }
        for number_, (notional_max, leverage) in enumerate(tiers, 1)
    ]


def ticker_row(venue: SandboxVenue, symbol: str) -> Row:
    """Return a symbol's whole ticker; last and index price are the mark."""
    mark = number(venue.mark(symbol))
    return {
        "symbol": symbol,
        "lastPrice": mark,
        "indexPrice": mark,
        "markPrice": mark,
        "prevPrice24h": mark,
        "price24hPcnt": "0",
        "highPrice24h": mark,
        "lowPrice24h": mark,
        "prevPrice1h": mark,
        "openInterest": "0",
        "openInterestValue": "0",
        "turnover24h": "0",
        "volume24h": "0",
        "fundingRate": "0.0001",
        "nextFundingTime": str((venue.now_ms() // FUNDING_MS + 1) * FUNDING_MS),
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "deliveryFeeRate": "",
        "deliveryTime": "0",
        "bid1Price": number(venue.best_price(symbol, Side.SELL)),
        "bid1Size": "1000",
        "ask1Price": number(venue.best_price(symbol, Side.BUY)),
        "ask1Size": "1000",
        "basis": "",
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
        "fundingIntervalHour": "8",
        "basisRateYear": "",
        "fundingCap": "0.005",
    }
