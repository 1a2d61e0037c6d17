"""Whole runs from seeds: safety at every step, and everybody where R6 says once it has healed.

A failure prints the command that replays it. `make torture` runs a thousand others.
"""

import os
import subprocess
import sys

import pytest

from tests.simulation.run import simulate

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_violates_nothing(seed: int) -> None:
    outcome = simulate(seed)

    told = "\n".join(outcome.violations)
    assert not outcome.violations, f"python -m tests.simulation {seed} --show --tell\n{told}"


def test_a_seed_repeats_its_run_in_any_process() -> None:
    seeds = "3", "7", "12"
    digests = [_digests(*seeds, hash_seed=hash_seed) for hash_seed in ("0", "1")]

    assert digests[0] == digests[1]
    assert len(set(digests[0])) == len(seeds)
    assert digests[0][0].split()[1] == simulate(int(seeds[0])).digest


def _digests(*seeds: str, hash_seed: str) -> list[str]:
    command = [sys.executable, "-m", "tests.simulation", *seeds, "--digest"]
    environment = dict(os.environ, PYTHONHASHSEED=hash_seed)
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()[: len(seeds)]
