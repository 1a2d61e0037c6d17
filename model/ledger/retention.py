"""What leaves the ledger with time. A copy without an outcome never does."""

import peewee

from model.alerts.alert import AlertState
from model.alerts.message import MessageState
from model.copy import CopyState
from model.ledger.bulk import run_sql, select_in
from model.ledger.history import OF_THE_MASTER
from model.ledger.rows import Purged
from model.ledger.tables import AlertMessageRow, AlertRow, RequestRecord

KEEP_MS = 400 * 24 * 3_600_000
"""Copies, orders, changes and requests; keys are owed for 24 h only (R12)."""
KEEP_MESSAGES_MS = 30 * 24 * 3_600_000
"""Messages that were sent or given up; the alerts that they told of stay as long as copies do."""

_OLD_COPIES = """
SELECT copies.id FROM copies
WHERE copies.claimed_at_ms < {mark} AND copies.state <> {mark}
AND copies.change_id NOT IN (SELECT change_id FROM ({newest}) AS kept)
ORDER BY copies.claimed_at_ms LIMIT {mark}
"""
_OLD_CHANGES = """
SELECT changes.id FROM changes
WHERE changes.venue_time_ms < {mark}
AND changes.change_id NOT IN (SELECT change_id FROM ({newest}) AS kept)
AND NOT EXISTS (SELECT 1 FROM copies WHERE copies.change_id = changes.change_id)
ORDER BY changes.id LIMIT {mark}
"""
_NEWEST = f"""
SELECT change_id, row_number() OVER (
    PARTITION BY symbol, position_idx ORDER BY venue_time_ms DESC, seq DESC, id DESC
) AS place FROM changes WHERE {OF_THE_MASTER}
"""


def purge_rows(connection: peewee.Database, *, now_ms: int, batch: int) -> Purged:
    """Remove at most ``batch`` copies with their orders, and ``batch`` changes, older than 400 days.

    The newest change of each leg and its copies stay: catch-up compares against it (R14).
    """
    before = now_ms - KEEP_MS
    copies = _ids(connection, _OLD_COPIES, (before, CopyState.CLAIMED.value, batch))
    _delete(connection, "orders", "copy_no", copies)
    _delete(connection, "copies", "id", copies)
    changes = _ids(connection, _OLD_CHANGES, (before, batch))
    _delete(connection, "changes", "id", changes)
    RequestRecord.delete().where(RequestRecord.received_at_ms < before).execute(connection)
    _purge_alerts(connection, now_ms)
    return Purged(copies=len(copies), changes=len(changes), more=batch in (len(copies), len(changes)))


def _purge_alerts(connection: peewee.Database, now_ms: int) -> None:
    """What fires and what is queued stays, however old."""
    settled = AlertMessageRow.state != MessageState.QUEUED.value
    old = AlertMessageRow.created_at_ms < now_ms - KEEP_MESSAGES_MS
    AlertMessageRow.delete().where(settled & old).execute(connection)
    ended = AlertRow.state == AlertState.ENDED.value
    AlertRow.delete().where(ended & (AlertRow.fired_at_ms < now_ms - KEEP_MS)).execute(connection)


def _ids(connection: peewee.Database, sql: str, parameters: tuple[object, ...]) -> list[int]:
    newest = f"SELECT change_id FROM ({_NEWEST}) AS ranked WHERE place = 1"
    text = sql.format(mark=connection.param, newest=newest)
    return [number for (number,) in run_sql(connection, text, parameters)]


def _delete(connection: peewee.Database, table: str, column: str, ids: list[int]) -> None:
    if ids:
        select_in(connection, f"DELETE FROM {table} WHERE {column}", ids)
