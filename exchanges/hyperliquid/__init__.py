"""Hyperliquid perpetuals: an agent's signed actions, and the accounts it acts for."""

from exchanges.hyperliquid.venue import HyperliquidEndpoints, HyperliquidVenue

__all__ = ["HyperliquidEndpoints", "HyperliquidVenue"]
