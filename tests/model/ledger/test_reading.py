"""Reading the ledger: beside whoever writes, whole and in order."""

from collections.abc import Callable

import pytest

from model.ledger import Store, bulk
from model.ledger.errors import UnknownCopy
from tests.model.ledger.factories import NOW_MS, make_claim, make_outcome


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
