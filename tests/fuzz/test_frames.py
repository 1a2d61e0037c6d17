"""Ten thousand spoiled texts from venues, and as many spoiled control lines; a million behind a command."""

import random

import pytest

from tests.fuzz.frames import A_DAY, nonsense
from tests.fuzz.spoiling import spoiled
from tests.fuzz.targets import SEEDS, control_line

TEXTS = 10_000
FOUND = (15, 115)
"""Seeds that have found something: integers beyond 64 bits, half of a surrogate pair."""


@pytest.mark.parametrize("seed", [*FOUND, *range(TEXTS // A_DAY - len(FOUND))])
def test_no_actor_ends_by_what_a_venue_says(seed: int) -> None:
    assert not nonsense(seed, A_DAY), f"python -m tests.fuzz.million --seed {seed} --frames {A_DAY}"


def test_no_control_line_is_answered_by_anything_but_an_error_with_a_name() -> None:
    chance = random.Random(7)
    for _ in range(TEXTS):
        control_line(spoiled(chance, chance.choice(SEEDS).decode()).encode("utf-8", "surrogatepass"))
