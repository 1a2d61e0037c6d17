"""What the bench says of a figure that chance alone may have made."""

import random

import pytest

from tests.bench.neighbours import Found, Turn


def turns(seed: int, *, factor: float, noise: float) -> list[Turn]:
    """Return turns of eight events about 20 ms each; ``noise`` is the spread of their logarithms."""
    chance = random.Random(seed)
    return [
        Turn([20.0 * factor * chance.lognormvariate(0.0, noise) for _ in range(8)], 1.0) for _ in range(100)
    ]


@pytest.mark.parametrize(
    ("factor", "noise", "met"),
    [(1.0, 0.1, True), (1.5, 0.1, False), (0.5, 1.0, True), (1.0, 1.0, None), (9.0, 1.0, False)],
)
def test_trouble_is_judged_where_chance_could_not_turn_the_verdict(
    factor: float, noise: float, met: bool | None
) -> None:
    found = Found(well=turns(1, factor=1.0, noise=noise), beside=turns(2, factor=factor, noise=noise))

    assert found.figure("a minute").met is met
