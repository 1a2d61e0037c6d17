"""Writes one log line for each event of the bus (R19), and remembers each follower's last words."""

import logging
from collections.abc import Mapping

import attrs
import structlog

from actors.bus import Bus, Gap, Published, as_json
from actors.events import (
    CopyFinished,
    FollowerStateChanged,
    ForeignPositionSeen,
    FrameUnreadable,
    MasterChangeSeen,
    MasterStreamChanged,
    OrderMoved,
    TroubleMet,
)
from model.change import Change
from model.copy import CopyState

CAPACITY = 10_000
FRAME_CHARACTERS_MAX = 2_000

log = structlog.get_logger("copytrader")

_LEVELS: Mapping[type, int] = {
    MasterChangeSeen: logging.INFO,
    OrderMoved: logging.DEBUG,
    ForeignPositionSeen: logging.WARNING,
    FrameUnreadable: logging.WARNING,
    TroubleMet: logging.WARNING,
}
_BAD_ENDINGS = ("exhausted", "quarantined", "escalated")
_BAD_NEWS = ("crashed", "hung", "failed", "lost")


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


async def log_events(bus: Bus, words: LastWords) -> None:
    """Read the bus until cancelled; a reader that falls behind says how many events it missed."""
    with bus.subscribe(capacity=CAPACITY) as subscription:
        async for item in subscription:
            if isinstance(item, Gap):
                log.warning("events.dropped", count=item.count)
            else:
                words.take(item.event)
                log_event(item)


def log_event(item: Published) -> None:
    """Write an event's line: the topic, and the event's own fields."""
    fields = _fields(item.event)
    log.log(level_of(item), item.topic, seq=item.seq, **fields)


def level_of(item: Published) -> int:
    """Return how loud an event is; what an operator has to act on is critical."""
    event = item.event
    match event:
        case CopyFinished(state=CopyState.FAILED):
            return logging.ERROR
        case MasterStreamChanged(live=False) | FollowerStateChanged(state="stream_lost" | "snapshot_failed"):
            return logging.WARNING
    known = _LEVELS.get(type(event))
    if known is not None:
        return known
    last = item.topic.rpartition(".")[2]
    if last.startswith(_BAD_ENDINGS):
        return logging.CRITICAL
    return logging.ERROR if last.startswith(_BAD_NEWS) else logging.INFO


def _fields(event: object) -> dict[str, object]:
    plain = as_json(event)
    fields = dict(plain) if isinstance(plain, dict) else {"what": plain}
    if isinstance(fields.get("frame"), str):
        fields["frame"] = str(fields["frame"])[:FRAME_CHARACTERS_MAX]
    change = getattr(event, "change", None)
    if isinstance(change, Change):
        fields["change"] = _short(change)
    # `event` and `level` are the line's own
    return {
        f"its_{key}" if key in ("event", "level", "logger", "ts") else key: v for key, v in fields.items()
    }


def _short(change: Change) -> dict[str, object]:
    return {
        "change_id": change.change_id,
        "leg": str(change.leg),
        "class": change.change_class.value,
        "before": as_json(change.size_before),
        "after": as_json(change.size_after),
        "price": as_json(change.fill_price),
        "initial_margin": as_json(change.initial_margin),
        "from_snapshot": change.from_snapshot,
        "caught_up": change.caught_up,
    }
