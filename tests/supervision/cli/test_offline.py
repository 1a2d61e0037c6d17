"""Commands that need no engine, in this process: exit status, JSON, and what stands in the ledger."""

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest

from supervision.cli.app import app, run_command
from supervision.exits import ExitCode

SECRETS = {
    "MASTER_API_KEY": "master-key-1",
    "MASTER_API_SECRET": "master-secret-1",
    "ALICE_KEY": "alice-key-1",
    "ALICE_SECRET": "alice-secret-1",
}
BOB = """
[[followers]]
name = "bob"
exchange = "bybit"
api_key = "env:BOB_KEY"
api_secret = "env:ALICE_SECRET"
"""


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that `init` wrote, as the working directory, with secrets in the environment."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("COPYTRADER_CONFIG", raising=False)
    directory = tmp_path / "live"
    assert run_command(["init", str(directory)]) == ExitCode.OK
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str, status: int = ExitCode.OK) -> Any:
        capsys.readouterr()
        assert run_command(arguments) == status, capsys.readouterr().err
        output = capsys.readouterr()
        return json.loads(output.out) if "--json" in arguments and output.out else output

    return run


def commands(group: click.Group, context: click.Context, path: str = "") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += commands(command, context, f"{path} {name}")
        else:
            found.append((f"{path} {name}".strip(), command))
    return found


def test_every_command_teaches_with_an_example_of_itself() -> None:
    found = dict(commands(app, click.Context(app)))

    assert {"init", "run", "followers apply", "followers close-only", "db prune", "explain"} <= set(found)
    for path, command in found.items():
        words = f"{command.help or ''} {command.epilog or ''}"
        assert command.help, path
        assert "Example" in words, path
        assert f"copytrader {path}" in words, path


def test_an_unknown_command_or_option_is_wrong_usage(printed: Any) -> None:
    assert "No such command" in printed("bogus", status=64).err
    assert "No such option" in printed("status", "--bogus", status=64).err


def test_init_overwrites_nothing(live: Path, printed: Any) -> None:
    (live / "copytrader.toml").write_text("mine")

    assert "already there" in printed("init", str(live), status=ExitCode.CANNOT_CREATE).err
    assert (live / "copytrader.toml").read_text() == "mine"


def test_followers_are_applied_offline_and_listed_without_their_keys(live: Path, printed: Any) -> None:
    applied = printed("followers", "apply", "followers.toml", "--offline", "--json")
    again = printed("followers", "apply", "followers.toml", "--offline", "--json")
    listed = printed("followers", "list", "--offline", "--json")
    table = printed("followers", "list", "--offline").out

    assert (applied["added"], again["unchanged"]) == (["alice"], ["alice"])
    assert listed["followers"][0]["limits"] == {"max_leverage": "10", "max_slippage": "0.01"}
    assert "alice" in table
    assert not re.search("alice-key-1|alice-secret-1", json.dumps(listed) + table)
    ledger = b"".join(path.read_bytes() for path in live.glob("copytrader.db*"))
    assert b"alice-secret-1" not in ledger


def test_a_second_follower_with_the_same_key_changes_nothing(
    live: Path, printed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed("followers", "apply", "followers.toml", "--offline")
    (live / "more.toml").write_text(BOB)
    for key in ("alice-key-1", "master-key-1"):
        monkeypatch.setenv("BOB_KEY", key)
        refused = printed("followers", "apply", "more.toml", "--offline", status=ExitCode.BAD_DATA)
        assert "traded twice" in refused.err
        assert key not in refused.err

    assert len(printed("followers", "list", "--offline", "--json")["followers"]) == 1


def test_prune_removes_what_the_file_does_not_name(
    live: Path, printed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed("followers", "apply", "followers.toml", "--offline")
    monkeypatch.setenv("BOB_KEY", "bob-key-1")
    (live / "more.toml").write_text(BOB)

    applied = printed("followers", "apply", "more.toml", "--offline", "--prune", "--json")

    assert (applied["added"], applied["removed"]) == (["bob"], ["alice"])


def test_every_error_of_a_followers_file_is_named_with_its_line(live: Path, printed: Any) -> None:
    (live / "bad.toml").write_text(
        '[[followers]]\nname = "A!"\nexchange = "bybit"\napi_key = "plain"\nx = 1\n'
    )

    err = printed("followers", "apply", "bad.toml", "--offline", status=ExitCode.BAD_CONFIG).err

    for words in ("bad.toml:2: followers[0].name", "bad.toml:4: followers[0].api_key", "followers[0].x"):
        assert words in err
    assert '"plain"' not in err


def test_a_followers_file_goes_with_the_sealing_key_that_is_there(live: Path, printed: Any) -> None:
    (live / "sealing_keys").unlink()

    err = printed("followers", "apply", "followers.toml", "--offline", status=ExitCode.BAD_CONFIG).err

    assert "sealing_keys" in err


def test_the_ledger_is_migrated_pruned_and_backed_up(live: Path, printed: Any) -> None:
    assert printed("db", "migrate", "--json")["applied"]
    assert printed("db", "migrate", "--json")["applied"] == []
    assert printed("db", "prune", "--json") == {"copies": 0, "changes": 0}

    kept = printed("db", "backup", "copy.db", "--json")

    assert kept["bytes"] == (live / "copy.db").stat().st_size
    assert (live / "copy.db").stat().st_mode & 0o777 == 0o600
    assert "already" in printed("db", "backup", "copy.db", status=ExitCode.CANNOT_CREATE).err


def test_a_backup_of_no_ledger_is_refused_and_makes_none(live: Path, printed: Any) -> None:
    printed("db", "backup", "copy.db", status=ExitCode.CANNOT_CREATE)

    assert not (live / "copytrader.db").exists()


def test_a_ledger_that_others_may_read_is_refused(live: Path, printed: Any) -> None:
    printed("db", "migrate")
    (live / "copytrader.db").chmod(0o644)

    assert "chmod 600" in printed("db", "prune", status=ExitCode.UNSAFE).err


def test_without_an_engine_clients_say_so(live: Path, printed: Any) -> None:
    assert "copytrader run" in printed("status", status=ExitCode.UNAVAILABLE).err
    assert printed("health", "--json", status=2)["health"] == "down"
    assert printed("stop", status=ExitCode.UNAVAILABLE)


def test_a_client_needs_neither_secrets_nor_a_whole_configuration(
    live: Path, printed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name)
    (live / "copytrader.toml").write_text('[ledger]\nurl = "postgresql://u:env:GONE@h/n"\n')

    assert "run/copytrader.sock" in printed("status", status=ExitCode.UNAVAILABLE).err
    assert "/else/where" in printed("status", "--socket", "/else/where", status=ExitCode.UNAVAILABLE).err
