"""Binance's USD-M protocol over the sandbox's venue core: REST, streams, order entry by WebSocket."""

from exchanges.sandbox.binance.face import BinanceSandbox, BinanceServer
from exchanges.sandbox.binance.rulebook import (
    BINANCE_LISTINGS,
    BINANCE_PRICES,
    BINANCE_RULEBOOK,
    binance_description,
    binance_listing,
)

__all__ = [
    "BINANCE_LISTINGS",
    "BINANCE_PRICES",
    "BINANCE_RULEBOOK",
    "BinanceSandbox",
    "BinanceServer",
    "binance_description",
    "binance_listing",
]
