"""What a host does to a process besides killing it: freezes it, ends it politely, fills its disk."""

import os
import random
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.crashes.books import sandbox_bugs, sent_twice, wait_converged
from tests.crashes.process import EngineProcess, command, started
from tests.crashes.run import CONVERGED_S_MAX, READY_S_MAX
from tests.crashes.storm import Storm
from tests.crashes.town import Town, build_town, serve_town

FULL_FROM = 4_096
SMALL = 256 * 1024 * 1024
"""A file system of at most so many bytes is there to be filled."""
BALLAST, BLOCK = "ballast", bytes(65_536)


@asynccontextmanager
async def town_with_engine(
    directory: Path, ledger_url: str
) -> AsyncIterator[tuple[Town, Storm, EngineProcess]]:
    """Open a town whose engine is ready; at the end everybody is where the master's size puts them."""
    town = build_town(directory)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_town, town, ledger_url)
        await command(town, "followers", "apply", str(directory / "followers.toml"), "--offline")
        async with started(town) as engine:
            assert await engine.wait_ready(READY_S_MAX) is not None, engine.last_words()
            yield town, Storm(town, random.Random(5)), engine
        nursery.cancel_scope.cancel()


async def assert_all_is_right(town: Town, engine: EngineProcess) -> None:
    """Wait until everybody is within one lot; nothing was sent twice."""
    problems = await wait_converged(town, CONVERGED_S_MAX)
    problems += sent_twice(town) + sandbox_bugs(town)
    assert not problems, [*problems, engine.last_words()]


async def freeze(engine: EngineProcess, seconds: float) -> None:
    """Stop the process as a debugger or a paused virtual machine does."""
    engine.signal(signal.SIGSTOP)
    await trio.sleep(seconds)
    engine.signal(signal.SIGCONT)


def fill_disk(engine: EngineProcess) -> None:
    """Take all that is free on a small file system; on a large one, let no file of the process grow."""
    directory = engine.town.directory
    if not _is_small(directory):
        return _limit_files(engine, FULL_FROM)
    block = BLOCK
    with (directory / BALLAST).open("ab", buffering=0) as ballast:
        while block:
            try:
                ballast.write(block)
            except OSError:
                block = block[: len(block) // 2]
    return None


def empty_disk(engine: EngineProcess) -> None:
    """Undo that."""
    (engine.town.directory / BALLAST).unlink(missing_ok=True)
    _limit_files(engine, resource.RLIM_INFINITY)


def _limit_files(engine: EngineProcess, size: int) -> None:
    resource.prlimit(engine.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _is_small(directory: Path) -> bool:
    system = os.statvfs(directory)
    return system.f_blocks * system.f_frsize <= SMALL
