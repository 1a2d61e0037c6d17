"""One engine a ledger (R12)."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.ledger import LeaseTaken, LedgerUnreachable, Store, open_database
from model.ledger.lease import Lease, make_lease
from tests.postgres import execute

HOLD = """
import sys
from model.ledger import open_database
from model.ledger.lease import make_lease
lease = make_lease(open_database(sys.argv[1]))
lease.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lease(store: Store) -> Iterator[Lease]:
    lease = make_lease(store.database, holder="first")
    yield lease
    lease.release()


def test_the_second_is_refused_and_told_who_holds_it(store: Store, lease: Lease) -> None:
    lease.acquire()

    with pytest.raises(LeaseTaken, match="first"):
        make_lease(store.database).acquire()

    assert lease.still_held()


def test_what_is_released_may_be_taken(store: Store, lease: Lease) -> None:
    lease.acquire()
    lease.acquire()
    lease.release()
    lease.release()
    assert not lease.still_held()

    second = make_lease(store.database)
    second.acquire()
    assert second.still_held()
    second.release()


def test_it_ends_with_its_process_however_that_ends(ledger_url: str, store: Store, lease: Lease) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, ledger_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(LeaseTaken, match=f"pid {process.pid}"):
            lease.acquire()
        process.kill()
        process.wait()

    _eventually_acquire(lease)

    assert lease.still_held()


def _eventually_acquire(lease: Lease) -> None:
    """A server takes a moment to see that a client is dead."""
    for _ in range(100):
        try:
            return lease.acquire()
        except LeaseTaken:
            time.sleep(0.02)
    return lease.acquire()


def test_a_lock_file_that_was_removed_holds_nothing(
    make_store: Callable[[str], Store], tmp_path: Path
) -> None:
    store = make_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    lease = make_lease(store.database)
    lease.acquire()

    (tmp_path / "ledger.db.lock").unlink()

    assert not lease.still_held()
    lease.release()


@pytest.mark.postgres
def test_a_session_that_was_ended_holds_nothing(postgres_url: str, postgres_server: str) -> None:
    database = open_database(postgres_url)
    lease = make_lease(database, holder="lost")
    lease.acquire()

    execute(
        postgres_server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'copytrader lost'",
    )

    assert not lease.still_held()
    lease.acquire()
    assert lease.still_held()
    lease.release()


def test_a_ledger_in_memory_is_always_ours() -> None:
    lease = make_lease(open_database("sqlite://"))
    lease.acquire()

    assert lease.still_held()
    lease.release()


def test_a_directory_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    lease = make_lease(open_database(f"sqlite:///{tmp_path}/none/ledger.db"))

    with pytest.raises(LedgerUnreachable):
        lease.acquire()
