"""Which events are alert conditions: a closed table (R16). A test walks every event of the bus."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from actors import events as told
from model.alerts import conditions as on
from model.alerts.alert import Sighting
from model.alerts.conditions import Condition
from model.copy import CopyState
from model.finding import FindingKind
from model.order import OrderState
from model.reasons import Reason
from model.severity import Severity
from supervision import events as watched
from supervision.reason_words import REASON_WORDS
from supervision.redaction import REDACTOR

Rule = Callable[[Any], Iterable[Sighting]]

SILENT_REASONS = frozenset(
    {Reason.NOTHING_TO_DO, Reason.ALREADY_FLAT, Reason.ROUNDED_TO_ZERO, Reason.DUPLICATE, Reason.SUPERSEDED}
    | {Reason.NOT_JOINED, Reason.PAUSED, Reason.CLOSE_ONLY, Reason.ENGINE_STOPPING, Reason.SYMBOL_DENIED}
    | {Reason.SYMBOL_NOT_ALLOWED, Reason.DEFERRED, Reason.DRY_RUN, Reason.REMOVED}
)
"""Of skips that somebody asked for, or that are no loss."""
QUIET_REASONS = frozenset(
    {Reason.BELOW_MIN_QUANTITY, Reason.BELOW_MIN_NOTIONAL, Reason.ABOVE_MAX_QUANTITY, Reason.LEVERAGE_TIER}
    | {Reason.SYMBOL_NOT_LISTED, Reason.SYMBOL_NOT_TRADING, Reason.LIMIT_NOTIONAL, Reason.LIMIT_POSITIONS}
    | {Reason.LIMIT_NOTIONAL_PER_SYMBOL, Reason.MAX_BASIS, Reason.PRICE_MOVED, Reason.FOREIGN_POSITION}
    | {Reason.KEY_REFUSED}
)
"""Of skips that follow from the venue's rules or the follower's own limits."""
LOUD_REASONS = frozenset(
    {Reason.STALE_CHANGE, Reason.EXPIRED, Reason.MARGIN_UNCONFIRMED, Reason.MASTER_EQUITY_UNKNOWN}
    | {Reason.EQUITY_UNKNOWN, Reason.EQUITY_NOT_POSITIVE, Reason.SIZING_INCOMPLETE, Reason.PRICE_UNKNOWN}
    | {Reason.VIEW_NOT_FRESH, Reason.SYMBOL_UNCONFIRMED, Reason.POSITION_MODE_MISMATCH}
    | {Reason.LEVERAGE_FAILED, Reason.MARGIN_INSUFFICIENT, Reason.LIMIT_MIN_EQUITY, Reason.LIMIT_DAILY_LOSS}
    | {Reason.LIMIT_DRAWDOWN, Reason.VENUE_REJECTED, Reason.VENUE_UNREACHABLE, Reason.CLOCK_OFFSET}
    | {Reason.ORDER_UNKNOWN, Reason.ORDER_LOST, Reason.LEDGER_UNREACHABLE, Reason.CRASHED}
    | {Reason.KEY_UNCHECKED, Reason.MASTER_UNHEARD}
)
"""Of skips that say that something is wrong."""


ONLOOKERS = frozenset({"auditor", "notifier"})
"""Actors whose every crash is retried for ever: expected in that sense, and a bug all the same."""

OF_A_FOLLOWER = (
    *(on.FOLLOWER_QUARANTINED, on.FOLLOWER_BARRED, on.FOLLOWER_STREAM_LOST, on.FOLLOWER_UNREADABLE),
    *(on.FOLLOWER_HELD_BACK, on.LIMIT_BREACHED, on.FLATTEN_STUCK, on.KEY_REFUSED, on.KEY_WARNING),
)
"""Conditions whose subject is a follower's name."""


def _yes(condition: Condition, subject: str = "", detail: str = "") -> Sighting:
    return Sighting(condition=condition, subject=REDACTOR.text(subject), detail=REDACTOR.text(detail))


def _no(condition: Condition, subject: str = "") -> Sighting:
    return Sighting(condition=condition, subject=REDACTOR.text(subject), present=False)


def _bare(condition: Condition, subject: str, detail: str) -> Sighting:
    return Sighting(condition=condition, subject=subject, detail=detail)


def _master_stream(event: told.MasterStreamChanged) -> Iterable[Sighting]:
    if not event.live:
        yield _yes(on.MASTER_STREAM_LOST, detail=event.detail)
        return
    yield _no(on.MASTER_STREAM_LOST)
    yield _yes(on.MASTER_UNREADABLE, detail=event.detail) if event.detail else _no(on.MASTER_UNREADABLE)


