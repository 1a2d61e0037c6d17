"""Binance USD-M futures: USDT perpetuals of follower accounts."""

from exchanges.binance.venue import BinanceEndpoints, BinanceVenue

__all__ = ["BinanceEndpoints", "BinanceVenue"]
