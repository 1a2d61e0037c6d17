"""Everything that crosses an inbox: facts in the past tense, commands in the imperative."""

from collections.abc import Hashable, Mapping
from decimal import Decimal
from itertools import count
from typing import ClassVar

import attrs

from model.account import AccountSnapshot, Execution, PositionReport, WalletReport
from model.alerts.alert import Alert
from model.alerts.message import ChannelStatus
from model.audit import AuditLeg
from model.change import Change
from model.finding import Finding
from model.key_standing import KeyState
from model.leg import ChangeClass, Leg, classify
from model.order import OrderReport
from model.reasons import Reason
from model.repair import RepairPlan
from model.settings import FollowerMode, FollowerSettings, Repair

REDUCTION_PRIORITY = 3
OPENING_PRIORITY = 5
NEWS_PRIORITY = 1
AUDIT_PRIORITY = 8
"""An audit waits for whatever trades."""


@attrs.frozen(kw_only=True)
class MasterChanged:
    """A master leg moved and its margin is confirmed. Pairing tells each follower.

    A later one for the same leg absorbs one that still waits (R2).
    """

    change: Change
    others: tuple[Change, ...]
    """The last change of the symbol's other legs: a one-way follower holds the net of all."""
    received_at: float
    """Trio time at which the master's frame was read: openings expire by it (R13)."""
    superseded: tuple[Change, ...] = ()
    told: int = attrs.field(factory=count().__next__, eq=False)
    """Of two messages the one with the larger number knows more: both may have waited in an inbox."""
    repair: RepairPlan | None = None
    """The copy mends one leg of its follower (R15); Pairing tells no such thing."""

    @property
    def conflation_key(self) -> Hashable:
        """Same leg, same key."""
        return ("master", self.change.leg)

    @property
    def change_class(self) -> ChangeClass:
        """The class of the whole move since the oldest absorbed change."""
        first = self.superseded[0] if self.superseded else self.change
        return classify(first.size_before, self.change.size_after)

    @property
    def priority(self) -> int:
        """Reductions are taken before openings (R2, R13)."""
        return REDUCTION_PRIORITY if self.change_class.reduces else OPENING_PRIORITY

    def absorb(self, older: object) -> "MasterChanged":
        """Return this message, carrying what it replaces so that it is recorded (R2)."""
        if not isinstance(older, MasterChanged):
            return self
        replaced = () if older.change.change_id == self.change.change_id else (older.change,)
        return attrs.evolve(self, superseded=(*older.superseded, *replaced, *self.superseded))


@attrs.frozen(kw_only=True)
class ExecutionsReported:
    """Fills of the master, from one frame."""

    executions: tuple[Execution, ...]
    received_at: float
    received_at_ms: int
    priority: ClassVar[int] = NEWS_PRIORITY


@attrs.frozen(kw_only=True)
class PositionsReported:
    """Position rows of one frame, of the master or of a follower."""

    positions: tuple[PositionReport, ...]
    received_at: float
    received_at_ms: int
    priority: ClassVar[int] = NEWS_PRIORITY


@attrs.frozen
class OrderReported:
    """What a private stream said of an order."""

    report: OrderReport
    priority: ClassVar[int] = NEWS_PRIORITY


@attrs.frozen
class WalletReported:
    """Balances from a private stream."""

    report: WalletReport
    priority: ClassVar[int] = NEWS_PRIORITY


@attrs.frozen(kw_only=True)
class MasterRead:
    """A REST snapshot of the master, taken after subscribing (R14)."""

    snapshot: AccountSnapshot
    reconnected: bool
    """False for the periodic one."""
    received_at: float
    received_at_ms: int
    priority: ClassVar[int] = NEWS_PRIORITY


@attrs.frozen(kw_only=True)
class SymbolRead:
    """Every leg of one master symbol, by REST, as Pairing asked."""

    symbol: str
    positions: tuple[PositionReport, ...]
    received_at: float
    received_at_ms: int
    priority: ClassVar[int] = NEWS_PRIORITY


@attrs.frozen
class ReadSymbols:
    """Read these symbols of the master by REST and tell Pairing."""

    symbols: frozenset[str]


@attrs.frozen
class MasterLost:
    """The master's stream ended; what was parked is dropped, a snapshot will tell."""

    error: str
    priority: ClassVar[int] = NEWS_PRIORITY


@attrs.frozen
class PairingDue:
    """A wait of Pairing ran out."""


