"""What end-to-end tests start, and end whatever happens."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import started
from tests.end_to_end.rehearsal import Rehearsal


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    directory = tmp_path / "rehearsal"
    sandbox = started("sandbox", "--write-config", str(directory), "--still")
    found: Rehearsal | None = None
    try:
        found = Rehearsal(directory, sandbox)
        yield found
    finally:
        if found is not None and found.engine is not None and found.engine.poll() is None:
            found.kill()
        sandbox.send_signal(signal.SIGKILL)
        with sandbox:
            sandbox.wait()
