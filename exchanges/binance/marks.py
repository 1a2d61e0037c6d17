"""Mark prices of all USD-M symbols: one public stream, and one REST read (USD-M "Mark Price").

One stream carries every symbol once a second, so a symbol that is traded for the first time has a
fresh mark already. Since June 2026 it carries COIN-M's symbols too (``st`` 2): they are left out.
"""

import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

import trio

from exchanges.binance.codes import EXCHANGE
from exchanges.binance.limits import AddressLimits
from exchanges.binance.rest import BinanceRest
from exchanges.binance.wire import Row, load, positive, reading, rows_of, word
from exchanges.errors import ExchangeError, MalformedMessage, StreamLost
from exchanges.network import Network
from exchanges.pacing import Urgency
from exchanges.websocket import WebSocket, open_websocket

log = logging.getLogger(__name__)

ALL_MARKS = "!markPrice@arr@1s"
MARKS_PATH = "/fapi/v1/premiumIndex"
MARKS_WEIGHT = 10
SILENCE_S_MAX = 10.0
COIN_M = 2

Mark = tuple[str, Decimal]


class MarkUpdates:
    """Mark prices as they come: (symbol, price); iteration raises StreamLost."""

    __slots__ = ("_marks", "_socket")

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._marks: deque[Mark] = deque()

    def __aiter__(self) -> AsyncIterator[Mark]:
        return self

    async def __anext__(self) -> Mark:
        """Return the next mark price."""
        while not self._marks:
            self._marks.extend(await self._next_frame())
        return self._marks.popleft()

    async def _next_frame(self) -> tuple[Mark, ...]:
        with trio.move_on_after(SILENCE_S_MAX):
            text = await self._socket.receive()
            try:
                return parse_marks_frame(text)
            except MalformedMessage as error:
                # The prices grow old, which every reader of them checks; a poll brings new ones.
                log.warning("a frame of marks is left out: %s", error)
                return ()
        await self._socket.abort()
        raise StreamLost(f"no marks for {SILENCE_S_MAX:g} s", exchange=EXCHANGE)


@asynccontextmanager
async def open_marks(url: str, *, network: Network, shared: AddressLimits) -> AsyncIterator[MarkUpdates]:
    """Open the stream of all marks; raises StreamLost."""
    try:
        await shared.pass_socket(0, Urgency.REDUCE)
    except ExchangeError as error:
        raise StreamLost(str(error), exchange=EXCHANGE, code=error.code) from error
    async with open_websocket(network, f"{url}/ws/{ALL_MARKS}", exchange=EXCHANGE) as socket:
        yield MarkUpdates(socket)


def parse_marks_frame(text: str) -> tuple[Mark, ...]:
    """Return the marks in one frame, bare or in an envelope; raises MalformedMessage for no such frame.

    A row that cannot be read is left out: its price grows old by itself.
    """
    found = load(text)
    if isinstance(found, dict) and "stream" in found:
        found = found.get("data")
    rows = [found] if isinstance(found, dict) and found.get("e") else found
    if isinstance(rows, dict):
        return ()  # an answer, no update
    return tuple(mark for row in rows_of(rows) if (mark := _mark_of(row, "s", "p")) is not None)


async def read_all_marks(rest: BinanceRest) -> Mapping[str, Decimal]:
    """Read the mark price of every symbol once; raises ExchangeError's kinds."""
    rows = rows_of(await rest.read(MARKS_PATH, weight=MARKS_WEIGHT))
    marks = (_mark_of(row, "symbol", "markPrice") for row in rows)
    return dict(mark for mark in marks if mark is not None)


def _mark_of(row: Row, symbol: str, price: str) -> Mark | None:
    try:
        with reading("mark price"):
            if row.get("st") == COIN_M:
                return None
            return word(row[symbol]), positive(row[price])
    except MalformedMessage as error:
        log.warning("a mark is left out: %s", error)
        return None
