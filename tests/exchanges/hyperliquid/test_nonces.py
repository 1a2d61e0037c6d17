"""Nonces: increasing, never two alike, near the clock."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.hyperliquid.nonces import NonceLane, NonceLanes

NOW = 1_763_800_000_000


@settings(deadline=None)
@given(st.lists(st.integers(-5_000, 5_000), min_size=1, max_size=200))
def test_nonces_only_rise_however_the_clock_goes(steps: list[int]) -> None:
    now = NOW
    lane = NonceLane(lambda: now)
    taken = []
    for step in steps:
        now += step
        taken.append(lane.take())

    assert all(later > earlier for earlier, later in itertools.pairwise(taken))


@settings(deadline=None)
@given(st.integers(1, 500))
def test_a_burst_within_a_millisecond_runs_ahead_by_its_own_length_only(count: int) -> None:
    lane = NonceLane(lambda: NOW)

    taken = [lane.take() for _ in range(count)]

    assert taken == list(range(NOW, NOW + count))


def test_a_lane_returns_to_the_clock_when_that_has_passed_it() -> None:
    now = NOW
    lane = NonceLane(lambda: now)
    for _ in range(50):
        lane.take()

    now += 1_000

    assert lane.take() == NOW + 1_000


def test_sub_accounts_of_an_agent_share_its_lane_and_other_agents_do_not() -> None:
    lanes = NonceLanes(lambda: NOW)

    taken = [lanes.lane("0xa").take(), lanes.lane("0xa").take(), lanes.lane("0xb").take()]

    assert taken == [NOW, NOW + 1, NOW]
