"""What each copy opened by the venue's own books: a leg that it opened whole is not opened again (I1)."""

import sqlite3
from collections import Counter

import attrs

from exchanges.sandbox import LedgerRow

OpeningKey = tuple[str, int, str, int]
"""Follower, the copy's number in the ledger, symbol, position_idx."""


@attrs.frozen
class _Opening:
    attempt: int
    row: LedgerRow
    moves: int
    """How often the master had moved on the symbol: a copy may go on by a newer change of his."""


@attrs.define
class Openings:
    """The opening orders that arrived, by copy and leg."""

    _known: dict[OpeningKey, list[_Opening]] = attrs.field(factory=dict)
    _moves: Counter[str] = attrs.field(factory=Counter)

    def master_moved(self, symbol: str) -> None:
        """Note that the master did something on a symbol, in his own name of it."""
        self._moves[symbol] += 1

    def note(
        self, reader: sqlite3.Connection, copy: int, row: LedgerRow, *, ledger_id: str, symbol: str
    ) -> bool:
        """Take an opening that arrives; tell whether an earlier try of its copy had opened the leg whole.

        ``symbol``: the master's name of it.
        """
        asked = "SELECT attempt FROM orders WHERE client_order_id = ?"
        found = reader.execute(asked, (ledger_id,)).fetchone()
        opening = _Opening(0 if found is None else found[0], row, self._moves[symbol])
        key = row.account, copy, row.intent.symbol, row.intent.position_idx
        known = self._known.setdefault(key, [])
        newest = max((it.attempt for it in known if it.attempt < opening.attempt), default=None)
        before = [it for it in known if it.attempt == newest]
        known.append(opening)
        return bool(before) and all(
            it.row.filled == it.row.intent.quantity and it.moves == opening.moves for it in before
        )
