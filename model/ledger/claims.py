"""Claiming changes: the write that stands between a change and its orders (R7, R12)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import peewee

from model.change import Change
from model.copy import Claim, ClaimAnswer, CopyState
from model.ledger.bulk import insert_rows
from model.ledger.codec import encode_change
from model.order import make_client_order_id, make_copy_id
from model.reasons import Reason

KEY_WINDOW_MS = 24 * 3_600_000
"""Keys are kept at least this long; an older event is refused (R12)."""

NO_LEG = -1
"""The position_idx of changes that are no move of a master's leg: no catch-up compares against them."""

_CLAIMED, _SKIPPED = CopyState.CLAIMED.value, CopyState.SKIPPED.value
_CHANGE_COLUMNS = ("change_id", "symbol", "position_idx", "venue_time_ms", "seq", "body")
_COPY_COLUMNS = (
    *("copy_id", "change_id", "follower", "state", "reason", "symbol", "position_idx", "class"),
    *("client_order_id", "claimed_at_ms", "finished_at_ms", "superseded_by"),
)


def remember_changes(connection: peewee.Database, changes: Iterable[Change]) -> None:
    """Keep changes that the ledger does not have yet."""
    distinct = {change.change_id: change for change in changes}
    rows = [_change_row(change) for change in distinct.values()]
    insert_rows(connection, "changes", _CHANGE_COLUMNS, rows, "ON CONFLICT DO NOTHING")


def claim_copies(connection: peewee.Database, claims: Sequence[Claim], *, now_ms: int) -> list[ClaimAnswer]:
    """Claim each, together; answer in order. What was there before is a duplicate, whatever its age.

    A claim's own row carries the id of its first order, so that id is durable with the claim. What
    a claim supersedes is recorded beside it. A stale claim is recorded as skipped.
    """
    remember_changes(connection, _all_changes(claims))
    rows: dict[str, tuple[Any, ...]] = {}
    owners: dict[str, int] = {}
    facts = _Facts()
    for index, claim in enumerate(claims):
        for change in claim.superseded:
            copy_id = make_copy_id(claim.follower, change.change_id)
            rows.setdefault(copy_id, _superseded_row(copy_id, claim, change, facts))
        if claim.copy_id not in rows:
            rows[claim.copy_id] = _claim_row(claim, now_ms, facts)
            owners[claim.copy_id] = index
    inserted = _insert_copies(connection, list(rows.values()))
    return [_answer(claim, index, owners, inserted) for index, claim in enumerate(claims)]


def is_stale(change: Change, now_ms: int) -> bool:
    """Tell whether a change is too old to be claimed (R12).

    What catch-up found is a difference of states, not an old event: a position that the master
    left two days ago must still be left (R14).
    """
    return not change.caught_up and change.venue_time_ms < now_ms - KEY_WINDOW_MS


class _Facts:
    """What a change says of a copy, worked out once however many followers claim it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, int, str]] = {}

    def of(self, change: Change) -> tuple[str, int, str]:
        """Return symbol, position_idx and class."""
        known = self._known.get(change.change_id)
        if known is None:
            leg = change.leg
            known = self._known[change.change_id] = (
                leg.symbol,
                leg.position_idx,
                change.change_class.value,
            )
        return known


def _all_changes(claims: Iterable[Claim]) -> Iterable[Change]:
    for claim in claims:
        yield from claim.superseded
        yield claim.change


def _change_row(change: Change) -> tuple[object, ...]:
    leg = change.leg
    position_idx = NO_LEG if change.by_operator else leg.position_idx
    return (
        *(change.change_id, leg.symbol, position_idx, change.venue_time_ms, change.seq),
        encode_change(change),
    )


def _claim_row(claim: Claim, now_ms: int, facts: _Facts) -> tuple[object, ...]:
    change = claim.change
    if is_stale(change, now_ms):
        state, reason, finished = _SKIPPED, Reason.STALE_CHANGE.value, claim.claimed_at_ms
    else:
        state, reason, finished = _CLAIMED, None, None
    return (
        *(claim.copy_id, change.change_id, claim.follower, state, reason, *facts.of(change)),
        *(claim.client_order_id, claim.claimed_at_ms, finished, None),
    )


def _superseded_row(copy_id: str, claim: Claim, change: Change, facts: _Facts) -> tuple[object, ...]:
    state, reason = CopyState.SUPERSEDED.value, Reason.SUPERSEDED.value
    order_id = make_client_order_id(claim.follower, change.change_id, 0, 0)
    return (
        *(copy_id, change.change_id, claim.follower, state, reason, *facts.of(change)),
        *(order_id, claim.claimed_at_ms, claim.claimed_at_ms, claim.change.change_id),
    )


def _insert_copies(connection: peewee.Database, rows: Sequence[tuple[object, ...]]) -> Mapping[str, str]:
    tail = "ON CONFLICT DO NOTHING RETURNING copy_id, state"
    return dict(insert_rows(connection, "copies", _COPY_COLUMNS, rows, tail))


def _answer(claim: Claim, index: int, owners: Mapping[str, int], inserted: Mapping[str, str]) -> ClaimAnswer:
    state = inserted.get(claim.copy_id)
    if state is None or owners.get(claim.copy_id) != index:
        return ClaimAnswer.DUPLICATE
    return ClaimAnswer.NEW if state == _CLAIMED else ClaimAnswer.STALE
