"""One engine a ledger, and one that waits: real processes, on SQLite and PostgreSQL (R12)."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from model.ledger.lease import LEASE_CLASS, LEASE_OBJECT
from supervision.cli.app import run_command
from tests.supervision.cli.test_process import command, live, said  # noqa: F401

WAIT_S = 20
END_LEASE = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(live: Path, ledger_url: str) -> Iterator[Start]:  # noqa: F811
    """Start engines on the same ledger; those that are left are killed."""
    if ledger_url.startswith("postgresql"):
        config = live / "copytrader.toml"
        config.write_text(config.read_text().replace("sqlite:///copytrader.db", ledger_url))
    assert run_command(["followers", "apply", "followers.toml", "--offline"]) == 0
    engines: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        engines.append(command("run", *arguments))
        return engines[-1]

    yield begin
    for engine in engines:
        engine.kill()
        with engine:
            engine.wait()


def until(is_so: Callable[[], bool], *engines: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        for engine in engines:
            assert engine.poll() is None, engine.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers_of(said: Any, live: Path) -> Callable[[int], bool]:  # noqa: F811
    """Return what tells whether the process of that id answers on the socket."""

    def is_it(pid: int) -> bool:
        if not (live / "run" / "copytrader.sock").exists():
            return False
        try:
            return bool(said("status", "--json")["pid"] == pid)
        except AssertionError:  # a dead engine's socket, not taken over yet
            return False

    return is_it


def first_words(engine: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """Read the log up to a line of that event."""
    assert engine.stdout is not None
    for line in engine.stdout:
        words: dict[str, Any] = json.loads(line)
        if words["event"] == event:
            return words
    raise AssertionError(f"ended before {event}: {engine.communicate()}")


@pytest.mark.timeout(90)
def test_a_standby_waits_and_takes_over_from_an_engine_that_was_killed(
    start: Start,
    live: Path,  # noqa: F811
    said: Any,  # noqa: F811
) -> None:
    answers = answers_of(said, live)
    first = start()
    until(lambda: answers(first.pid), first)
    second = start("--standby")
    waits_for = first_words(second, "process.standby")["waits_for"]
    assert "held by another engine" in waits_for
    assert str(first.pid) in waits_for
    assert answers(first.pid)

    first.kill()
    first.wait()

    until(lambda: answers(second.pid), second)
    status = said("status", "--json")
    assert status["ledger"]["lease_held"] is True
    assert [it["name"] for it in status["followers"]] == ["alice"]
    second.send_signal(signal.SIGTERM)
    assert second.wait(WAIT_S) == 0


@pytest.mark.timeout(90)
def test_a_standby_that_waits_stops_when_told(start: Start, said: Any, live: Path) -> None:  # noqa: F811
    answers = answers_of(said, live)
    first = start()
    until(lambda: answers(first.pid), first)
    second = start("--standby")
    first_words(second, "process.standby")

    second.send_signal(signal.SIGTERM)

    assert second.wait(WAIT_S) == 0
    assert answers(first.pid)


@pytest.mark.timeout(90)
@pytest.mark.postgres
@pytest.mark.parametrize("ledger_url", ["postgres"], indirect=True)
def test_an_engine_whose_lease_was_taken_ends_and_the_other_trades(
    start: Start,
    said: Any,  # noqa: F811
    live: Path,  # noqa: F811
    ledger_url: str,
) -> None:
    answers = answers_of(said, live)
    first = start()
    until(lambda: answers(first.pid), first)
    second = start("--standby")
    first_words(second, "process.standby")
    os.kill(first.pid, signal.SIGSTOP)  # it must not be the first to take its lock again

    connection = psycopg2.connect(ledger_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(END_LEASE, (LEASE_CLASS, LEASE_OBJECT))
    connection.close()
    first_words(second, "actor.started")
    os.kill(first.pid, signal.SIGCONT)

    assert first.wait(WAIT_S) == 75
    until(lambda: answers(second.pid), second)
