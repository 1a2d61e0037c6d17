"""Between the bench and a process of it: one JSON line per question on stdin, per answer on stdout."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

Commands = dict[str, Callable[..., Awaitable[Any]]]
TIMEOUT_S = 600.0
END_S = 40.0


async def _lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[bytes]:
    buffer = b""
    async for data in stream:
        buffer += data
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            yield line


async def serve_commands(ready: object, commands: Commands) -> None:
    """Say ``ready``, then answer questions until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    print(json.dumps(ready), file=answers)
    async for line in _lines(trio.lowlevel.FdStream(os.dup(0))):
        question = json.loads(line)
        answer = await commands[question.pop("ask")](**question)
        print(json.dumps(answer), file=answers)


@attrs.define(eq=False)
class Process:
    """A process of the bench; ``ready`` is what it said first."""

    process: trio.Process
    _answers: AsyncIterator[bytes]
    ready: Any = None

    async def ask(self, what: str, **arguments: object) -> Any:
        """Ask and return the answer. Raises: RuntimeError when the process has ended."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(json.dumps({"ask": what, **arguments}).encode() + b"\n")
        return await self.hear()

    async def hear(self) -> Any:
        """Return the next line."""
        with trio.fail_after(TIMEOUT_S):
            async for line in self._answers:
                return json.loads(line)
        raise RuntimeError(f"{self.process.args} ended: {await self.process.wait()}")


@asynccontextmanager
async def started(module: str, **arguments: object) -> AsyncIterator[Process]:
    """Run a module of the bench with these arguments; it ends when its stdin does."""
    command = [sys.executable, "-m", module, json.dumps(arguments)]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        child = Process(process, _lines(process.stdout))
        child.ready = await child.hear()
        yield child
        await process.stdin.aclose()
        with trio.move_on_after(END_S):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
