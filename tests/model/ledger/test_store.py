"""Claims, outcomes and reading back, on both databases."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from model.copy import ClaimAnswer, CopyState
from model.ledger.errors import LedgerRefused, LedgerTakenOver, UnknownCopy
from model.ledger.store import Store, WriteBatch
from model.leg import Leg
from model.order import OrderState, make_copy_id
from model.reasons import Reason
from tests.model.ledger.factories import (
    BTC,
    NOW_MS,
    make_change,
    make_claim,
    make_holding,
    make_order,
    make_outcome,
)

DAY_MS = 24 * 3_600_000


def test_a_change_is_claimed_once(store: Store) -> None:
    claim = make_claim()

    first = store.claim([claim], now_ms=NOW_MS)
    second = store.claim([claim], now_ms=NOW_MS)

    assert (first, second) == ([ClaimAnswer.NEW], [ClaimAnswer.DUPLICATE])


def test_claims_are_answered_in_order_and_doubles_in_one_batch_are_duplicates(store: Store) -> None:
    change = make_change()
    alice, bob = make_claim("alice", change), make_claim("bob", change)

    answers = store.claim([alice, bob, alice], now_ms=NOW_MS)

    assert answers == [ClaimAnswer.NEW, ClaimAnswer.NEW, ClaimAnswer.DUPLICATE]


def test_follower_and_change_are_unique_whatever_the_copy_is_called(store: Store) -> None:
    store.claim([make_claim()], now_ms=NOW_MS)

    assert store.claim([make_claim(copy_id="another")], now_ms=NOW_MS) == [ClaimAnswer.DUPLICATE]


def test_a_change_older_than_a_day_is_refused_and_recorded(store: Store) -> None:
    change = make_change(venue_time_ms=NOW_MS - DAY_MS - 1)
    claim = make_claim(change=change)

    assert store.claim([claim], now_ms=NOW_MS) == [ClaimAnswer.STALE]
    assert store.claim([claim], now_ms=NOW_MS) == [ClaimAnswer.DUPLICATE]

    row = store.explain(claim.copy_id)
    assert row is not None
    assert (row.state, row.reason) == (CopyState.SKIPPED, Reason.STALE_CHANGE)
    assert store.open_copies("alice") == []


def test_a_day_old_to_the_millisecond_is_not_stale(store: Store) -> None:
    claim = make_claim(change=make_change(venue_time_ms=NOW_MS - DAY_MS))

    assert store.claim([claim], now_ms=NOW_MS) == [ClaimAnswer.NEW]


def test_what_catch_up_found_is_claimed_at_any_age(store: Store) -> None:
    change = make_change(before="1.5", after="0", venue_time_ms=NOW_MS - 9 * DAY_MS, caught_up=True)

    assert store.claim([make_claim(change=change)], now_ms=NOW_MS) == [ClaimAnswer.NEW]


def test_superseded_changes_are_recorded_with_what_replaced_them(store: Store) -> None:
    older, newer = make_change(1), make_change(2, before="1.5", after="2")
    claim = make_claim(change=newer, superseded=(older,))

    assert store.claim([claim], now_ms=NOW_MS) == [ClaimAnswer.NEW]

    row = store.explain(make_copy_id("alice", older.change_id))
    assert row is not None
    assert (row.state, row.reason, row.superseded_by) == (
        CopyState.SUPERSEDED,
        Reason.SUPERSEDED,
        newer.change_id,
    )
    assert row.change == older
    late = store.claim([make_claim(change=older)], now_ms=NOW_MS)
    assert late == [ClaimAnswer.DUPLICATE]


def test_a_copy_in_hand_is_not_superseded_behind_its_back(store: Store) -> None:
    older, newer = make_change(1), make_change(2, before="1.5", after="2")
    store.claim([make_claim(change=older)], now_ms=NOW_MS)

    store.claim([make_claim(change=newer, superseded=(older,))], now_ms=NOW_MS)

    assert [copy.change for copy in store.open_copies("alice")] == [older, newer]


def test_open_copies_come_with_their_change_and_orders(store: Store) -> None:
    claim, other = make_claim(), make_claim("bob")
    store.claim([claim, other], now_ms=NOW_MS)
    tried = make_order(claim, attempt=0, state=OrderState.REJECTED, filled=Decimal(0))
    again = make_order(claim, attempt=1, state=OrderState.CLAIMED, filled=Decimal(0), order_id="")
    store.plan_orders([again, tried])

    (found,) = store.open_copies("alice")

    assert found.change == claim.change
    assert found.client_order_id == claim.client_order_id
    assert found.orders == (tried, again)
    assert found.claimed_at_ms == NOW_MS
    assert store.open_copies("nobody") == []


def test_open_copies_come_with_what_may_have_been_known_of_the_symbols_other_legs(store: Store) -> None:
    """A net that was answered before a crash was taken for the last net and the change's own step.

    The answer may know changes that are kept after its own: how soon they are is chance.
    """
    long, short, flat = Leg("BTCUSDT", 1), Leg("BTCUSDT", 2), Leg("ETHUSDT", 1)
    oldest, before, after, last = (make_change(seq, leg=long) for seq in (1, 2, 5, 6))
    answered = make_change(3, leg=short)
    store.remember_changes([oldest, before, make_change(4, leg=flat)])
    store.claim([make_claim(change=answered)], now_ms=NOW_MS)
    store.remember_changes([after, last, make_change(7, leg=short)])

    (found,) = store.open_copies("alice")

    assert found.beside == (before, after, last)


def test_a_leg_that_was_first_heard_of_after_the_answer_may_have_been_flat_to_it(store: Store) -> None:
    answered, first = make_change(1, leg=Leg("BTCUSDT", 2)), make_change(2, leg=Leg("BTCUSDT", 1))
    store.claim([make_claim(change=answered)], now_ms=NOW_MS)
    store.remember_changes([first])

    (found,) = store.open_copies("alice")

    assert [change.size_after for change in found.beside] == [first.size_before, first.size_after]


def test_what_may_be_told_again_and_was_answered_is_known(store: Store) -> None:
    older, newest, elsewhere = make_change(1), make_change(2), make_change(3, leg=Leg("ETHUSDT", 1))
    answers = [make_claim(change=older), make_claim(change=newest), make_claim("bob", elsewhere)]
    store.claim(answers, now_ms=NOW_MS)
    store.record([make_outcome(answers[1])])

    assert store.answered_of_newest("alice") == {answers[1].copy_id}
    assert store.answered_of_newest("bob") == {answers[2].copy_id}
    assert store.answered_of_newest("nobody") == set()


def test_a_followers_last_fills_are_found_oldest_first(store: Store) -> None:
    claims = [make_claim(who, change=make_change(seq)) for seq in (1, 2, 3) for who in ("alice", "bob")]
    store.claim(claims, now_ms=NOW_MS)
    settled = {1: NOW_MS + 50, 2: NOW_MS + 20, 3: NOW_MS + 9}
    for claim in claims:
        filled = make_order(claim, settled_at_ms=settled[claim.change.seq])
        ended = {"state": OrderState.ENDED, "settled_at_ms": NOW_MS + 60}
        empty = make_order(claim, attempt=1, filled=Decimal(0), **ended)
        store.record([make_outcome(claim, orders=(filled, empty))])

    found = store.last_fills("alice", since_ms=NOW_MS + 10)

    assert [(order.copy_id, order.settled_at_ms) for order in found] == [
        (claims[2].copy_id, NOW_MS + 20),
        (claims[0].copy_id, NOW_MS + 50),
    ]
    assert store.last_fills("nobody", since_ms=0) == []


def test_an_outcome_closes_the_copy_and_keeps_orders_holdings_and_numbers(store: Store) -> None:
    claim = make_claim()
    store.claim([claim], now_ms=NOW_MS)
    outcome = make_outcome(claim)

    store.record([outcome])

    row = store.explain(claim.copy_id)
    assert row is not None
    assert row.state is CopyState.APPLIED
    assert row.finished_at_ms == outcome.finished_at_ms
    assert row.orders == outcome.orders
    assert row.change == claim.change
    assert row.explain == {"target": "0.15", "sent_ms": NOW_MS + 1}
    assert store.open_copies("alice") == []
    assert store.holdings("alice") == list(outcome.holdings)


def test_recording_twice_changes_nothing(store: Store) -> None:
    claim = make_claim()
    store.claim([claim], now_ms=NOW_MS)
    outcome = make_outcome(claim)

    store.record([outcome, outcome])
    store.record([outcome])

    assert len(store.copies()) == 1
    assert store.copies()[0].orders == outcome.orders


def test_a_settled_order_is_not_unsettled(store: Store) -> None:
    claim = make_claim()
    store.claim([claim], now_ms=NOW_MS)
    store.record([make_outcome(claim)])

    store.plan_orders([make_order(claim, state=OrderState.SENT, filled=Decimal(0))])

    assert store.copies()[0].orders[0].state is OrderState.FILLED
    assert store.copies()[0].orders[0].filled == Decimal("0.15")


def test_an_outcome_of_a_copy_that_nobody_claimed_is_refused_whole(store: Store) -> None:
    known, unknown = make_claim("alice"), make_claim("bob")
    store.claim([known], now_ms=NOW_MS)

    with pytest.raises(UnknownCopy):
        store.record([make_outcome(known), make_outcome(unknown)])
    with pytest.raises(UnknownCopy):
        store.plan_orders([make_order(unknown)])

    assert [copy.copy_id for copy in store.open_copies("alice")] == [known.copy_id]
    assert store.holdings("alice") == []


def test_a_claim_and_its_outcome_may_share_a_transaction(store: Store) -> None:
    """A journal is merged so: what was done without the ledger (R18)."""
    claim = make_claim()

    answers = store.write(WriteBatch(claims=[claim], outcomes=[make_outcome(claim)]), now_ms=NOW_MS)

    assert answers == [ClaimAnswer.NEW]
    assert store.copies()[0].state is CopyState.APPLIED


def test_a_unit_of_several_calls_is_written_whole_or_not_at_all(store: Store) -> None:
    claim = make_claim()

    def change_its_mind() -> None:
        with store.unit():
            store.claim([claim], now_ms=NOW_MS)
            store.record([make_outcome(claim)])
            raise RuntimeError("the caller changed its mind")

    with pytest.raises(RuntimeError):
        change_its_mind()

    assert store.copies() == []


def test_the_last_change_of_each_leg_is_by_venue_time_then_seq_then_arrival(store: Store) -> None:
    eth = Leg("ETHUSDT", 1)
    oldest = make_change(9, venue_time_ms=NOW_MS - 50)
    newest = make_change(3, before="1.5", after="2", venue_time_ms=NOW_MS)
    same_time = make_change(2, before="1", after="1.5", venue_time_ms=NOW_MS)
    other = make_change(1, leg=eth)

    store.remember_changes([newest, oldest])
    store.remember_changes([same_time, other, newest])

    assert store.last_changes() == {BTC: newest, eth: other}


def test_copies_come_newest_first_and_by_follower(store: Store) -> None:
    changes = [make_change(seq, after=str(seq)) for seq in range(1, 4)]
    store.claim([make_claim(name, change) for change in changes for name in ("a", "b")], now_ms=NOW_MS)

    assert [row.follower for row in store.copies(limit=3)] == ["b", "a", "b"]
    mine = store.copies(follower="a", limit=2)
    assert [row.change_id for row in mine] == [changes[2].change_id, changes[1].change_id]


def test_a_copy_says_itself_as_plain_json(store: Store) -> None:
    claim = make_claim()
    store.claim([claim], now_ms=NOW_MS)
    store.record([make_outcome(claim, state=CopyState.FAILED, reason=Reason.ORDER_LOST)])

    row = store.explain(claim.copy_id)
    assert row is not None
    plain = row.to_json()

    assert plain["state"] == "failed"
    assert plain["reason"] == "order_lost"
    assert plain["leg"] == {"symbol": "BTCUSDT", "position_idx": 0}
    assert plain["orders"][0]["quantity"] == "0.15"  # type: ignore[index]
    assert store.explain("no such copy") is None


def test_holdings_are_kept_by_leg_and_the_last_word_wins(store: Store) -> None:
    eth = Leg("ETHUSDT", 2)
    store.put_holdings([make_holding(), make_holding(leg=eth, owned=False)])

    store.put_holdings([make_holding(target=Decimal(0), skipped=Reason.NOT_JOINED)])

    btc, other = store.holdings("alice")
    assert (btc.target, btc.skipped, btc.owned) == (Decimal(0), Reason.NOT_JOINED, True)
    assert (other.leg, other.owned) == (eth, False)


def test_what_the_database_cannot_take_is_refused_and_nothing_is_written(store: Store) -> None:
    poison = make_claim("bob", claimed_at_ms=2**80)

    with pytest.raises(LedgerRefused):
        store.claim([make_claim(), poison], now_ms=NOW_MS)

    assert store.copies() == []


def test_an_engine_writes_nothing_after_another_has_taken_over(
    store: Store, ledger_url: str, make_store: Callable[[str], Store]
) -> None:
    """Until it noticed, both claimed: what one had in flight the other's sizes did not know."""
    successor = make_store(ledger_url)
    store.take_over("first")
    store.claim([make_claim("alice")], now_ms=NOW_MS)
    successor.take_over("second")

    with pytest.raises(LedgerTakenOver):
        store.claim([make_claim("bob")], now_ms=NOW_MS)

    assert successor.claim([make_claim("carol")], now_ms=NOW_MS) == [ClaimAnswer.NEW]
    assert {copy.follower for copy in store.copies()} == {"alice", "carol"}
    store.take_over("first")
    assert store.claim([make_claim("bob")], now_ms=NOW_MS) == [ClaimAnswer.NEW]


def test_meta_is_kept_by_key(store: Store) -> None:
    store.put_meta({"audit:a": {"since": 5}, "audit:b": [1], "audi": "x"})
    store.put_meta({"audit:b": None, "audit:a": {"since": 6}})

    assert store.meta("audit:") == {"audit:a": {"since": 6}}
    assert store.meta() == {"audi": "x", "audit:a": {"since": 6}}
