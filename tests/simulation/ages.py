"""How old what an opening follows was when it arrived: R13 from the master's fill to the venue's books."""

import json
import sqlite3

import attrs

from exchanges.sandbox import LedgerRow
from model.copy import CopyState

FRAMES_LATE_S = 6.0
"""Frames of the master that a fault harms come, or are read, so much later: the engine counts from then."""


@attrs.frozen
class _Late:
    copy: int
    age_s: float
    said: str


@attrs.define(kw_only=True)
class Ages:
    """The openings that arrived later after the master's fill than an opening may wait."""

    age_s_max: float
    """From the receipt of a change to the arrival of an order."""
    _late: list[_Late] = attrs.field(factory=list)

    def note(
        self, reader: sqlite3.Connection, copy: int, row: LedgerRow, *, now_ms: int, harmed: bool
    ) -> None:
        """Take an opening that arrives; ``harmed`` where frames of the master were, lately."""
        found = reader.execute(
            "SELECT venue_time_ms FROM changes JOIN copies USING (change_id) WHERE copies.id = ?", (copy,)
        ).fetchone()
        if found is None:
            return  # no change of the master's own: a repair is judged by price
        age_s = (now_ms - found[0]) / 1000
        if age_s > self.age_s_max + (FRAMES_LATE_S if harmed else 0.0):
            said = f"{row.account} {row.intent.side.value} {row.intent.quantity} {row.intent.symbol}"
            self._late.append(_Late(copy, age_s, said))

    def judge(self, reader: sqlite3.Connection) -> list[str]:
        """Tell which of them followed no change that was caught up, and judged by its price."""
        late_ones, self._late = self._late, []
        return [
            f"{late.said} opens {late.age_s:.3f} s after the master"
            for late in late_ones
            if not _is_caught_up(reader, late.copy)
        ]


def _is_caught_up(reader: sqlite3.Connection, copy: int) -> bool:
    """Tell whether the copy says so; one that never ended, or that a later life ended, says nothing."""
    query = "SELECT state, explain FROM copies WHERE id = ?"
    [state, explain] = reader.execute(query, (copy,)).fetchone()
    told = json.loads(explain or "{}")
    is_silent = state == CopyState.SUPERSEDED.value or not told.get("decisions")
    return is_silent or bool(told["change"]["caught_up"])
