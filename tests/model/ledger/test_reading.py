"""Reading the ledger: beside whoever writes, whole and in order."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from model.copy import CopyState
from model.ledger import LedgerUnreachable, Store, bulk, check_schema, open_store
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
        lambda: check_schema(store.database),
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


def test_whoever_may_write_holds_the_ledger_from_the_first_moment(
    make_store: Callable[[str], Store], sqlite_url: str
) -> None:
    """Who read first and then wanted to write would be refused, where another had written meanwhile."""
    store = make_store(sqlite_url)
    assert store.database.sqlite_path is not None

    with closing(sqlite3.connect(store.database.sqlite_path, timeout=0)) as other:
        with store.unit(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        with store.unit(write=False):
            other.execute("BEGIN IMMEDIATE")


def test_a_ledger_in_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    open_store("sqlite://").close()

    assert list(tmp_path.iterdir()) == []


def test_a_relative_ledger_is_made_where_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    open_store("sqlite:///a.db", directory=tmp_path / "there").close()

    assert (tmp_path / "there" / "a.db").exists()
    assert list((tmp_path / "here").iterdir()) == []


def test_a_place_where_no_ledger_can_be_is_told_with_what_the_system_says(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnreachable, match=r"none/ledger\.db: .*No such file"):
        open_store(f"sqlite:///{tmp_path}/none/ledger.db")
