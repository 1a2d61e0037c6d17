"""What each copy opened by the venue's own books: a leg that it opened whole is not opened again (I1)."""

import sqlite3
from decimal import Decimal

import attrs

from exchanges.sandbox import LedgerRow

OpeningKey = tuple[str, int, str, int]
"""Follower, the copy's number in the ledger, symbol, position_idx."""


@attrs.frozen
class _Opening:
    attempt: int
    row: LedgerRow
    reaches: Decimal
    """Where it leads to, filled whole, signed."""


@attrs.define
class Openings:
    """The opening orders that arrived, by copy and leg."""

    _known: dict[OpeningKey, list[_Opening]] = attrs.field(factory=dict)

    def note(
        self, reader: sqlite3.Connection, copy: int, row: LedgerRow, *, ledger_id: str, held: Decimal
    ) -> bool:
        """Take an opening that arrives; tell whether an earlier try of its copy went as far, and was filled.

        Farther it may go: the master's other leg may have moved the net.
        """
        found = reader.execute(
            "SELECT attempt FROM orders WHERE client_order_id = ?", (ledger_id,)
        ).fetchone()
        intent = row.intent
        opening = _Opening(0 if found is None else found[0], row, held + intent.side.sign * intent.quantity)
        known = self._known.setdefault((row.account, copy, intent.symbol, intent.position_idx), [])
        newest = max((it.attempt for it in known if it.attempt < opening.attempt), default=None)
        before = [it for it in known if it.attempt == newest]
        known.append(opening)
        return bool(before) and all(_is_as_far(it, opening) for it in before)


def _is_as_far(before: _Opening, opening: _Opening) -> bool:
    is_whole = before.row.filled == before.row.intent.quantity
    return is_whole and 0 < opening.reaches / before.reaches <= 1
