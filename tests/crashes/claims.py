"""No opening arrives without a durable claim: asked of the ledger as another process reads it, at arrival."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import psycopg2

from exchanges.sandbox import LedgerRow
from exchanges.sandbox.rules import only_reduces
from tests.crashes.town import MASTER, Town
from tests.simulation.books import WatchedLedger

CLAIMED = """
SELECT copies.claimed_at_ms FROM copies WHERE copies.client_order_id = {0}
UNION SELECT copies.claimed_at_ms FROM orders JOIN copies ON orders.copy_no = copies.id
WHERE orders.client_order_id = {0}
"""
CLAIM_LIVES_S = 6.0
"""So long after its claim an opening may leave at most: it expires after five seconds (R13)."""


@attrs.define
class ClaimWatch:
    """Looks a claim up whenever an opening arrives; later for those that came as the database went away."""

    town: Town
    ledger_url: str
    problems: list[str] = attrs.field(factory=list)
    openings: int = 0
    away_since: float | None = None
    """When the database was taken away, in trio's seconds."""
    _unread: list[LedgerRow] = attrs.field(factory=list)
    _ask: Callable[[str], bool] | None = None

    def watch(self) -> None:
        """Begin, before anything is traded."""
        for house in self.town.houses:
            house.core.ledger = WatchedLedger(self._arrived)

    def close(self) -> None:
        """Look up what could not be asked, and let the database go."""
        unread, self._unread = self._unread, []
        for row in unread:
            self._look_up(row)
        self._ask = None

    def went_away(self, now: float) -> None:
        """Note that nothing can be claimed from now on."""
        self.away_since, self._ask = now, None

    def may_come_back(self, now: float) -> None:
        """Note that it is being started: what comes from now on is looked up when it can be asked."""
        self.away_since = now

    def came_back(self) -> None:
        """Note that it can be asked again."""
        self.away_since = None
        self.close()

    def _arrived(self, row: LedgerRow) -> None:
        if row.account == MASTER or only_reduces(row.intent):
            return
        self.openings += 1
        if self.away_since is None:
            self._look_up(row)
        elif row.arrived_at - self.away_since > CLAIM_LIVES_S:
            self.problems.append(
                f"{row.account}: an opening came while nothing could be claimed: {row.intent}"
            )
        else:
            self._unread.append(row)

    def _look_up(self, row: LedgerRow) -> None:
        ask = self._ask = self._ask or self._connect()
        try:
            is_claimed = ask(row.client_order_id.removeprefix("0x"))
        except psycopg2.Error:
            self._ask = None  # a server that ends sessions, or is about to end
            self._unread.append(row)
            return
        if not is_claimed:
            self.problems.append(f"{row.account}: its claim is not durable: {row.intent}")

    def _connect(self) -> Callable[[str], bool]:
        if self.ledger_url.startswith("sqlite"):
            path = self.town.directory / self.ledger_url.removeprefix("sqlite:///")
            return partial(_is_in_file, path)
        return _Asked(self.ledger_url)


def _is_in_file(path: Path, key: str) -> bool:
    """Ask as somebody who may write, and leave again: the last one to leave removes the file's log.

    A reader who stays, or may only read, never shows that the engine has lost its locks.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as reader:
        return bool(reader.execute(CLAIMED.format("?1"), (key,)).fetchall())


class _Asked:
    """A session of PostgreSQL that is opened when it is needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: Any = None

    def __call__(self, key: str) -> bool:
        if self._session is None:
            self._session = psycopg2.connect(self._url)
            self._session.autocommit = True
        with self._session.cursor() as cursor:
            cursor.execute(CLAIMED.format("%(key)s"), {"key": key})
            return bool(cursor.fetchall())
