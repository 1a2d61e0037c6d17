"""One engine a ledger: whoever holds the lease may trade (R12).

On PostgreSQL an advisory lock of a session of its own, beside the pool: it ends with the session.
A connection pooler that shares sessions (PgBouncer in transaction mode) would break it; give the
engine a direct address. On SQLite a lock on `<database>.lock`: it ends with the process.
"""

import fcntl
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psycopg2

from model.ledger.connection import LedgerDatabase, translated_errors
from model.ledger.errors import LeaseTaken, LedgerUnreachable

LEASE_CLASS, LEASE_OBJECT = 0x636F7079, 0x7472_6164
"""The advisory lock's two halves: "copy", "trad"."""
_APPLICATION_NAME_MAX = 63

_HOLDER = """
SELECT activity.application_name, activity.client_addr FROM pg_locks AS lock
JOIN pg_stat_activity AS activity ON activity.pid = lock.pid
WHERE lock.locktype = 'advisory' AND lock.granted AND lock.database = (
    SELECT oid FROM pg_database WHERE datname = current_database()
) AND lock.classid = %s AND lock.objid = %s
"""
_STILL_MINE = _HOLDER + "AND lock.pid = pg_backend_pid()"


class Lease(Protocol):
    """The right to be the ledger's engine. Its methods block; call them from one thread at a time."""

    def acquire(self) -> None:
        """Take it. Raises: LeaseTaken, at once, when another has it; LedgerUnreachable."""

    def still_held(self) -> bool:
        """Tell whether it is still ours; a question that fails is a no."""

    def release(self) -> None:
        """Give it back; not held is no error."""


def make_lease(database: LedgerDatabase, *, holder: str | None = None) -> Lease:
    """Return the lease of a ledger, not yet taken. ``holder`` is what others are told of us."""
    name = holder or f"pid {os.getpid()}"
    if database.is_postgres:
        return PostgresLease(database.connection_parameters, where=database.where, holder=name)
    if database.sqlite_path is None:
        return MemoryLease()
    path = database.sqlite_path
    return FileLease(path.with_name(path.name + ".lock"), where=database.where, holder=name)


class MemoryLease:
    """A ledger in memory has one process only."""

    def acquire(self) -> None:
        """Nothing to take."""

    def still_held(self) -> bool:
        """Nobody else can take it."""
        return True

    def release(self) -> None:
        """Nothing to give back."""


class FileLease:
    """A flock on a file beside the database."""

    def __init__(self, path: Path, *, where: str, holder: str) -> None:
        self._path = path
        self._where = where
        self._holder = holder
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises: LeaseTaken, LedgerUnreachable."""
        if self.still_held():
            return
        self.release()
        try:
            self._lock()
        except OSError as error:
            self.release()
            raise LedgerUnreachable(f"{self._where}: {error}") from error

    def still_held(self) -> bool:
        """Tell whether the file that we locked is still the one of that name."""
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Give the lock back; the file stays, its removal would let two in."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            known = os.read(self._file, 200).decode(errors="replace").strip()
            self.release()
            raise _taken(self._where, known) from None
        if not self.still_held():
            self.release()
            raise _taken(self._where, "")
        # The lock is what counts; a full disk only takes the name from the message.
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.write(self._file, f"{self._holder}\n".encode())


class PostgresLease:
    """An advisory lock on a connection of its own."""

    def __init__(self, parameters: Mapping[str, str], *, where: str, holder: str) -> None:
        self._parameters = parameters
        self._where = where
        self._holder = f"copytrader {holder}"[:_APPLICATION_NAME_MAX]
        self._session: Any = None

    def acquire(self) -> None:
        """Take the lock. Raises: LeaseTaken, LedgerUnreachable."""
        if self.still_held():
            return
        self.release()
        with translated_errors(self._where):
            try:
                self._lock()
            except BaseException:
                self.release()
                raise

    def still_held(self) -> bool:
        """Ask the server; a session that does not answer holds nothing for certain."""
        if self._session is None:
            return False
        try:
            return bool(self._ask(_STILL_MINE, LEASE_CLASS, LEASE_OBJECT))
        except psycopg2.Error:
            return False

    def release(self) -> None:
        """Give the lock back and end the session, which the server may notice later."""
        if self._session is None:
            return
        with suppress(psycopg2.Error):
            self._ask("SELECT pg_advisory_unlock(%s, %s)", LEASE_CLASS, LEASE_OBJECT)
        self._session.close()
        self._session = None

    def _lock(self) -> None:
        self._session = psycopg2.connect(**{**self._parameters, "application_name": self._holder})
        self._session.autocommit = True
        ((taken,),) = self._ask("SELECT pg_try_advisory_lock(%s, %s)", LEASE_CLASS, LEASE_OBJECT)
        if not taken:
            holders = self._ask(_HOLDER, LEASE_CLASS, LEASE_OBJECT)
            raise _taken(self._where, _describe(holders[0]) if holders else "")

    def _ask(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self._session.cursor() as cursor:
            cursor.execute(sql, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows


def _describe(row: tuple[Any, ...]) -> str:
    name, address = row
    return f"{name} from {address}" if address else str(name)


def _taken(where: str, holder: str) -> LeaseTaken:
    return LeaseTaken(f"{where} is held by another engine ({holder or 'which did not say its name'})")
