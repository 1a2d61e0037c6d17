"""One follower's answer to one change, as the ledger keeps it and `explain` shows it (R7, R17)."""

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum

import attrs

from model.change import Change
from model.leg import Leg, Side
from model.order import OrderState
from model.reasons import Reason


class CopyState(Enum):
    """How a copy stands; every copy ends in one of the last four (R17)."""

    CLAIMED = "claimed"
    APPLIED = "applied"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    """Something was tried and the follower is not where it should be; the reason says why."""

    @property
    def is_final(self) -> bool:
        """Tell whether the copy has its outcome."""
        return self is not CopyState.CLAIMED


class ClaimAnswer(Enum):
    """What the ledger says to a follower that claims a change (R7 step 1, R12)."""

    NEW = "new"
    DUPLICATE = "duplicate"
    STALE = "stale"


@attrs.frozen(kw_only=True)
class Claim:
    """A follower's wish to answer a change; unique by (follower, change)."""

    copy_id: str
    follower: str
    change: Change
    client_order_id: str
    """Of part 0, attempt 0: durable before anything is sent (R12)."""
    superseded: tuple[Change, ...] = ()
    """Older changes of the leg that waited and were replaced by this one (R2)."""
    claimed_at_ms: int


@attrs.frozen(kw_only=True)
class OrderRecord:
    """One order of a copy. ``part`` counts the orders of a copy, ``attempt`` its tries."""

    client_order_id: str
    copy_id: str
    part: int
    attempt: int
    leg: Leg
    side: Side
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool
    state: OrderState
    filled: Decimal = Decimal(0)
    average_price: Decimal | None = None
    order_id: str = ""
    detail: str = ""
    """The venue's words where it refused; what was lost where it was lost."""
    sent_at_ms: int | None = None
    settled_at_ms: int | None = None


@attrs.frozen(kw_only=True)
class Holding:
    """What the engine knows of one leg of one follower, across restarts (R14, R15)."""

    follower: str
    leg: Leg
    """Of the follower's account."""
    owned: bool
    """The engine opened what is held; false with a position means foreign (R14)."""
    target: Decimal
    """Where the last copy left the leg."""
    master_size: Decimal
    """The master's size at that copy."""
    change_id: str
    skipped: Reason | None = None
    """Why the last copy left the leg where ``target`` says."""
    wanted: Decimal | None = None
    """Where it would have gone, had nothing passing held it back (R15); None: to ``target``."""


@attrs.frozen(kw_only=True)
class CopyOutcome:
    """What came of a copy, with everything that `explain` shows."""

    copy_id: str
    follower: str
    change_id: str
    state: CopyState
    reason: Reason | None
    orders: tuple[OrderRecord, ...] = ()
    holdings: tuple[Holding, ...] = ()
    explain: Mapping[str, object] = attrs.field(factory=dict)
    """JSON-able: numbers of R6 as text, gates, leverage, times in ms."""
    finished_at_ms: int
