"""What an operator decides about one follower (design section 4); no secrets here."""

from decimal import Decimal
from enum import Enum

import attrs

from model.amounts import ONE


class SizingMode(Enum):
    """How a target follows from the master's size (R6)."""

    MIRROR = "mirror"
    FIXED_MARGIN = "fixed_margin"
    FIXED_RATIO = "fixed_ratio"


@attrs.frozen(kw_only=True)
class Sizing:
    """The sizing mode and its one number."""

    mode: SizingMode = SizingMode.MIRROR
    multiplier: Decimal = ONE
    """mirror: times the master's own share."""
    margin_pct: Decimal | None = None
    """fixed_margin: share of the follower's equity, a fraction."""
    ratio: Decimal | None = None
    """fixed_ratio: times the master's size."""


@attrs.frozen(kw_only=True)
class Limits:
    """What a follower may not exceed (R9). None is no limit of ours. Money in quote asset."""

    max_leverage: Decimal | None = None
    max_slippage: Decimal = Decimal("0.01")
    max_basis: Decimal | None = None
    max_notional_per_symbol: Decimal | None = None
    max_notional: Decimal | None = None
    max_positions: int | None = None
    daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None
    min_equity: Decimal | None = None
    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()


class Join(Enum):
    """Which episodes a new follower takes part in (R14)."""

    NEXT = "next"
    NOW = "now"


class Repair(Enum):
    """What the auditor may mend (R15)."""

    ALERT = "alert"
    CLOSE_ONLY = "close_only"
    FULL = "full"


class FollowerMode(Enum):
    """What the operator lets a follower do."""

    ACTIVE = "active"
    PAUSED = "paused"
    CLOSE_ONLY = "close_only"
    FLATTENING = "flattening"
    """All that is ours is being closed, nothing else is done; PAUSED follows when it is flat."""

    @property
    def takes_changes(self) -> bool:
        """Tell whether changes of the master are answered at all; else they wait."""
        return self in (FollowerMode.ACTIVE, FollowerMode.CLOSE_ONLY)


OPERATOR_MODES = (FollowerMode.ACTIVE, FollowerMode.PAUSED, FollowerMode.CLOSE_ONLY)
"""What a followers file may begin with; the others are steps of the engine's own."""


@attrs.frozen(kw_only=True)
class FollowerSettings:
    """One follower account and how it copies."""

    name: str
    exchange: str
    sizing: Sizing = Sizing()
    limits: Limits = Limits()
    join: Join = Join.NEXT
    repair: Repair = Repair.CLOSE_ONLY
    mode: FollowerMode = FollowerMode.ACTIVE
    round_up_to_minimum: bool = False
    """An opening below the venue's minimum is rounded up instead of skipped (R10)."""
    joined_at_ms: int = 0
    dry_run: bool = False
    """Everything is done but the sending."""
    account: str = ""
    """Hyperliquid: the master or sub-account address."""
