"""The window of failures and the backoff: numbers in, numbers out."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.restarts import Backoff, Intensity, QuarantineLimit


def test_the_nth_failure_within_the_period_exhausts() -> None:
    intensity = Intensity(max_failures=3, period_s=60)

    assert not intensity.is_exhausted([0, 30], now=30)
    assert intensity.is_exhausted([0, 30, 59.9], now=59.9)
    assert not intensity.is_exhausted([0, 30, 60], now=60)  # the first has left the window


def test_old_failures_are_forgotten() -> None:
    intensity = Intensity(max_failures=3, period_s=10)

    assert intensity.still_counting([0, 5, 11], now=12) == (5, 11)


def test_the_period_stands_still_while_a_child_is_silent() -> None:
    intensity = Intensity(max_failures=3, period_s=60, stands_still_in_hangs=True)

    assert intensity.after_hang([0, 50], 20, now=100) == (20, 70)
    assert intensity.after_hang([0, 90], 20, now=100) == (20, 100)  # a sibling failed in the silence
    assert Intensity(max_failures=3, period_s=60).after_hang([0, 50], 20, now=100) == (0, 50)


def test_the_first_restart_is_immediate_then_it_doubles_up_to_the_cap() -> None:
    backoff, none = Backoff(base_s=0.1, cap_s=30), _Jitter(1.0)

    delays = [backoff.delay_s(n, none) for n in range(1, 13)]

    assert delays == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30])


@given(st.integers(2, 10_000), st.integers())
def test_jitter_is_at_most_half_of_a_delay_that_is_never_above_the_cap(failures: int, seed: int) -> None:
    backoff = Backoff()
    full = backoff.delay_s(failures, _Jitter(1.0))

    delay = backoff.delay_s(failures, Random(seed))

    assert full / 2 <= delay <= full <= backoff.cap_s


@pytest.mark.parametrize(("members", "allowed"), [(1, 5), (50, 5), (60, 6), (1000, 100)])
def test_more_than_five_and_more_than_a_tenth_quarantined_at_once_is_too_many(
    members: int, allowed: int
) -> None:
    limit = QuarantineLimit()

    assert not limit.is_exceeded(allowed, members=members)
    assert limit.is_exceeded(allowed + 1, members=members)


def test_a_quarantine_counts_for_a_minute() -> None:
    assert QuarantineLimit().recent([1.0, 1.1, 60.0], 61.0) == 2


class _Jitter(Random):
    """Always the same fraction."""

    def __init__(self, fraction: float) -> None:
        super().__init__(0)
        self._fraction = fraction

    def random(self) -> float:
        return self._fraction
