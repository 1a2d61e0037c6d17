"""Things that happen later, in one task: delayed fills, answers and frames."""

import heapq
import itertools
from collections.abc import Callable

import trio


class Timers:
    """Calls what was asked for when its time has come, in order; trio's clock, so virtual time too."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._wake = trio.Event()

    def later(self, delay_s: float, call: Callable[[], object]) -> None:
        """Call at once when there is nothing to wait for, else in ``delay_s`` seconds."""
        if delay_s <= 0:
            call()
            return
        heapq.heappush(self._due, (trio.current_time() + delay_s, next(self._numbers), call))
        self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._wait()
            while self._due and self._due[0][0] <= trio.current_time():
                _, _, call = heapq.heappop(self._due)
                call()
                # What comes in while much is due is stamped when it comes, not when all is done.
                await trio.lowlevel.checkpoint()

    async def _wait(self) -> None:
        if self._wake.is_set():  # several servers may share one venue and its timers
            self._wake = trio.Event()
        deadline = self._due[0][0] if self._due else float("inf")
        with trio.move_on_at(deadline):
            await self._wake.wait()
