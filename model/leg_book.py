"""One master leg: its last change, its newest row, and the moves between them (R4, R14)."""

from collections import deque
from decimal import Decimal

import attrs

from model.account import PositionReport
from model.amounts import ZERO
from model.change import Change, episode_after, make_change_id
from model.fills import ParkedFill, average_price, total
from model.leg import ChangeClass, Leg, classify

SEQ_RESET_MS = 3_600_000
"""A row this much later with a lower seq is no late one: the venue began to count anew."""


@attrs.define(eq=False)
class Move:
    """A row that moved its leg's size and has not left as a change yet."""

    row: PositionReport
    before: Decimal
    since: PositionReport | None
    """The row before it: fills which that one covers belong to what it showed."""
    until: float
    """When it leaves without the fills that it waits for, in the caller's seconds."""
    received_at_ms: int
    read: bool
    """Seen by REST only, so far."""
    began_ms: int
    """When the leg's episode began, should this move begin one."""

    @property
    def reduces(self) -> bool:
        """Tell whether the move takes something off."""
        return classify(self.before, self.row.size).reduces

    def explaining(self, covered: list[ParkedFill]) -> tuple[list[ParkedFill], bool]:
        """Return the fills that made the move, of those its row covers, and whether they add up to it."""
        since = self.since
        own = [fill for fill in covered if since is None or not fill.comes_before(since)]
        return own, total(own) == self.row.size - self.before


