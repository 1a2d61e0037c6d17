"""Actors that fail, and engines that die, at an await that is drawn: within a copy's chain too."""

import pytest
import structlog
import trio

from tests.simulation.awaits import AwaitMine, Drill
from tests.simulation.jobs import Job, assert_nothing_violated

SEEDS = {"bybit": (4, 17), "binance": (4, 5), "hyperliquid": (2, 9)}
"""By the venue of the followers."""


@pytest.mark.parametrize(("venue", "seed"), [(venue, seed) for venue in SEEDS for seed in SEEDS[venue]])
def test_failing_at_an_await_violates_nothing(venue: str, seed: int) -> None:
    assert_nothing_violated(Job(venue, seed, mines=True))


async def _wait(name: str, counts: dict[str, int]) -> None:
    structlog.contextvars.bind_contextvars(actor=name)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_count, name, counts)


async def _count(name: str, counts: dict[str, int]) -> None:
    while True:
        await trio.sleep(1)
        counts[name] += 1


@pytest.mark.parametrize("kills", [False, True])
async def test_a_mine_strikes_once_at_the_nth_await_of_its_actor_and_of_no_other(
    autojump_clock: trio.testing.MockClock, kills: bool
) -> None:
    counts = {"one": 0, "other": 0}
    mine = AwaitMine("one", 4, kills=kills)
    errors: list[BaseException] = []

    async def live(name: str) -> None:
        try:
            await _wait(name, counts)
        except* Drill as group:
            errors.extend(group.exceptions)

    async with trio.open_nursery() as nursery:
        mine.lay()
        for name in counts:
            nursery.start_soon(live, name, name=name)
        nursery.start_soon(_count, "other", counts)  # nobody's
        await trio.sleep(10.5)
        nursery.cancel_scope.cancel()

    # Its own task waits once, for the one that counts: that one's third await is the fourth.
    assert (mine.struck.is_set(), len(errors)) == (True, 0 if kills else 1)
    assert counts == {"one": 10 if kills else 2, "other": 20}
