"""Hyperliquid's protocol over the sandbox's venue core: info, exchange, and the one WebSocket."""

from exchanges.sandbox.hyperliquid.face import HyperliquidSandbox, HyperliquidServer
from exchanges.sandbox.hyperliquid.rulebook import (
    HYPERLIQUID_LISTINGS,
    HYPERLIQUID_PRICES,
    HYPERLIQUID_RULEBOOK,
    describe_wallet,
    hyperliquid_description,
    hyperliquid_listing,
)

__all__ = [
    "HYPERLIQUID_LISTINGS",
    "HYPERLIQUID_PRICES",
    "HYPERLIQUID_RULEBOOK",
    "HyperliquidSandbox",
    "HyperliquidServer",
    "describe_wallet",
    "hyperliquid_description",
    "hyperliquid_listing",
]
