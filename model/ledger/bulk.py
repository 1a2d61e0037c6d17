"""Many rows in one statement: a thousand claims cost one parse and one round trip."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import peewee

VARIABLES_MAX = 30_000
"""SQLite takes 32,766 in one statement."""

Row = Sequence[Any]


def run_sql(
    connection: peewee.Database, sql: str, parameters: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Run one statement; return its rows, none where it yields none."""
    cursor = connection.execute_sql(sql, parameters)  # type: ignore[no-untyped-call]
    return [] if cursor.description is None else cursor.fetchall()


def insert_rows(
    connection: peewee.Database, table: str, columns: Sequence[str], rows: Sequence[Row], tail: str
) -> list[tuple[Any, ...]]:
    """Insert ``rows``; return what the RETURNING of ``tail`` yields."""
    head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
    return _in_chunks(connection, head, rows, tail)


def update_rows(
    connection: peewee.Database, head: str, rows: Sequence[Row], tail: str
) -> list[tuple[Any, ...]]:
    """Run ``head`` FROM (VALUES rows) ``tail``: the columns are v.column1, v.column2 …"""
    return _in_chunks(connection, f"{head} FROM (VALUES ", rows, f") AS v {tail}")


def select_in(
    connection: peewee.Database,
    head: str,
    keys: Sequence[object],
    tail: str = "",
    *,
    before: Sequence[object] = (),
) -> list[tuple[Any, ...]]:
    """Run ``head`` IN (keys) ``tail``; no keys, no rows. ``before`` are parameters of the head."""
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(keys), VARIABLES_MAX):
        chunk = keys[start : start + VARIABLES_MAX]
        marks = _marks(connection.param, 1, len(chunk))
        found += run_sql(connection, f"{head} IN {marks} {tail}", [*before, *chunk])
    return found


def _in_chunks(
    connection: peewee.Database, head: str, rows: Sequence[Row], tail: str
) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for chunk in _chunks(rows):
        marks = _marks(connection.param, len(chunk), len(chunk[0]))
        flat = [value for row in chunk for value in row]
        found += run_sql(connection, f"{head}{marks} {tail}", flat)
    return found


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    if not rows:
        return
    size = VARIABLES_MAX // len(rows[0])
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


@lru_cache(maxsize=256)
def _marks(mark: str, rows: int, columns: int) -> str:
    row = f"({','.join([mark] * columns)})"
    return ",".join([row] * rows)
