"""Alerts and the messages that tell of them, across restarts (R16)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import peewee

from model.alerts.alert import Alert, AlertState
from model.alerts.book import ESCALATE_AGAIN_MS
from model.alerts.conditions import CONDITIONS
from model.alerts.message import Message, MessageKind, MessageState
from model.alerts.outbox import DAY_MS
from model.ledger.bulk import insert_rows
from model.ledger.tables import AlertMessageRow, AlertRow
from model.severity import Severity

_ALERT_COLUMNS = (
    *("alert_id", "condition", "subject", "detail", "state", "began_at_ms", "seen_at_ms", "count"),
    *("calm_since_ms", "fired_at_ms", "told_at_ms", "count_told", "repeats", "acknowledged_at_ms"),
    *("acknowledged_by", "escalated_at_ms", "escalations", "ended_at_ms"),
)
_MESSAGE_COLUMNS = (
    *("message_id", "channel", "kind", "severity", "alert_id", "title", "body", "created_at_ms"),
    *("state", "attempts", "settled_at_ms", "error"),
)


@attrs.frozen(kw_only=True)
class AlertMemory:
    """What a notifier that starts has to know."""

    alerts: tuple[Alert, ...]
    """Those that fire, and those of which an SMS was sent lately."""
    messages: tuple[Message, ...]
    """Those that are queued, and those that were delivered within a day."""


def save_alerts(connection: peewee.Database, alerts: Sequence[Alert], messages: Sequence[Message]) -> None:
    """Write alerts and messages as they are now."""
    rows = [[_plain(getattr(alert, name)) for name in _ALERT_COLUMNS] for alert in alerts]
    insert_rows(connection, "alerts", _quoted(_ALERT_COLUMNS), rows, _upsert(_ALERT_COLUMNS, 1))
    rows = [[_plain(getattr(message, name)) for name in _MESSAGE_COLUMNS] for message in messages]
    insert_rows(connection, "alert_messages", _MESSAGE_COLUMNS, rows, _upsert(_MESSAGE_COLUMNS, 2))


def recall_alerts(connection: peewee.Database, *, now_ms: int) -> AlertMemory:
    """Return what was going on; what this version has no condition for is left out."""
    firing = (AlertRow.state == AlertState.FIRING.value) | (
        AlertRow.escalated_at_ms > now_ms - ESCALATE_AGAIN_MS
    )
    waiting = (AlertMessageRow.state == MessageState.QUEUED.value) | (
        (AlertMessageRow.state == MessageState.DELIVERED.value)
        & (AlertMessageRow.settled_at_ms > now_ms - DAY_MS)
    )
    return AlertMemory(
        alerts=tuple(_alerts(AlertRow.select().where(firing).dicts().execute(connection))),
        messages=tuple(map(_message, AlertMessageRow.select().where(waiting).dicts().execute(connection))),
    )


def list_alerts(connection: peewee.Database, *, limit: int) -> list[Alert]:
    """Return the newest alerts first, those that are over too."""
    query = AlertRow.select().order_by(AlertRow.fired_at_ms.desc(), AlertRow.alert_id).limit(limit)
    return list(_alerts(query.dicts().execute(connection)))


def _alerts(rows: Iterable[Mapping[str, Any]]) -> Iterable[Alert]:
    for row in rows:
        condition = CONDITIONS.get(row["condition"])
        if condition is not None:
            yield Alert(**{**row, "condition": condition, "state": AlertState(row["state"])})


def _message(row: Mapping[str, Any]) -> Message:
    words = {
        "kind": MessageKind(row["kind"]),
        "severity": Severity(row["severity"]),
        "state": MessageState(row["state"]),
    }
    return Message(**{**row, **words})


def _plain(value: Any) -> object:
    """Return what a column takes: an enum's value, a condition's name."""
    if isinstance(value, (str, int)) or value is None:
        return value
    return value.name if hasattr(value, "hold_s") else value.value


def _quoted(columns: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in columns]


def _upsert(columns: Sequence[str], keys: int) -> str:
    sets = ", ".join(f'"{name}" = excluded."{name}"' for name in columns[keys:])
    return f"ON CONFLICT ({', '.join(columns[:keys])}) DO UPDATE SET {sets}"
