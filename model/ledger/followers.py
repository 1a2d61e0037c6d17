"""Followers as the ledger keeps them: they change while the engine runs (section 4)."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import peewee

from model.copy import CopyState
from model.ledger.bulk import insert_rows
from model.ledger.codec import decode_settings, dump_json, encode_settings, load_json
from model.ledger.meta import key_check_name, write_meta
from model.ledger.risk import forget_breach, forget_risk
from model.ledger.rows import Applied, FollowerRow
from model.ledger.tables import CopyRecord, FollowerRecord, HoldingRow
from model.reasons import Reason
from model.settings import FollowerMode, Join

_COLUMNS = ("name", "exchange", "settings", "secrets", "joined_at_ms", "mode")
_UPDATE = (
    "ON CONFLICT (name) DO UPDATE SET exchange = excluded.exchange, "
    "settings = excluded.settings, secrets = excluded.secrets"
)


def list_followers(connection: peewee.Database) -> list[FollowerRow]:
    """Return all followers by name, with the mode and the time of joining as they are now."""
    query = FollowerRecord.select().order_by(FollowerRecord.name)
    return [_follower(row) for row in query.dicts().execute(connection)]


def apply_followers(connection: peewee.Database, rows: Sequence[FollowerRow], *, prune: bool) -> Applied:
    """Upsert followers, all or none; with ``prune`` remove those that are not named.

    A follower that is there keeps its mode and its time of joining: both are the engine's, not the
    file's. One that comes without secrets keeps those it has.
    """
    before = {row.settings.name: row for row in list_followers(connection)}
    wanted = {row.settings.name: _merged(row, before.get(row.settings.name)) for row in rows}
    insert_rows(connection, "followers", _COLUMNS, [_row(row) for row in wanted.values()], _UPDATE)
    for name in wanted:
        if name not in before:  # somebody else had the name once
            _forget_traces(connection, name)
    removed = tuple(name for name in before if name not in wanted) if prune else ()
    for name in removed:
        remove_follower(connection, name)
    return Applied(
        added=tuple(name for name in wanted if name not in before),
        changed=tuple(n for n, row in wanted.items() if n in before and row != before[n]),
        unchanged=tuple(n for n, row in wanted.items() if row == before.get(n)),
        removed=removed,
    )


def set_mode(connection: peewee.Database, name: str, mode: FollowerMode) -> bool:
    """Set what the operator lets a follower do; return whether it exists.

    Who makes it active again has seen what it lost: losses are measured anew.
    """
    if mode is FollowerMode.ACTIVE:
        forget_breach(connection, name)
    query = FollowerRecord.update(mode=mode.value).where(FollowerRecord.name == name)
    return bool(query.execute(connection))


def set_join(connection: peewee.Database, name: str, join: Join) -> bool:
    """Set which episodes a follower takes part in; return whether it exists."""
    for row in list_followers(connection):
        if row.settings.name == name:
            settings = encode_settings(attrs.evolve(row.settings, join=join))
            FollowerRecord.update(settings=settings).where(FollowerRecord.name == name).execute(connection)
            return True
    return False


def remove_follower(connection: peewee.Database, name: str) -> bool:
    """Forget a follower, its secrets and what it held; its copies stay. Return whether it existed.

    Copies without an outcome get one: nobody will look after them, least of all a follower that comes
    by the same name with another account.
    """
    open_ones = CopyRecord.update(state=CopyState.SKIPPED.value, reason=Reason.REMOVED.value).where(
        CopyRecord.follower == name, CopyRecord.state == CopyState.CLAIMED.value
    )
    open_ones.execute(connection)
    _forget_traces(connection, name)
    return bool(FollowerRecord.delete().where(FollowerRecord.name == name).execute(connection))


def swap_secrets(connection: peewee.Database, old: FollowerRow, new: FollowerRow) -> bool:
    """Put ``new``'s tokens in the place of ``old``'s; return False when those are not there any more."""
    named = FollowerRecord.name == old.settings.name
    (text,) = FollowerRecord.select(FollowerRecord.secrets).where(named).tuples().first(connection) or ("{}",)
    if load_json(text) != dict(old.secrets):
        return False
    query = FollowerRecord.update(secrets=dump_json(new.secrets)).where(named, FollowerRecord.secrets == text)
    return bool(query.execute(connection))


def _forget_traces(connection: peewee.Database, name: str) -> None:
    """Forget what was known of an account: the next one of that name may be another."""
    forget_risk(connection, name)
    write_meta(connection, {key_check_name(name): None})
    HoldingRow.delete().where(HoldingRow.follower == name).execute(connection)


def _merged(row: FollowerRow, known: FollowerRow | None) -> FollowerRow:
    if known is None:
        return row
    settings = attrs.evolve(row.settings, mode=known.settings.mode, joined_at_ms=known.settings.joined_at_ms)
    return FollowerRow(settings=settings, secrets=row.secrets or known.secrets)


def _row(row: FollowerRow) -> tuple[object, ...]:
    it = row.settings
    return (
        *(it.name, it.exchange, encode_settings(it), dump_json(row.secrets)),
        *(it.joined_at_ms, it.mode.value),
    )


def _follower(row: Mapping[str, Any]) -> FollowerRow:
    settings = attrs.evolve(
        decode_settings(row["settings"]),
        mode=FollowerMode(row["mode"]),
        joined_at_ms=row["joined_at_ms"],
    )
    return FollowerRow(settings=settings, secrets=load_json(row["secrets"]))
