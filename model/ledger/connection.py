"""How the ledger's database is reached: one connection and one transaction per unit of work (R8).

The state of a connection is the thread's own. A unit is opened and closed inside one synchronous
function, so it cannot be held across an await.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import peewee
import psycopg2
from playhouse.pool import (
    MaxConnectionsExceeded,
    PooledDatabase,
    PooledPostgresqlDatabase,
    PooledSqliteDatabase,
)
from psycopg2.extensions import parse_dsn

from model.ledger.errors import LedgerError, LedgerRefused, LedgerUnreachable

POOL_SIZE = 5
POOL_WAIT_S_MAX = 5.0
STALE_AFTER_S = 300
SQLITE_PRAGMAS = {"journal_mode": "wal", "synchronous": "full", "busy_timeout": 5000, "foreign_keys": 1}
POSTGRES_DEFAULTS: Mapping[str, str] = {
    "connect_timeout": "3",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "8000",
    "application_name": "copytrader",
}
POSTGRES_SESSION = (
    "-c statement_timeout=5000 -c lock_timeout=2000 "
    "-c idle_in_transaction_session_timeout=10000 -c synchronous_commit=on"
)

_CREATING = threading.Lock()
"""Nobody connects to a new file before the descriptor that made it is closed."""

_UNREACHABLE = (
    peewee.OperationalError,
    peewee.InterfaceError,
    peewee.InternalError,
    MaxConnectionsExceeded,
    sqlite3.OperationalError,
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
)
_REFUSED = (
    peewee.IntegrityError,
    peewee.DataError,
    peewee.ProgrammingError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    psycopg2.DataError,
    OverflowError,
    ValueError,
)


class LedgerDatabase:
    """A pool of connections to one database, and the only way to use one of them."""

    def __init__(self, database: PooledDatabase, *, pool_size: int, where: str) -> None:
        self._database = database
        self.pool_size = pool_size
        self.where = where
        """The address without a password, for messages."""

    @property
    def is_postgres(self) -> bool:
        """Tell the two dialects apart."""
        return isinstance(self._database, peewee.PostgresqlDatabase)

    @property
    def sqlite_path(self) -> Path | None:
        """The database file; None on PostgreSQL and in memory."""
        name = str(self._database.database)
        return None if self.is_postgres or name == ":memory:" else Path(name)

    @property
    def connection_parameters(self) -> Mapping[str, str]:
        """What libpq is given, password included: for a connection beside the pool."""
        return dict(self._database.connect_params, dbname=self._database.database)

    @contextmanager
    def unit(self, *, write: bool = True) -> Iterator[peewee.Database]:
        """Lend a connection inside a transaction; a nested unit joins the outer one.

        Raises: LedgerUnreachable, LedgerRefused. On any error nothing was written, unless the
        connection was lost in the commit itself.
        """
        if not self._database.is_closed():
            yield self._database
            return
        with translated_errors(self.where):
            transaction = self._begin(write)
            try:
                with transaction:
                    yield self._database
            finally:
                self._give_back()

    def close(self) -> None:
        """Close every connection of the pool."""
        self._database.close_all()

    def _begin(self, write: bool) -> "_Begun":
        """Connect and begin; connections that died in the pool are replaced without a word."""
        begin = self._begin_of(write)
        for spare in range(self.pool_size, -1, -1):
            connected = False
            try:
                self._database.connect()
                connected = True
                begin()
            except BaseException as error:
                # Whatever went wrong: a thread that keeps a connection takes its next unit for a nested one.
                self._database.manual_close()
                is_lost = connected and isinstance(error, (*_UNREACHABLE, peewee.DatabaseError))
                if not (spare and self.is_postgres and is_lost):
                    raise
            else:
                return _Begun(self._database)
        raise AssertionError("unreachable: the last round raises or returns")

    def _begin_of(self, write: bool) -> Callable[[], None]:
        if self.is_postgres:
            begin: Callable[[], None] = self._database.begin
            return begin
        # A writer that upgrades a read transaction is refused at once instead of waiting.
        return lambda: self._database.begin("IMMEDIATE" if write else "DEFERRED")

    def _give_back(self) -> None:
        if not self._database.is_closed():
            self._database.close()


class _Begun(peewee._transaction):
    """peewee's transaction, of which the first BEGIN has been sent already."""

    def _begin(self) -> None:
        return None


