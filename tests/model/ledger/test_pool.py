"""How many may use the ledger at once, and that nobody does outside a unit (R8)."""

from pathlib import Path
from threading import Thread

import peewee
import pytest

from model.ledger import LedgerUnreachable, open_database, open_store
from model.ledger.bulk import run_sql
from model.ledger.connection import translated_errors


def test_a_ledger_in_memory_has_one_connection_and_a_file_as_many_as_are_asked_for() -> None:
    assert open_database("sqlite://", pool_size=7).pool_size == 1
    assert open_database("sqlite:///a.db", pool_size=7).pool_size == 7
    assert open_database("sqlite:///a.db").pool_size == 5


def test_who_waits_too_long_for_a_connection_is_told_that_the_ledger_is_away(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.ledger.connection.POOL_WAIT_S_MAX", 0.05)
    store = open_store(sqlite_url, pool_size=2)
    told: list[str] = []

    def use(then: list[Thread]) -> None:
        try:
            with store.unit(write=False):
                for thread in then:
                    thread.start()
                    thread.join(20)
        except LedgerUnreachable as error:
            told.append(str(error))

    third = Thread(target=use, args=([],))
    second = Thread(target=use, args=([third],))
    use([second])

    assert len(told) == 1, "two at once may use it, a third may not"
    store.close()


def test_a_connection_is_of_no_use_after_its_unit(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    with store.unit() as connection:
        run_sql(connection, "SELECT 1")

    with pytest.raises(Exception, match="not opened"):
        run_sql(connection, "SELECT 1")
    store.close()


def test_a_url_of_neither_kind_is_answered_with_both(tmp_path: Path) -> None:
    words = "^a ledger url begins with sqlite:/// or postgresql://$"
    with pytest.raises(ValueError, match=words):
        open_database(f"{tmp_path}/ledger.db")


def test_an_error_without_words_is_told_by_its_kind() -> None:
    with pytest.raises(LedgerUnreachable, match=r"^here: OperationalError$"), translated_errors("here"):
        raise peewee.OperationalError()
