"""The ledger as one object: each method is one connection, one transaction, and back (R8).

Synchronous. Called from worker threads; every method raises LedgerUnreachable when the database
cannot be used and LedgerRefused when it does not take the data, and then has written nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import attrs
import peewee

from model.alerts.alert import Alert
from model.alerts.message import Message
from model.change import Change
from model.copy import Claim, ClaimAnswer, CopyOutcome, Holding, OrderRecord
from model.drift import Told
from model.ledger import alerts as alerting
from model.ledger import claims as claiming
from model.ledger import drifts, history, meta, outcomes, requests, retention, risk
from model.ledger import followers as following
from model.ledger.connection import POOL_SIZE, LedgerDatabase, open_database
from model.ledger.rows import Applied, CopyRow, FollowerRow, OpenCopy, Purged, RequestRow
from model.ledger.schema import prepare_schema
from model.leg import Leg
from model.settings import FollowerMode, Join


@attrs.frozen(kw_only=True)
class WriteBatch:
    """What shares one transaction. Written in this order: changes, claims, orders, outcomes."""

    changes: Sequence[Change] = ()
    claims: Sequence[Claim] = ()
    orders: Sequence[OrderRecord] = ()
    outcomes: Sequence[CopyOutcome] = ()


class Store:
    """Everything that the engine remembers."""

    def __init__(self, database: LedgerDatabase) -> None:
        self.database = database
        self._token: str | None = None

    def unit(self, *, write: bool = True) -> AbstractContextManager[peewee.Database]:
        """Open a unit of work: the calls inside share one connection and one transaction."""
        return self.database.unit(write=write)

    def close(self) -> None:
        """Close the pool."""
        self.database.close()

    def take_over(self, token: str) -> None:
        """Be the engine that writes: from now on batches of every other one are refused (R12).

        For who holds the lease. One that lost it, to a restart of the server say, needs a few seconds to
        notice, and must not claim meanwhile what another has taken over. ``token`` is nobody else's.
        """
        with self.unit() as connection:
            meta.set_engine(connection, token)
        self._token = token

    def write(self, batch: WriteBatch, *, now_ms: int) -> list[ClaimAnswer]:
        """Write everything in one transaction; return the claims' answers, in their order.

        Raises: LedgerTakenOver when another engine has taken over since.
        """
        with self.unit() as connection:
            if self._token is not None:
                meta.check_engine(connection, self._token)
            if batch.changes:
                claiming.remember_changes(connection, batch.changes)
            answers: list[ClaimAnswer] = []
            if batch.claims:
                answers = claiming.claim_copies(connection, batch.claims, now_ms=now_ms)
            if batch.orders:
                outcomes.plan_orders(connection, batch.orders)
            if batch.outcomes:
                outcomes.record_outcomes(connection, batch.outcomes)
            return answers

    def claim(self, claims: Sequence[Claim], *, now_ms: int) -> list[ClaimAnswer]:
        """Claim changes for followers, together; answer each in its place (R7, R12).

        NEW: the copy, and the id of its first order, are durable. DUPLICATE: it was there; after a
        LedgerUnreachable it may be this very claim, see ``open_copies``. STALE: refused for its
        age (24 h) and recorded as skipped.
        """
        return self.write(WriteBatch(claims=claims), now_ms=now_ms)

    def plan_orders(self, orders: Sequence[OrderRecord]) -> None:
        """Make further orders durable before they are sent (R12). Raises: UnknownCopy."""
        self.write(WriteBatch(orders=orders), now_ms=0)

    def record(self, outcomes: Sequence[CopyOutcome]) -> None:
        """Write what came of copies, with orders and holdings (R7). Raises: UnknownCopy."""
        self.write(WriteBatch(outcomes=outcomes), now_ms=0)

    def record_kept(self, outcome: CopyOutcome) -> None:
        """Write an outcome that was kept elsewhere meanwhile: newer knowledge of a leg stays (R18).

        Raises: UnknownCopy.
        """
        with self.unit() as connection:
            outcomes.record_outcomes(connection, [outcomes.without_overtaken(connection, outcome)])

    def remember_changes(self, changes: Sequence[Change]) -> None:
        """Keep changes; one that is known stays as it is."""
        self.write(WriteBatch(changes=changes), now_ms=0)

    def last_changes(self) -> dict[Leg, Change]:
        """Return the newest change of each leg (R14)."""
        with self.unit(write=False) as connection:
            return history.last_changes(connection)

    def open_copies(self, follower: str) -> list[OpenCopy]:
        """Return a follower's claims without an outcome, oldest first (R2)."""
        with self.unit(write=False) as connection:
            return history.open_copies(connection, follower)

    def answered_of_newest(self, follower: str) -> set[str]:
        """Return the ids of a follower's copies that answer what may be told again after a start (R14)."""
        with self.unit(write=False) as connection:
            return history.answered_of_newest(connection, follower)

    def last_fills(self, follower: str, *, since_ms: int) -> list[OrderRecord]:
        """Return a follower's orders that filled anything and were settled since then (R2)."""
        with self.unit(write=False) as connection:
            return history.last_fills(connection, follower, since_ms=since_ms)

    def holdings(self, follower: str) -> list[Holding]:
        """Return what is known of a follower's legs."""
        with self.unit(write=False) as connection:
            return history.holdings_of(connection, follower)

    def put_holdings(self, holdings: Sequence[Holding]) -> None:
        """Write what is known of legs without a copy: an adopted position, a manual one (R14, R15)."""
        with self.unit() as connection:
            outcomes.upsert_holdings(connection, holdings)

    def copies(self, *, follower: str | None = None, limit: int = 50) -> list[CopyRow]:
        """Return the newest copies first."""
        with self.unit(write=False) as connection:
            return history.list_copies(connection, follower=follower, limit=limit)

    def explain(self, copy_id: str) -> CopyRow | None:
        """Return everything about one copy, its change included (R17)."""
        with self.unit(write=False) as connection:
            return history.explain_copy(connection, copy_id)

    def followers(self) -> list[FollowerRow]:
        """Return all followers, by name."""
        with self.unit(write=False) as connection:
            return following.list_followers(connection)

    def apply_followers(self, rows: Sequence[FollowerRow], *, prune: bool) -> Applied:
        """Upsert followers, all or none; modes and times of joining stay as they are."""
        with self.unit() as connection:
            return following.apply_followers(connection, rows, prune=prune)

    def set_mode(self, name: str, mode: FollowerMode) -> bool:
        """Set a follower's mode, for an operator; return whether it exists."""
        with self.unit() as connection:
            return following.set_mode(connection, name, mode)

    def move_mode(self, name: str, mode: FollowerMode, *, instead_of: FollowerMode | None) -> bool:
        """Set a mode that follows from ``instead_of``; return whether the follower has it now."""
        with self.unit() as connection:
            return risk.move_mode(connection, name, mode, instead_of=instead_of)

    def keep_risk(self, name: str, values: Mapping[str, object], *, is_broken: bool) -> None:
        """Write what a follower's losses are measured from, and what follows from a broken limit."""
        with self.unit() as connection:
            risk.keep_risk(connection, name, values, is_broken=is_broken)

    def set_join(self, name: str, join: Join) -> bool:
        """Set which episodes a follower takes part in; return whether it exists."""
        with self.unit() as connection:
            return following.set_join(connection, name, join)

    def remove_follower(self, name: str) -> bool:
        """Forget a follower, its secrets and holdings; its copies stay."""
        with self.unit() as connection:
            return following.remove_follower(connection, name)

    def reseal(self, old: FollowerRow, new: FollowerRow) -> bool:
        """Put re-sealed tokens in the place of ``old``'s; False when others stand there by now."""
        with self.unit() as connection:
            return following.swap_secrets(connection, old, new)

    def begin_request(self, request: RequestRow) -> RequestRow | None:
        """Write a mutating call before it acts; return the first one of that id if there was one."""
        with self.unit() as connection:
            return requests.begin_request(connection, request)

    def answer_request(self, request_id: str, answer: object) -> None:
        """Keep what the call was answered: a repeat gets the same (section 5)."""
        with self.unit() as connection:
            requests.answer_request(connection, request_id, answer)

    def drifts(self) -> list[Told]:
        """Return what operators were told of drifts that are not resolved (R15)."""
        with self.unit(write=False) as connection:
            return drifts.read_drifts(connection)

    def put_drifts(self, told: Sequence[Told], resolved: Sequence[Told] = ()) -> None:
        """Remember what was told of drifts, and forget what is resolved."""
        with self.unit() as connection:
            drifts.write_drifts(connection, told, resolved)

    def meta(self, prefix: str = "") -> dict[str, Any]:
        """Return the small things whose key begins with ``prefix``."""
        with self.unit(write=False) as connection:
            return meta.read_meta(connection, prefix)

    def put_meta(self, values: Mapping[str, object]) -> None:
        """Write small JSON-able things by key; None removes."""
        with self.unit() as connection:
            meta.write_meta(connection, values)

    def save_alerts(self, alerts: Sequence[Alert], messages: Sequence[Message]) -> None:
        """Write alerts, and messages of theirs, as they are now (R16)."""
        with self.unit() as connection:
            alerting.save_alerts(connection, alerts, messages)

    def recall_alerts(self, *, now_ms: int) -> alerting.AlertMemory:
        """Return what fires and what is still to be sent (R16)."""
        with self.unit(write=False) as connection:
            return alerting.recall_alerts(connection, now_ms=now_ms)

    def alerts(self, *, limit: int = 50) -> list[Alert]:
        """Return the newest alerts first, those that are over too."""
        with self.unit(write=False) as connection:
            return alerting.list_alerts(connection, limit=limit)

    def purge(self, *, now_ms: int, batch: int = 1000) -> Purged:
        """Remove a batch of what is older than 400 days and has its outcome."""
        with self.unit() as connection:
            return retention.purge_rows(connection, now_ms=now_ms, batch=batch)


def open_store(url: str, *, pool_size: int = POOL_SIZE, directory: Path | None = None) -> Store:
    """Open the ledger at ``url``; an empty one is created whole.

    Raises: ValueError, SchemaOlder, SchemaNewer, LedgerUnreachable.
    """
    database = open_database(url, pool_size=pool_size, directory=directory)
    try:
        prepare_schema(database)
    except BaseException:
        database.close()
        raise
    return Store(database)
