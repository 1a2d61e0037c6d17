"""Who trades on the bench; each process works its accounts out from names and numbers alone."""

from decimal import Decimal

from exchanges.port import Credentials
from exchanges.sandbox import AccountDescription, describe_account
from model.settings import FollowerSettings, Join, Sizing, SizingMode
from supervision.roster import FollowerAccount

MASTER = "master"
SYMBOL = "BTCUSDT"
EQUITY = Decimal(1_000_000)
FOLLOWER, BARE = "follower", "bare"
"""What an account's name begins with: the engine's followers, and those of the floor."""


def names(kind: str, count: int) -> list[str]:
    """Return the names of so many accounts of a kind."""
    return [f"{kind}-{number:05d}" for number in range(count)]


def account(name: str) -> AccountDescription:
    """Return an account of the venue."""
    return describe_account(name, EQUITY)


def credentials(name: str) -> Credentials:
    """Return its keys."""
    found = account(name)
    return Credentials(api_key=found.api_key, api_secret=found.api_secret)


def followers(count: int, *, mirror: bool) -> list[FollowerAccount]:
    """Return followers that mirror the master's share, or hold exactly the master's size."""
    exact = Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal(1))
    sizing = Sizing(mode=SizingMode.MIRROR, multiplier=Decimal(1)) if mirror else exact
    return [
        FollowerAccount(
            settings=FollowerSettings(name=name, exchange="bybit", sizing=sizing, join=Join.NOW),
            credentials=credentials(name),
        )
        for name in names(FOLLOWER, count)
    ]
