"""`copytrader keys`, from the shell: a key is added, secrets are sealed anew, also after a kill."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model.ledger import FollowerRow, open_store
from model.ledger.secrets import SealingKeys, open_secrets, seal_secrets
from model.settings import FollowerSettings
from supervision.cli.app import run_command
from tests.supervision.cli.test_process import ended, engine, live, said  # noqa: F401

MANY, HALF = 40, 17
DIES_HALFWAY = f"""
import os, signal
from model.ledger import Store
from supervision.cli import main

reseal, left = Store.reseal, [{HALF}]

def reseal_or_die(self, old, new):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return reseal(self, old, new)

Store.reseal = reseal_or_die
main()
"""


def keys_in(directory: Path) -> list[str]:
    return (directory / "sealing_keys").read_text().split()


def rows_in(directory: Path) -> list[FollowerRow]:
    store = open_store(f"sqlite:///{directory / 'copytrader.db'}")
    try:
        return store.followers()
    finally:
        store.close()


def test_a_running_engine_seals_anew_with_the_key_that_was_added(
    live: Path,  # noqa: F811
    engine: subprocess.Popen[str],  # noqa: F811
    said: Any,  # noqa: F811
) -> None:
    (first,) = keys_in(live)
    assert "next: copytrader keys rotate" in said("keys", "add")
    second, also_first = keys_in(live)
    assert also_first == first
    assert (live / "sealing_keys").stat().st_mode & 0o777 == 0o600

    assert "1 followers sealed anew" in said("keys", "rotate", "--reason", "yearly")
    (alice,) = rows_in(live)
    assert open_secrets(SealingKeys([second]), alice)["api_key"] == "alice-key-1"

    (live / "sealing_keys").write_text(second)
    assert said("keys", "rotate", "--json")["resealed"] == []
    assert said("followers", "apply", "followers.toml", "--json")["unchanged"] == ["alice"]
    assert run_command(["keys", "rotate", "--offline"]) == 75
    engine.send_signal(signal.SIGTERM)
    out, _ = engine.communicate(timeout=10)
    assert not [key for key in (first, second) if key in out]


def test_a_rotation_that_was_killed_is_finished_by_the_next(live: Path, said: Any) -> None:  # noqa: F811
    assert run_command(["db", "migrate"]) == 0
    old = SealingKeys(keys_in(live))
    store = open_store(f"sqlite:///{live / 'copytrader.db'}")
    store.apply_followers([_row(f"f{number}", old) for number in range(MANY)], prune=False)
    said("keys", "add")
    newest = SealingKeys(keys_in(live)[:1])
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}

    killed = subprocess.run(
        [sys.executable, "-c", DIES_HALFWAY, "keys", "rotate", "--offline"], env=environment, timeout=60
    )

    assert killed.returncode == -signal.SIGKILL
    half = _sealed_with(newest, store.followers())
    assert half == HALF
    status, out, err = ended("keys", "rotate", "--offline", "--json")

    assert status == 0, err
    assert (len(json.loads(out)["resealed"]), len(json.loads(out)["current"])) == (MANY - half, half)
    assert _sealed_with(newest, store.followers()) == MANY
    store.close()


def test_secrets_that_no_key_opens_are_named(live: Path, said: Any) -> None:  # noqa: F811
    assert run_command(["followers", "apply", "followers.toml", "--offline"]) == 0
    said("keys", "add")
    (live / "sealing_keys").write_text(keys_in(live)[0])

    said("keys", "rotate", "--offline", status=65)


def test_a_key_in_the_environment_is_not_ours_to_write(
    live: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (key,) = keys_in(live)
    monkeypatch.setenv("COPYTRADER_SEALING_KEYS", key)

    assert run_command(["keys", "add"]) == 78
    told = capsys.readouterr().err
    assert "COPYTRADER_SEALING_KEYS" in told
    assert key not in told


def _row(name: str, keys: SealingKeys) -> FollowerRow:
    tokens = seal_secrets(keys, {"api_key": f"{name}-key"}, name=name, exchange="bybit")
    return FollowerRow(settings=FollowerSettings(name=name, exchange="bybit"), secrets=tokens)


def _sealed_with(keys: SealingKeys, rows: list[FollowerRow]) -> int:
    return sum(keys.is_current(row.secrets["api_key"]) for row in rows)
