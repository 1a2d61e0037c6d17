"""What operators were told of drifts: read at the auditor's start, written as it tells (R15)."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import peewee

from model.amounts import decimal_from_text
from model.drift import Told
from model.finding import Cause, FindingKind
from model.ledger.bulk import insert_rows
from model.ledger.codec import decimal_text, text_decimal
from model.ledger.errors import LedgerRefused
from model.ledger.tables import DriftRow
from model.leg import Leg

_KEY = ("follower", "symbol", "position_idx", "aspect")
_FACTS = ("kind", "cause", "expected", "actual", "deviation", "first_told_at_ms", "told_at_ms")
_UPSERT = f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _FACTS
)


def read_drifts(connection: peewee.Database) -> list[Told]:
    """Return everything that was told and is not resolved. Raises: LedgerRefused for an unreadable row."""
    query = DriftRow.select().order_by(*(getattr(DriftRow, name) for name in _KEY))
    return [_told(row) for row in query.dicts().execute(connection)]


def write_drifts(connection: peewee.Database, told: Iterable[Told], resolved: Sequence[Told]) -> None:
    """Remember what was told, the last word on a leg's aspect, and forget what is resolved."""
    for gone in resolved:
        where = (
            (DriftRow.follower == gone.follower)
            & (DriftRow.symbol == gone.leg.symbol)
            & (DriftRow.position_idx == gone.leg.position_idx)
            & (DriftRow.aspect == gone.aspect.value)
        )
        DriftRow.delete().where(where).execute(connection)
    rows = {(it.follower, it.leg, it.aspect): _row(it) for it in told}
    insert_rows(connection, "drifts", (*_KEY, *_FACTS), list(rows.values()), _UPSERT)


def _row(told: Told) -> tuple[object, ...]:
    return (
        *(told.follower, told.leg.symbol, told.leg.position_idx, told.aspect.value),
        *(told.kind.value, told.cause.value, decimal_text(told.expected), decimal_text(told.actual)),
        *(str(told.deviation), told.first_told_at_ms, told.told_at_ms),
    )


def _told(row: dict[str, Any]) -> Told:
    try:
        return Told(
            follower=row["follower"],
            leg=Leg(row["symbol"], row["position_idx"]),
            kind=FindingKind(row["kind"]),
            cause=Cause(row["cause"]),
            expected=text_decimal(row["expected"]),
            actual=decimal_from_text(row["actual"]),
            deviation=Fraction(row["deviation"]),
            first_told_at_ms=row["first_told_at_ms"],
            told_at_ms=row["told_at_ms"],
        )
    except ValueError as error:
        raise LedgerRefused(f"a drift in the ledger is unreadable: {error}") from error
