"""What Hyperliquid makes of orders, and what it lists: a universe as its first perp dex had it in 2026."""

import hashlib
from collections.abc import Iterable
from decimal import Decimal

from exchanges.sandbox.description import AccountDescription, SandboxDescription
from exchanges.sandbox.listing import Listing
from exchanges.sandbox.rulebook import Rulebook
from model.amounts import ONE

HYPERLIQUID_RULEBOOK = Rulebook(
    # Whether an oversized reduction is cut or refused is not settled for every kind of order: refused here.
    cuts_reductions=False,
    exempts_reductions=False,
    bounds_reductions=True,
    moves_to_band=False,
    bands_both_sides=True,
    # Whether a cloid may come again is not published. The stricter reading: never.
    ids_live_with_orders=False,
    client_id=r"0x[0-9a-f]{32}",
)

TAKER_FEE, MAKER_FEE = Decimal("0.00045"), Decimal("0.00015")
PRICE_DIGITS = 5
PRICE_DECIMALS = 6
PRICE_BAND = Decimal("0.95")
MIN_NOTIONAL = Decimal(10)
MAX_QUANTITY = Decimal(10) ** 12
NOTIONAL_UNBOUNDED = Decimal(10) ** 15

ORDER_VALUES = ((25, Decimal(30_000_000)), (20, Decimal(5_000_000)), (10, Decimal(2_000_000)))
ORDER_VALUE_LEAST = Decimal(500_000)
"""Of an order by the asset's maximum leverage. Resting limits have ten times as much; whether IOC limits
count as those is not published, so every order has the smaller one here."""


def hyperliquid_listing(
    symbol: str, size_decimals: int, max_leverage: int, tiers: Iterable[tuple[int, int]] = ()
) -> Listing:
    """Return a perpetual of the first dex.

    Args:
        tiers: (up to this notional in millions, at most this leverage) below the last one, which has no end.
    """
    lot = ONE.scaleb(-size_decimals)
    most = Decimal(max_leverage)
    bounds = [(Decimal(millions) * 1_000_000, Decimal(leverage)) for millions, leverage in tiers]
    if bounds:
        bounds[-1] = NOTIONAL_UNBOUNDED, bounds[-1][1]
    return Listing(
        symbol=symbol,
        lot_size=lot,
        min_quantity=lot,
        max_quantity=MAX_QUANTITY,
        max_market_quantity=MAX_QUANTITY,
        min_notional=MIN_NOTIONAL,
        max_notional=next((value for least, value in ORDER_VALUES if most >= least), ORDER_VALUE_LEAST),
        tick_size=ONE.scaleb(size_decimals - PRICE_DECIMALS),
        price_digits=PRICE_DIGITS,
        max_leverage=most,
        leverage_step=ONE,
        tiers=tuple(bounds),
        maintenance_rate=ONE / (2 * most),
        price_band=PRICE_BAND,
    )


HYPERLIQUID_LISTINGS = (
    hyperliquid_listing("BTC", 5, 40, [(150, 40), (0, 20)]),
    hyperliquid_listing("ETH", 4, 25, [(100, 25), (0, 15)]),
    hyperliquid_listing("SOL", 2, 20, [(70, 20), (0, 10)]),
    hyperliquid_listing("XRP", 0, 20, [(40, 20), (0, 10)]),
    hyperliquid_listing("DOGE", 0, 10, [(20, 10), (0, 5)]),
    hyperliquid_listing("kPEPE", 0, 10),
)
HYPERLIQUID_PRICES = {
    "BTC": Decimal(60_000),
    "ETH": Decimal(3_000),
    "SOL": Decimal(150),
    "XRP": Decimal("0.6"),
    "DOGE": Decimal("0.12"),
    "kPEPE": Decimal("0.0123"),
}


def hyperliquid_description(accounts: Iterable[AccountDescription], *, seed: int = 0) -> SandboxDescription:
    """Return a venue core as Hyperliquid's would be, with these accounts."""
    return SandboxDescription(
        accounts=tuple(accounts),
        listings=HYPERLIQUID_LISTINGS,
        prices=dict(HYPERLIQUID_PRICES),
        seed=seed,
        taker_fee=TAKER_FEE,
        maker_fee=MAKER_FEE,
        rulebook=HYPERLIQUID_RULEBOOK,
    )


def describe_wallet(name: str, equity: Decimal, *, seed: int = 0) -> AccountDescription:
    """Return an account: ``api_key`` is its address, ``api_secret`` the key of its approved agent.

    Both follow from its name and the seed. Nobody has the key of the account itself, as it should be.
    """
    digest = hashlib.sha256(f"sandbox:{seed}:{name}:address".encode()).hexdigest()
    agent = hashlib.sha256(f"sandbox:{seed}:{name}:agent".encode()).hexdigest()
    return AccountDescription(name=name, equity=equity, api_key=f"0x{digest[:40]}", api_secret=f"0x{agent}")
