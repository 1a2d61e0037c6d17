"""Who trades on the bench; each process works its accounts out from names and numbers alone."""

from decimal import Decimal

from exchanges.port import Credentials
from exchanges.sandbox import AccountDescription
from exchanges.sandbox.houses import KINDS
from model.settings import FollowerSettings, Join, Sizing, SizingMode
from supervision.roster import FollowerAccount

MASTER = "master"
MASTER_EXCHANGE = "bybit"
SYMBOL = "BTCUSDT"
EQUITY = Decimal(1_000_000)
FOLLOWER, BARE = "follower", "bare"
"""What an account's name begins with: the engine's followers, and those of the floor."""


def names(kind: str, count: int) -> list[str]:
    """Return the names of so many accounts of a kind."""
    return [f"{kind}-{number:05d}" for number in range(count)]


def account(name: str, exchange: str = MASTER_EXCHANGE) -> AccountDescription:
    """Return an account of a venue."""
    return KINDS[exchange].describe(name, EQUITY, seed=0, hedge=False)


def credentials(name: str, exchange: str = MASTER_EXCHANGE) -> Credentials:
    """Return its keys."""
    keys = KINDS[exchange].keys(account(name, exchange))
    return Credentials(
        api_key=keys.get("api_key", ""),
        api_secret=keys.get("api_secret") or keys["agent_key"],
        account=keys.get("account", ""),
    )


def followers(count: int, *, mirror: bool, exchange: str = MASTER_EXCHANGE) -> list[FollowerAccount]:
    """Return followers that mirror the master's share, or hold exactly the master's size."""
    exact = Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal(1))
    sizing = Sizing(mode=SizingMode.MIRROR, multiplier=Decimal(1)) if mirror else exact
    found = []
    for name in names(FOLLOWER, count):
        keys = credentials(name, exchange)
        settings = FollowerSettings(
            name=name, exchange=exchange, sizing=sizing, join=Join.NOW, account=keys.account
        )
        found.append(FollowerAccount(settings=settings, credentials=keys))
    return found
