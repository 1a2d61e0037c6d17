"""Writes one log line for each event of the bus (R19), and remembers each follower's last words."""

import logging
from collections.abc import Mapping

import attrs
import structlog
import trio

from actors.bus import Bus, Gap, Published, as_json
from actors.events import (
    AlertChannelChanged,
    AlertTold,
    CopyFinished,
    DriftFound,
    FlattenMoved,
    FollowerBarred,
    FollowerRemoved,
    FollowerStateChanged,
    ForeignPositionSeen,
    FrameUnreadable,
    HandSeen,
    KeyAccepted,
    KeyRefused,
    LedgerStateChanged,
    MasterChangeSeen,
    MasterStreamChanged,
    OrderMoved,
    RiskLimitBreached,
    TroubleMet,
)
from model.change import Change
from model.copy import CopyState
from model.severity import Severity
from supervision.events import AccountQuarantined, ActorCrashed, ActorHung, SupervisorExhausted

CAPACITY = 10_000
FRAME_CHARACTERS_MAX = 2_000
REPEAT_S = 300.0
REPEATS_MAX = 5_000

log = structlog.get_logger("copytrader")

_LEVELS: Mapping[type, int] = {
    OrderMoved: logging.DEBUG,
    ForeignPositionSeen: logging.WARNING,
    FrameUnreadable: logging.WARNING,
    HandSeen: logging.WARNING,
    RiskLimitBreached: logging.CRITICAL,
    TroubleMet: logging.WARNING,
    ActorHung: logging.ERROR,
    AccountQuarantined: logging.CRITICAL,
    FollowerBarred: logging.CRITICAL,
    KeyRefused: logging.CRITICAL,
    SupervisorExhausted: logging.CRITICAL,
}
_NEVER_REPEATS = (AlertTold, CopyFinished, DriftFound, OrderMoved, MasterChangeSeen)
_WHO = ("name", "follower", "account", "where")
_WHAT = ("error", "detail", "what", "state", "live", "warnings")
_OWN = frozenset({"event", "level", "logger", "ts", "instance"})


@attrs.define
class LastWords:
    """What was last heard of the master's stream and of each follower, for `status`."""

    master_live: bool = False
    master: str = ""
    followers: dict[str, str] = attrs.field(factory=dict)

    def take(self, event: object) -> None:
        """Remember an event that tells how somebody is."""
        match event:
            case MasterStreamChanged(live=live, detail=detail):
                self.master_live, self.master = live, detail
            case FollowerStateChanged(follower=name, detail=detail):
                self.followers[name] = detail
            case FlattenMoved(follower=name, state=state, left=left, detail=detail):
                waits = f"cannot close {', '.join(left) or 'yet'}: {detail or 'tried on'}"
                self.followers[name] = waits if state == "waiting" else ""


class EventLog:
    """Turns events into lines. What repeats itself is told again after five minutes, with a count."""

    def __init__(self) -> None:
        self._told: dict[tuple[object, ...], tuple[float, int]] = {}

    def write(self, item: Published) -> None:
        """Write an event's line: the topic, and the event's own fields."""
        fields = _fields(item.event)
        level = level_of(item.event)
        repeats = 0
        if level <= logging.WARNING and not isinstance(item.event, _NEVER_REPEATS):
            level, repeats = self._weigh((item.topic, *_key(fields)), level)
        if repeats:
            fields["repeats"] = repeats
        log.log(level, item.topic, seq=item.seq, **fields)

    def _weigh(self, key: tuple[object, ...], level: int) -> tuple[int, int]:
        """Return the level of one more event like this, and how many were only told at DEBUG."""
        now = trio.current_time()
        told_at, count = self._told.get(key, (-REPEAT_S, 0))
        if now - told_at < REPEAT_S:
            self._told[key] = (told_at, count + 1)
            return logging.DEBUG, 0
        if len(self._told) >= REPEATS_MAX:
            self._told.clear()
        self._told[key] = (now, 0)
        return level, count


async def log_events(bus: Bus, words: LastWords) -> None:
    """Read the bus until cancelled; a reader that falls behind says how many events it missed."""
    lines = EventLog()
    with bus.subscribe(capacity=CAPACITY) as subscription:
        async for item in subscription:
            if isinstance(item, Gap):
                log.warning("events.dropped", count=item.count)
            else:
                words.take(item.event)
                _write(lines, item)


def _write(lines: EventLog, item: Published) -> None:
    try:
        lines.write(item)
    except Exception:  # an event that cannot be told must not end what tells the others
        log.exception("event.unreadable", topic=item.topic, seq=item.seq)


def level_of(event: object) -> int:
    """Return how loud an event is; what an operator has to act on is critical."""
    match event:
        case CopyFinished(state=CopyState.FAILED):
            return logging.ERROR
        case DriftFound(severity=severity):
            return logging.CRITICAL if severity is Severity.CRITICAL else logging.WARNING
        case AlertTold(severity="critical", kind="fired"):
            return logging.CRITICAL
        case AlertChannelChanged(delivers=False) | LedgerStateChanged(reachable=False):
            return logging.ERROR
        case MasterStreamChanged(live=False) | FollowerStateChanged(state="stream_lost" | "snapshot_failed"):
            return logging.WARNING
        case FlattenMoved(state="waiting") | FollowerRemoved(left=True):
            return logging.WARNING
        case KeyAccepted(warnings=warnings):
            return logging.WARNING if warnings else logging.DEBUG
        case ActorCrashed(expected=expected):
            return logging.WARNING if expected else logging.ERROR
    return _LEVELS.get(type(event), logging.INFO)


def _key(fields: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(str(fields.get(name)) for name in (*_WHO, *_WHAT))


def _fields(event: object) -> dict[str, object]:
    plain = as_json(event)
    fields = dict(plain) if isinstance(plain, dict) else {"what": plain}
    if isinstance(fields.get("frame"), str):
        fields["frame"] = str(fields["frame"])[:FRAME_CHARACTERS_MAX]
    change = getattr(event, "change", None)
    if isinstance(change, Change):
        fields = {"change_id": change.change_id, **fields, "change": _short(change)}
    return {f"its_{name}" if name in _OWN else name: value for name, value in fields.items()}


def _short(change: Change) -> dict[str, object]:
    return {
        "leg": str(change.leg),
        "class": change.change_class.value,
        "before": as_json(change.size_before),
        "after": as_json(change.size_after),
        "price": as_json(change.fill_price),
        "initial_margin": as_json(change.initial_margin),
        "from_snapshot": change.from_snapshot,
        "caught_up": change.caught_up,
    }
