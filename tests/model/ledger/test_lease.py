"""One engine a ledger (R12)."""

import fcntl
import os
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


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db.lock"


def lease_of(lock: Path, holder: str = "pid 7") -> Lease:
    return make_lease(open_database(f"sqlite:///{lock.with_suffix('')}"), holder=holder)


def test_who_holds_a_ledger_is_told_by_the_name_of_the_last_one(lock: Path) -> None:
    lock.write_text("a longer name of somebody before\n")
    holder = lease_of(lock)
    holder.acquire()

    with pytest.raises(LeaseTaken) as caught:
        lease_of(lock).acquire()

    assert str(caught.value) == f"sqlite ledger {lock.with_suffix('')} is held by another engine (pid 7)"
    holder.release()


def test_a_lock_file_is_its_owners_only(lock: Path) -> None:
    lease = lease_of(lock)
    lease.acquire()

    assert lock.stat().st_mode & 0o777 == 0o600
    lease.release()


@pytest.mark.parametrize("content", [b"", b"\xff\n"])
def test_a_holder_without_a_readable_name_holds_it_all_the_same(lock: Path, content: bytes) -> None:
    holder = lease_of(lock)
    holder.acquire()
    lock.write_bytes(content)

    with pytest.raises(LeaseTaken, match="\ufffd" if content else "which did not say its name"):
        lease_of(lock).acquire()
    holder.release()


def test_a_lock_on_a_file_that_went_away_meanwhile_is_none(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def remove_first(file: int, how: int) -> None:
        lock.unlink()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    lease = lease_of(lock)

    words = r"ledger\.db is held by another engine \(which did not say its name\)$"
    with pytest.raises(LeaseTaken, match=words):
        lease.acquire()
    assert not lease.still_held()


def test_a_full_disk_takes_only_the_name(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "write", full)
    lease = lease_of(lock)
    lease.acquire()

    assert lease.still_held()
    lease.release()


def test_a_lock_file_that_cannot_be_opened_names_the_ledger(lock: Path) -> None:
    lock.mkdir()

    with pytest.raises(LedgerUnreachable, match=f"^sqlite ledger {lock.with_suffix('')}: .*directory"):
        lease_of(lock).acquire()
