"""Keeps one venue's marks, catalogue and clock offset fresh for all its followers (R21)."""

import contextlib
from collections.abc import Awaitable, Callable

import trio

from actors.messages import WatchMarks
from actors.runtime import TrioActor
from actors.venue_board import VenueBoard
from exchanges.errors import ExchangeError

MARKS_POLL_S = 3.0
CATALOGUE_REFRESH_S = 3_600.0
CATALOGUE_COMPLETE_S = 5.0
"""After a start, whose first reading may lack what takes long."""
CLOCK_REFRESH_S = 30.0
STREAM_RETRY_S_MAX = 30.0
HEALTHY_AFTER_S = 60.0
WATCH_SETTLE_S = 0.2


class MarkStream(TrioActor):
    """Streams the marks of watched symbols; reads all marks by REST while the stream is away."""

    def __init__(self, *, board: VenueBoard) -> None:
        super().__init__()
        self._board = board
        self._widened = trio.Event()
        self._streaming = False

    async def on_start(self) -> None:
        """Read the catalogue, the marks and the clock once before any follower starts."""
        await self._read_catalogue()
        await self._read_marks()
        self._board.clock_offset_ms = await self._board.venue.clock_offset_ms()
        self.nursery.start_soon(self._keep_catalogue)
        self.nursery.start_soon(self._every, CLOCK_REFRESH_S, self._read_clock)
        self.nursery.start_soon(self._every, MARKS_POLL_S, self._read_marks_if_alone)
        self.nursery.start_soon(self._stream)

    async def on_receive(self, message: object) -> object:
        """Widen the set of streamed symbols."""
        match message:
            case WatchMarks(symbols=symbols):
                fresh = (symbols - self._board.watched) & self._board.instruments.keys()
                if fresh:
                    self._board.watched |= fresh
                    self._widened.set()
            case _:
                raise TypeError(f"MarkStream does not know {message!r}")
        return None

    async def _stream(self) -> None:
        failures = 0
        while True:
            if not self._board.watched:
                await self._widened.wait()
            await trio.sleep(WATCH_SETTLE_S)
            self._widened = trio.Event()
            began = trio.current_time()
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._until_widened, nursery.cancel_scope)
                    await self._read_stream()
                failures = 0
            except* (ExchangeError, OSError):
                self._streaming = False
                failures = 1 if trio.current_time() - began > HEALTHY_AFTER_S else failures + 1
                await trio.sleep(min(STREAM_RETRY_S_MAX, 0.1 * 2**failures))

    async def _read_stream(self) -> None:
        async with self._board.venue.marks(self._board.watched) as updates:
            self._streaming = True
            async for symbol, price in updates:
                self._board.marks.put(symbol, price, trio.current_time())

    async def _until_widened(self, scope: trio.CancelScope) -> None:
        await self._widened.wait()
        await self._read_marks_quietly()
        scope.cancel()

    async def _read_marks_if_alone(self) -> None:
        if not self._streaming or self._has_stale_mark():
            await self._read_marks()

    def _has_stale_mark(self) -> bool:
        now = trio.current_time()
        price = self._board.marks.price
        return any(price(s, now=now, age_s_max=MARKS_POLL_S) is None for s in self._board.watched)

    async def _read_marks_quietly(self) -> None:
        try:
            await self._read_marks()
        except ExchangeError:
            return  # the poll repeats it within MARKS_POLL_S; openings wait for fresh marks meanwhile

    async def _read_marks(self) -> None:
        marks = await self._board.venue.read_marks()
        now = trio.current_time()
        for symbol, price in marks.items():
            self._board.marks.put(symbol, price, now)

    async def _read_catalogue(self) -> None:
        self._board.learn(await self._board.venue.instruments())

    async def _keep_catalogue(self) -> None:
        await trio.sleep(CATALOGUE_COMPLETE_S)
        with contextlib.suppress(ExchangeError):  # the first reading serves until the next
            await self._read_catalogue()
        while True:
            with trio.move_on_after(CATALOGUE_REFRESH_S):
                await self._board.doubted.wait()
            self._board.doubted = trio.Event()
            with contextlib.suppress(ExchangeError):  # what is known serves; a new doubt asks again
                await self._read_catalogue()

    async def _read_clock(self) -> None:
        self._board.clock_offset_ms = await self._board.venue.clock_offset_ms()

    async def _every(self, period_s: float, read: Callable[[], Awaitable[None]]) -> None:
        while True:
            await trio.sleep(period_s)
            try:
                await read()
            except ExchangeError:
                continue  # what is known grows stale visibly: openings stop by age, not by a crash
