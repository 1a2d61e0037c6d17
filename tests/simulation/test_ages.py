"""An opening that arrives late after the master's fill follows a change that was caught up, and says so."""

from tests.simulation.hands import HANDS
from tests.simulation.run import simulate
from tests.simulation.schedule import make_schedule


def test_a_copy_that_was_told_anew_while_it_waited_says_that_it_was_caught_up() -> None:
    """It was let through by its price after 24 s, and its record said that it had been seen live."""
    faults = ("frames", "slow", "drop", "silence", "crash")

    assert not simulate(make_schedule(7700024, faults, hands=tuple(HANDS))).violations
