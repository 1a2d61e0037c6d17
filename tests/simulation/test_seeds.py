"""Whole runs from seeds: safety at every step, and everybody where R6 says once it has healed.

A failure prints the command that replays it. `make torture` runs a thousand others.
"""

import os
import subprocess
import sys
import time
from itertools import count

import pytest

from tests.simulation.hands import HANDS
from tests.simulation.jobs import Job, assert_nothing_violated
from tests.simulation.run import simulate
from tests.simulation.schedule import make_schedule

SEEDS = {"bybit": range(28), "binance": (*range(10), 19, 29, 38, 102, 229, 554), "hyperliquid": range(8)}
"""By the venue of the followers; the master is on Bybit. Late ones have found something."""
WITH_HANDS = {
    "bybit": (
        3,
        4,
        *range(4002160, 4002164),
        4001018,
        4000048,
        5001962,
        5002601,
        8200486,
        8401224,
        9000600,
        9000690,
        9000873,
        9001062,
        9700456,
        9720840,
        9901092,
        9912952,
        14000372,
        17000288,
        17300396,
        18003505,
        18001803,
        22002181,
        31001452,
        60000132,
    ),
    "binance": (
        5,
        6,
        4000028,
        4001004,
        4001082,
        4001127,
        4002235,
        5002077,
        8000706,
        8000910,
        8200508,
        8500040,
        9860070,
        9860270,
        9870109,
        9912326,
        9913109,
        9973728,
        9974211,
        11003642,
        14000436,
        18003417,
        20001972,
        27000685,
        46000286,
        53000166,
    ),
    "hyperliquid": (
        7,
        8,
        5000650,
        6000050,
        6000088,
        9000146,
        9600647,
        9721892,
        15000578,
        18000725,
        18001856,
        31001064,
        50000164,
    ),
}
"""The same, with owners, operators, liquidations and new filters."""


@pytest.mark.parametrize(("venue", "seed"), [(venue, seed) for venue in SEEDS for seed in SEEDS[venue]])
def test_a_run_violates_nothing(venue: str, seed: int) -> None:
    assert_nothing_violated(Job(venue, seed, hands=()))


@pytest.mark.parametrize(
    ("venue", "seed"), [(venue, seed) for venue in WITH_HANDS for seed in WITH_HANDS[venue]]
)
def test_a_run_with_everybodys_hands_violates_nothing(venue: str, seed: int) -> None:
    assert_nothing_violated(Job(venue, seed))


@pytest.mark.parametrize(
    "seed",
    [9860003, 9860079, 9860133, 9860239, 9860247, 9860263, 9860272, 9860387, 25200064, 26700132, 43000034],
)
def test_what_reads_of_four_seconds_ago_do_not_show_violates_nothing(seed: int) -> None:
    assert_nothing_violated(Job("binance", seed, reads_lag_ms=4_000))


def test_a_seed_repeats_its_run_in_any_process() -> None:
    seeds = "3", "7", "12", "20", "31"
    digests = [_digests("bybit", *seeds, hash_seed=hash_seed) for hash_seed in ("0", "1")]

    assert digests[0] == digests[1]
    assert len(set(digests[0])) == len(seeds)
    assert digests[0][0].split()[1] == simulate(int(seeds[0])).digest


def test_symbols_that_a_reading_leaves_out_are_read_in_the_same_order_in_any_process() -> None:
    digests = [_digests("hyperliquid", "18200164", hash_seed=hash_seed) for hash_seed in ("0", "1")]

    assert digests[0] == digests[1]


def test_a_run_that_the_machine_holds_up_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make_schedule(18200149, hands=tuple(HANDS), venue="hyperliquid")
    usual = simulate(schedule).digest

    monkeypatch.setattr(time, "monotonic", map(float, count(0, 30)).__next__)

    assert simulate(schedule).digest == usual


def _digests(venue: str, *seeds: str, hash_seed: str) -> list[str]:
    command = [sys.executable, "-m", "tests.simulation", "--venue", venue, *seeds, "--digest"]
    environment = dict(os.environ, PYTHONHASHSEED=hash_seed)
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()[: len(seeds)]
