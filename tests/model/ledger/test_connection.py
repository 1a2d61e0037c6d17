"""Units of work, urls, and what happens when the database goes away."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import peewee
import pytest
import trio

from model.copy import ClaimAnswer
from model.ledger import LedgerUnreachable, Store, open_database, open_store
from model.ledger.bulk import run_sql
from tests.model.ledger.factories import NOW_MS, make_change, make_claim
from tests.postgres import execute

CLAIM_FOR_EVER = """
import sys
from model.amounts import use_money_context
from model.ledger import open_store
from tests.model.ledger.factories import NOW_MS, make_change, make_claim
use_money_context()
store = open_store(sys.argv[1])
for seq in range(1, 10_000):
    change = make_change(seq, after=str(seq))
    store.claim([make_claim(f"f{number}", change) for number in range(100)], now_ms=NOW_MS)
    print(seq, flush=True)
"""

VISIT = """
import sqlite3, sys
visitor = sqlite3.connect(sys.argv[1])
print(visitor.execute("SELECT count(*) FROM copies").fetchone()[0])
visitor.close()
"""


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///copytrader.db", "copytrader.db"),
        ("sqlite:///data/a%20b.db", "data/a b.db"),
        ("sqlite:////var/lib/copytrader.db", "/var/lib/copytrader.db"),
    ],
)
def test_a_sqlite_url_names_a_file(url: str, path: str) -> None:
    assert open_database(url).sqlite_path == Path(path)


def test_a_relative_path_is_relative_to_the_directory_that_is_given() -> None:
    assert open_database("sqlite:///a.db", directory=Path("/etc/ct")).sqlite_path == Path("/etc/ct/a.db")
    assert open_database("sqlite:////b.db", directory=Path("/etc/ct")).sqlite_path == Path("/b.db")
    assert open_database("sqlite://", directory=Path("/etc/ct")).sqlite_path is None


def test_a_postgresql_url_brings_its_options_and_gets_our_timeouts() -> None:
    database = open_database("postgresql://u:secret@db:5433/books?sslmode=require&connect_timeout=9")

    given = database.connection_parameters
    assert (given["host"], given["port"], given["user"], given["dbname"]) == ("db", "5433", "u", "books")
    assert (given["sslmode"], given["connect_timeout"], given["keepalives"]) == ("require", "9", "1")
    assert "statement_timeout=5000" in given["options"]
    assert "secret" not in database.where


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:secret@h/n",
        "copytrader.db",
        "",
        "sqlite://host/a.db",
        "sqlite:///a.db?mode=ro",
        "postgresql://u:secret@h:port/n",
        "postgresql://u:secret@h/n?no_such_option=1",
    ],
)
def test_a_wrong_url_is_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(ValueError, match="url") as caught:
        open_database(url)

    assert "secret" not in str(caught.value)


def test_sqlite_is_durable_and_private(make_store: Callable[[str], Store], tmp_path: Path) -> None:
    store = make_store(f"sqlite:///{tmp_path / 'ledger.db'}")

    with store.unit() as connection:
        found = [run_sql(connection, f"PRAGMA {it}")[0][0] for it in ("journal_mode", "synchronous")]
        assert run_sql(connection, "PRAGMA busy_timeout") == [(5000,)]

    assert found == ["wal", 2]
    assert (tmp_path / "ledger.db").stat().st_mode & 0o777 == 0o600


def test_another_process_that_leaves_takes_no_later_claim_along(
    make_store: Callable[[str], Store], tmp_path: Path
) -> None:
    """Every connect closed a descriptor of the file, and with it SQLite's locks.

    So a second engine, refused by the lease, removed the log when it left, and what the engine claimed
    from then on went into a deleted file: a kill lost it.
    """
    store = make_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    command = [sys.executable, "-c", VISIT, str(tmp_path / "ledger.db")]

    for number in range(1, 4):
        assert store.claim([make_claim(f"f{number}")], now_ms=NOW_MS) == [ClaimAnswer.NEW]
        seen = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(seen.stdout) == number
        assert (tmp_path / "ledger.db-wal").exists()


@pytest.mark.postgres
def test_postgresql_bounds_every_wait(make_store: Callable[[str], Store], postgres_url: str) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "synchronous_commit")

    with make_store(postgres_url).unit() as connection:
        found = [run_sql(connection, f"SHOW {name}")[0][0] for name in names]

    assert found == ["5s", "2s", "10s", "on"]


def test_a_unit_gives_its_connection_back_even_when_it_fails(store: Store) -> None:
    def fail() -> None:
        with store.unit() as connection:
            run_sql(connection, "SELECT * FROM no_such_table")

    for _ in range(store.database.pool_size + 1):
        with pytest.raises(Exception, match="no_such_table"):
            fail()

    assert store.claim([make_claim()], now_ms=NOW_MS) == [ClaimAnswer.NEW]


async def test_threads_have_connections_of_their_own(store: Store) -> None:
    """A unit that rolls back takes nothing of another thread's along."""
    limiter = trio.CapacityLimiter(store.database.pool_size)

    def work(number: int) -> None:
        try:
            with store.unit():
                store.claim([make_claim(f"f{number}")], now_ms=NOW_MS)
                if number % 2:
                    raise RuntimeError("rolled back")
        except RuntimeError:
            return

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(lambda n=number: trio.to_thread.run_sync(work, n, limiter=limiter))

    kept = {row.follower for row in store.copies(limit=100)}
    assert kept == {f"f{number}" for number in range(0, 20, 2)}