def _copy_finished(event: told.CopyFinished) -> Iterable[Sighting]:
    """Its words are ours and its ids are hashes, and there are many of these: not redacted."""
    reason = event.reason
    words = "" if reason is None else REASON_WORDS[reason.value]
    detail = f"{event.symbol}: {words or event.state.value} (copy {event.copy_id})"
    if event.state is CopyState.FAILED:
        yield _bare(on.COPY_FAILED, f"{event.follower} {event.symbol}", detail)
    elif event.state is CopyState.SKIPPED and reason is not None:
        if event.caught_up and reason is Reason.PRICE_MOVED:
            yield _bare(on.OPENING_MISSED, f"{event.follower} {event.symbol}", detail)
        elif reason in LOUD_REASONS:
            yield _bare(on.COPY_HELD, f"{event.follower} ({reason.value})", detail)
        elif reason in QUIET_REASONS:
            yield _bare(on.COPY_PASSED_OVER, f"{event.follower} ({reason.value})", detail)


def _order_moved(event: told.OrderMoved) -> Iterable[Sighting]:
    subject = f"order {event.client_order_id} of {event.follower}"
    if event.state is OrderState.UNKNOWN:
        yield _yes(on.ORDER_UNKNOWN, subject, f"{event.symbol}: {event.detail or 'no answer'}")
    elif event.state.is_final or event.state is OrderState.ACCEPTED:
        yield Sighting(condition=on.ORDER_UNKNOWN, subject=subject, present=False)  # nearly every order


def _follower_state(event: told.FollowerStateChanged) -> Iterable[Sighting]:
    name, detail = event.follower, event.detail
    match event.state:
        case "stream_lost":
            yield _yes(on.FOLLOWER_STREAM_LOST, name, detail)
        case "stream_live":
            yield _no(on.FOLLOWER_STREAM_LOST, name)
        case "snapshot_failed":
            yield _yes(on.FOLLOWER_UNREADABLE, name, detail)
        case "starting":
            if detail:
                yield _yes(on.FOLLOWER_UNREADABLE, name, detail)
        case state:
            for over in (on.FOLLOWER_UNREADABLE, on.FOLLOWER_BARRED, on.FOLLOWER_QUARANTINED):
                yield _no(over, name)
            if state == "ready":
                yield _no(on.FOLLOWER_HELD_BACK, name)
                yield _no(on.LIMIT_BREACHED, name)
            else:
                yield _yes(on.FOLLOWER_HELD_BACK, name, f"{state}: {detail}" if detail else state)


def _key_accepted(event: told.KeyAccepted) -> Iterable[Sighting]:
    yield _no(on.KEY_REFUSED, event.account)
    if event.warnings:
        yield _yes(on.KEY_WARNING, event.account, "; ".join(event.warnings))
    else:
        yield _no(on.KEY_WARNING, event.account)


def _key_refused(event: told.KeyRefused) -> Iterable[Sighting]:
    reduces = " What was opened with it is still closed with it." if event.may_reduce else ""
    yield _yes(on.KEY_REFUSED, event.account, "; ".join(event.why) + "." + reduces)


def _flatten(event: told.FlattenMoved) -> Iterable[Sighting]:
    if event.state == "waiting":
        detail = "; ".join(part for part in (", ".join(event.left), event.detail) if part)
        yield _yes(on.FLATTEN_STUCK, event.follower, detail)
    elif event.state in ("done", "given_up"):
        yield _no(on.FLATTEN_STUCK, event.follower)


def _removed(event: told.FollowerRemoved) -> Iterable[Sighting]:
    """Whatever was the matter with it is the matter of nobody any more."""
    for over in OF_A_FOLLOWER:
        yield _no(over, event.follower)
    if event.left:
        yield _yes(on.FOLLOWER_LEFT, event.follower)


def _leg_of(event: told.DriftFound | told.DriftResolved) -> str:
    leverage = " leverage" if event.kind is FindingKind.LEVERAGE_MISMATCH else ""
    return f"{event.follower} {event.symbol}:{event.position_idx}{leverage}"


def _drift(event: told.DriftFound) -> Iterable[Sighting]:
    is_critical = event.severity is Severity.CRITICAL
    loud, other = (on.DRIFT_CRITICAL, on.DRIFT) if is_critical else (on.DRIFT, on.DRIFT_CRITICAL)
    kind, cause = event.kind.value.replace("_", " "), event.cause.value.replace("_", " ")
    wanted = "unknown" if event.expected is None else event.expected
    because = "" if event.reason is None else f": {REASON_WORDS[event.reason.value]}"
    mending = " It is being mended." if event.repaired else ""
    detail = (
        f"{kind}, expected {wanted}, actual {event.actual}, {event.deviation_pct} % off ({cause}{because})."
    )
    yield _no(other, _leg_of(event))
    yield Sighting(
        condition=loud,
        subject=REDACTOR.text(_leg_of(event)),
        detail=REDACTOR.text(detail + mending),
        again=event.again,
    )