@attrs.frozen
class FollowerReady:
    """A follower knows its own state again and wants to hear every master leg (R14)."""

    name: str


@attrs.frozen
class StreamUp:
    """A follower's private stream is subscribed."""

    priority: ClassVar[int] = NEWS_PRIORITY


@attrs.frozen
class StreamHeard:
    """A follower's private stream spoke without news."""

    priority: ClassVar[int] = NEWS_PRIORITY
    conflation_key: ClassVar[Hashable] = "stream heard"


@attrs.frozen
class StreamDown:
    """A follower's private stream ended."""

    error: str
    priority: ClassVar[int] = NEWS_PRIORITY


@attrs.frozen
class WatchMarks:
    """Keep the marks of these symbols fresh."""

    symbols: frozenset[str]


@attrs.frozen
class SetMode:
    """Pause, resume or restrict a follower."""

    mode: FollowerMode
    priority: ClassVar[int] = 0


@attrs.frozen
class ChangeSettings:
    """New settings of a follower; they take effect with the next copy."""

    settings: FollowerSettings
    resumes: bool = False
    """An operator says that a follower which a broken limit had stopped goes on."""
    unkept: bool = False
    """The ledger was away: it does not know the mode."""
    priority: ClassVar[int] = 0


@attrs.frozen
class Describe:
    """Ask an actor for its part of `status`."""

    priority: ClassVar[int] = 2


@attrs.frozen(kw_only=True)
class MasterLeg:
    """One leg of the master, flat or not, as an audit compares with it."""

    message: MasterChanged
    """As a follower that came back would be told of it now."""
    changed_at: float
    """Trio time of its last change, or of Pairing's start."""


@attrs.frozen(kw_only=True)
class MasterLegs:
    """Every leg of the master that Pairing remembers."""

    reconciled: bool
    legs: tuple[MasterLeg, ...]


@attrs.frozen
class DescribeLegs:
    """Ask Pairing for MasterLegs."""

    priority: ClassVar[int] = AUDIT_PRIORITY


@attrs.frozen
class LookAtLegs:
    """Ask a follower what it holds beside the master's legs; answered with FollowerLegs (R15)."""

    master: Mapping[str, tuple[MasterLeg, ...]]
    """By the master's symbol; shared by all followers of a pass."""
    open_symbols: tuple[str, ...]
    """Those of which the master holds something."""
    priority: ClassVar[int] = AUDIT_PRIORITY


@attrs.frozen(kw_only=True)
class FollowerLegs:
    """What a follower holds beside the master's legs. Times are trio's."""

    exchange: str
    state: str
    repair: Repair
    legs: tuple[AuditLeg, ...]
    heard_at: float | None
    """When its private stream last spoke; None while that is down."""
    read_at: float | None
    """When the account was last read by REST; None: not yet."""


@attrs.frozen
class ReadAccount:
    """Read the account by REST soon, ahead of its time (R21)."""

    conflation_key: ClassVar[Hashable] = "read account"
    priority: ClassVar[int] = AUDIT_PRIORITY


@attrs.frozen(kw_only=True)
class Mend:
    """Bring one leg to where the master is, by an ordinary copy; answered with MendAnswer (R15)."""

    message: MasterChanged
    """The master's leg as the audit saw it."""
    plan: RepairPlan
    asked_at_ms: int
    preview: bool = False
    """Only say what would be sent."""
    priority: ClassVar[int] = AUDIT_PRIORITY


@attrs.frozen(kw_only=True)
class MendAnswer:
    """What a follower does, or would do, about a repair."""

    orders: tuple[str, ...] = ()
    """In words; the first of them has still to be confirmed before what follows from it is decided."""
    why_not: str = ""
    """Why nothing is sent."""
    started: bool = False


@attrs.frozen(kw_only=True)
class AdoptPosition:
    """Let a position that the engine did not open count as ours; answered with AdoptAnswer (R14)."""

    symbol: str
    """The follower's spelling or the master's."""
    position_idx: int | None = None
    """None: the one that is held."""
    at_once: bool = False
    """Bring it to its target now; else it follows from the master's next change on."""
    priority: ClassVar[int] = 0


@attrs.frozen(kw_only=True)
class AdoptAnswer:
    """What came of an adoption."""

    leg: Leg | None = None
    size: Decimal | None = None
    was_ours: bool = False
    """It was ours before: nothing was done."""
    orders: tuple[str, ...] = ()
    """In words: what brings it to its target now."""
    why_no_orders: str = ""
    """Why it is not brought to its target now, where that was asked for."""
    why_not: str = ""
    """Why it is not adopted."""


