"""`copies` and `explain`: what the ledger remembers of each answer to a change (R17)."""

import attrs

from model.ledger import LedgerUnreachable
from supervision.control import InvalidParams, NotFound, NotReady
from supervision.service.desk import ServiceDesk

LIMIT_MAX = 1_000


@attrs.frozen(kw_only=True)
class Copies:
    """Parameters of `copies`."""

    follower: str | None = None
    limit: int = 50


@attrs.frozen(kw_only=True)
class Explain:
    """Parameters of `explain`."""

    copy_id: str


async def copies(desk: ServiceDesk, params: Copies) -> object:
    """Answer `copies`: the newest first."""
    if not 1 <= params.limit <= LIMIT_MAX:
        raise InvalidParams(f"limit: expected 1 to {LIMIT_MAX}")
    try:
        rows = await desk.ledger.read(
            lambda store: store.copies(follower=params.follower, limit=params.limit)
        )
    except LedgerUnreachable as error:
        raise NotReady(str(error)) from error
    return {"copies": [row.to_json() for row in rows]}


async def explain(desk: ServiceDesk, params: Explain) -> object:
    """Answer `explain`: everything about one copy."""
    try:
        row = await desk.ledger.read(lambda store: store.explain(params.copy_id))
    except LedgerUnreachable as error:
        raise NotReady(str(error)) from error
    if row is None:
        raise NotFound("there is no copy of that id", hint="`copytrader copies` lists them")
    return row.to_json()
