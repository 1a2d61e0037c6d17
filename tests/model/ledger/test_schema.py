"""A new ledger is made whole; an older or newer one is refused, and migrated on command."""

from pathlib import Path

import pytest
from playhouse.schema_diff import diff_models

from model.ledger import (
    SchemaNewer,
    SchemaOlder,
    Store,
    check_schema,
    migrate_schema,
    open_database,
    open_store,
    schema,
)
from model.ledger.bulk import run_sql
from model.ledger.tables import TABLES

SECOND = """
def up(migrator, db):
    db.execute_sql("CREATE TABLE second (id INTEGER)")
"""
BROKEN = """
def up(migrator, db):
    db.execute_sql("CREATE TABLE third (id INTEGER)")
    raise RuntimeError("half way")
"""


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the steps, to which a test may add."""
    directory = tmp_path / "migrations"
    directory.mkdir()
    for step in schema.MIGRATIONS.glob("[0-9]*.py"):
        (directory / step.name).write_text(step.read_text())
    monkeypatch.setattr(schema, "MIGRATIONS", directory)
    return directory


def test_the_migrations_make_the_tables_that_the_code_uses(store: Store) -> None:
    with store.unit() as connection, connection.bind_ctx(TABLES):
        assert not diff_models(connection, list(TABLES))


def test_a_new_ledger_is_of_this_version(store: Store) -> None:
    check_schema(store.database)

    assert migrate_schema(store.database) == []


def test_an_older_ledger_names_the_command_and_is_migrated_by_it(
    store: Store, ledger_url: str, migrations: Path
) -> None:
    (migrations / "0099_second.py").write_text(SECOND)

    with pytest.raises(SchemaOlder, match=r"0099_second.*copytrader db migrate"):
        open_store(ledger_url)
    assert migrate_schema(store.database) == ["0099_second"]

    open_store(ledger_url).close()


def test_a_newer_ledger_is_refused_and_left_alone(store: Store, ledger_url: str, migrations: Path) -> None:
    (migrations / "0099_second.py").write_text(SECOND)
    migrate_schema(store.database)
    (migrations / "0099_second.py").unlink()

    with pytest.raises(SchemaNewer, match="0099_second"):
        open_store(ledger_url)
    with pytest.raises(SchemaNewer):
        migrate_schema(store.database)


def test_a_step_that_fails_leaves_the_ledger_as_it_was(store: Store, migrations: Path) -> None:
    (migrations / "0099_second.py").write_text(SECOND)
    (migrations / "0100_third.py").write_text(BROKEN)

    with pytest.raises(RuntimeError, match="half way"):
        migrate_schema(store.database)

    with store.unit() as connection:
        assert not {"second", "third"} & set(connection.get_tables())
    with pytest.raises(SchemaOlder):
        check_schema(store.database)


def test_a_database_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    database = open_database(url)
    with database.unit() as connection:
        run_sql(connection, "CREATE TABLE addresses (id INTEGER)")

    with pytest.raises(SchemaNewer, match="not a ledger"):
        open_store(url)
    database.close()


def test_a_step_of_tomorrow_is_named_by_whoever_refuses_it(store: Store, migrations: Path) -> None:
    for name in ("0098_first", "0099_second"):
        (migrations / f"{name}.py").write_text(SECOND.replace("second", name[5:]))
    migrate_schema(store.database)
    for name in ("0098_first", "0099_second"):
        (migrations / f"{name}.py").unlink()

    words = "was written by a newer version: it has 0098_first, 0099_second$"
    with pytest.raises(SchemaNewer, match=words):
        migrate_schema(store.database)
    with pytest.raises(SchemaNewer, match=words):
        check_schema(store.database)


def test_every_step_that_is_missing_is_named(store: Store, migrations: Path) -> None:
    for name in ("0098_first", "0099_second"):
        (migrations / f"{name}.py").write_text(SECOND.replace("second", name[5:]))

    words = "an older version and lacks 0098_first, 0099_second: run `copytrader db migrate`$"
    with pytest.raises(SchemaOlder, match=words):
        check_schema(store.database)


def test_the_steps_are_kept_in_a_table_of_this_name(store: Store) -> None:
    """Another one would be an empty history to every version before."""
    with store.unit(write=False) as connection:
        assert "schema_version" in connection.get_tables()
