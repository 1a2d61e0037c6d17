"""An engine process: started, asked over its socket, killed, frozen."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from supervision.control_client import NoEngine, connect
from supervision.exits import OperatorError
from tests.crashes.engine import FROM_A_CLAIM, NEVER
from tests.crashes.town import Town

ROOT = Path(__file__).parents[2]
POLL_S = 0.05
LOG_TAIL = 4_000


@attrs.define(kw_only=True)
class EngineProcess:
    """One life of the engine."""

    town: Town
    process: trio.Process
    log: Path

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def signal(self, number: signal.Signals) -> None:
        """Send another signal."""
        self.process.send_signal(number)

    @property
    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self.process.poll() is None

    @property
    def was_killed(self) -> bool:
        """Tell whether it ended by SIGKILL, and not by itself."""
        return self.process.poll() == -signal.SIGKILL

    async def ask(self, method: str, **params: object) -> Any:
        """Call a control method; None while nobody answers."""
        try:
            async with connect(self.town.socket) as client:
                return await client.call(method, **params)
        except (NoEngine, OperatorError):
            return None

    async def wait_ready(self, timeout_s: float) -> float | None:
        """Wait until it is ready; return the seconds that took, None when it died or took too long."""
        began = trio.current_time()
        with trio.move_on_after(timeout_s):
            while self.is_alive:
                answer = await self.ask("health")
                if answer is not None and answer["health"] == "ready":
                    return trio.current_time() - began
                await trio.sleep(POLL_S)
        return None

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text()[-LOG_TAIL:]


async def command(town: Town, *arguments: str) -> str:
    """Run a command of the operator to its end; its output. Raises: CalledProcessError."""
    done = await trio.run_process(
        [sys.executable, "-m", "supervision.cli", *arguments, "-c", str(town.config)],
        capture_stdout=True,
        cwd=ROOT,
    )
    return done.stdout.decode()


@asynccontextmanager
async def started(
    town: Town, point: str = NEVER, count: int = 0, counts_from: str = FROM_A_CLAIM
) -> AsyncIterator[EngineProcess]:
    """Start an engine that kills itself at a point, or never; nobody survives the block."""
    async with running(town, "tests.crashes.engine", point, str(count), counts_from) as engine:
        yield engine


@asynccontextmanager
async def running(town: Town, module: str, *arguments: str) -> AsyncIterator[EngineProcess]:
    """Run a module that is an engine once it has taken these arguments; nobody survives the block."""
    log = town.directory / "engine.log"
    with log.open("ab") as output:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", module, *arguments, "run", "-c", str(town.config)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    try:
        yield EngineProcess(town=town, process=process, log=log)
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
