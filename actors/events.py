"""What happens, said once, as frozen classes for the bus (R19)."""

from typing import ClassVar

import attrs

from model.change import Change
from model.copy import CopyState
from model.finding import Cause, FindingKind
from model.order import OrderState
from model.reasons import Reason
from model.severity import Severity


@attrs.frozen(kw_only=True)
class MasterChangeSeen:
    """Pairing confirmed a change of the master and told every follower."""

    topic: ClassVar[str] = "master.changed"
    change: Change
    waited_ms: int
    """From receiving the first frame of it to its confirmation."""


@attrs.frozen(kw_only=True)
class MasterStreamChanged:
    """The master's stream went live or was lost."""

    topic: ClassVar[str] = "master.stream"
    live: bool
    detail: str = ""


@attrs.frozen(kw_only=True)
class CopyFinished:
    """A copy has its outcome. Times in wall-clock ms; None where the step was not reached."""

    topic: ClassVar[str] = "copy.finished"
    copy_id: str
    change_id: str
    follower: str
    exchange: str
    symbol: str
    state: CopyState
    reason: Reason | None
    orders: int
    caught_up: bool
    """Found by catch-up: its times tell how long somebody was away."""
    received_to_sent_ms: float | None
    received_to_acknowledged_ms: float | None
    received_to_filled_ms: float | None
    received_to_claimed_ms: float | None = None
    received_to_decided_ms: float | None = None


@attrs.frozen(kw_only=True)
class OrderMoved:
    """An order of ours changed its state."""

    topic: ClassVar[str] = "order.moved"
    copy_id: str
    client_order_id: str
    follower: str
    symbol: str
    state: OrderState
    detail: str = ""


@attrs.frozen(kw_only=True)
class FollowerStateChanged:
    """A follower became ready, lost its stream, has it again, or was paused."""

    topic: ClassVar[str] = "follower.state"
    follower: str
    state: str
    detail: str = ""


@attrs.frozen(kw_only=True)
class FollowerBarred:
    """A follower is not started: its venue's code cannot make an account of its keys. Needs an operator."""

    topic: ClassVar[str] = "follower.barred"
    follower: str
    why: str


@attrs.frozen(kw_only=True)
class KeyAccepted:
    """A key was checked and may be used; ``warnings`` are to be heeded all the same (section 4)."""

    topic: ClassVar[str] = "key.accepted"
    account: str
    """A follower's name, or "master"."""
    warnings: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class KeyRefused:
    """A key must not be used: it may do too much, or too little. Needs an operator (section 4)."""

    topic: ClassVar[str] = "key.refused"
    account: str
    """A follower's name, or "master"."""
    why: tuple[str, ...]
    may_reduce: bool
    """It was accepted before: what was opened with it is still closed with it."""


@attrs.frozen(kw_only=True)
class ForeignPositionSeen:
    """A follower holds something that the engine did not open (R14)."""

    topic: ClassVar[str] = "follower.foreign"
    follower: str
    symbol: str
    position_idx: int
    size: str


@attrs.frozen(kw_only=True)
class RiskLimitBreached:
    """A follower lost more than it may: it only closes until an operator resumes it. Needs an operator.

    Told once; money in quote asset, as text.
    """

    topic: ClassVar[str] = "follower.limit"
    follower: str
    limit: str
    """`daily_loss`, `max_drawdown` or `min_equity`, as in the followers file."""
    allowed: str
    """What the follower's settings say of it."""
    equity: str
    measured_from: str
    """Equity when the UTC day began, or at its highest; for `min_equity` the floor itself."""


@attrs.frozen(kw_only=True)
class FlattenMoved:
    """A follower closes all that is ours, for an operator."""

    topic: ClassVar[str] = "follower.flatten"
    follower: str
    state: str
    """`started`; `waiting` while something is in its way, told again every minute; `done`; `given_up`
    when the operator set another mode meanwhile."""
    left: tuple[str, ...] = ()
    """What has still to be closed: symbol, leg and size."""
    detail: str = ""


