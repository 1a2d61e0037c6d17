"""Pair each master fill with the position update that confirms its margin (R4, R5, R14).

Same frames in any order, same changes; nothing here reads a clock or a socket.
Sizes in base asset, signed, long > 0. Prices and money in quote asset. All Decimal.

A position row is the truth of its leg; fills say at what price it moved. So:

- Fill first: it is parked until a row with seq >= its own comes; the row leaves as one change.
- Row first: a reduction leaves at once, and takes along what waits before it on its leg. Anything
  else waits FILL_WAIT_S for the fills that explain the move to the last lot, because they carry the
  price that bounds the follower's order; then it leaves without them.
- No row: after wait_s the position is read by REST, again and again until a row covers the fill.
  A reduction that REST cannot confirm leaves after LONE_WAITS x wait_s on its fills alone, without
  margin: what closes is never held up by what is unknown. An opening waits for its margin.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from model.account import Execution, PositionReport
from model.change import Change
from model.fills import Fills, total
from model.leg import Leg, PositionMode
from model.leg_book import LegBook
from model.order import OrderReport

FILL_WAIT_S = 0.05
"""How long a confirmed opening waits for its fills: rows follow their fills within 8 ms (bybit.md 3.11)."""
LONE_WAITS = 3
READ_AGAIN_S_MAX = 5.0
FORGET_S = 60.0
"""After so long a fill that no read covers is given up; the next snapshot knows what it did."""
LEGS_MAX = 5_000
"""Legs remembered; past it the longest flat one goes. A venue lists some hundred symbols."""


class Pairing:
    """What is known of the master's legs. Times are the caller's seconds; ``*_ms`` is wall clock."""

    def __init__(self, memory: Mapping[Leg, Change], *, wait_s: float) -> None:
        """Go on from the last change of every leg.

        Args:
            memory: what was acted on before, by leg.
            wait_s: how long a fill waits for its position update before REST is asked.
        """
        self.master_equity: Decimal | None = None
        """The master's equity as last heard; set by the caller before each call."""
        self._wait_s = wait_s
        self._books = {leg: LegBook(leg, change) for leg, change in memory.items()}
        self._moving: dict[Leg, LegBook] = {}
        """The books with moves that wait."""
        self._fills = Fills()
        self._watched_before = bool(memory)
        for leg, change in memory.items():
            if change.size_after:
                self._fills.learn_mode(leg, change.venue_time_ms)

    @property
    def legs(self) -> dict[Leg, Change]:
        """The last change of every leg, with margin, leverage and equity as last confirmed."""
        return {leg: book.last for leg, book in self._books.items() if book.last is not None}

    @property
    def parked(self) -> tuple[Execution, ...]:
        """The fills that wait for a position update."""
        return tuple(fill.execution for fill in self._fills.every())

    def others(self, leg: Leg) -> tuple[Change, ...]:
        """Return the last change of each other leg of the leg's symbol."""
        books = (book for book in self._books_of(leg.symbol) if book.leg != leg)
        return tuple(book.last for book in books if book.last is not None)

    def mode(self, symbol: str) -> PositionMode | None:
        """Return the symbol's position mode, None when no row or open leg told it."""
        return self._fills.mode(symbol)

    # What the stream says

    def executions(self, rows: Iterable[Execution], *, now: float, received_at_ms: int) -> tuple[Change, ...]:
        """Take fills, in any order and any number of times; return what they complete."""
        taken = tuple(rows)
        for row in taken:
            self._fills.park(row, now=now, received_at_ms=received_at_ms, wait_s=self._wait_s)
        return self._advance_all({row.symbol for row in taken}, now)

    def positions(
        self, rows: Iterable[PositionReport], *, now: float, received_at_ms: int
    ) -> tuple[Change, ...]:
        """Take position rows; return the changes that are confirmed now."""
        until = now + min(FILL_WAIT_S, self._wait_s)
        symbols = self._take(rows, until, received_at_ms, read=False)
        return self._advance_all(symbols, now)

    def order(self, report: OrderReport, *, now: float) -> tuple[Change, ...]:
        """Take an order row: it tells the leg of its fills; return what that completes."""
        self._fills.learn_order(report.order_id, report.leg)
        return self._advance_all({report.leg.symbol}, now)

    def stream_lost(self) -> None:
        """Drop parked fills: a snapshot tells what became of them. Confirmed moves stay."""
        self._fills.drop(self._fills.every())

    # What REST says

    def snapshot(
        self, rows: Iterable[PositionReport], *, now: float, received_at_ms: int, live: bool = False
    ) -> tuple[Change, ...]:
        """Compare a listing of open positions with what was acted on; return what was missed (R14).

        A listing leaves flat legs out: see ``unlisted``.

        Args:
            live: read beside a running stream, whose frames of the same move may be on their way.
        """
        until = now + min(FILL_WAIT_S, self._wait_s)
        symbols = self._take(rows, until, received_at_ms, read=True)
        self._watched_before = True
        return self._advance_all(symbols, now, settling=not live)

    def unlisted(self, rows: Iterable[PositionReport]) -> frozenset[str]:
        """Return symbols of open legs that a listing leaves out: to be asked for by symbol.

        An absence carries no time or sequence, so it is no evidence by itself.
        """
        listed = {row.leg for row in rows}
        return frozenset(leg.symbol for leg, book in self._books.items() if book.known and leg not in listed)

    def settled(
        self, symbol: str, rows: Iterable[PositionReport], *, now: float, received_at_ms: int
    ) -> tuple[Change, ...]:
        """Take every leg of one symbol as REST tells it, and end the waits that it answers.

        A leg that a reading of its symbol does not have is flat: the position mode was switched,
        which takes flat legs, or the symbol is gone.
        """
        told = tuple(rows)
        listed = {row.leg for row in told}
        absent = [book for book in self._books_of(symbol) if book.known and book.leg not in listed]
        self._take((book.absent_row(told) for book in absent), now, received_at_ms, read=True, learn=False)
        self._take(told, now, received_at_ms, read=True)
        changes = self._advance_all({symbol}, now, settling=True)
        # Legs of a symbol share one sequence: a reading that has reached it covers every leg's fill.
        newest = max(told, key=lambda row: (row.seq, row.venue_time_ms), default=None)
        waiting = self._fills.of_symbol(symbol)
        self._fills.drop(fill for fill in waiting if newest is None or fill.comes_before(newest))
        return changes

    # What time says

    def overdue(self, now: float) -> frozenset[str]:
        """Return symbols to read by REST because a fill waits too long; each is told again later."""
        symbols = set()
        for fill in self._fills.every():
            if now >= fill.read_at:
                fill.reads += 1
                fill.read_at = now + min(READ_AGAIN_S_MAX, self._wait_s * 2**fill.reads)
                symbols.add(fill.execution.symbol)
        return frozenset(symbols)

    def expire(self, *, now: float) -> tuple[Change, ...]:
        """End the waits that ran out; return the changes that leave without what they waited for."""
        changes = list(self._advance_all({leg.symbol for leg in self._moving}, now))
        for symbol in sorted({fill.execution.symbol for fill in self._fills.every()}):
            for book in self._books_of(symbol):
                changes.extend(self._reduce_alone(book, now))
        self._fills.drop(fill for fill in self._fills.every() if now >= fill.parked_at + FORGET_S)
        return tuple(changes)

    def next_deadline(self) -> float | None:
        """Return when ``overdue`` or ``expire`` has something to do, None while nothing waits."""
        times = [move.until for book in self._moving.values() for move in book.moves]
        for fill in self._fills.every():
            times += (fill.read_at, fill.parked_at + FORGET_S)
        return min(times, default=None)

    # In and out

    def _books_of(self, symbol: str) -> list[LegBook]:
        legs = (Leg(symbol, idx) for idx in (0, 1, 2))
        return [self._books[leg] for leg in legs if leg in self._books]

    def _take(
        self,
        rows: Iterable[PositionReport],
        until: float,
        received_at_ms: int,
        *,
        read: bool,
        learn: bool = True,
    ) -> set[str]:
        symbols = set()
        for row in rows:
            if learn:
                self._fills.learn_mode(row.leg, row.venue_time_ms)
            began_ms = self._began_ms(row) if read else row.venue_time_ms
            self._book(row.leg).take(
                row, until=until, received_at_ms=received_at_ms, read=read, began_ms=began_ms
            )
            symbols.add(row.leg.symbol)
        return symbols

    def _began_ms(self, row: PositionReport) -> int:
        """Return when a position that REST shows began.

        Its row's own time moves with funding and orders. One that was there before we ever watched
        has an unknown age, and no follower joined before it.
        """
        if row.opened_at_ms:
            return row.opened_at_ms
        return row.venue_time_ms if self._watched_before else 0

    def _book(self, leg: Leg) -> LegBook:
        book = self._books.get(leg)
        if book is None:
            if len(self._books) >= LEGS_MAX:
                self._forget_longest_flat()
            book = self._books[leg] = LegBook(leg)
        return book

    def _forget_longest_flat(self) -> None:
        flat = [book for book in self._books.values() if not book.known and not book.moves]
        if flat:
            del self._books[min(flat, key=lambda book: book.idle_since_ms).leg]

    def _advance_all(
        self, symbols: Iterable[str], now: float, *, settling: bool = False
    ) -> tuple[Change, ...]:
        books = [book for symbol in sorted(symbols) for book in self._books_of(symbol)]
        return tuple(change for book in books for change in self._advance(book, now, settling))

    def _advance(self, book: LegBook, now: float, settling: bool) -> Iterator[Change]:
        """Let go what waits on a leg no longer, oldest first."""
        self._drop_late(book)
        while book.moves:
            move = book.moves[0]
            covered = [it for it in self._fills.of_leg(book.leg) if it.comes_before(move.row)]
            fills, explained = move.explaining(covered)
            urgent = any(it.reduces for it in book.moves)
            if not (explained or urgent or settling or now >= move.until):
                self._moving[book.leg] = book
                return
            self._fills.drop(covered)
            yield book.confirm(fills, explained=explained, settling=settling, equity=self.master_equity)
        self._moving.pop(book.leg, None)
        self._drop_undone(book)
        book.refresh(self.master_equity)

    def _drop_late(self, book: LegBook) -> None:
        """Drop fills of changes that have left already."""
        last = book.last
        if last is not None:
            fills = self._fills.of_leg(book.leg)
            self._fills.drop(it for it in fills if it.comes_before(last))

    def _drop_undone(self, book: LegBook) -> None:
        """Drop fills that the newest row covers and that undid each other."""
        covered = [fill for fill in self._fills.of_leg(book.leg) if book.shows(fill)]
        if not total(covered):
            self._fills.drop(covered)

    def _reduce_alone(self, book: LegBook, now: float) -> Iterator[Change]:
        # What the newest row covers is in its size, whatever its fills seem to say: some may be lost.
        fills = [fill for fill in self._fills.of_leg(book.leg) if not book.shows(fill)]
        if any(now >= fill.parked_at + LONE_WAITS * self._wait_s for fill in fills):
            change = book.reduce_alone(fills, equity=self.master_equity)
            if change is not None:
                self._fills.drop(fills)
                yield change
