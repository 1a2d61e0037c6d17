"""Bybit V5: USDT perpetuals on unified accounts, as master and as follower."""

from exchanges.bybit.venue import BybitEndpoints, BybitVenue

__all__ = ["BybitEndpoints", "BybitVenue"]
