"""Whole runs of an engine that keeps the venues' request budgets, as it does in earnest."""

import pytest

from tests.simulation.hands import HANDS
from tests.simulation.run import simulate
from tests.simulation.schedule import make_schedule

SEEDS = {"bybit": range(2), "binance": range(2, 4), "hyperliquid": (0, 4, 6)}


@pytest.mark.parametrize(("venue", "seed"), [(venue, seed) for venue in SEEDS for seed in SEEDS[venue]])
def test_a_paced_run_violates_nothing(venue: str, seed: int) -> None:
    """On Hyperliquid a start took a minute: the questions about keys went first."""
    outcome = simulate(make_schedule(seed, hands=tuple(HANDS), venue=venue, paced=True))

    told = "\n".join(outcome.violations)
    command = f"python -m tests.simulation --venue {venue} {seed} --paced --show --tell"
    assert not outcome.violations, f"{command}\n{told}"


@pytest.mark.parametrize("seed", [16, 22])
def test_an_account_that_is_told_it_has_no_actions_left_asks_how_many_there_are(seed: int) -> None:
    """It asked every ten minutes, and opened nothing until then."""
    schedule = make_schedule(seed, ("rate_limit",), venue="hyperliquid", paced=True)

    assert not simulate(schedule).violations