@contextmanager
def translated_errors(where: str) -> Iterator[None]:
    """Raise the ledger's own errors in place of the drivers'."""
    try:
        yield
    except LedgerError:
        raise
    except _UNREACHABLE as error:
        raise LedgerUnreachable(f"{where}: {_first_line(error)}") from error
    except _REFUSED as error:
        raise LedgerRefused(f"{where}: {_first_line(error)}") from error
    except peewee.DatabaseError as error:
        raise LedgerUnreachable(f"{where}: {_first_line(error)}") from error


def open_database(url: str, *, pool_size: int = POOL_SIZE, directory: Path | None = None) -> LedgerDatabase:
    """Return the pool for a ledger url; nothing is connected yet (section 6).

    `sqlite:///relative`, `sqlite:////absolute`, `sqlite://` (memory, one connection) or
    `postgresql://user[:password]@host[:port]/name?options` with libpq's own options.
    ``directory`` is what a relative path is relative to.

    Raises: ValueError, which never repeats a password.
    """
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        return _open_sqlite(url, pool_size, directory or Path())
    if scheme in ("postgresql", "postgres"):
        return _open_postgres(url, pool_size)
    raise ValueError("a ledger url begins with sqlite:/// or postgresql://")


def _open_sqlite(url: str, pool_size: int, directory: Path) -> LedgerDatabase:
    parts = urlsplit(url)
    if parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"not a SQLite ledger url: {url!r}; sqlite:///relative or sqlite:////absolute")
    name = unquote(parts.path)[1:]
    path = ":memory:" if not name else str(directory / name)
    size = 1 if path == ":memory:" else pool_size
    database = _PrivateSqlite(
        path,
        pragmas=SQLITE_PRAGMAS,
        max_connections=size,
        timeout=POOL_WAIT_S_MAX,
        autoconnect=False,
        check_same_thread=False,
    )
    return LedgerDatabase(database, pool_size=size, where=f"sqlite ledger {path}")


class _PrivateSqlite(PooledSqliteDatabase):  # type: ignore[misc]
    """A SQLite pool whose file only its owner may read: sealed secrets are in it."""

    def _connect(self) -> sqlite3.Connection:
        if self.database != ":memory:":
            self._create_privately()
        connection: sqlite3.Connection = super()._connect()
        return connection

    def _create_privately(self) -> None:
        """Create the file, and never open one that is there.

        To close any descriptor of a file ends all locks that this process has on it, SQLite's included.
        Another process that leaves then takes itself for the last one and removes the write-ahead log
        (sqlite.org/howtocorrupt.html, 2.2): what we commit from then on would be lost with this process.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with _CREATING:
            try:
                os.close(os.open(self.database, flags, 0o600))
            except FileExistsError:
                return
            except OSError as error:
                raise peewee.OperationalError(str(error)) from error


def _open_postgres(url: str, pool_size: int) -> LedgerDatabase:
    given = _parsed(url)
    parameters = {**POSTGRES_DEFAULTS, **given}
    parameters["options"] = f"{POSTGRES_SESSION} {given.get('options', '')}".rstrip()
    name = parameters.pop("dbname", "") or parameters.get("user", "") or "postgres"
    database = PooledPostgresqlDatabase(
        name,
        max_connections=pool_size,
        stale_timeout=STALE_AFTER_S,
        timeout=POOL_WAIT_S_MAX,
        autoconnect=False,
        **parameters,
    )
    where = f"postgresql ledger {name} on {given.get('host', 'the local socket')}"
    return LedgerDatabase(database, pool_size=pool_size, where=where)


def _parsed(url: str) -> dict[str, str]:
    try:
        given: dict[str, str] = parse_dsn(url)
        for port in filter(None, given.get("port", "").split(",")):
            int(port)
    except (psycopg2.Error, ValueError):
        raise ValueError("not a PostgreSQL ledger url: postgresql://user@host/name?options") from None
    return given


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
