"""Who plays in the demo: a master, and followers that differ in all that sizing and trading depend on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from exchanges.port import Credentials
from exchanges.sandbox import AccountDescription, describe_account
from exchanges.sandbox.houses import KINDS
from model.amounts import ZERO
from model.settings import FollowerSettings, Join, Limits, Sizing, SizingMode

MASTER = "master"
MASTER_EXCHANGE = "bybit"
MASTER_EQUITY = Decimal(50_000)
SEED = 7


@attrs.frozen(kw_only=True)
class Player:
    """One follower account of the demo, and how it copies."""

    settings: FollowerSettings
    equity: Decimal
    hedge: bool = False
    owner: str = ""
    """It is a sub-account of this one, which does not copy; blank for an account of its own."""

    @property
    def name(self) -> str:
        """The follower's name, and its account's."""
        return self.settings.name

    @property
    def account(self) -> AccountDescription:
        """The account that the sandbox opens for it."""
        own = _describe(self.settings.exchange, self.name, self.equity, hedge=self.hedge)
        owner = self.owner_account
        return own if owner is None else attrs.evolve(own, owner=owner.name, api_secret=owner.api_secret)

    @property
    def owner_account(self) -> AccountDescription | None:
        """The account above it, None where there is none."""
        return _describe(self.settings.exchange, self.owner, ZERO) if self.owner else None

    @property
    def keys(self) -> Mapping[str, str]:
        """What a followers file has for it, by field."""
        return KINDS[self.settings.exchange].keys(self.account)

    @property
    def credentials(self) -> Credentials:
        """What the engine signs with."""
        keys = self.keys
        return Credentials(
            api_key=keys.get("api_key", ""),
            api_secret=keys.get("api_secret") or keys["agent_key"],
            account=keys.get("account", ""),
        )


def master_account(equity: Decimal = MASTER_EQUITY) -> AccountDescription:
    """Return the account that is watched; its key may only read."""
    return describe_account(MASTER, equity, seed=SEED, read_only=True)


def players() -> tuple[Player, ...]:
    """Return the followers: every venue, sizing mode and position mode, from 900 to 40,000 USDT."""
    return (
        _player("alice", "bybit", "25000", _mirror("1")),
        _player("bob", "bybit", "8000", _mirror("2"), hedge=True),
        _player("carol", "bybit", "900", _mirror("1")),
        _player("dave", "binance", "12000", _mirror("1")),
        _player("erin", "binance", "12000", _fixed_margin("0.04"), hedge=True, max_leverage="5"),
        _player("frank", "hyperliquid", "40000", _fixed_ratio("0.5")),
        _player("grace", "hyperliquid", "15000", _fixed_margin("0.05"), max_leverage="20"),
        _player("heidi", "hyperliquid", "6000", _mirror("0.5"), owner="heidi-main"),
    )


def accounts_by_venue(
    master: AccountDescription, cast: Sequence[Player]
) -> dict[str, tuple[AccountDescription, ...]]:
    """Return every account that a sandbox opens, by exchange, the master's first."""
    accounts: dict[str, list[AccountDescription]] = defaultdict(list, {MASTER_EXCHANGE: [master]})
    for player in cast:
        owner = player.owner_account
        accounts[player.settings.exchange] += [player.account] if owner is None else [owner, player.account]
    return {exchange: tuple(found) for exchange, found in accounts.items()}


def _describe(exchange: str, name: str, equity: Decimal, *, hedge: bool = False) -> AccountDescription:
    return KINDS[exchange].describe(name, equity, seed=SEED, hedge=hedge)


def _mirror(multiplier: str) -> Sizing:
    return Sizing(mode=SizingMode.MIRROR, multiplier=Decimal(multiplier))


def _fixed_margin(margin_pct: str) -> Sizing:
    return Sizing(mode=SizingMode.FIXED_MARGIN, margin_pct=Decimal(margin_pct))


def _fixed_ratio(ratio: str) -> Sizing:
    return Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal(ratio))


def _player(
    name: str,
    exchange: str,
    equity: str,
    sizing: Sizing,
    *,
    hedge: bool = False,
    owner: str = "",
    max_leverage: str | None = None,
) -> Player:
    settings = FollowerSettings(
        name=name,
        exchange=exchange,
        sizing=sizing,
        limits=Limits(max_leverage=None if max_leverage is None else Decimal(max_leverage)),
        join=Join.NOW,
    )
    player = Player(settings=settings, equity=Decimal(equity), hedge=hedge, owner=owner)
    return attrs.evolve(player, settings=attrs.evolve(settings, account=player.credentials.account))
