"""Which schema a ledger has, and the steps that bring it to the present one."""

from pathlib import Path

import peewee
from playhouse.migrations import Runner

from model.ledger.bulk import run_sql
from model.ledger.connection import LedgerDatabase
from model.ledger.errors import SchemaNewer, SchemaOlder

MIGRATIONS = Path(__file__).parent / "migrations"
HISTORY_TABLE = "schema_version"
MIGRATION_LOCK = 0x636F7079_0001
"""Key of PostgreSQL's advisory lock, so that two processes never migrate at once."""


def prepare_schema(database: LedgerDatabase) -> None:
    """Create an empty ledger whole; check that a present one has this version's schema.

    Raises: SchemaOlder, SchemaNewer, LedgerUnreachable.
    """
    with database.unit() as connection:
        _lock(database, connection)
        runner = _runner(connection)
        if not runner.applied() and not connection.get_tables():
            runner.up()
    check_schema(database)


def check_schema(database: LedgerDatabase) -> None:
    """Raise SchemaOlder or SchemaNewer unless the ledger has exactly this version's schema."""
    with database.unit(write=False) as connection:
        known, applied = _names(connection)
    if unknown := sorted(applied - known):
        raise SchemaNewer(f"{database.where} was written by a newer version: it has {', '.join(unknown)}")
    if not applied:
        raise SchemaNewer(f"{database.where} holds tables that are not a ledger of ours")
    if missing := sorted(known - applied):
        raise SchemaOlder(
            f"{database.where} was written by an older version and lacks {', '.join(missing)}: "
            "run `copytrader db migrate`"
        )


def migrate_schema(database: LedgerDatabase) -> list[str]:
    """Apply the steps that are missing, all or none; return their names. Raises: SchemaNewer."""
    with database.unit() as connection:
        _lock(database, connection)
        known, applied = _names(connection)
        if unknown := sorted(applied - known):
            raise SchemaNewer(f"{database.where} was written by a newer version: it has {', '.join(unknown)}")
        return list(_runner(connection).up())


def _names(connection: peewee.Database) -> tuple[set[str], set[str]]:
    runner = _runner(connection)
    return {step.name for step in runner.migrations()}, set(runner.applied())


def _runner(connection: peewee.Database) -> Runner:
    return Runner(connection, str(MIGRATIONS), table_name=HISTORY_TABLE)


def _lock(database: LedgerDatabase, connection: peewee.Database) -> None:
    if database.is_postgres:
        run_sql(connection, "SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
