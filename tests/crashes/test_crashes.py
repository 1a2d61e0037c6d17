"""A few kills with every run of the tests; ``python -m tests.crashes`` kills for as long as one likes."""

from pathlib import Path

import pytest

from tests.crashes.run import crash_day

KILLS = 5


@pytest.mark.timeout(400)
async def test_an_engine_that_is_killed_in_a_storm_does_nothing_twice_and_leaves_nobody_behind(
    tmp_path: Path, ledger_url: str
) -> None:
    report = await crash_day(tmp_path / "engine", ledger_url, seed=7, kills=KILLS, tell=lambda _: None)

    assert report.problems == []
    assert report.openings
    assert report.total == KILLS
