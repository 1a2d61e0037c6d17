"""The engine's process, which writes down now and then what it is made of: ``… engine FILE run -c FILE``.

The product knows nothing of this: what is patched here is patched in this process alone.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import trio
from pykka import ActorRegistry

from supervision.engine import Engine

PULSE_S = 10.0


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


def plant(file: Path) -> None:
    """Let every engine of this process write pulses."""
    run = Engine.run

    async def run_with_pulse(self: Engine, **options: Any) -> None:
        trio.lowlevel.spawn_system_task(write_pulses, file)
        await run(self, **options)

    Engine.run = run_with_pulse  # type: ignore[method-assign]


if __name__ == "__main__":
    from supervision.cli import main

    plant(Path(sys.argv[1]))
    main(sys.argv[2:])
