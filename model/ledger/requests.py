"""Mutating calls of the control socket: written before they act, and answered alike when repeated."""

import peewee

from model.ledger.bulk import insert_rows
from model.ledger.codec import dump_json, load_json
from model.ledger.rows import RequestRow
from model.ledger.tables import RequestRecord

_COLUMNS = ("request_id", "method", "parameters", "reason", "received_at_ms")


def begin_request(connection: peewee.Database, request: RequestRow) -> RequestRow | None:
    """Write a call; return the first one of that id, with its answer, if there was one.

    ``parameters`` are kept as given: the caller takes secrets out first.
    """
    row = (
        *(request.request_id, request.method, dump_json(request.parameters)),
        *(request.reason, request.received_at_ms),
    )
    tail = "ON CONFLICT DO NOTHING RETURNING request_id"
    if insert_rows(connection, "requests", _COLUMNS, [row], tail):
        return None
    return _read(connection, request.request_id)


def answer_request(connection: peewee.Database, request_id: str, answer: object) -> None:
    """Keep the answer of a call."""
    query = RequestRecord.update(answer=dump_json(answer))
    query.where(RequestRecord.request_id == request_id).execute(connection)


def _read(connection: peewee.Database, request_id: str) -> RequestRow:
    query = RequestRecord.select().where(RequestRecord.request_id == request_id)
    (row,) = query.dicts().execute(connection)
    return RequestRow(
        request_id=row["request_id"],
        method=row["method"],
        parameters=load_json(row["parameters"]),
        reason=row["reason"],
        received_at_ms=row["received_at_ms"],
        answer=None if row["answer"] is None else load_json(row["answer"]),
    )