@attrs.define(eq=False)
class LegBook:
    """What is known of one leg; it decides which rows are news, and what a change says."""

    leg: Leg
    last: Change | None = None
    newest: PositionReport | None = None
    moves: deque[Move] = attrs.field(factory=deque)
    """Oldest first; each begins where the one before it ended."""

    @property
    def acted(self) -> Decimal:
        """The size that the last change left."""
        return ZERO if self.last is None else self.last.size_after

    @property
    def known(self) -> Decimal:
        """The size as the newest row showed it, whether it has left as a change or not."""
        return self.moves[-1].row.size if self.moves else self.acted

    @property
    def idle_since_ms(self) -> int:
        """Venue time of the last change, 0 without one."""
        return 0 if self.last is None else self.last.venue_time_ms

    def shows(self, fill: ParkedFill) -> bool:
        """Tell whether the newest row is of after this fill."""
        return self.newest is not None and fill.comes_before(self.newest)

    def take(
        self, row: PositionReport, *, until: float, received_at_ms: int, read: bool, began_ms: int
    ) -> None:
        """Take a row: a move, a confirmation of what is known, or no news at all."""
        if self._is_stale(row, read=read):
            return
        since, self.newest = self.newest, row
        before = self.known
        if row.size != before:
            self.moves.append(Move(row, before, since, until, received_at_ms, read, began_ms))
        elif self.moves and not read:
            self.moves[-1].read = False

    def _is_stale(self, row: PositionReport, *, read: bool) -> bool:
        """Tell whether the row shows a state before the one we know.

        Of rows that claim one moment and differ, the stream's first stands until REST says otherwise.
        """
        if self.last is not None and _is_before(row, self.last.seq, self.last.venue_time_ms):
            return True
        newest = self.newest
        if newest is None:
            return False
        if _is_before(row, newest.seq, newest.venue_time_ms):
            return True
        same_moment = (row.seq, row.venue_time_ms) == (newest.seq, newest.venue_time_ms)
        return same_moment and row.size != newest.size and not read

    def confirm(
        self, fills: list[ParkedFill], *, explained: bool, settling: bool, equity: Decimal | None
    ) -> Change:
        """Let the oldest move leave, with the fills that its row covers.

        Args:
            explained: the fills add up to the move.
            settling: REST was asked for what the stream did not say.
        """
        move = self.moves.popleft()
        return self.follow(
            move.row,
            fill_price=average_price(fills, move.row.size - move.before) or _price_without_fills(move),
            received_at_ms=min((move.received_at_ms, *(fill.received_at_ms for fill in fills))),
            began_ms=move.began_ms,
            from_snapshot=not explained,
            caught_up=move.read and (settling or not explained),
            equity=equity,
        )

    def reduce_alone(self, fills: list[ParkedFill], *, equity: Decimal | None) -> Change | None:
        """Let a reduction go on its fills alone, without margin; None when they do not reduce.

        Of a flip only the close goes: the other side needs its margin.
        """
        moved = total(fills)
        kind = classify(self.acted, self.acted + moved)
        if self.last is None or self.moves or not kind.reduces:
            return None
        after = ZERO if kind is ChangeClass.FLIP else self.acted + moved
        newest = max((fill.execution for fill in fills), key=lambda it: (it.seq, it.venue_time_ms))
        row = attrs.evolve(
            flat_row(self.leg, newest.seq, newest.venue_time_ms),
            size=after,
            leverage=self.last.leverage,
            entry_price=self.last.entry_price if after else None,
        )
        return self.follow(
            row,
            fill_price=average_price(fills, moved),
            received_at_ms=min(fill.received_at_ms for fill in fills),
            equity=equity,
        )

    def follow(
        self,
        row: PositionReport,
        *,
        fill_price: Decimal | None,
        received_at_ms: int,
        equity: Decimal | None,
        began_ms: int = 0,
        from_snapshot: bool = False,
        caught_up: bool = False,
    ) -> Change:
        """Return the change that brings the leg to ``row``, and keep it as the last."""
        change_id = make_change_id(self.leg, row.seq, row.size)
        episode = episode_after(
            self.last, change_id=change_id, size_after=row.size, margin=row.initial_margin, began_ms=began_ms
        )
        self.last = Change(
            change_id=change_id,
            leg=self.leg,
            size_before=self.acted,
            size_after=row.size,
            initial_margin=row.initial_margin,
            leverage=row.leverage,
            fill_price=fill_price,
            master_equity=equity,
            entry_price=row.entry_price or None,
            venue_time_ms=row.venue_time_ms,
            received_at_ms=received_at_ms,
            seq=row.seq,
            episode_id=episode.episode_id,
            episode_began_ms=episode.episode_began_ms,
            peak_size=episode.peak_size,
            peak_margin=episode.peak_margin,
            from_snapshot=from_snapshot,
            caught_up=caught_up,
        )
        return self.last

    def refresh(self, equity: Decimal | None) -> None:
        """Take margin, leverage and equity of a row that moved no size; nobody is told."""
        row, last = self.newest, self.last
        if row is None or last is None or not row.size or row.size != last.size_after:
            return
        self.last = attrs.evolve(
            last,
            initial_margin=row.initial_margin,
            leverage=row.leverage,
            entry_price=row.entry_price or None,
            master_equity=equity,
        )

    def absent_row(self, others: tuple[PositionReport, ...]) -> PositionReport:
        """Return a flat row for the leg, as new as a reading of its symbol that does not have it."""
        rows = (*others, self.newest) if self.newest else others
        last = (-1, 0) if self.last is None else (self.last.seq, self.last.venue_time_ms)
        return flat_row(self.leg, *max([last, *((row.seq, row.venue_time_ms) for row in rows)]))


def flat_row(leg: Leg, seq: int, venue_time_ms: int) -> PositionReport:
    """Return a row that says nothing but that the leg is flat."""
    return PositionReport(
        leg=leg,
        size=ZERO,
        entry_price=None,
        leverage=None,
        initial_margin=None,
        mark_price=None,
        seq=seq,
        venue_time_ms=venue_time_ms,
    )


def _price_without_fills(move: Move) -> Decimal | None:
    row, kind = move.row, classify(move.before, move.row.size)
    if kind in (ChangeClass.OPEN, ChangeClass.FLIP) and row.entry_price:
        return row.entry_price
    return row.mark_price or row.entry_price or None


def _is_before(row: PositionReport, seq: int, venue_time_ms: int) -> bool:
    if row.seq != seq and row.seq >= 0 and seq >= 0:
        return row.seq < seq and row.venue_time_ms < venue_time_ms + SEQ_RESET_MS
    return row.venue_time_ms < venue_time_ms
