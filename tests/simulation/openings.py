"""What each copy opened by the venue's own books: a leg that it opened whole is not opened again (I1)."""

import sqlite3
from collections import Counter
from decimal import Decimal

import attrs

from exchanges.sandbox import LedgerRow

OpeningKey = tuple[str, int, str, int]
"""Follower, the copy's number in the ledger, symbol, position_idx."""


@attrs.frozen
class _Opening:
    attempt: int
    row: LedgerRow
    moves: int
    """How often the master had moved on the symbol, and the account was paid: either may ask for more."""
    held: Decimal
    """When it arrived; signed."""

    def has_lost_to(self, held: Decimal) -> bool:
        """Tell whether less is held than when it had filled."""
        sign = self.row.intent.side.sign
        return sign * held < sign * self.held + self.row.filled


@attrs.define
class Openings:
    """The opening orders that arrived, by copy and leg."""

    _known: dict[OpeningKey, list[_Opening]] = attrs.field(factory=dict)
    _moves: Counter[str] = attrs.field(factory=Counter)
    _payments: Counter[str] = attrs.field(factory=Counter)

    def master_moved(self, symbol: str) -> None:
        """Note that the master did something on a symbol, in his own name of it."""
        self._moves[symbol] += 1

    def paid(self, account: str) -> None:
        """Note that a follower's equity grew or shrank by somebody's hand."""
        self._payments[account] += 1

    def note(
        self,
        reader: sqlite3.Connection,
        copy: int,
        row: LedgerRow,
        *,
        ledger_id: str,
        symbol: str,
        held: Decimal,
        newest: str | None,
        touched: bool,
    ) -> bool:
        """Take an opening that arrives; tell whether an earlier try of its copy had opened the leg whole.

        It may add to that where the master moved on, or the account was paid, since that one left. Where
        somebody else moved the leg, and a crash interrupted another copy of it too, nobody can tell whether
        that one had opened or closed.

        Args:
            symbol: the master's name of it.
            held: of the leg, signed.
            newest: the last change of the symbol that the engine has told of.
            touched: whether somebody else has moved the leg.
        """
        asked = "SELECT attempt FROM orders WHERE client_order_id = ?"
        found = reader.execute(asked, (ledger_id,)).fetchone()
        moves = self._moves[symbol] + self._payments[row.account]
        opening = _Opening(0 if found is None else found[0], row, moves, held)
        key = row.account, copy, row.intent.symbol, row.intent.position_idx
        known = self._known.setdefault(key, [])
        last = max((it.attempt for it in known if it.attempt < opening.attempt), default=None)
        side = row.intent.side  # one that opens the other side answers a newer change
        before = [it for it in known if it.attempt == last and it.row.intent.side is side]
        known.append(opening)
        was_whole = bool(before) and all(
            it.row.filled == it.row.intent.quantity and it.moves == opening.moves for it in before
        )
        if touched and _is_beside_another(reader, copy):
            return False
        (answered,) = reader.execute("SELECT change_id FROM copies WHERE id = ?", (copy,)).fetchone()
        return was_whole and (answered == newest or any(it.has_lost_to(held) for it in before))


def _is_beside_another(reader: sqlite3.Connection, copy: int) -> bool:
    query = """
        SELECT 1 FROM copies AS own JOIN copies AS other USING (follower, symbol)
        WHERE own.id = ? AND other.id <> own.id AND other.state = 'claimed'
    """
    return reader.execute(query, (copy,)).fetchone() is not None
