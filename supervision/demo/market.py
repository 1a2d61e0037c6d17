"""What the demo's venues list: two symbols more than the sandbox has by itself, one not everywhere."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from exchanges.sandbox import DEFAULT_LISTINGS, DEFAULT_PRICES, AccountDescription, SandboxDescription
from exchanges.sandbox.binance import BINANCE_LISTINGS, binance_listing
from exchanges.sandbox.houses import KINDS
from supervision.demo.cast import MASTER_EXCHANGE

PEPE = "1000PEPEUSDT"
"""kPEPE on Hyperliquid."""
DASH = "DASHUSDT"
"""Not listed on Hyperliquid: not on the sandbox's."""


LISTINGS = (
    *DEFAULT_LISTINGS,
    attrs.evolve(
        DEFAULT_LISTINGS[-1],
        symbol=PEPE,
        lot_size=Decimal(100),
        min_quantity=Decimal(100),
        tick_size=Decimal("0.0000001"),
    ),
    attrs.evolve(
        DEFAULT_LISTINGS[2],
        symbol=DASH,
        lot_size=Decimal("0.01"),
        min_quantity=Decimal("0.01"),
        max_leverage=Decimal(50),
    ),
)
PRICES = {**DEFAULT_PRICES, PEPE: Decimal("0.0123"), DASH: Decimal("32.5")}
ON_BINANCE = (
    *BINANCE_LISTINGS,
    binance_listing(
        DASH,
        lot="0.001",
        tick="0.01",
        most="20000",
        most_at_market="2000",
        tiers=[(50_000, 50), (600_000, 20), (5_000_000, 5)],
    ),
)


def describe_venues(
    accounts: Mapping[str, Sequence[AccountDescription]], *, seed: int = 0
) -> dict[str, SandboxDescription]:
    """Return the venues of these accounts by exchange, the master's first."""
    described = {
        exchange: KINDS[exchange].describe_venue(owned, seed)
        for exchange, owned in sorted(accounts.items(), key=lambda item: item[0] != MASTER_EXCHANGE)
    }
    described[MASTER_EXCHANGE] = attrs.evolve(
        described[MASTER_EXCHANGE], listings=LISTINGS, prices=dict(PRICES)
    )
    if "binance" in described:  # its price there follows the master's venue
        described["binance"] = attrs.evolve(described["binance"], listings=ON_BINANCE)
    return described
