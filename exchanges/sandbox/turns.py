"""One message at a time for the whole server, so that arrivals are seen while others are worked on.

A thousand orders that arrive at once are handled one in each pass of the scheduler. What comes in
meanwhile is read, and stamped with the time of its arrival, before the next one is handled; otherwise the
stamps would measure how long the sandbox worked.
"""

from collections import deque

import trio


class Turns:
    """Hands out turns in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: deque[trio.Event] = deque()
        self._some = trio.Event()

    async def wait(self) -> None:
        """Return when it is the caller's turn; it lasts until the caller waits for anything."""
        turn = trio.Event()
        self._waiting.append(turn)
        self._some.set()
        await turn.wait()

    async def run(self) -> None:
        """Give out turns until cancelled."""
        while True:
            await self._some.wait()
            while self._waiting:
                self._waiting.popleft().set()
                await trio.lowlevel.checkpoint()
            self._some = trio.Event()
