"""What Binance makes of orders, and what it lists: perpetuals in USDT, with filters as of 2026."""

from collections.abc import Iterable
from decimal import Decimal

from exchanges.sandbox.description import AccountDescription, SandboxDescription
from exchanges.sandbox.listing import Listing
from exchanges.sandbox.rulebook import Rulebook
from model.amounts import ONE

BINANCE_RULEBOOK = Rulebook(
    # One-way, a reduce-only order above its position is cut. Whether a market order is, is not published.
    cuts_reductions=True,
    cuts_hedged_closes=False,
    exempts_reductions=True,
    # Not published. The stricter reading: only the flag exempts, and a hedged close has none.
    exempts_hedged_closes=False,
    bounds_reductions=True,
    values_markets_at_mark=True,
    moves_to_band=False,
    bands_both_sides=False,
    refuses_far_markets=True,
    refuses_unfillable=True,
    throttle_exempts_reductions=True,
    ids_live_with_orders=True,
    client_id=r"[.A-Z:/a-z0-9_-]{1,36}",
)

TAKER_FEE, MAKER_FEE = Decimal("0.0005"), Decimal("0.0002")
PRICE_BAND = Decimal("0.05")


def binance_listing(
    symbol: str,
    *,
    lot: str,
    tick: str,
    most: str,
    most_at_market: str,
    min_notional: int = 5,
    tiers: Iterable[tuple[int, int]],
) -> Listing:
    """Return a perpetual.

    Args:
        tiers: (up to this notional, at most this leverage), smallest notional first.
    """
    bounds = tuple((Decimal(notional), Decimal(leverage)) for notional, leverage in tiers)
    return Listing(
        symbol=symbol,
        lot_size=Decimal(lot),
        min_quantity=Decimal(lot),
        max_quantity=Decimal(most),
        max_market_quantity=Decimal(most_at_market),
        min_notional=Decimal(min_notional),
        tick_size=Decimal(tick),
        max_leverage=bounds[0][1],
        leverage_step=ONE,
        tiers=bounds,
        price_band=PRICE_BAND,
    )


BINANCE_LISTINGS = (
    binance_listing(
        "BTCUSDT",
        lot="0.001",
        tick="0.10",
        most="1000",
        most_at_market="120",
        min_notional=50,
        tiers=[
            (300_000, 125),
            (800_000, 100),
            (3_000_000, 75),
            (12_000_000, 50),
            (70_000_000, 25),
            (230_000_000, 10),
            (1_800_000_000, 1),
        ],
    ),
    binance_listing(
        "ETHUSDT",
        lot="0.001",
        tick="0.01",
        most="10000",
        most_at_market="2000",
        min_notional=20,
        tiers=[
            (300_000, 125),
            (800_000, 100),
            (3_000_000, 75),
            (12_000_000, 50),
            (50_000_000, 25),
            (150_000_000, 10),
            (800_000_000, 1),
        ],
    ),
    binance_listing(
        "SOLUSDT",
        lot="0.01",
        tick="0.0100",
        most="1000000",
        most_at_market="5000",
        tiers=[(50_000, 100), (150_000, 75), (1_000_000, 50), (8_000_000, 25), (100_000_000, 5)],
    ),
    binance_listing(
        "XRPUSDT",
        lot="0.1",
        tick="0.0001",
        most="10000000",
        most_at_market="2000000",
        tiers=[(40_000, 75), (900_000, 50), (8_000_000, 25), (100_000_000, 5)],
    ),
    binance_listing(
        "DOGEUSDT",
        lot="1",
        tick="0.000010",
        most="50000000",
        most_at_market="30000000",
        tiers=[(40_000, 75), (750_000, 50), (3_000_000, 25), (50_000_000, 5)],
    ),
    binance_listing(
        "1000PEPEUSDT",
        lot="1",
        tick="0.0000001",
        most="100000000",
        most_at_market="2000000",
        tiers=[(25_000, 75), (600_000, 25), (10_000_000, 5)],
    ),
)
BINANCE_PRICES = {
    "BTCUSDT": Decimal(60_000),
    "ETHUSDT": Decimal(3_000),
    "SOLUSDT": Decimal(150),
    "XRPUSDT": Decimal("0.6"),
    "DOGEUSDT": Decimal("0.12"),
    "1000PEPEUSDT": Decimal("0.0123"),
}


def binance_description(accounts: Iterable[AccountDescription], *, seed: int = 0) -> SandboxDescription:
    """Return a venue core as Binance's would be; accounts come from ``describe_account``."""
    return SandboxDescription(
        accounts=tuple(accounts),
        listings=BINANCE_LISTINGS,
        prices=dict(BINANCE_PRICES),
        seed=seed,
        taker_fee=TAKER_FEE,
        maker_fee=MAKER_FEE,
        rulebook=BINANCE_RULEBOOK,
    )
