"""The ledger: what the engine remembers, on SQLite or PostgreSQL. Synchronous; the only peewee."""

from model.ledger.connection import LedgerDatabase, open_database
from model.ledger.errors import (
    LeaseLost,
    LeaseTaken,
    LedgerError,
    LedgerRefused,
    LedgerTakenOver,
    LedgerUnreachable,
    SchemaNewer,
    SchemaOlder,
    UnknownCopy,
)
from model.ledger.rows import Applied, CopyRow, FollowerRow, OpenCopy, Purged, RequestRow
from model.ledger.schema import check_schema, migrate_schema, prepare_schema
from model.ledger.store import Store, WriteBatch, open_store

__all__ = [
    "Applied",
    "CopyRow",
    "FollowerRow",
    "LeaseLost",
    "LeaseTaken",
    "LedgerDatabase",
    "LedgerError",
    "LedgerRefused",
    "LedgerTakenOver",
    "LedgerUnreachable",
    "OpenCopy",
    "Purged",
    "RequestRow",
    "SchemaNewer",
    "SchemaOlder",
    "Store",
    "UnknownCopy",
    "WriteBatch",
    "check_schema",
    "migrate_schema",
    "open_database",
    "open_store",
    "prepare_schema",
]
