"""A consistent copy of a SQLite ledger while the engine writes it (`db backup`)."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from model.ledger.connection import LedgerDatabase, translated_errors

PAGES_A_STEP = 1000


def backup_ledger(database: LedgerDatabase, target: Path) -> None:
    """Copy the ledger to ``target``, which only its owner may read and which must not exist.

    Raises: FileExistsError; LedgerUnreachable; ValueError on PostgreSQL, which has `pg_dump -Fc`.
    """
    source = database.sqlite_path
    if source is None:
        raise ValueError(f"{database.where} is not a SQLite file: use pg_dump -Fc")
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        with translated_errors(database.where):
            _copy(source, target)
    except BaseException:
        target.unlink()
        raise


def _copy(source: Path, target: Path) -> None:
    read_only = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(read_only, uri=True)) as reader, closing(sqlite3.connect(target)) as writer:
        reader.backup(writer, pages=PAGES_A_STEP)
        ((verdict,),) = writer.execute("PRAGMA integrity_check")
        if verdict != "ok":
            raise sqlite3.OperationalError(f"the copy is damaged: {verdict}")
