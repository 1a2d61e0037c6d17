"""A mutating call acts once, however often it is sent (section 5)."""

import attrs

from model.ledger import RequestRow, Store
from model.ledger.retention import KEEP_MS
from tests.model.ledger.factories import NOW_MS

PAUSE = RequestRow(
    request_id="r-1",
    method="pause",
    parameters={"name": "alice"},
    reason="maintenance",
    received_at_ms=NOW_MS,
)


def test_a_call_is_new_once_and_then_known_with_its_answer(store: Store) -> None:
    assert store.begin_request(PAUSE) is None

    repeated = attrs.evolve(PAUSE, received_at_ms=NOW_MS + 9, method="resume")
    assert store.begin_request(repeated) == PAUSE

    store.answer_request("r-1", {"state": "paused"})
    assert store.begin_request(repeated) == attrs.evolve(PAUSE, answer={"state": "paused"})


def test_calls_are_forgotten_with_the_copies(store: Store) -> None:
    store.begin_request(PAUSE)

    store.purge(now_ms=NOW_MS + KEEP_MS + 1)

    assert store.begin_request(PAUSE) is None
