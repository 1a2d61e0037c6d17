"""What stays is taken out of the collector's sight, but not before all is there."""

import gc
import sys
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from supervision.interpreter import SWITCH_S, YOUNG_MAX, spare_what_stays, tune_interpreter


@pytest.fixture(autouse=True)
def habits() -> Iterator[None]:
    """Leave the interpreter as it was."""
    switch_s, threshold = sys.getswitchinterval(), gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    sys.setswitchinterval(switch_s)


async def test_nothing_is_spared_before_the_engine_is_ready(autojump_clock: MockClock) -> None:
    frozen_when_asked: list[int] = []

    async def is_ready() -> bool:
        frozen_when_asked.append(gc.get_freeze_count())
        return len(frozen_when_asked) == 3

    with trio.fail_after(5):
        await spare_what_stays(is_ready)

    assert frozen_when_asked == [0, 0, 0]
    assert gc.get_freeze_count() > 1_000


def test_threads_and_the_collector_are_told_once() -> None:
    old = gc.get_threshold()

    tune_interpreter()

    assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    assert gc.get_threshold() == (YOUNG_MAX, *old[1:])
