"""A database that is away for a few seconds; ``python -m tests.crashes --outages`` has it away for longer."""

from pathlib import Path

import pytest

from tests.crashes.database import own_database
from tests.crashes.outages import outage_day


@pytest.mark.postgres
@pytest.mark.timeout(300)
async def test_exits_go_on_and_copying_resumes_when_the_database_crashes(tmp_path: Path) -> None:
    with own_database(tmp_path) as database:
        report = await outage_day(
            tmp_path / "engine", database, seed=11, kinds=("immediate", "sessions ended"), down_s=3.0
        )

    assert report.problems == []
    assert len(report.resumed_s) == 2
