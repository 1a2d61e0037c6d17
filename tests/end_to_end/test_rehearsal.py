"""A rehearsal as operators run it: the sandbox, the files that it writes, an engine that needs no more."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.processes import ended, started

WAIT_S = 45.0
POLL_S = 0.3


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return where the files of the rehearsal go."""
    return tmp_path / "rehearsal"


@pytest.fixture
def sandbox(directory: Path) -> Iterator["subprocess.Popen[str]"]:
    """Yield a sandbox whose master trades often."""
    process = started("sandbox", "--write-config", str(directory), "--trade-every", "0.3")
    try:
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    with process:  # closes the pipes too
        process.wait()


def until(looking: Callable[[], Any]) -> Any:
    """Return what ``looking`` finds, which is something within a while."""
    deadline = time.monotonic() + WAIT_S
    while not (found := looking()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(POLL_S)
    return found


def test_an_engine_copies_on_every_venue_from_the_written_files(
    directory: Path, sandbox: "subprocess.Popen[str]"
) -> None:
    config = directory / "copytrader.toml"
    until(config.exists)
    applied, out, err = ended(
        "followers", "apply", str(directory / "followers.toml"), "-c", str(config), "--offline"
    )
    assert (applied, err) == (0, ""), out

    engine = started("run", "-c", str(config))
    try:
        status = until(lambda: _all_hold_something(config))
        stopped = ended("stop", "-c", str(config))
        out, _ = engine.communicate(timeout=WAIT_S)
    finally:
        _end(engine)
    sandbox.send_signal(signal.SIGTERM)
    described, problems = sandbox.communicate(timeout=WAIT_S)

    assert {it["exchange"] for it in status["followers"]} == {"bybit", "binance", "hyperliquid"}
    assert {it["state"] for it in status["followers"]} == {"ready"}
    assert (stopped[0], engine.returncode, sandbox.returncode, problems) == (0, 0, 0, "")
    told = json.loads(described)
    assert set(told["endpoints"]) == {"bybit", "binance", "hyperliquid"}
    assert {it["name"] for it in told["accounts"]} == {"master", *(it["name"] for it in status["followers"])}
    secrets = [it.get("api_secret") or it["agent_key"] for it in told["accounts"]]
    assert not [secret for secret in secrets if secret in out]
    modes = {path.stat().st_mode & 0o777 for path in (directory / "keys").iterdir()}
    assert modes == {0o600}


def _all_hold_something(config: Path) -> dict[str, Any] | None:
    status, out, _ = ended("status", "--json", "-c", str(config))
    if status != os.EX_OK:
        return None
    told: dict[str, Any] = json.loads(out)
    held = [any(leg["position"] != "0" for leg in it["legs"]) for it in told["followers"]]
    return told if told["ready"] and held and all(held) else None


def test_files_of_another_rehearsal_and_ports_of_others_are_left_alone(
    directory: Path, sandbox: "subprocess.Popen[str]"
) -> None:
    until((directory / "copytrader.toml").exists)
    text = until((directory / "copytrader.toml").read_text)
    port = text.split('rest = "http://127.0.0.1:')[1].split('"')[0]

    again = ended("sandbox", "--write-config", str(directory))
    same_port = ended("sandbox", "--port", port)

    assert (again[0], same_port[0]) == (73, 73)
    assert "already there" in again[2]
    assert port in same_port[2]
    assert "Traceback" not in again[2] + same_port[2]
    assert (directory / "copytrader.toml").read_text() == text
