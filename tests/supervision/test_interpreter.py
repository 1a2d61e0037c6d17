"""What stays is taken out of the collector's sight, but not before all is there."""

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from supervision.interpreter import (
    SWEEP_EVERY_S,
    SWITCH_S,
    YOUNG_MAX,
    spare_what_stays,
    sweep_what_is_young,
    tune_interpreter,
)


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


async def test_what_only_the_collector_finds_is_gone_within_a_minute(autojump_clock: MockClock) -> None:
    """It waited for a hundred thousand objects: errors of hours stayed."""

    class Ring:
        def __init__(self) -> None:
            self.itself = self

    tune_interpreter()
    gone = weakref.ref(Ring())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sweep_what_is_young)
        await trio.sleep(SWEEP_EVERY_S / 2)
        assert gone() is not None
        await trio.sleep(SWEEP_EVERY_S)
        nursery.cancel_scope.cancel()

    assert gone() is None


def test_threads_and_the_collector_are_told_once() -> None:
    old = gc.get_threshold()

    tune_interpreter()

    assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    assert gc.get_threshold() == (YOUNG_MAX, *old[1:])
