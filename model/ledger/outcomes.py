"""Writing what came of copies: states, orders and holdings, together (R7 step 6)."""

from collections.abc import Iterable, Mapping, Sequence

import attrs
import peewee

from model.copy import CopyOutcome, Holding, OrderRecord
from model.ledger.bulk import insert_rows, select_in, update_rows
from model.ledger.codec import decimal_text, dump_json
from model.ledger.errors import UnknownCopy
from model.ledger.tables import HoldingRow
from model.leg import Leg
from model.order import OrderState

_ORDER_COLUMNS = (
    *("copy_no", "part", "attempt", "client_order_id", "symbol", "position_idx", "side", "quantity"),
    *("price", "reduce_only", "state", "filled", "average_price", "order_id", "detail"),
    *("sent_at_ms", "settled_at_ms"),
)
_ORDER_KEY = ("copy_no", "part", "attempt")
_HOLDING_COLUMNS = (
    *("follower", "symbol", "position_idx", "owned", "target", "master_size", "change_id", "skipped"),
    "wanted",
)
_HOLDING_KEY = ("follower", "symbol", "position_idx")
_OPEN_NUMBERS = "SELECT copy_id, id FROM copies WHERE state = 'claimed' AND copy_id"
_NUMBERS = "SELECT copy_id, id FROM copies WHERE copy_id"
_ORDER_OF_CHANGES = "SELECT change_id, seq, venue_time_ms FROM changes WHERE change_id"
_FINAL = ", ".join(f"'{state.value}'" for state in OrderState if state.is_final)


def record_outcomes(connection: peewee.Database, outcomes: Sequence[CopyOutcome]) -> None:
    """Write outcomes with their orders and holdings; the last word on a copy or leg wins.

    Raises: UnknownCopy when one was never claimed; nothing is written then.
    """
    latest = {outcome.copy_id: outcome for outcome in outcomes}
    numbers = dict(
        update_rows(
            connection,
            "UPDATE copies SET state = v.column3, reason = v.column4, "
            "finished_at_ms = v.column5, explain = v.column6",
            [_outcome_row(outcome) for outcome in latest.values()],
            "WHERE copies.change_id = v.column1 AND copies.follower = v.column2 "
            "RETURNING copies.copy_id, copies.id",
        )
    )
    _refuse_unknown(latest, numbers)
    _upsert_orders(connection, _orders(outcomes), numbers)
    upsert_holdings(connection, [held for outcome in outcomes for held in outcome.holdings])


def without_overtaken(connection: peewee.Database, outcome: CopyOutcome) -> CopyOutcome:
    """Return an outcome that was kept elsewhere for a while, without holdings that are known better by now.

    The venue orders the changes of a symbol; clocks, its own too, may step back.
    """
    query = HoldingRow.select().where(HoldingRow.follower == outcome.follower)
    known = {
        Leg(row["symbol"], row["position_idx"]): row["change_id"] for row in query.dicts().execute(connection)
    }
    ids = {*known.values(), *(held.change_id for held in outcome.holdings)}
    rows = select_in(connection, _ORDER_OF_CHANGES, sorted(ids))
    order = {change_id: (seq, venue_time_ms) for change_id, seq, venue_time_ms in rows}
    never = (-1, -1)

    def overtaken(held: Holding) -> bool:
        return order.get(known.get(held.leg, ""), never) > order.get(held.change_id, never)

    return attrs.evolve(outcome, holdings=tuple(held for held in outcome.holdings if not overtaken(held)))


def plan_orders(connection: peewee.Database, orders: Sequence[OrderRecord]) -> None:
    """Make orders durable before they are sent (R12), or what is known of them.

    Raises: UnknownCopy when one belongs to a copy that was never claimed.
    """
    ids = {order.copy_id for order in orders}
    numbers = dict(select_in(connection, _OPEN_NUMBERS, list(ids)))
    if settled := ids - numbers.keys():
        numbers |= dict(select_in(connection, _NUMBERS, list(settled)))
    _refuse_unknown(ids, numbers)
    _upsert_orders(connection, orders, numbers)


def upsert_holdings(connection: peewee.Database, holdings: Iterable[Holding]) -> None:
    """Write what is known of legs; the last word on a leg wins."""
    rows = {(held.follower, held.leg): _holding_row(held) for held in holdings}
    tail = _on_conflict(_HOLDING_KEY, _HOLDING_COLUMNS)
    insert_rows(connection, "holdings", _HOLDING_COLUMNS, list(rows.values()), tail)


def _upsert_orders(
    connection: peewee.Database, orders: Iterable[OrderRecord], numbers: Mapping[str, int]
) -> None:
    rows = {(it.copy_id, it.part, it.attempt): _order_row(it, numbers[it.copy_id]) for it in orders}
    # What the venue settled is not unsettled by a late or replayed write.
    keep = f" WHERE orders.state NOT IN ({_FINAL}) OR excluded.state IN ({_FINAL})"
    tail = _on_conflict(_ORDER_KEY, _ORDER_COLUMNS) + keep
    insert_rows(connection, "orders", _ORDER_COLUMNS, list(rows.values()), tail)


def _orders(outcomes: Iterable[CopyOutcome]) -> list[OrderRecord]:
    return [order for outcome in outcomes for order in outcome.orders]


def _on_conflict(key: Sequence[str], columns: Sequence[str]) -> str:
    sets = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sets}"


def _refuse_unknown(asked: Iterable[str], known: Mapping[str, int]) -> None:
    if unknown := sorted(copy_id for copy_id in asked if copy_id not in known):
        raise UnknownCopy(f"never claimed: {', '.join(unknown[:5])}")


def _outcome_row(outcome: CopyOutcome) -> tuple[object, ...]:
    reason = outcome.reason.value if outcome.reason else None
    explain = dump_json(outcome.explain) if outcome.explain else None
    copy = (outcome.change_id, outcome.follower)
    return (*copy, outcome.state.value, reason, outcome.finished_at_ms, explain)


def _order_row(order: OrderRecord, number: int) -> tuple[object, ...]:
    leg = order.leg
    return (
        *(number, order.part, order.attempt, order.client_order_id, leg.symbol, leg.position_idx),
        *(order.side.value, decimal_text(order.quantity), decimal_text(order.price)),
        *(order.reduce_only, order.state.value, decimal_text(order.filled)),
        *(decimal_text(order.average_price), order.order_id, order.detail),
        *(order.sent_at_ms, order.settled_at_ms),
    )


def _holding_row(held: Holding) -> tuple[object, ...]:
    skipped = held.skipped.value if held.skipped else None
    return (
        *(held.follower, held.leg.symbol, held.leg.position_idx, held.owned),
        *(decimal_text(held.target), decimal_text(held.master_size), held.change_id, skipped),
        decimal_text(held.wanted),
    )
