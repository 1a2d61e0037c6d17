"""A database that is away for a few seconds; ``python -m tests.crashes --outages`` has it away for longer."""

import tempfile
from pathlib import Path

import pytest

from tests.crashes.database import own_database
from tests.crashes.outages import outage_day


@pytest.mark.postgres
@pytest.mark.timeout(300)
async def test_exits_go_on_and_copying_resumes_when_the_database_crashes(tmp_path: Path) -> None:
    # Outside pytest's own directory: another session that starts closes that to the server's user.
    with (
        tempfile.TemporaryDirectory(prefix="copytrader-postgres-") as directory,
        own_database(Path(directory)) as database,
    ):
        report = await outage_day(tmp_path / "engine", database, seed=11, kinds=("immediate",), down_s=5.0)

    assert report.problems == []
    assert len(report.resumed_s) == 1
