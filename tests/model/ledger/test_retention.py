"""What a purge takes, and what it never takes."""

from model.ledger import Purged, Store
from model.ledger.bulk import run_sql
from model.ledger.retention import KEEP_MS
from tests.model.ledger.factories import NOW_MS, make_change, make_claim, make_outcome

LATER_MS = NOW_MS + KEEP_MS + 1_000


def count(store: Store, table: str) -> int:
    with store.unit(write=False) as connection:
        ((rows,),) = run_sql(connection, f"SELECT count(*) FROM {table}")
        return int(rows)


def fill(store: Store, copies: int) -> None:
    """Claim and settle one change for many, then a newer one of the same leg."""
    claims = [make_claim(f"f{number}") for number in range(copies)]
    store.claim(claims, now_ms=NOW_MS)
    store.record([make_outcome(claim) for claim in claims])
    store.claim([make_claim("f0", make_change(2, after="2"))], now_ms=NOW_MS)


def test_nothing_young_is_purged(store: Store) -> None:
    fill(store, 3)

    assert store.purge(now_ms=NOW_MS + KEEP_MS) == Purged()
    assert count(store, "copies") == 4


def test_old_copies_go_in_batches_with_their_orders_and_at_last_their_change(store: Store) -> None:
    fill(store, 5)

    assert store.purge(now_ms=LATER_MS, batch=2) == Purged(copies=2, more=True)
    assert store.purge(now_ms=LATER_MS, batch=2) == Purged(copies=2, more=True)
    assert store.purge(now_ms=LATER_MS, batch=2) == Purged(copies=1, changes=1)

    assert (count(store, "copies"), count(store, "orders"), count(store, "changes")) == (1, 0, 1)


def test_a_copy_without_an_outcome_is_never_purged(store: Store) -> None:
    store.claim([make_claim("open")], now_ms=NOW_MS)
    store.remember_changes([make_change(2, after="2")])

    assert store.purge(now_ms=LATER_MS) == Purged()
    assert [copy.change for copy in store.open_copies("open")] == [make_change()]


def test_the_newest_change_of_a_leg_stays_with_its_copies(store: Store) -> None:
    claim = make_claim()
    store.claim([claim], now_ms=NOW_MS)
    store.record([make_outcome(claim)])

    assert store.purge(now_ms=LATER_MS) == Purged()
    assert store.last_changes() == {claim.change.leg: claim.change}
