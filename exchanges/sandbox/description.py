"""A sandbox described in plain values, and built from them."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal

import attrs

from exchanges.clock import Clock
from exchanges.sandbox.listing import DEFAULT_LISTINGS, DEFAULT_PRICES, Listing
from exchanges.sandbox.rulebook import DEFAULT_RULEBOOK, Rulebook
from exchanges.sandbox.venue import SandboxVenue


@attrs.frozen(kw_only=True)
class AccountDescription:
    """One account; ``equity`` is its USDT wallet."""

    name: str
    equity: Decimal
    api_key: str
    api_secret: str = attrs.field(repr=False)
    hedge: bool = False
    read_only: bool = False
    leverage: Decimal = Decimal(10)
    owner: str = ""
    """Whose sub-account it is and whose agent signs for it; blank for an account of its own."""


@attrs.frozen(kw_only=True)
class SandboxDescription:
    """A venue: who trades there and at which prices it starts."""

    accounts: tuple[AccountDescription, ...]
    listings: tuple[Listing, ...] = DEFAULT_LISTINGS
    prices: Mapping[str, Decimal] = attrs.field(factory=lambda: dict(DEFAULT_PRICES))
    seed: int = 0
    taker_fee: Decimal = Decimal("0.00055")
    maker_fee: Decimal = Decimal("0.0002")
    rulebook: Rulebook = DEFAULT_RULEBOOK


def describe_account(
    name: str, equity: Decimal, *, seed: int = 0, hedge: bool = False, read_only: bool = False
) -> AccountDescription:
    """Return an account whose key and secret follow from its name and the seed."""
    digest = hashlib.sha256(f"sandbox:{seed}:{name}".encode()).hexdigest()
    return AccountDescription(
        name=name,
        equity=equity,
        api_key=f"SBX{digest[:15].upper()}",
        api_secret=digest[15:51],
        hedge=hedge,
        read_only=read_only,
    )


def build_venue(description: SandboxDescription, *, clock: Clock | None = None) -> SandboxVenue:
    """Build the venue core; faces are put over it and served by the caller."""
    venue = SandboxVenue(
        listings=description.listings,
        prices=description.prices,
        clock=clock,
        seed=description.seed,
        taker_fee=description.taker_fee,
        maker_fee=description.maker_fee,
        rulebook=description.rulebook,
    )
    for account in description.accounts:
        venue.add_account(
            account.name,
            api_key=account.api_key,
            api_secret=account.api_secret,
            equity=account.equity,
            hedge=account.hedge,
            read_only=account.read_only,
            leverage=account.leverage,
        )
    return venue
