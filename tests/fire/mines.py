"""Errors that wait in the code that reads streams, each for one actor, each for once.

What is patched is patched for the length of a block. Every task of an actor knows whose it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import attrs
import structlog

from actors.account_stream import AccountStream
from actors.master_stream import MasterStream
from exchanges.websocket import WebSocket
from model.marks import Marks

READ, HANDLED = "a frame is read", "a frame is handled"


@attrs.define
class Mines:
    """Which actor dies next, and where."""

    _laid: set[tuple[str, str]] = attrs.field(factory=set)

    def lay(self, actor: str, point: str) -> None:
        """Let the actor raise when it passes the point the next time."""
        self._laid.add((actor, point))

    def lift(self) -> None:
        """Take away what nobody stepped on."""
        self._laid.clear()

    def step(self, point: str) -> None:
        """Pass a point; raises KeyError where a mine lies."""
        mine = structlog.contextvars.get_contextvars().get("actor", ""), point
        if mine in self._laid:
            self._laid.remove(mine)
            raise KeyError("a field that nobody expected to be missing")


@contextmanager
def planted(mines: Mines) -> Iterator[None]:
    """Put the points into every reader of streams."""
    receive, put = WebSocket.receive, Marks.put
    handlers: dict[type[Any], Any] = {it: it._pass_on for it in (MasterStream, AccountStream)}  # type: ignore[attr-defined]

    async def receive_and_step(self: WebSocket) -> str:
        text = await receive(self)
        mines.step(READ)
        return text

    def put_and_step(self: Marks, symbol: str, price: Decimal, now: float) -> None:
        mines.step(HANDLED)
        put(self, symbol, price, now)

    WebSocket.receive, Marks.put = receive_and_step, put_and_step  # type: ignore[method-assign]
    for kind, handle in handlers.items():
        kind._pass_on = _stepping(mines, handle)
    try:
        yield
    finally:
        WebSocket.receive, Marks.put = receive, put  # type: ignore[method-assign]
        for kind, handle in handlers.items():
            kind._pass_on = handle


def _stepping(mines: Mines, handle: Any) -> Any:
    def step_and_handle(self: object, event: object) -> None:
        mines.step(HANDLED)
        handle(self, event)

    return step_and_handle
