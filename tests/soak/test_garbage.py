"""Steady copying leaves nothing to the cyclic collector, which looks seldom and never at what is old."""

import gc
from collections import Counter
from pathlib import Path

import trio
from trio.testing import MockClock

from tests.world import Cast, open_world

CAST = (
    Cast(name="alice"),
    Cast(name="bob", venue="binance"),
    Cast(name="carol", venue="hyperliquid"),
)
LIBRARIES = ("httpx", "httpcore", "trio", "trio_websocket", "wsproto", "pykka", "peewee")


async def test_steady_copying_leaves_no_garbage(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Each answer by HTTP led back to itself: old ones stayed for hours, some megabytes of them."""
    async with open_world(tmp_path, *CAST) as world:
        for quantity in ("0.1", "-0.1"):
            world.trade("BTCUSDT", quantity)
            await world.settled()
        gc.collect()
        gc.disable()
        try:
            for number in range(10):
                world.trade("BTCUSDT", "-0.1" if number % 2 else "0.1")
                await trio.sleep(5)
            found = _garbage()
        finally:
            gc.enable()

    assert not found


def _garbage() -> Counter[str]:
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        kinds = Counter(f"{type(it).__module__}.{type(it).__qualname__}" for it in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    ours = ("actors", "exchanges", "model", "supervision", *LIBRARIES)
    return Counter({kind: n for kind, n in kinds.items() if kind.partition(".")[0] in ours})
