"""Fifty crashes with every run of the tests; ``python -m tests.fire`` crashes for as long as one likes."""

from tests.bench.figures import percentile
from tests.fire.drill import RESTART_S_MAX, WAYS
from tests.fire.run import crash

KINDS = 7
"""The master's stream, the followers' and the marks of three venues."""


def test_whoever_reads_a_stream_may_crash_at_any_time_and_nobody_else_notices() -> None:
    report = crash(50, seed=3)

    assert report.problems == []
    assert report.crashes == 50
    assert len(set(report.strikes)) == KINDS * len(WAYS)
    assert percentile(report.restart_s, 0.99) <= RESTART_S_MAX
    assert percentile(report.live_s, 0.99) <= RESTART_S_MAX