def _drift_over(event: told.DriftResolved) -> Iterable[Sighting]:
    yield _no(on.DRIFT, _leg_of(event))
    yield _no(on.DRIFT_CRITICAL, _leg_of(event))


def _place(event: told.ForeignPositionSeen | told.PositionAdopted | told.HandSeen) -> str:
    return f"{event.follower} {event.symbol}:{event.position_idx}"


def _trouble(event: told.TroubleMet) -> Iterable[Sighting]:
    """Numbers vary and details come after a colon: neither makes it other trouble."""
    kind = re.sub(r"\d[\d.,]*", "#", event.what.partition(":")[0])[:60]
    yield _yes(on.TROUBLE, f"{event.where} ({kind})", event.what)


def _exhausted(event: watched.SupervisorExhausted) -> Iterable[Sighting]:
    if event.quarantined:
        return  # account.quarantined says it
    condition = on.CONTROL_EXHAUSTED if event.name == "edge" else on.ENGINE_EXHAUSTED
    yield _yes(condition, event.name, event.error)


def _account(name: str) -> str:
    return name.removeprefix("account:")


RULES: Mapping[type, Rule] = {
    told.MasterStreamChanged: _master_stream,
    told.CopyFinished: _copy_finished,
    told.OrderMoved: _order_moved,
    told.FollowerStateChanged: _follower_state,
    told.FollowerBarred: lambda event: [_yes(on.FOLLOWER_BARRED, event.follower, event.why)],
    told.ForeignPositionSeen: lambda event: [
        _yes(on.FOREIGN_POSITION, _place(event), f"It holds {event.size}.")
    ],
    told.PositionAdopted: lambda event: [_no(on.FOREIGN_POSITION, _place(event))],
    told.HandSeen: lambda event: [
        _yes(on.HAND_SEEN, _place(event), f"Expected {event.expected}, it is {event.size}.")
    ],
    told.RiskLimitBreached: lambda event: [
        _yes(
            on.LIMIT_BREACHED,
            event.follower,
            f"{event.limit} {event.allowed}: equity {event.equity}, measured from {event.measured_from}.",
        )
    ],
    told.KeyAccepted: _key_accepted,
    told.KeyRefused: _key_refused,
    told.FlattenMoved: _flatten,
    told.FollowerRemoved: _removed,
    told.DriftFound: _drift,
    told.DriftResolved: _drift_over,
    told.FrameUnreadable: lambda event: [_yes(on.FRAME_UNREADABLE, event.account, event.error)],
    told.TroubleMet: _trouble,
    told.LedgerStateChanged: lambda event: [
        _no(on.LEDGER_AWAY) if event.reachable else _yes(on.LEDGER_AWAY, detail=event.detail)
    ],
    told.AlertChannelChanged: lambda event: [
        _no(on.CHANNEL_DOWN, event.channel)
        if event.delivers
        else _yes(on.CHANNEL_DOWN, event.channel, event.detail)
    ],
    watched.ActorCrashed: lambda event: (
        [_yes(on.ACTOR_CRASHED, event.name, event.error)]
        if not event.expected or event.name in ONLOOKERS
        else []
    ),
    watched.ActorHung: lambda event: [
        _yes(on.ACTOR_HUNG, event.name, f"It was silent for {event.silent_s:.0f} s.")
    ],
    watched.SupervisorExhausted: _exhausted,
    watched.AccountQuarantined: lambda event: [
        _yes(on.FOLLOWER_QUARANTINED, _account(event.name), event.error)
    ],
    watched.AccountRecovered: lambda event: [_no(on.FOLLOWER_QUARANTINED, _account(event.name))],
}
"""What an event shows; an event may show nothing after all."""

NOT_ALERTS: Mapping[type, str] = {
    told.MasterChangeSeen: "it is the day's work",
    told.AuditFinished: "what it found was told as drift",
    told.AlertTold: "it is what an alert says",
    told.AlertAcknowledged: "it is what somebody does about an alert",
    watched.ActorStarted: "it is good news",
    watched.ActorRestarting: "the crash before it was told",
    watched.ActorStopped: "it was asked to",
}
"""Events that are deliberately none, and why."""

TOPICS = frozenset(topic for kind in RULES if isinstance(topic := getattr(kind, "topic", None), str))
"""What the notifier listens to."""


def sightings_of(event: object) -> Iterable[Sighting]:
    """Return what an event shows, without secrets; an event that no rule knows shows nothing."""
    rule = RULES.get(type(event))
    return () if rule is None else rule(event)


__all__ = ["NOT_ALERTS", "RULES", "TOPICS", "sightings_of"]
