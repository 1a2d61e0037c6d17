"""Followers change while the engine runs; what the engine knows of them is not the file's (section 4)."""

from decimal import Decimal

import attrs

from model.ledger import Applied, FollowerRow, Store
from model.ledger.meta import key_check_name
from model.settings import FollowerMode, FollowerSettings, Limits, Repair, Sizing, SizingMode
from tests.model.ledger.factories import NOW_MS, make_claim, make_holding

ALICE = FollowerSettings(
    name="alice",
    exchange="binance",
    sizing=Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal("0.25")),
    limits=Limits(max_leverage=Decimal(10), allow=frozenset({"BTCUSDT", "ETHUSDT"})),
    repair=Repair.FULL,
    joined_at_ms=NOW_MS,
)
BOB = FollowerSettings(name="bob", exchange="hyperliquid", account="0xabc", joined_at_ms=NOW_MS)


def row(settings: FollowerSettings, **secrets: str) -> FollowerRow:
    return FollowerRow(settings=settings, secrets=secrets)


def test_followers_come_back_as_they_were_applied(store: Store) -> None:
    applied = store.apply_followers([row(BOB, agent_key="t1"), row(ALICE, api_key="t2")], prune=False)

    assert applied == Applied(added=("bob", "alice"))
    assert store.followers() == [row(ALICE, api_key="t2"), row(BOB, agent_key="t1")]


def test_applying_again_tells_what_changed_and_keeps_mode_and_joining(store: Store) -> None:
    store.apply_followers([row(ALICE, api_key="t"), row(BOB)], prune=False)
    store.set_mode("alice", FollowerMode.PAUSED)
    later = attrs.evolve(ALICE, repair=Repair.ALERT, joined_at_ms=NOW_MS + 5)

    applied = store.apply_followers([row(later), row(BOB)], prune=False)

    assert applied == Applied(changed=("alice",), unchanged=("bob",))
    alice, _ = store.followers()
    assert alice.settings == attrs.evolve(later, mode=FollowerMode.PAUSED, joined_at_ms=NOW_MS)
    assert alice.secrets == {"api_key": "t"}


def test_pruning_removes_those_that_are_not_named_with_what_they_held(store: Store) -> None:
    store.apply_followers([row(ALICE), row(BOB)], prune=False)
    store.put_holdings([make_holding("bob"), make_holding("alice")])
    store.claim([make_claim("bob")], now_ms=NOW_MS)

    assert store.apply_followers([row(ALICE)], prune=True) == Applied(unchanged=("alice",), removed=("bob",))

    assert [it.settings.name for it in store.followers()] == ["alice"]
    assert store.holdings("bob") == []
    assert store.holdings("alice") != []
    assert len(store.copies(follower="bob")) == 1


def test_modes_and_removal_say_whether_there_was_anyone(store: Store) -> None:
    store.apply_followers([row(ALICE)], prune=False)

    assert store.set_mode("alice", FollowerMode.CLOSE_ONLY)
    assert not store.set_mode("nobody", FollowerMode.PAUSED)
    assert store.followers()[0].settings.mode is FollowerMode.CLOSE_ONLY
    assert store.remove_follower("alice")
    assert not store.remove_follower("alice")
    assert store.followers() == []


def test_tokens_are_replaced_where_they_are_still_the_old_ones_and_settings_stay(store: Store) -> None:
    store.apply_followers([row(ALICE, api_key="old"), row(BOB, agent_key="old")], prune=False)

    assert store.reseal(row(ALICE, api_key="old"), row(ALICE, api_key="new"))
    assert not store.reseal(row(ALICE, api_key="old"), row(ALICE, api_key="newer"))
    assert not store.reseal(row(BOB, agent_key="other"), row(BOB, agent_key="new"))
    store.remove_follower("bob")
    assert not store.reseal(row(BOB, agent_key="old"), row(BOB, agent_key="new"))

    assert store.followers() == [row(ALICE, api_key="new")]


def test_what_was_found_of_its_key_goes_with_a_follower(store: Store) -> None:
    store.apply_followers([row(ALICE, api_key="t"), row(BOB, agent_key="t")], prune=False)
    store.put_meta({key_check_name("alice"): {"key": "a"}, key_check_name("bob"): {"key": "b"}})

    store.remove_follower("alice")

    assert store.meta("key_check:") == {key_check_name("bob"): {"key": "b"}}


def test_who_is_not_named_stays_unless_the_list_is_the_whole_one(store: Store) -> None:
    store.apply_followers([row(ALICE), row(BOB)], prune=False)

    assert store.apply_followers([row(ALICE)], prune=False) == Applied(unchanged=("alice",))

    assert [it.settings.name for it in store.followers()] == ["alice", "bob"]


def test_a_follower_is_unchanged_by_the_same_entry_whatever_was_done_with_it_since(store: Store) -> None:
    """Its mode and when it joined are the engine's, not the file's."""
    store.apply_followers([row(ALICE)], prune=False)
    store.set_mode("alice", FollowerMode.PAUSED)

    again = row(attrs.evolve(ALICE, joined_at_ms=NOW_MS + 5))

    assert store.apply_followers([again], prune=False) == Applied(unchanged=("alice",))
