"""The engine's process, which writes down now and then what it is made of: ``… engine FILE WARM_S run …``.

The product knows nothing of this: what is patched here is patched in this process alone.
"""

import json
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import trio
from pykka import ActorRegistry

from actors.ledger_desk import LedgerDesk
from model.ledger import Store
from supervision.engine import Engine

PULSE_S = 10.0
FILL_EVERY_S = 30.0
TOGETHER_S = 5.0


async def write_pulses(file: Path) -> None:
    """Append one line of figures after another, until cancelled."""
    while True:
        figures = {
            "tasks": trio.lowlevel.current_statistics().tasks_living,
            "threads": threading.active_count(),
            "actors": len(ActorRegistry.get_all()),
        }
        with file.open("a") as lines:
            lines.write(f"{json.dumps(figures)}\n")
        await trio.sleep(PULSE_S)


async def fill_caches(ledger: LedgerDesk, warm_s: float) -> None:
    """While it warms up, have every connection of the pool fill its page cache.

    The pool lends the oldest that is free. The others are used where threads meet, and would fill theirs,
    2 MB each, over hours.
    """
    with trio.move_on_after(warm_s):
        while True:
            await trio.sleep(FILL_EVERY_S)
            size = ledger._store.database.pool_size
            together = threading.Barrier(size)
            async with trio.open_nursery() as nursery:
                for _ in range(size):
                    nursery.start_soon(ledger.read, partial(_read_every_table, together=together))


def _read_every_table(store: Store, *, together: threading.Barrier) -> None:
    with store.unit(write=False) as connection:
        with suppress(threading.BrokenBarrierError):
            together.wait(TOGETHER_S)  # so that each has a connection of its own
        for table in connection.get_tables():
            connection.execute_sql(f'SELECT count(*) FROM "{table}" NOT INDEXED').fetchone()


def plant(file: Path, warm_s: float) -> None:
    """Let every engine of this process write pulses, and fill what is bounded while it warms up."""
    run = Engine.run

    async def run_with_pulse(self: Engine, **options: Any) -> None:
        trio.lowlevel.spawn_system_task(write_pulses, file)
        trio.lowlevel.spawn_system_task(fill_caches, self.parts.ledger, warm_s)
        await run(self, **options)

    Engine.run = run_with_pulse  # type: ignore[method-assign]


if __name__ == "__main__":
    from supervision.cli import main

    plant(Path(sys.argv[1]), float(sys.argv[2]))
    main(sys.argv[3:])
