"""Reading copies, orders, changes and holdings back."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import attrs
import peewee
from peewee import SQL

from model.amounts import decimal_from_text
from model.change import Change
from model.copy import CopyState, Holding, OrderRecord
from model.ledger.bulk import run_sql, select_in
from model.ledger.codec import decode_change, load_json, text_decimal
from model.ledger.rows import CopyRow, OpenCopy
from model.ledger.tables import ChangeRow, CopyRecord, HoldingRow, OrderRow
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, ChangeClass, Leg, Side
from model.order import OrderState
from model.reasons import Reason
from model.repair import REPAIR_PREFIX

NO_REPAIR = f"substr(change_id, 1, {len(REPAIR_PREFIX)}) <> '{REPAIR_PREFIX}'"
OF_THE_MASTER = f"position_idx >= 0 AND {NO_REPAIR}"
"""What a repair or an operator asked for is no change of the master's, and moves nobody else."""
LOOKED_BACK_MAX = 1_000
"""Changes of a leg that may have come since one was answered whose copy is open still."""
FILLS_LOOKED_BACK_MAX = 500
"""Changes of all legs that may have come since a copy began whose orders are among the last."""
# The legs come from the index alone, and each finds its row there: of a million changes few are read.
_NEWEST_PER_LEG = f"""
WITH legs AS (
    SELECT symbol, position_idx FROM changes WHERE position_idx >= 0 GROUP BY symbol, position_idx
)
SELECT newest.change_id, newest.body FROM legs JOIN changes AS newest ON newest.id = (
    SELECT id FROM changes AS own
    WHERE own.symbol = legs.symbol AND own.position_idx = legs.position_idx AND {NO_REPAIR}
    ORDER BY venue_time_ms DESC, seq DESC, id DESC LIMIT 1
)
"""


def last_changes(connection: peewee.Database) -> dict[Leg, Change]:
    """Return the newest change of each leg, by venue time, then seq, then arrival."""
    newest = [decode_change(body) for _, body in run_sql(connection, _NEWEST_PER_LEG)]
    return {change.leg: change for change in newest}


def open_copies(connection: peewee.Database, follower: str) -> list[OpenCopy]:
    """Return a follower's claims without an outcome, oldest first."""
    query = (
        CopyRecord.select(CopyRecord, ChangeRow.body.alias("body"), ChangeRow.id.alias("change_no"))
        .join(ChangeRow, on=(ChangeRow.change_id == CopyRecord.change_id))
        .where(CopyRecord.follower == follower, CopyRecord.state == CopyState.CLAIMED.value)
        .order_by(CopyRecord.id)
    )
    rows = list(query.dicts().execute(connection))
    orders = _orders_of(connection, rows)
    return [
        OpenCopy(
            copy_id=row["copy_id"],
            follower=row["follower"],
            change=decode_change(row["body"]),
            client_order_id=row["client_order_id"],
            orders=orders[row["id"]],
            claimed_at_ms=row["claimed_at_ms"],
            beside=_beside(connection, Leg(row["symbol"], row["position_idx"]), row["change_no"]),
        )
        for row in rows
    ]


def answered_of_newest(connection: peewee.Database, follower: str) -> set[str]:
    """Return the ids of a follower's copies that answer the newest change of a leg, or may once more."""
    newest = [change_id for change_id, _ in run_sql(connection, _NEWEST_PER_LEG)]
    head = f"SELECT copy_id FROM copies WHERE follower = {connection.param} AND change_id"
    return {copy_id for (copy_id,) in select_in(connection, head, newest, before=[follower])}


def last_fills(connection: peewee.Database, follower: str, *, since_ms: int) -> list[OrderRecord]:
    """Return a follower's orders that filled anything and were settled since then, oldest first."""
    newest = f"SELECT change_id FROM changes ORDER BY id DESC LIMIT {FILLS_LOOKED_BACK_MAX}"
    changes = [change_id for (change_id,) in run_sql(connection, newest)]
    head = f"SELECT id, copy_id FROM copies WHERE follower = {connection.param} AND change_id"
    copies = [{"id": no, "copy_id": it} for no, it in select_in(connection, head, changes, before=[follower])]
    orders = chain.from_iterable(_orders_of(connection, copies).values())
    fills = [it for it in orders if it.filled and (it.settled_at_ms or 0) >= since_ms]
    return sorted(fills, key=lambda order: order.settled_at_ms or 0)


def list_copies(connection: peewee.Database, *, follower: str | None, limit: int) -> list[CopyRow]:
    """Return the newest copies first, of one follower or of all."""
    query = CopyRecord.select().order_by(CopyRecord.id.desc()).limit(limit)
    if follower is not None:
        query = query.where(CopyRecord.follower == follower)
    rows = list(query.dicts().execute(connection))
    orders = _orders_of(connection, rows)
    return [_copy_row(row, orders[row["id"]]) for row in rows]