@pytest.mark.postgres
def test_connections_that_the_server_ended_are_replaced_without_a_word(
    make_store: Callable[[str], Store], postgres_url: str, postgres_server: str
) -> None:
    store = make_store(postgres_url)
    store.claim([make_claim("before")], now_ms=NOW_MS)

    _end_sessions(postgres_server, postgres_url)

    assert store.claim([make_claim("after")], now_ms=NOW_MS) == [ClaimAnswer.NEW]


@pytest.mark.postgres
def test_a_connection_that_is_ended_in_a_unit_writes_nothing_and_the_next_call_works(
    make_store: Callable[[str], Store], postgres_url: str, postgres_server: str
) -> None:
    store = make_store(postgres_url)

    def cut_in_two() -> None:
        with store.unit():
            store.claim([make_claim("cut")], now_ms=NOW_MS)
            _end_sessions(postgres_server, postgres_url)
            store.claim([make_claim("off")], now_ms=NOW_MS)

    with pytest.raises(LedgerUnreachable):
        cut_in_two()

    assert store.copies() == []
    assert store.claim([make_claim("cut")], now_ms=NOW_MS) == [ClaimAnswer.NEW]


@pytest.mark.parametrize("step", ["begin", "_initialize_connection"])
def test_a_connection_that_cannot_begin_is_not_kept_by_its_thread(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The thread's next units were taken for nested ones, on that connection and without a transaction."""
    pool = store.database._database

    def fail(*args: object) -> None:
        raise peewee.DatabaseError("the server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr(pool, step, fail)
        with pytest.raises(LedgerUnreachable, match="unexpectedly"):
            store.claim([make_claim("lost")], now_ms=NOW_MS)

    assert pool.is_closed()
    assert store.claim([make_claim("after")], now_ms=NOW_MS) == [ClaimAnswer.NEW]
    assert [row.follower for row in store.copies()] == ["after"]


@pytest.mark.postgres
def test_a_statement_that_takes_too_long_is_unreachable(
    make_store: Callable[[str], Store], postgres_url: str
) -> None:
    store = make_store(postgres_url)

    def dawdle() -> None:
        with store.unit() as connection:
            run_sql(connection, "SET LOCAL statement_timeout = 20")
            run_sql(connection, "SELECT pg_sleep(5)")

    with pytest.raises(LedgerUnreachable, match="timeout"):
        dawdle()


@pytest.mark.postgres
def test_a_server_that_refuses_writes_is_unreachable(
    make_store: Callable[[str], Store], postgres_url: str, postgres_server: str
) -> None:
    """As after a failover: the address answers, but it is a replica now."""
    store = make_store(postgres_url)
    name = urlsplit(postgres_url).path[1:]
    execute(postgres_server, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    _end_sessions(postgres_server, postgres_url)

    with pytest.raises(LedgerUnreachable, match="read-only"):
        store.claim([make_claim()], now_ms=NOW_MS)


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    for url in (f"postgresql://u:secret@/n?host={tmp_path}", f"sqlite:///{tmp_path}/none/ledger.db"):
        with pytest.raises(LedgerUnreachable) as caught:
            open_store(url)
        assert "secret" not in str(caught.value)


def test_a_full_disk_is_unreachable_and_nothing_is_lost(
    make_store: Callable[[str], Store], tmp_path: Path
) -> None:
    store = make_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    store.claim([make_claim("kept")], now_ms=NOW_MS)
    with store.unit() as connection:
        ((pages,),) = run_sql(connection, "PRAGMA page_count")
        run_sql(connection, f"PRAGMA max_page_count = {pages + 1}")

    with pytest.raises(LedgerUnreachable, match="full"):
        store.claim([make_claim(f"f{number}") for number in range(1000)], now_ms=NOW_MS)

    with store.unit() as connection:
        run_sql(connection, "PRAGMA max_page_count = 1000000")
    assert [row.follower for row in store.copies()] == ["kept"]
    assert store.claim([make_claim("f1")], now_ms=NOW_MS) == [ClaimAnswer.NEW]


def test_a_kill_in_the_middle_of_claims_leaves_whole_batches(
    make_store: Callable[[str], Store], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    command = [sys.executable, "-c", CLAIM_FOR_EVER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.getcwd()) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(5)]
        process.kill()
        told += [int(line) for line in process.stdout if line.endswith("\n")]

    store = make_store(url)
    with store.unit() as connection:
        sizes = run_sql(connection, "SELECT change_id, count(*) FROM copies GROUP BY change_id")
        changes = run_sql(connection, "SELECT change_id FROM changes")
        assert run_sql(connection, "PRAGMA integrity_check") == [("ok",)]

    assert {size for _, size in sizes} == {100}
    assert {change_id for change_id, _ in sizes} == {change_id for (change_id,) in changes}
    assert len(sizes) in (told[-1], told[-1] + 1)
    assert make_change(told[-1], after=str(told[-1])).change_id in dict(sizes)


def _end_sessions(server: str, url: str) -> None:
    name = urlsplit(url).path[1:]
    execute(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
