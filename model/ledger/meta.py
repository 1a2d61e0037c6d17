"""Small things that must outlive the process: by key, as JSON."""

from collections.abc import Mapping
from typing import Any

import peewee
from peewee import fn

from model.ledger.bulk import insert_rows
from model.ledger.codec import dump_json, load_json
from model.ledger.errors import LedgerTakenOver
from model.ledger.tables import MetaRow

ENGINE = "engine"
"""Where the token of the engine is kept that writes the ledger."""
_UPDATE = "ON CONFLICT (key) DO UPDATE SET value = excluded.value"


def key_check_name(follower: str) -> str:
    """Return where the last verdict on a follower's key is kept."""
    return f"key_check:{follower}"


def set_engine(connection: peewee.Database, token: str) -> None:
    """Let the engine of this token be the one that writes."""
    if read_meta(connection, ENGINE).get(ENGINE) != token:
        write_meta(connection, {ENGINE: token})


def check_engine(connection: peewee.Database, token: str) -> None:
    """Refuse the transaction of any other engine. Raises: LedgerTakenOver."""
    kept = MetaRow.select(MetaRow.value).where(MetaRow.key == ENGINE).tuples().execute(connection)
    if [load_json(value) for (value,) in kept] != [token]:
        raise LedgerTakenOver("another engine writes the ledger now")


def read_meta(connection: peewee.Database, prefix: str) -> dict[str, Any]:
    """Return the values whose key begins with ``prefix``, by key."""
    query = MetaRow.select().order_by(MetaRow.key)
    if prefix:
        query = query.where(fn.SUBSTR(MetaRow.key, 1, len(prefix)) == prefix)
    return {row["key"]: load_json(row["value"]) for row in query.dicts().execute(connection)}


def write_meta(connection: peewee.Database, values: Mapping[str, object]) -> None:
    """Write values by key; None removes the key."""
    gone = [key for key, value in values.items() if value is None]
    rows = [(key, dump_json(value)) for key, value in values.items() if value is not None]
    if gone:
        MetaRow.delete().where(MetaRow.key.in_(gone)).execute(connection)
    insert_rows(connection, "meta", ("key", "value"), rows, _UPDATE)
