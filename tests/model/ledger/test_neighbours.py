"""What is written for one is written for nobody else, on SQLite and PostgreSQL."""

from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from model.copy import CopyState
from model.ledger import FollowerRow, RequestRow, Store
from model.ledger.journal import Journal
from model.ledger.retention import KEEP_MS
from model.ledger.risk import breach_key, equity_key
from model.leg import Leg
from model.reasons import Reason
from model.settings import FollowerMode, FollowerSettings, Join
from tests.model.ledger.factories import (
    NOW_MS,
    make_change,
    make_claim,
    make_holding,
    make_order,
    make_outcome,
)

CALL = RequestRow(
    request_id="r-1", method="pause", parameters={"name": "alice"}, reason="", received_at_ms=NOW_MS
)
RESUMED = attrs.evolve(CALL, request_id="r-2", method="resume")


@pytest.fixture
def two(store: Store) -> Store:
    """Return a ledger with alice and bob, whose secrets happen to be the same."""
    names = [FollowerSettings(name=name, exchange="bybit") for name in ("alice", "bob")]
    store.apply_followers([FollowerRow(settings=it, secrets={"api_key": "t"}) for it in names], prune=False)
    return store


def test_each_call_has_its_own_answer(store: Store) -> None:
    store.begin_request(CALL)
    store.begin_request(RESUMED)

    store.answer_request("r-2", "done")

    assert store.begin_request(CALL) == CALL
    assert store.begin_request(RESUMED) == attrs.evolve(RESUMED, answer="done")


def test_a_call_that_is_young_enough_is_remembered(store: Store) -> None:
    store.begin_request(CALL)

    store.purge(now_ms=NOW_MS + KEEP_MS)

    assert store.begin_request(CALL) == CALL


def test_joining_and_modes_are_one_followers(two: Store) -> None:
    two.set_join("bob", Join.NOW)
    two.set_mode("bob", FollowerMode.PAUSED)
    two.move_mode("alice", FollowerMode.FLATTENING, instead_of=None)
    two.keep_risk("bob", {equity_key("bob"): {}, breach_key("bob"): {}}, is_broken=True)

    alice, bob = (row.settings for row in two.followers())
    assert (alice.join, alice.mode) == (Join.NEXT, FollowerMode.FLATTENING)
    assert (bob.join, bob.mode) == (Join.NOW, FollowerMode.PAUSED)


def test_new_tokens_are_one_followers(two: Store) -> None:
    alice, bob = two.followers()

    assert two.reseal(bob, attrs.evolve(bob, secrets={"api_key": "new"}))

    assert two.followers() == [alice, attrs.evolve(bob, secrets={"api_key": "new"})]


def test_a_removal_ends_the_open_copies_of_the_one_that_goes(two: Store) -> None:
    done, open_still, bobs = make_claim("alice"), make_claim("alice", make_change(2)), make_claim("bob")
    two.claim([done, open_still, bobs], now_ms=NOW_MS)
    two.record([make_outcome(done)])

    two.remove_follower("alice")

    states = {row.copy_id: (row.state, row.reason) for row in two.copies()}
    assert states == {
        done.copy_id: (CopyState.APPLIED, None),
        open_still.copy_id: (CopyState.SKIPPED, Reason.REMOVED),
        bobs.copy_id: (CopyState.CLAIMED, None),
    }


def test_of_copies_of_one_moment_the_one_that_is_asked_for_is_explained(store: Store) -> None:
    claims = [make_claim(name) for name in ("alice", "bob", "carol")]
    store.claim(claims, now_ms=NOW_MS)
    store.claim([make_claim("bob", make_change(2), claimed_at_ms=NOW_MS + 1)], now_ms=NOW_MS)

    found = [store.explain(claim.copy_id) for claim in claims]

    assert [row.follower for row in found if row is not None] == ["alice", "bob", "carol"]


def test_holdings_come_by_symbol_and_leg(store: Store) -> None:
    legs = [Leg("BTCUSDT", 2), Leg("ETHUSDT"), Leg("BTCUSDT", 1), Leg("ADAUSDT", 2)]
    store.put_holdings([make_holding(leg=leg) for leg in legs])

    assert [held.leg for held in store.holdings("alice")] == sorted(legs)


# What was kept elsewhere while the ledger was away (R18)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def test_an_operators_close_that_was_kept_elsewhere_is_not_lost(store: Store, journal: Journal) -> None:
    """It leaves what of the master was acted on as it was: the change it names is the one that is known."""
    opened, close = make_claim("alice"), make_claim("alice", make_change(2))
    held = make_holding(target=Decimal("0.15"))
    flat = attrs.evolve(held, owned=False, target=Decimal(0))
    store.claim([opened], now_ms=NOW_MS)
    store.record([make_outcome(opened, holdings=(held,))])
    journal.append(claim=close, outcome=make_outcome(close, holdings=(flat,)))

    journal.merge_into(store)

    assert store.holdings("alice") == [flat]


def test_what_is_newer_elsewhere_takes_the_place_of_what_is_known(store: Store, journal: Journal) -> None:
    old, new = make_claim("alice", make_change(1)), make_claim("alice", make_change(2))
    before, after = (make_holding(change_id=claim.change.change_id) for claim in (old, new))
    store.claim([old], now_ms=NOW_MS)
    store.record([make_outcome(old, holdings=(before,))])
    journal.append(claim=new, outcome=make_outcome(new, holdings=(after,)))

    journal.merge_into(store)

    assert store.holdings("alice") == [after]


def test_neither_another_follower_nor_another_leg_overtakes(store: Store, journal: Journal) -> None:
    long, short = Leg("BTCUSDT", 1), Leg("BTCUSDT", 2)
    old, new = make_claim("alice", make_change(1, leg=short)), make_claim("bob", make_change(2, leg=short))
    mine = make_holding("alice", short, change_id=old.change.change_id)
    others = make_holding("alice", long, change_id=new.change.change_id)
    bobs = make_holding("bob", short, change_id=new.change.change_id)
    store.claim([new], now_ms=NOW_MS)
    store.record([make_outcome(new, holdings=(bobs,))])
    store.put_holdings([others])
    journal.append(claim=old, outcome=make_outcome(old, holdings=(mine,)))

    journal.merge_into(store)

    assert store.holdings("alice") == [others, mine]


def test_what_is_known_of_a_hedge_leg_since_stays(store: Store, journal: Journal) -> None:
    short = Leg("BTCUSDT", 2)
    old, new = make_claim("alice", make_change(1, leg=short)), make_claim("alice", make_change(2, leg=short))
    before, after = (make_holding(leg=short, change_id=it.change.change_id) for it in (old, new))
    store.claim([new], now_ms=NOW_MS)
    store.record([make_outcome(new, holdings=(after,))])
    journal.append(claim=old, outcome=make_outcome(old, holdings=(before,)))

    journal.merge_into(store)

    assert store.holdings("alice") == [after]


def test_orders_of_an_open_and_of_a_settled_copy_are_written_together(store: Store) -> None:
    short = Leg("BTCUSDT", 2)
    settled, still_open = make_claim("alice", make_change(1, leg=short)), make_claim("bob")
    store.claim([settled, still_open], now_ms=NOW_MS)
    store.record([make_outcome(settled, orders=())])
    orders = [make_order(settled), make_order(still_open)]

    store.plan_orders(orders)

    found = {row.copy_id: row.orders for row in store.copies()}
    assert found == {order.copy_id: (order,) for order in orders}
