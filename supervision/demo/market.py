"""What the demo's venues list: the master's has two symbols more than the sandbox has by itself."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from exchanges.sandbox import (
    DEFAULT_LISTINGS,
    DEFAULT_PRICES,
    AccountDescription,
    Listing,
    SandboxDescription,
)
from exchanges.sandbox.houses import KINDS
from supervision.demo.cast import MASTER_EXCHANGE

PEPE = "1000PEPEUSDT"
"""kPEPE on Hyperliquid."""
DASH = "DASHUSDT"
"""Not listed on Hyperliquid: not on the sandbox's."""


def _listing(symbol: str, lot: str, tick: str) -> Listing:
    return attrs.evolve(
        DEFAULT_LISTINGS[-1],
        symbol=symbol,
        lot_size=Decimal(lot),
        min_quantity=Decimal(lot),
        tick_size=Decimal(tick),
        max_leverage=Decimal(50),
    )


LISTINGS = (*DEFAULT_LISTINGS, _listing(PEPE, "100", "0.0000001"), _listing(DASH, "0.01", "0.01"))
PRICES = {**DEFAULT_PRICES, PEPE: Decimal("0.0123"), DASH: Decimal("32.5")}


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
    return described
