"""A backup is a whole ledger that opens, taken while the first one is in use."""

from collections.abc import Callable
from pathlib import Path

import pytest

from model.ledger import LedgerUnreachable, Store, open_database
from model.ledger.backup import backup_ledger
from tests.model.ledger.factories import NOW_MS, make_claim, make_outcome


def test_a_copy_opens_with_everything_in_it(make_store: Callable[[str], Store], tmp_path: Path) -> None:
    store = make_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    claim = make_claim()
    store.claim([claim], now_ms=NOW_MS)
    with store.unit(write=False):
        backup_ledger(store.database, tmp_path / "copy.db")
    store.record([make_outcome(claim)])

    copy = make_store(f"sqlite:///{tmp_path / 'copy.db'}")

    assert [it.copy_id for it in copy.open_copies("alice")] == [claim.copy_id]
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


def test_nothing_is_overwritten_and_nothing_half_made_is_left(tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    absent = open_database(f"sqlite:///{tmp_path / 'none.db'}")

    with pytest.raises(FileExistsError):
        backup_ledger(absent, target)
    with pytest.raises(LedgerUnreachable):
        backup_ledger(absent, tmp_path / "other.db")
    with pytest.raises(ValueError, match="pg_dump"):
        backup_ledger(open_database("postgresql://u@h/n"), target)

    assert target.read_text() == "precious"
    assert not (tmp_path / "other.db").exists()
