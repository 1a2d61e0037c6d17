"""Opening the ledger that the configuration names, for the engine and for commands beside it."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from model.ledger import LedgerDatabase, Store, open_database, open_store
from model.ledger.journal import Journal
from model.ledger.lease import make_lease
from supervision.exits import OperatorError, UnsafePermissions
from supervision.settings import EngineSettings

STATE_VARIABLE = "STATE_DIRECTORY"


class LedgerUrlWrong(OperatorError):
    """The ledger's url is none that a database takes."""


def open_ledger(settings: EngineSettings) -> Store:
    """Open the ledger; one that does not exist yet is created empty.

    Raises: SchemaOlder, SchemaNewer, LedgerUnreachable, UnsafePermissions.
    """
    with open_raw(settings) as database:
        check_private(database)
    return open_store(settings.ledger_url)


@contextmanager
def open_raw(settings: EngineSettings) -> Iterator[LedgerDatabase]:
    """Yield the database as it is, whatever its schema. Raises: LedgerUrlWrong."""
    try:
        database = open_database(settings.ledger_url)
    except ValueError as error:
        raise LedgerUrlWrong(f"ledger.url: {error}") from None
    try:
        yield database
    finally:
        database.close()


@contextmanager
def alone_with(database: LedgerDatabase) -> Iterator[None]:
    """Hold the lease: no engine runs on this ledger meanwhile. Raises: LeaseTaken, LedgerUnreachable."""
    lease = make_lease(database)
    lease.acquire()
    try:
        yield
    finally:
        lease.release()


def check_private(database: LedgerDatabase) -> None:
    """Raise UnsafePermissions when others may read or write the ledger's file."""
    path = database.sqlite_path
    if path is None or not path.exists():
        return
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise UnsafePermissions(f"{path}: mode {mode:04o}, must be 0600", hint=f"chmod 600 {path}")
    if status.st_uid not in (os.geteuid(), 0):
        raise UnsafePermissions(f"{path}: belongs to uid {status.st_uid}, not to you")


def make_journal(settings: EngineSettings, database: LedgerDatabase, env: Mapping[str, str]) -> Journal:
    """Return where reductions are kept while the ledger is away (R18): on this host's own disk.

    Beside a SQLite file; for PostgreSQL in the service's state directory, else beside the configuration.
    """
    path = database.sqlite_path
    if path is not None:
        return Journal(path.with_name(path.name + ".reductions"))
    directory = Path(env[STATE_VARIABLE]) if env.get(STATE_VARIABLE) else settings.base_dir
    return Journal(directory / f"{settings.path.stem}.reductions")
