"""Simulation is worth what it finds: a seed finds each planted bug, and finds nothing without it."""

import pytest

from tests.simulation.faults import FAULTS
from tests.simulation.planted import BUGS
from tests.simulation.run import simulate
from tests.simulation.schedule import Schedule, make_schedule

FOUND_BY: dict[str, tuple[int, tuple[str, ...]]] = {
    "resend_on_timeout": (0, ("lose_answer",)),
    "a_lost_answer_is_a_refusal": (0, ("lose_answer",)),
    "forget_a_reduction": (12, ("error_before", "outage", "rate_limit")),
    "ignore_seq": (47, ("frames",)),
    "float_in_sizing": (0, ()),
    "lose_the_inbox": (0, ("crash",)),
    "reductions_may_flip": (0, ("frames", "partial")),
    "open_before_the_claim": (0, ("outage",)),
    "hold_a_connection_across_a_call": (0, ()),
    "claim_again": (7, ("ambush", "kill")),
    "no_catch_up": (4, ()),
    "forget_moved_legs": (0, ("ambush",)),
    "drop_the_retry_after_a_crash": (0, ("ambush",)),
    "a_part_counts_as_the_whole": (0, ("partial", "thin")),
    "trust_a_stale_snapshot": (29, ("slow", "lose_answer", "frames", "drop", "crash")),
    "open_however_late": (2, ("error_before", "outage", "rate_limit")),
}
"""The first seed to try, and the kinds of fault that its schedule is drawn from; none named: all."""
VENUES = {"trust_a_stale_snapshot": "binance"}
"""Where the followers are, where it is not Bybit."""
SEEDS = 40
"""So many are tried from there on: any change of the engine moves what happens when."""


def test_every_bug_has_its_seed() -> None:
    assert set(FOUND_BY) == set(BUGS)


@pytest.mark.parametrize("bug", FOUND_BY)
@pytest.mark.filterwarnings("ignore")  # what is broken on purpose may end badly
def test_a_planted_bug_is_found(bug: str) -> None:
    first, kinds = FOUND_BY[bug]
    venue = VENUES.get(bug, "bybit")
    schedules = (make_schedule(first + more, kinds or tuple(FAULTS), venue=venue) for more in range(SEEDS))

    found_by = next((schedule for schedule in schedules if _violates(schedule, bug)), None)

    assert found_by is not None
    assert not simulate(found_by).violations


def _violates(schedule: Schedule, bug: str) -> bool:
    with BUGS[bug]():
        return bool(simulate(schedule).violations)
