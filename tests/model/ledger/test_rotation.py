"""Secrets are sealed anew a row at a time; whoever stops half way finds the rest to do."""

import pytest

from model.ledger import FollowerRow, Store
from model.ledger.rotation import Rotation, plan_rotation, rotate_ledger
from model.ledger.secrets import SealingKeys, generate_key, open_secrets, seal_secrets
from model.settings import FollowerSettings

OLD, NEW = generate_key(), generate_key()


def sealed(name: str, key: str) -> FollowerRow:
    tokens = seal_secrets(SealingKeys([key]), {"api_key": f"{name}-key"}, name=name, exchange="bybit")
    return FollowerRow(settings=FollowerSettings(name=name, exchange="bybit"), secrets=tokens)


def test_every_row_of_an_older_key_is_sealed_with_the_newest(store: Store) -> None:
    rows = [sealed("alice", OLD), sealed("bob", NEW), sealed("carol", generate_key())]
    store.apply_followers(rows, prune=False)
    keys = SealingKeys([NEW, OLD])

    done = rotate_ledger(store, keys)

    assert done == Rotation(
        key=keys.newest_name, resealed=("alice",), current=("bob",), unreadable=("carol",)
    )
    alice, bob, carol = store.followers()
    assert open_secrets(SealingKeys([NEW]), alice) == {"api_key": "alice-key"}
    assert (bob, carol) == (rows[1], rows[2])
    assert rotate_ledger(store, keys).resealed == ()


def test_a_rotation_that_was_stopped_goes_on_where_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.apply_followers([sealed(f"f{number}", OLD) for number in range(5)], prune=False)
    keys = SealingKeys([NEW, OLD])
    reseal = store.reseal

    def reseal_twice(old: FollowerRow, new: FollowerRow) -> bool:
        if old.settings.name == "f2":
            raise KeyboardInterrupt
        return reseal(old, new)

    monkeypatch.setattr(store, "reseal", reseal_twice)
    with pytest.raises(KeyboardInterrupt):
        rotate_ledger(store, keys)
    monkeypatch.undo()

    assert [keys.is_current(row.secrets["api_key"]) for row in store.followers()] == [True] * 2 + [False] * 3
    assert all(open_secrets(keys, row) for row in store.followers())
    done = rotate_ledger(store, keys)
    assert (done.resealed, done.current) == (("f2", "f3", "f4"), ("f0", "f1"))


def test_secrets_that_were_given_anew_meanwhile_stay(store: Store) -> None:
    store.apply_followers([sealed("alice", OLD)], prune=False)
    ((old, new),) = plan_rotation(store.followers(), SealingKeys([NEW, OLD])).due
    meanwhile = sealed("alice", OLD)
    store.apply_followers([meanwhile], prune=False)

    assert not store.reseal(old, new)
    assert store.followers() == [meanwhile]


def test_a_row_in_anothers_place_is_not_sealed_anew(store: Store) -> None:
    """It would open nowhere: the plaintext names its account."""
    swapped = FollowerRow(
        settings=FollowerSettings(name="mallory", exchange="bybit"), secrets=sealed("alice", OLD).secrets
    )

    assert plan_rotation([swapped], SealingKeys([NEW, OLD])).unreadable == ("mallory",)


def test_a_row_that_no_key_opens_keeps_nobody_else_from_being_sealed_anew() -> None:
    rows = [sealed("alice", generate_key()), sealed("bob", NEW), sealed("carol", OLD)]

    plan = plan_rotation(rows, SealingKeys([NEW, OLD]))

    assert [old for old, _ in plan.due] == [rows[2]]
    assert (plan.current, plan.unreadable) == (("bob",), ("alice",))
