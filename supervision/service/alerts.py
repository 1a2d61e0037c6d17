"""`alerts.list`, `alerts.ack`, `alerts.test`: what people are told, and that they heard it (R16)."""

from typing import Any

import attrs
import trio
from pykka import ActorDeadError

from actors.bus import as_json
from actors.messages import AcknowledgeAlerts, Describe, NotifierStatus
from actors.notifier_desk import NotifierDesk
from model.alerts.alert import Alert
from model.ledger import LedgerUnreachable
from supervision.control import CALLER, InvalidParams, NotFound, NotReady
from supervision.service.calls import recorded
from supervision.service.desk import ServiceDesk

ASK_S = 5.0
LIMIT_MAX = 1_000


@attrs.frozen(kw_only=True)
class ListAlerts:
    """Parameters of `alerts.list`."""

    all: bool = False
    """Those that are over too, from the ledger."""
    limit: int = 50


@attrs.frozen(kw_only=True)
class Acknowledge:
    """Parameters of `alerts.ack`: ids, or all that fire."""

    request_id: str
    alert_ids: list[str] = attrs.field(factory=list)
    all: bool = False
    reason: str = ""


@attrs.frozen(kw_only=True)
class TestChannels:
    """Parameters of `alerts.test`."""

    __test__ = False
    request_id: str
    channels: list[str] = attrs.field(factory=list)
    """All of them when empty."""
    reason: str = ""


async def list_alerts(desk: ServiceDesk, params: ListAlerts) -> object:
    """Answer `alerts.list`: what fires, the loudest first, and how the channels are."""
    if not 1 <= params.limit <= LIMIT_MAX:
        raise InvalidParams(f"limit: expected 1 to {LIMIT_MAX}")
    status = await _status(desk)
    shown = list(status.firing[: params.limit])
    answer: dict[str, object] = {"channels": as_json(status.channels), "lost": status.lost}
    if params.all:
        try:
            past = await desk.ledger.read(lambda store: store.alerts(limit=params.limit))
        except LedgerUnreachable as error:
            answer["warning"] = f"only what fires now, the ledger is away: {error}"
        else:
            known = {alert.alert_id for alert in shown}
            shown += [alert for alert in past if alert.alert_id not in known][: params.limit - len(shown)]
    return {"alerts": [alert_json(alert) for alert in shown], **answer}


async def acknowledge(desk: ServiceDesk, params: Acknowledge) -> object:
    """Note that somebody takes care: no repeats, no SMS. Raises: NotFound when one of them does not fire."""
    if params.all == bool(params.alert_ids):
        raise InvalidParams("expected either alert_ids or all")
    caller = CALLER.get()
    who = "operator" if caller is None else f"uid {caller.uid}"
    by = f"{who}: {params.reason}" if params.reason else who
    shown: dict[str, object] = {"alert_ids": params.alert_ids, "all": params.all}

    async def act() -> dict[str, object]:
        ids = {alert.alert_id for alert in (await _status(desk)).firing}
        if missing := [it for it in params.alert_ids if it not in ids]:
            raise NotFound(f"does not fire: {', '.join(missing)}", hint="`copytrader alerts list` shows them")
        done = await _ask(desk, AcknowledgeAlerts(alert_ids=tuple(params.alert_ids), by=by))
        return {"acknowledged": [alert_json(alert) for alert in done]}

    return await recorded(desk, "alerts.ack", params.request_id, params.reason, shown, act)


async def test(desk: ServiceDesk, params: TestChannels) -> object:
    """Send a test by the channels at once and say how each took it. Raises: NotFound."""
    alerts = _desk_of(desk)
    names = [channel.name for channel in alerts.channels]
    if unknown := [name for name in params.channels if name not in names]:
        raise NotFound(
            f"no channel of that name: {', '.join(unknown)}", hint=f"there are: {', '.join(names)}"
        )
    if not names:
        raise NotReady("no channel is set up", hint="[notify] urls in the configuration")

    async def act() -> dict[str, object]:
        results = await alerts.test(params.channels)
        return {"channels": [{"name": name, **_plain(results[name])} for name in names if name in results]}

    shown = {"channels": params.channels}
    return await recorded(desk, "alerts.test", params.request_id, params.reason, shown, act)


def alert_json(alert: Alert) -> dict[str, object]:
    """Return an alert as programs read it; times in wall-clock ms."""
    condition = alert.condition
    return {
        "alert_id": alert.alert_id,
        "condition": condition.name,
        "severity": condition.severity.value,
        "state": alert.state.value,
        "title": alert.title,
        "subject": alert.subject,
        "detail": alert.detail,
        "meaning": condition.meaning,
        "action": condition.action,
        "began_at_ms": alert.began_at_ms,
        "fired_at_ms": alert.fired_at_ms,
        "seen_at_ms": alert.seen_at_ms,
        "count": alert.count,
        "repeats": alert.repeats,
        "acknowledged_at_ms": alert.acknowledged_at_ms,
        "acknowledged_by": alert.acknowledged_by,
        "escalated_at_ms": alert.escalated_at_ms,
        "ended_at_ms": alert.ended_at_ms,
    }


def _plain(value: object) -> dict[str, object]:
    plain = as_json(value)
    return plain if isinstance(plain, dict) else {}


def _desk_of(desk: ServiceDesk) -> NotifierDesk:
    if desk.alerts is None:
        raise NotReady("this engine tells nobody")
    return desk.alerts


async def _status(desk: ServiceDesk) -> NotifierStatus:
    status = await _ask(desk, Describe())
    if not isinstance(status, NotifierStatus):
        raise NotReady("the notifier gave no status")
    return status


async def _ask(desk: ServiceDesk, message: object) -> Any:
    _desk_of(desk)
    try:
        return await desk.engine.address("notifier").ask(message, timeout_s=ASK_S)
    except (ActorDeadError, trio.TooSlowError) as error:
        raise NotReady("the notifier does not answer", hint="`copytrader tree` shows how it is") from error
