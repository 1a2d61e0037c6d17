"""The real process: exit statuses, signals, clients over the socket. Nothing listens at the venue."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.ledger import open_database
from model.ledger.bulk import run_sql
from supervision.cli.app import run_command
from supervision.control.socket_file import connectable

SECRETS = {
    "MASTER_API_KEY": "master-key-1",
    "MASTER_API_SECRET": "master-secret-1",
    "ALICE_KEY": "alice-key-1",
    "ALICE_SECRET": "alice-secret-1",
}
NOBODY = """
rest = "http://127.0.0.1:9"
private_ws = "ws://127.0.0.1:9/v5/private"
trade_ws = "ws://127.0.0.1:9/v5/trade"
"""
START_S = 15


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that is ready to run, with a follower and addresses where nothing listens."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("COPYTRADER_CONFIG", raising=False)
    directory = tmp_path / "live"
    assert run_command(["init", str(directory)]) == 0
    config = directory / "copytrader.toml"
    config.write_text(config.read_text().replace('network = "mainnet"', NOBODY))
    monkeypatch.chdir(directory)
    return directory


def command(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    program = "from supervision.cli import main; main()"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        text=True,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def ended(*arguments: str, **options: Any) -> tuple[int, str, str]:
    process = command(*arguments, **options)
    out, err = process.communicate(timeout=START_S)
    return process.returncode, out, err


def listens(path: Path) -> bool:
    """Tell whether somebody takes connections there: the file alone is there a moment before."""
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            with connectable(path) as name:
                caller.connect(name)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


@pytest.fixture
def engine(live: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield an engine that answers on its socket."""
    assert run_command(["followers", "apply", "followers.toml", "--offline"]) == 0
    process = command("run")
    deadline = time.monotonic() + START_S
    while not listens(live / "run" / "copytrader.sock"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    try:
        yield process
    finally:
        process.kill()
        with process:  # closes the pipes too
            process.wait()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str, status: int = 0) -> Any:
        capsys.readouterr()
        got = run_command(arguments)
        output = capsys.readouterr()
        assert got == status, output
        return json.loads(output.out) if "--json" in arguments else output.out

    return run


def test_an_engine_whose_venue_is_away_answers_everything_and_stops_by_signal(
    live: Path, engine: subprocess.Popen[str], said: Any
) -> None:
    status = said("status", "--json")
    assert (status["ready"], status["ledger"]["lease_held"]) == (False, True)
    assert [(it["name"], it["state"]) for it in status["followers"]] == [("alice", "starting")]
    assert said("health", "--json", status=1)["health"] == "starting"
    assert "alice" in said("status")
    assert "account:alice" in said("tree")
    assert said("positions", "--json")["unheard"] == []
    key = said("followers", "check", "alice", "--json", status=69)
    assert (key["state"], bool(key["trouble"])) == ("unchecked", True)
    assert "not checked" in said("followers", "list")
    assert said("copies", "--json") == {"copies": []}
    assert said("followers", "pause", "alice", "--json")["state"] == "paused"
    assert said("followers", "list", "--json")["followers"][0]["mode"] == "paused"
    assert said("followers", "apply", "followers.toml", "--json")["unchanged"] == ["alice"]
    assert "restarted" in said("restart", "alice")
    assert "restarted" in said("restart", "control")
    time.sleep(0.5)  # a socket that comes back answers; the engine beside it never went
    assert said("status", "--json")["pid"] == engine.pid
    assert (
        "crashed"
        in said("events", "--json", "--from-seq", "1", "--topic", "actor.crashed", "--limit", "1")["topic"]
    )
    assert (live / "run" / "copytrader.sock").stat().st_mode & 0o777 == 0o600

    second, _, err = ended("run")
    assert (second, "another engine" in err) == (75, True)
    applied = run_command(["followers", "apply", "followers.toml", "--offline"])
    assert applied == 75

    engine.send_signal(signal.SIGTERM)
    out, err = engine.communicate(timeout=10)
    assert (engine.returncode, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[-1]["event"] == "process.stopped"
    assert {"process.started", "actor.started", "operator.called"} <= {line["event"] for line in lines}
    assert not [name for name, value in SECRETS.items() if value in out]
    assert not (live / "run" / "copytrader.sock").exists()


def test_stop_waits_until_the_engine_is_gone(live: Path, engine: subprocess.Popen[str], said: Any) -> None:
    assert said("stop", "--json")["stopped"] is True

    assert engine.wait(timeout=5) == 0
    assert said("health", status=2).startswith("down")


def test_every_error_of_a_configuration_is_named_at_once_and_nothing_is_made(live: Path) -> None:
    (live / "copytrader.toml").write_text(
        '[engine]\nmax_open_age = 5\n[master]\nexchange = "binance"\napi_key = "plain"\n'
    )

    status, out, err = ended("run")

    assert (status, out) == (78, "")
    for words in (
        "copytrader.toml:2: engine.max_open_age: expected",
        "did you mean max_open_age_s?",
        "copytrader.toml:4: master.exchange",
        "copytrader.toml:5: master.api_key: expected env:NAME or file:PATH",
        "master.api_secret",
    ):
        assert words in err
    assert "Traceback" not in err
    assert not (live / "copytrader.db").exists()


@pytest.mark.parametrize(("path", "mode"), [("sealing_keys", 0o644), ("run", 0o755)])
def test_what_others_may_read_is_not_used(live: Path, path: str, mode: int) -> None:
    assert run_command(["db", "migrate"]) == 0
    (live / "run").mkdir(mode=0o700)
    (live / "run" / "somebody-elses").touch()
    (live / path).chmod(mode)

    status, _, err = ended("run")

    assert status == 77
    assert "chmod" in err
    assert "Traceback" not in err


def test_a_ledger_of_another_version_is_refused_with_the_command_to_run(live: Path, said: Any) -> None:
    assert run_command(["db", "migrate"]) == 0
    database = open_database(f"sqlite:///{live / 'copytrader.db'}")
    with database.unit() as connection:
        run_sql(
            connection,
            "UPDATE schema_version SET name = '9999_from_the_future' WHERE name = '0001_first_ledger'",
        )
    database.close()

    status, _, err = ended("run")

    assert (status, "newer version" in err) == (78, True)
    assert run_command(["db", "migrate"]) == 78
