"""Sealing keys change while the engine runs: it can open every secret at every moment (section 4)."""

from pathlib import Path
from typing import Any

import pytest
import trio

from model.ledger import FollowerRow, LedgerUnreachable
from model.ledger.secrets import SealingKeys, generate_key, open_secrets
from supervision.control import Conflict, NotReady
from tests.supervision.engine_house import House, engine_house, make_row
from tests.supervision.test_service import entry

OLD, NEW = generate_key(), generate_key()
OLD_KEYS, BOTH = SealingKeys([OLD]), SealingKeys([NEW, OLD])


def of_old_keys(house: House) -> None:
    house.desk.keys = OLD_KEYS
    house.store.apply_followers([make_row(name, keys=OLD_KEYS) for name in ("alice", "bob")], prune=False)


async def test_a_running_engine_takes_the_new_key_and_goes_on_with_either(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob")) as house:
        await house.until_ready()
        of_old_keys(house)
        house.desk.find_keys = lambda: BOTH

        answer = await house.call("keys.rotate", request_id="r1", reason="yearly")

        assert answer == {
            "key": BOTH.newest_name,
            "resealed": ("alice", "bob"),
            "current": (),
            "unreadable": (),
        }
        rows = house.store.followers()
        assert all(open_secrets(SealingKeys([NEW]), row) for row in rows)
        assert len(house.seen("actor.started")) == len({e.name for e in house.seen("actor.started")})
        applied = await house.call("followers.apply", request_id="r2", followers=[entry("alice")])
        assert applied["removed"] == []
        assert set(house.engine.followers) == {"alice", "bob"}
        again = await house.call("keys.rotate", request_id="r3")
        assert again["resealed"] == ()


async def test_keys_that_would_lock_secrets_up_are_not_taken(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob")) as house:
        of_old_keys(house)
        house.desk.find_keys = lambda: SealingKeys([NEW])
        before = house.store.followers()

        with pytest.raises(Conflict, match="alice, bob"):
            await house.call("keys.rotate", request_id="r1")

        assert house.desk.keys is OLD_KEYS
        assert house.store.followers() == before


async def test_a_rotation_that_the_ledger_stopped_is_repeated(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob")) as house:
        of_old_keys(house)
        house.desk.find_keys = lambda: BOTH
        reseal: Any = house.store.reseal

        def fails_at_bob(old: FollowerRow, new: FollowerRow) -> bool:
            if old.settings.name == "bob":
                raise LedgerUnreachable("gone")
            return bool(reseal(old, new))

        monkeypatch.setattr(house.store, "reseal", fails_at_bob)
        with pytest.raises(NotReady, match="repeat"):
            await house.call("keys.rotate", request_id="r1")
        monkeypatch.undo()

        answer = await house.call("keys.rotate", request_id="r1")

        assert (answer["resealed"], answer["current"]) == (("bob",), ("alice",))
