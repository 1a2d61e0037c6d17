"""A backup is a ledger: taken while an engine writes, restored, and run on (real processes)."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from supervision.cli.app import run_command
from tests.supervision.cli.test_process import command, engine, live, said  # noqa: F401
from tests.supervision.cli.test_standby import answers_of, until


@pytest.mark.timeout(60)
def test_an_engine_runs_on_what_was_backed_up_while_another_wrote(
    live: Path,  # noqa: F811
    engine: subprocess.Popen[str],  # noqa: F811
    said: Any,  # noqa: F811
) -> None:
    said("followers", "close-only", "alice", "--reason", "before the backup")
    backed_up = said("db", "backup", "saved.db", "--json")
    said("followers", "resume", "alice")
    assert backed_up["bytes"] == (live / "saved.db").stat().st_size
    assert (live / "saved.db").stat().st_mode & 0o777 == 0o600
    assert run_command(["db", "backup", "saved.db"]) == 73
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(20) == 0

    for left in live.glob("copytrader.db*"):
        left.unlink()
    shutil.copy(live / "saved.db", live / "copytrader.db")
    os.chmod(live / "copytrader.db", 0o600)
    again = command("run")
    try:
        until(lambda: answers_of(said, live)(again.pid), again)
        (alice,) = said("followers", "list", "--json")["followers"]
        assert (alice["name"], alice["mode"]) == ("alice", "close_only")
    finally:
        again.kill()
        with again:
            again.wait()