def explain_copy(connection: peewee.Database, copy_id: str) -> CopyRow | None:
    """Return everything about one copy, its change included; None when there is none (R17)."""
    # The inner query walks the narrow index, newest first; the outer one reads one row.
    walk = CopyRecord.select(CopyRecord.claimed_at_ms).where(CopyRecord.copy_id == copy_id)
    found_at = walk.order_by(CopyRecord.claimed_at_ms.desc()).limit(1)
    query = CopyRecord.select().where(CopyRecord.claimed_at_ms == found_at, CopyRecord.copy_id == copy_id)
    rows = list(query.dicts().execute(connection))
    if not rows:
        return None
    found = select_in(connection, "SELECT body FROM changes WHERE change_id", [rows[0]["change_id"]])
    change = decode_change(found[0][0]) if found else None
    return _copy_row(rows[0], _orders_of(connection, rows)[rows[0]["id"]], change)


def holdings_of(connection: peewee.Database, follower: str) -> list[Holding]:
    """Return what the engine knows of a follower's legs, by symbol."""
    query = HoldingRow.select().where(HoldingRow.follower == follower)
    rows = query.order_by(HoldingRow.symbol, HoldingRow.position_idx).dicts().execute(connection)
    return [_holding(row) for row in rows]


def _beside(connection: peewee.Database, leg: Leg, change_no: int) -> tuple[Change, ...]:
    """Return of the symbol's other legs what the answer to a change may have known, oldest first.

    Changes are kept in the order in which they are told, but beside the answers: one that is kept
    after the answered one may have been told before it, or before a later try.
    """
    others = (Leg(leg.symbol, idx) for idx in (ONE_WAY, HEDGE_LONG, HEDGE_SHORT) if idx != leg.position_idx)
    return tuple(chain.from_iterable(_known_about(connection, other, change_no) for other in others))


def _known_about(connection: peewee.Database, leg: Leg, change_no: int) -> Iterable[Change]:
    """Return a leg's newest change of before another one was kept, and all of since then.

    Of a leg that was never heard of before, the first of them tells how it was until then.
    """
    own = ChangeRow.select(ChangeRow.body).where(
        ChangeRow.symbol == leg.symbol, ChangeRow.position_idx == leg.position_idx, SQL(NO_REPAIR)
    )
    newest_first = own.order_by(ChangeRow.venue_time_ms.desc(), ChangeRow.seq.desc(), ChangeRow.id.desc())
    before = newest_first.where(ChangeRow.id < change_no).limit(1)
    since = own.where(ChangeRow.id > change_no).order_by(ChangeRow.id.desc()).limit(LOOKED_BACK_MAX)
    known = [decode_change(row["body"]) for row in before.dicts().execute(connection)]
    later = [decode_change(row["body"]) for row in since.dicts().execute(connection)][::-1]
    if later and not known:
        known = [attrs.evolve(later[0], size_after=later[0].size_before)]
    return [*known, *later]


def _orders_of(
    connection: peewee.Database, copies: Iterable[Mapping[str, Any]]
) -> Mapping[int, tuple[OrderRecord, ...]]:
    ids = {row["id"]: row["copy_id"] for row in copies}
    found: defaultdict[int, tuple[OrderRecord, ...]] = defaultdict(tuple)
    if ids:
        query = OrderRow.select().where(OrderRow.copy_no.in_(list(ids)))
        ordered = query.order_by(OrderRow.copy_no, OrderRow.part, OrderRow.attempt)
        for row in ordered.dicts().execute(connection):
            found[row["copy_no"]] += (_order(row, ids[row["copy_no"]]),)
    return found


def _copy_row(
    row: Mapping[str, Any], orders: tuple[OrderRecord, ...], change: Change | None = None
) -> CopyRow:
    return CopyRow(
        copy_id=row["copy_id"],
        follower=row["follower"],
        change_id=row["change_id"],
        leg=Leg(row["symbol"], row["position_idx"]),
        change_class=ChangeClass(row["change_class"]),
        state=CopyState(row["state"]),
        reason=None if row["reason"] is None else Reason(row["reason"]),
        superseded_by=row["superseded_by"],
        client_order_id=row["client_order_id"],
        claimed_at_ms=row["claimed_at_ms"],
        finished_at_ms=row["finished_at_ms"],
        orders=orders,
        explain={} if row["explain"] is None else load_json(row["explain"]),
        change=change,
    )


def _order(row: Mapping[str, Any], copy_id: str) -> OrderRecord:
    return OrderRecord(
        client_order_id=row["client_order_id"],
        copy_id=copy_id,
        part=row["part"],
        attempt=row["attempt"],
        leg=Leg(row["symbol"], row["position_idx"]),
        side=Side(row["side"]),
        quantity=decimal_from_text(row["quantity"]),
        price=text_decimal(row["price"]),
        reduce_only=row["reduce_only"],
        state=OrderState(row["state"]),
        filled=decimal_from_text(row["filled"]),
        average_price=text_decimal(row["average_price"]),
        order_id=row["order_id"],
        detail=row["detail"],
        sent_at_ms=row["sent_at_ms"],
        settled_at_ms=row["settled_at_ms"],
    )


def _holding(row: Mapping[str, Any]) -> Holding:
    return Holding(
        follower=row["follower"],
        leg=Leg(row["symbol"], row["position_idx"]),
        owned=row["owned"],
        target=decimal_from_text(row["target"]),
        master_size=decimal_from_text(row["master_size"]),
        change_id=row["change_id"],
        skipped=None if row["skipped"] is None else Reason(row["skipped"]),
        wanted=text_decimal(row["wanted"]),
    )
