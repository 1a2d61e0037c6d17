"""What the WebSockets of an account have in common: pings, and tasks that live beside a block."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from exchanges.errors import StreamLost
from exchanges.websocket import WebSocket

PING_EVERY_S = 10.0
PONG_S = 10.0
"""Together they are below the 25 s of silence that make a view stale (R21)."""


async def ping_for_ever(socket: WebSocket, heard: Callable[[], Awaitable[None]]) -> None:
    """Ping a socket and tell of each answer; let go of a socket that gives none, then return.

    The venue pings only every 3 minutes, and streams are quiet for hours: without this a dead line
    looks like a quiet account.
    """
    while True:
        await trio.sleep(PING_EVERY_S)
        with trio.move_on_after(PONG_S) as scope:
            try:
                await socket.ping()
            except StreamLost:
                return
        if scope.cancelled_caught:
            await socket.abort()
            return
        await heard()


@asynccontextmanager
async def beside(*tasks: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run tasks for the length of the block. What the block raises leaves it as it is, in no group."""
    raised: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            for task in tasks:
                nursery.start_soon(task)
            try:
                yield
            except BaseException as error:
                raised = error
                raise
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup:
        if raised is not None and not isinstance(raised, trio.Cancelled):
            raise raised from raised.__cause__
        raise
