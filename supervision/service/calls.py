"""Calls that change something: written to the ledger before they act, answered alike when repeated (5)."""

from collections.abc import Awaitable, Callable, Mapping

import structlog

from model.ledger import LedgerUnreachable, RequestRow, Store
from supervision.control import CALLER, Conflict, ControlError
from supervision.redaction import REDACTOR
from supervision.service.desk import ServiceDesk

Act = Callable[[], Awaitable[dict[str, object]]]
Write = Callable[[Store, bool], None]

log = structlog.get_logger("supervision.service")


async def recorded(
    desk: ServiceDesk,
    method: str,
    request_id: str,
    reason: str,
    shown: Mapping[str, object],
    act: Act,
    *,
    write: Write | None = None,
    refusal: ControlError | None = None,
) -> dict[str, object]:
    """Write the call, act, keep the answer; an answered call of that id is not done again.

    A call that was written and has no answer may or may not have acted: everything here may be done twice.
    While the ledger is away it acts all the same, with a warning in the answer: the brake has to work then.

    Args:
        shown: the parameters as they may be kept, without secrets.
        write: what the ledger shall know before ``act``, and whether the call is repeated. It shares the
            call's own transaction: a crash leaves both or neither, and what it raises undoes both.
        refusal: why a call that is not a repetition is refused.
    Raises: Conflict when the id was used for another call; ``refusal``.
    """
    reason = REDACTOR.text(reason)  # operators paste into it what they have at hand
    row = RequestRow(
        request_id=request_id,
        method=method,
        parameters=shown,
        reason=reason,
        received_at_ms=desk.clock.wall_ms(),
    )
    caller = CALLER.get()
    log.info(
        "operator.called",
        method=method,
        reason=reason,
        uid=None if caller is None else caller.uid,
        request_id=request_id,
    )

    def begin(store: Store) -> RequestRow | None:
        with store.unit():
            first = store.begin_request(row)
            if first is None and refusal is not None:
                raise refusal
            if first is not None and (first.method, first.parameters) != (method, shown):
                raise Conflict("this request_id was used for another call", hint="a new request_id per call")
            if write is not None and (first is None or first.answer is None):
                write(store, first is not None)
            return first

    try:
        first = await desk.ledger.read(begin)
    except LedgerUnreachable as error:
        if refusal is not None:
            raise refusal from None
        log.warning("operator.call_unrecorded", method=method, error=str(error))
        return {**await act(), "warning": f"not recorded, the ledger is away: {error}"}
    if first is not None and isinstance(first.answer, dict):
        return first.answer
    answer = await act()
    try:
        await desk.ledger.read(lambda store: store.answer_request(request_id, answer))
    except LedgerUnreachable as error:
        log.warning("operator.answer_unrecorded", method=method, error=str(error))
    return answer
