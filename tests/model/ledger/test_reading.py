"""Reading the ledger: beside whoever writes, whole and in order."""

from collections.abc import Callable
from typing import Any

import pytest

from model.copy import CopyState
from model.ledger import Store, bulk
from model.ledger.errors import UnknownCopy
from model.ledger.rows import CopyRow
from model.ledger.store import WriteBatch
from model.leg import ChangeClass, Leg
from model.order import make_client_order_id, make_copy_id
from model.reasons import Reason
from tests.model.ledger.factories import NOW_MS, make_change, make_claim, make_outcome


def test_meta_comes_by_key_in_order(store: Store) -> None:
    store.put_meta({"b": 1, "a": 2, "c": 3})

    assert list(store.meta()) == ["a", "b", "c"]


def test_whoever_reads_never_waits_for_who_writes(
    ledger_url: str, make_store: Callable[[str], Store]
) -> None:
    store, other = make_store(ledger_url), make_store(ledger_url)
    reads: list[Callable[[], object]] = [
        store.last_changes,
        lambda: store.open_copies("alice"),
        lambda: store.holdings("alice"),
        store.copies,
        lambda: store.explain("c"),
        store.followers,
        store.drifts,
        store.meta,
        lambda: store.recall_alerts(now_ms=NOW_MS),
        store.alerts,
    ]

    with other.unit():
        other.put_meta({"held": "back"})
        seen = [read() for read in reads]

    assert not any(isinstance(it, (list, dict)) and it for it in seen), (
        "nothing of it is seen before it is done"
    )


def test_more_keys_than_one_statement_takes_are_all_found(
    make_store: Callable[[str], Store], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "VARIABLES_MAX", 3)
    store = make_store(sqlite_url)
    store.put_meta({f"k{number}": number for number in range(8)})

    with store.unit(write=False) as connection:
        keys = [f"k{number}" for number in range(10)]
        found = bulk.select_in(connection, "SELECT key FROM meta WHERE key", keys)

    assert sorted(key for (key,) in found) == keys[:8]


def test_copies_that_nobody_claimed_are_named_five_at_most(
    make_store: Callable[[str], Store], sqlite_url: str
) -> None:
    unknown = [make_claim(f"f{number}") for number in range(7)]
    named = sorted(claim.copy_id for claim in unknown)[:5]

    with pytest.raises(UnknownCopy) as caught:
        make_store(sqlite_url).record([make_outcome(claim) for claim in unknown])

    assert str(caught.value) == f"never claimed: {', '.join(named)}"


def test_a_copy_is_read_back_whole(store: Store) -> None:
    leg = Leg("ETHUSDT", 2)
    older, newer = make_change(1, leg=leg, after="-1"), make_change(2, leg=leg, before="-1", after="-2")
    claim = make_claim(change=newer, superseded=(older,), claimed_at_ms=NOW_MS + 5)
    store.claim([claim], now_ms=NOW_MS)

    facts: dict[str, Any] = {"follower": "alice", "leg": leg, "claimed_at_ms": NOW_MS + 5}
    facts |= {"orders": (), "explain": {}}
    claimed, superseded = sorted(store.copies(), key=lambda it: it.state.value)
    assert claimed == CopyRow(
        copy_id=claim.copy_id,
        change_id=newer.change_id,
        change_class=ChangeClass.INCREASE,
        state=CopyState.CLAIMED,
        reason=None,
        superseded_by=None,
        client_order_id=claim.client_order_id,
        finished_at_ms=None,
        **facts,
    )
    assert superseded == CopyRow(
        copy_id=make_copy_id("alice", older.change_id),
        change_id=older.change_id,
        change_class=ChangeClass.OPEN,
        state=CopyState.SUPERSEDED,
        reason=Reason.SUPERSEDED,
        superseded_by=newer.change_id,
        client_order_id=make_client_order_id("alice", older.change_id, 0, 0),
        finished_at_ms=NOW_MS + 5,
        **facts,
    )


def test_fifty_are_listed_unless_more_are_asked_for(store: Store) -> None:
    store.claim([make_claim(f"f{number}") for number in range(51)], now_ms=NOW_MS)

    assert (len(store.copies()), len(store.copies(limit=60))) == (50, 51)


def test_nothing_to_write_is_answered_by_nothing(store: Store) -> None:
    assert store.write(WriteBatch(), now_ms=NOW_MS) == []
