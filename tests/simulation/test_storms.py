"""Storms: the master turns about faster than anybody can follow, and the engine dies just then."""

from decimal import Decimal

import pytest

from tests.simulation.jobs import Job, assert_nothing_violated
from tests.simulation.schedule import make_schedule

SEEDS = {"bybit": (0, 1, 3), "binance": (2, 1067, 20500337), "hyperliquid": (5, 8)}
"""By the venue of the followers. Late ones have found something."""


@pytest.mark.parametrize(("venue", "seed"), [(venue, seed) for venue in SEEDS for seed in SEEDS[venue]])
def test_a_storm_violates_nothing(venue: str, seed: int) -> None:
    assert_nothing_violated(Job(venue, seed, storm=True))


def test_a_storm_turns_about_within_a_second_again_and_again() -> None:
    turns = 0
    for seed in range(20):
        held = Decimal(0)
        last_at, last_sign = -10.0, 0
        for step in make_schedule(seed, storm=True, venue="hyperliquid").steps:
            if step.act == "trade" and step.what["symbol"] == "BTCUSDT":
                held += step.what["quantity"]
                sign = (held > 0) - (held < 0)
                turns += sign * last_sign < 0 and step.at - last_at < 1.0
                last_at, last_sign = step.at, sign or last_sign

    assert turns > 100