@attrs.frozen(kw_only=True)
class PositionAdopted:
    """A position that the engine did not open counts as ours from now on, for an operator (R14)."""

    topic: ClassVar[str] = "follower.adopted"
    follower: str
    symbol: str
    position_idx: int
    size: str
    at_once: bool
    """Brought to its target now; else from the master's next change on."""


@attrs.frozen(kw_only=True)
class FollowerRemoved:
    """A follower was forgotten, for an operator."""

    topic: ClassVar[str] = "follower.removed"
    follower: str
    left: bool
    """Perhaps with positions: nobody looks after them any more."""


@attrs.frozen(kw_only=True)
class HandSeen:
    """A position is not where our own orders took it: somebody else traded there at the same moment.

    What they did counts as ours until the leg is flat; an operator should look at it.
    """

    topic: ClassVar[str] = "follower.hand"
    follower: str
    symbol: str
    position_idx: int
    expected: str
    size: str


@attrs.frozen(kw_only=True)
class FrameUnreadable:
    """A frame of a venue could not be read; it is kept here, redacted by the readers (section 9)."""

    topic: ClassVar[str] = "frame.unreadable"
    account: str
    error: str
    frame: str


@attrs.frozen(kw_only=True)
class TroubleMet:
    """Expected trouble that went on long enough to be told: retries, unknown orders, a slow pool."""

    topic: ClassVar[str] = "trouble.met"
    where: str
    what: str


@attrs.frozen(kw_only=True)
class DriftFound:
    """A leg of a follower is not where it should be, and has not been for the grace period (R15)."""

    topic: ClassVar[str] = "audit.drift"
    follower: str
    exchange: str
    symbol: str
    """The follower's spelling."""
    position_idx: int
    kind: FindingKind
    cause: Cause
    severity: Severity
    expected: str | None
    """Base asset, signed; for a leverage the ratio. None: something, no copy of ours says how much."""
    actual: str
    deviation_pct: str
    """|actual - expected| / |expected| in percent; 100 where nothing is expected."""
    reason: Reason | None
    """Why the last copy of ours left the leg so."""
    again: bool
    """It was told before, and has moved since."""
    repaired: bool
    """The follower's repair policy lets the auditor mend it, and it is being tried."""


@attrs.frozen(kw_only=True)
class AuditFinished:
    """The auditor has been through everybody (R15)."""

    topic: ClassVar[str] = "audit.finished"
    number: int
    audited: int
    unheard: tuple[str, ...]
    """Who could not be audited: starting, out of service, silent."""
    findings: int
    """What is wrong now, in its grace or told."""
    truths: int
    """How many accounts were read by REST for it."""
    took_s: float


@attrs.frozen(kw_only=True)
class DriftResolved:
    """A leg that DriftFound told of is where it should be again."""

    topic: ClassVar[str] = "audit.resolved"
    follower: str
    exchange: str
    symbol: str
    position_idx: int
    kind: FindingKind
    """As it was last told."""
    severity: Severity = Severity.INFO
    gone: bool = False
    """The follower is no longer copied for: nobody looks any more."""


@attrs.frozen(kw_only=True)
class LedgerStateChanged:
    """The ledger went away, or is back (R18)."""

    topic: ClassVar[str] = "ledger.state"
    reachable: bool
    detail: str = ""


@attrs.frozen(kw_only=True)
class AlertTold:
    """Something is told to people: an alert began, goes on, is over, or goes out by SMS (R16)."""

    topic: ClassVar[str] = "alert.told"
    alert_id: str
    kind: str
    severity: str
    title: str
    detail: str


@attrs.frozen(kw_only=True)
class AlertAcknowledged:
    """Somebody takes care of an alert: it is not repeated, and no SMS of it leaves."""

    topic: ClassVar[str] = "alert.acknowledged"
    alert_id: str
    title: str
    by: str


@attrs.frozen(kw_only=True)
class AlertChannelChanged:
    """A channel of alerts stopped delivering, or delivers again."""

    topic: ClassVar[str] = "alert.channel"
    channel: str
    delivers: bool
    detail: str = ""