@attrs.frozen
class RunAudit:
    """Begin a pass over everybody; answered with the number of the pass to wait for."""

    priority: ClassVar[int] = 2


@attrs.frozen
class DescribeAudit:
    """Ask the auditor for an AuditReport.

    ``preview`` asks every follower concerned what a repair would send.
    """

    preview: bool = False
    priority: ClassVar[int] = 2


@attrs.frozen(kw_only=True)
class FindingSeen:
    """One finding as it stands, in its grace or told."""

    follower: str
    exchange: str
    finding: Finding
    repair: Repair
    told_at_ms: int | None
    """None: its grace is not over."""
    due_in_s: float | None
    """Until its grace is over."""
    plan: MendAnswer | None = None
    """Only where a preview was asked for."""


@attrs.frozen(kw_only=True)
class AuditReport:
    """The last pass over everybody, and what is wrong as known now."""

    number: int
    """Of the last pass that ended; 0 before the first one."""
    ended_at_ms: int | None
    audited: int
    truths: int
    """How many accounts it read by REST."""
    unheard: Mapping[str, str]
    """Who was not audited, and why."""
    findings: tuple[FindingSeen, ...]


@attrs.frozen
class CheckKey:
    """Check the follower's key as soon as it is its turn; the answer is how many checks were made by then."""

    priority: ClassVar[int] = 0


@attrs.frozen
class Drain:
    """Take no more changes; what is in hand is finished."""

    priority: ClassVar[int] = 0


@attrs.frozen
class GoOn:
    """Take changes again: nobody is stopped after all."""

    priority: ClassVar[int] = 0


@attrs.frozen
class CrashNow:
    """Die, as an unexpected error would make you: the demo and drills use it."""

    why: str
    priority: ClassVar[int] = 0


class AskedToCrash(Exception):
    """Raised by an actor that was told CrashNow."""


@attrs.frozen(kw_only=True)
class LegStatus:
    """One leg of a follower as `status` shows it; sizes as text."""

    symbol: str
    position_idx: int
    target: str
    position: str
    drift: str
    owned: bool
    skipped: Reason | None = None
    notional: str | None = None
    """At the last mark, quote asset; None while there is none."""


@attrs.frozen(kw_only=True)
class KeyStatus:
    """A key as `status` shows it; sentences say what is so and what to change."""

    state: KeyState
    checked_at_ms: int | None
    """When there was last a verdict, Unix milliseconds."""
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    trouble: str = ""
    """Why it could not be checked just now."""
    checks: int = 0
    """How often it was asked about in this life, in vain or not."""


@attrs.frozen(kw_only=True)
class FollowerStatus:
    """A follower's part of `status`."""

    name: str
    exchange: str
    state: str
    equity: str | None
    legs: tuple[LegStatus, ...]
    unknown_orders: int
    busy_symbols: tuple[str, ...]
    key: KeyStatus
    fresh: bool = True
    """Positions and equity are known as they are now (R21)."""
    dry_run: bool = False
    heard_age_s: float | None = None
    """Since its private stream last spoke; None: not yet."""
    exposure_worst_case: str | None = None
    """USDT: what is held at the mark, and every opening without a known outcome as if it had filled.

    None while a mark is missing.
    """


@attrs.frozen(kw_only=True)
class MasterStatus:
    """The master's part of `status`."""

    reconciled: bool
    equity: str | None
    legs: tuple[Change, ...]
    heard_age_s: float | None = None
    """Since the newest fill, position row or snapshot; None: not yet."""


@attrs.frozen(kw_only=True)
class AcknowledgeAlerts:
    """Take care of alerts: of these ids, or of all that fire when there are none. Answered with them."""

    alert_ids: tuple[str, ...] = ()
    by: str
    priority: ClassVar[int] = 0


@attrs.frozen(kw_only=True)
class NotifierStatus:
    """The notifier's part of `status` and `alerts.list`."""

    firing: tuple[Alert, ...]
    """The loudest first."""
    channels: tuple[ChannelStatus, ...]
    lost: int
    """Alerts and messages that were not kept, and events that were not looked at."""
    ledger_trouble: str
    """Why the queue is in memory only; "" when it is not."""
