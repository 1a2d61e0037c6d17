"""Who plays in the demo: a master, and followers that differ in everything that sizing depends on."""

from decimal import Decimal

import attrs

from exchanges.sandbox import AccountDescription, describe_account
from model.settings import FollowerSettings, Join, Limits, Sizing, SizingMode

MASTER = "master"
MASTER_EQUITY = Decimal(50_000)
SEED = 7


@attrs.frozen(kw_only=True)
class Player:
    """One follower account of the demo, and how it copies."""

    settings: FollowerSettings
    equity: Decimal
    hedge: bool = False

    @property
    def account(self) -> AccountDescription:
        """The account that the sandbox opens for it."""
        return describe_account(self.settings.name, self.equity, seed=SEED, hedge=self.hedge)


def master_account(equity: Decimal = MASTER_EQUITY) -> AccountDescription:
    """Return the account that is watched; its key may only read."""
    return describe_account(MASTER, equity, seed=SEED, read_only=True)


def players() -> tuple[Player, ...]:
    """Return the followers: each sizing mode, both position modes, from 900 to 40,000 USDT."""
    return (
        _player("alice", "25000", _mirror("1")),
        _player("bob", "8000", _mirror("2"), hedge=True),
        _player("carol", "3000", _mirror("0.5")),
        _player("dave", "12000", _fixed_margin("0.10"), hedge=True, max_leverage="5"),
        _player("erin", "40000", Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal("0.5"))),
        _player("frank", "900", _mirror("1")),
        _player("grace", "15000", _fixed_margin("0.05"), max_leverage="20"),
    )


def _mirror(multiplier: str) -> Sizing:
    return Sizing(mode=SizingMode.MIRROR, multiplier=Decimal(multiplier))


def _fixed_margin(margin_pct: str) -> Sizing:
    return Sizing(mode=SizingMode.FIXED_MARGIN, margin_pct=Decimal(margin_pct))


def _player(
    name: str, equity: str, sizing: Sizing, *, hedge: bool = False, max_leverage: str | None = None
) -> Player:
    limits = Limits(max_leverage=None if max_leverage is None else Decimal(max_leverage))
    settings = FollowerSettings(name=name, exchange="bybit", sizing=sizing, limits=limits, join=Join.NOW)
    return Player(settings=settings, equity=Decimal(equity), hedge=hedge)
