"""Modes that follow from losses or from closing, and what is forgotten with a follower (4, R9)."""

import pytest

from model.change import operator_close
from model.copy import CopyState
from model.ledger import FollowerRow, RequestRow, Store
from model.ledger.risk import breach_key, equity_key
from model.leg import Leg
from model.reasons import Reason
from model.settings import FollowerMode, FollowerSettings, Join
from tests.model.ledger.factories import BTC, NOW_MS, make_change, make_claim, make_holding

ACTIVE, PAUSED, CLOSE_ONLY, FLATTENING = (
    FollowerMode.ACTIVE,
    FollowerMode.PAUSED,
    FollowerMode.CLOSE_ONLY,
    FollowerMode.FLATTENING,
)
RECORD = {"day": "1", "day_start": "100", "peak": "120"}
BREACH = {"limit": "daily_loss", "allowed": "10", "equity": "90", "measured_from": "100"}


@pytest.fixture
def alice(store: Store) -> str:
    store.apply_followers(
        [FollowerRow(settings=FollowerSettings(name="alice", exchange="bybit"))], prune=False
    )
    return "alice"


def mode(store: Store) -> FollowerMode:
    return store.followers()[0].settings.mode


@pytest.mark.parametrize(
    ("before", "after"),
    [(ACTIVE, CLOSE_ONLY), (PAUSED, PAUSED), (FLATTENING, FLATTENING), (CLOSE_ONLY, CLOSE_ONLY)],
)
def test_a_broken_limit_makes_no_mode_milder(
    store: Store, alice: str, before: FollowerMode, after: FollowerMode
) -> None:
    store.set_mode(alice, before)

    store.keep_risk(alice, {equity_key(alice): RECORD, breach_key(alice): BREACH}, is_broken=True)

    assert mode(store) is after
    assert store.meta(breach_key(alice)) == {breach_key(alice): BREACH}


def test_keeping_the_record_alone_moves_no_mode(store: Store, alice: str) -> None:
    store.keep_risk(alice, {equity_key(alice): RECORD}, is_broken=False)

    assert mode(store) is ACTIVE


@pytest.mark.parametrize("to", [PAUSED, CLOSE_ONLY, FLATTENING])
def test_only_who_resumes_has_seen_the_loss(store: Store, alice: str, to: FollowerMode) -> None:
    store.keep_risk(alice, {equity_key(alice): RECORD, breach_key(alice): BREACH}, is_broken=True)

    store.set_mode(alice, to)
    kept = store.meta(), mode(store)
    store.set_mode(alice, ACTIVE)

    assert kept == ({equity_key(alice): RECORD, breach_key(alice): BREACH}, to)
    assert store.meta() == {}


def test_resuming_without_a_breach_keeps_what_the_day_began_with(store: Store, alice: str) -> None:
    store.keep_risk(alice, {equity_key(alice): RECORD}, is_broken=False)
    store.set_mode(alice, PAUSED)

    store.set_mode(alice, ACTIVE)

    assert store.meta() == {equity_key(alice): RECORD}


def test_a_name_that_begins_like_another_is_another(store: Store, alice: str) -> None:
    store.keep_risk("alice2", {breach_key("alice2"): BREACH, equity_key("alice2"): RECORD}, is_broken=False)

    store.set_mode(alice, ACTIVE)

    assert set(store.meta()) == {breach_key("alice2"), equity_key("alice2")}


def test_a_mode_moves_only_from_the_one_it_follows(store: Store, alice: str) -> None:
    store.set_mode(alice, FLATTENING)

    moved = store.move_mode(alice, PAUSED, instead_of=FLATTENING)
    again = store.move_mode(alice, PAUSED, instead_of=FLATTENING)
    store.set_mode(alice, ACTIVE)
    late = store.move_mode(alice, PAUSED, instead_of=FLATTENING)

    assert (moved, again, late) == (True, True, False)
    assert mode(store) is ACTIVE
    assert store.move_mode("zoe", PAUSED, instead_of=FLATTENING) is False


def test_joining_is_kept_and_nothing_else_changes(store: Store, alice: str) -> None:
    before = store.followers()[0].settings

    assert store.set_join(alice, Join.NOW)
    assert not store.set_join("zoe", Join.NOW)

    after = store.followers()[0].settings
    assert (before.join, after.join) == (Join.NEXT, Join.NOW)
    assert after.joined_at_ms == before.joined_at_ms


def test_a_removed_follower_leaves_copies_with_an_outcome_and_nothing_else(store: Store, alice: str) -> None:
    claim = make_claim(alice)
    store.claim([claim], now_ms=NOW_MS)
    store.put_holdings([make_holding(alice)])
    store.keep_risk(alice, {equity_key(alice): RECORD, breach_key(alice): BREACH}, is_broken=True)

    assert store.remove_follower(alice)

    (copy,) = store.copies(follower=alice)
    assert (copy.state, copy.reason) == (CopyState.SKIPPED, Reason.REMOVED)
    assert (store.open_copies(alice), store.holdings(alice), store.meta()) == ([], [], {})
    assert not store.remove_follower(alice)


def test_who_comes_by_an_old_name_finds_no_traces(store: Store) -> None:
    store.put_holdings([make_holding("alice")])  # a late write of one that was removed
    store.keep_risk("alice", {equity_key("alice"): RECORD}, is_broken=False)

    store.apply_followers(
        [FollowerRow(settings=FollowerSettings(name="alice", exchange="bybit"))], prune=False
    )

    assert (store.holdings("alice"), store.meta()) == ([], {})


def test_what_an_operator_closes_is_no_change_of_the_masters(store: Store, alice: str) -> None:
    change = make_change(seq=5)
    close = operator_close(alice, BTC, change.size_after, NOW_MS + 1000)
    store.remember_changes([change])
    store.claim([make_claim(alice, close)], now_ms=NOW_MS)

    assert store.last_changes() == {BTC: change}
    (open_copy,) = store.open_copies(alice)
    assert open_copy.change == close
    assert open_copy.change.leg == BTC


def test_the_call_and_what_it_means_share_a_transaction(store: Store, alice: str) -> None:
    call = RequestRow(
        request_id="r", method="followers.flatten", parameters={}, reason="", received_at_ms=NOW_MS
    )

    def dies() -> None:
        with store.unit():
            store.begin_request(call)
            store.set_mode(alice, FLATTENING)
            raise KeyError("here")

    with pytest.raises(KeyError):
        dies()

    assert mode(store) is ACTIVE
    assert store.begin_request(call) is None


def test_two_closings_of_a_leg_are_two_and_the_same_is_the_same() -> None:
    first, again, later = (operator_close("alice", BTC, make_change().size_after, ms) for ms in (1, 1, 2))
    other = operator_close("alice", Leg("BTCUSDT", 1), make_change().size_after, 1)

    assert first == again
    assert len({first.change_id, later.change_id, other.change_id}) == 3
