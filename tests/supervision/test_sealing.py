"""The sealing keys are found in order, and only where nobody else can read them (section 6)."""

from pathlib import Path

import pytest

from model.ledger.secrets import SealingKeys, SecretUnreadable, generate_key
from supervision.exits import ExitCode, UnsafePermissions
from supervision.private_files import FileUnreadable
from supervision.sealing import NoSealingKeys, find_sealing_keys

PLACE = {"account": "alice", "exchange": "bybit", "field": "api_key"}


def key_file(path: Path, text: str, mode: int = 0o600) -> Path:
    """Write a key file."""
    path.write_text(text)
    path.chmod(mode)
    return path


def opens(keys: SealingKeys, key: str) -> bool:
    """Tell whether ``keys`` open what ``key`` sealed."""
    try:
        return keys.open(SealingKeys([key]).seal("value", **PLACE), **PLACE) == "value"
    except SecretUnreadable:
        return False


def test_the_first_place_that_is_there_counts(tmp_path: Path) -> None:
    first, second, third, fourth = (generate_key() for _ in range(4))
    by_setting = key_file(tmp_path / "setting", third, 0o400)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    key_file(credentials / "sealing_keys", fourth, 0o440)
    env = {
        "COPYTRADER_SEALING_KEYS": first,
        "COPYTRADER_SEALING_KEY_FILE": str(key_file(tmp_path / "variable", second)),
        "CREDENTIALS_DIRECTORY": str(credentials),
    }

    assert opens(find_sealing_keys(env, by_setting), first)
    del env["COPYTRADER_SEALING_KEYS"]
    assert opens(find_sealing_keys(env, by_setting), second)
    del env["COPYTRADER_SEALING_KEY_FILE"]
    assert opens(find_sealing_keys(env, by_setting), third)
    assert opens(find_sealing_keys(env), fourth)


def test_several_keys_newest_first() -> None:
    new, old = generate_key(), generate_key()

    keys = find_sealing_keys({"COPYTRADER_SEALING_KEYS": f"{new}, {old}\n"})

    assert opens(keys, old)
    assert SealingKeys([new]).open(keys.seal("v", **PLACE), **PLACE) == "v"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o700])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path / "keys", generate_key(), mode)

    with pytest.raises(UnsafePermissions, match="chmod 600") as caught:
        find_sealing_keys({}, path)

    assert caught.value.exit_code is ExitCode.UNSAFE


@pytest.mark.parametrize("text", ["", " , ", "canary-not-a-key"])
def test_what_is_no_key_is_told_without_it(text: str) -> None:
    with pytest.raises(NoSealingKeys) as caught:
        find_sealing_keys({"COPYTRADER_SEALING_KEYS": text})

    assert caught.value.exit_code is ExitCode.BAD_CONFIG
    assert "canary" not in str(caught.value)


def test_no_key_at_all_names_the_places(tmp_path: Path) -> None:
    for env in ({}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}):
        with pytest.raises(NoSealingKeys, match="COPYTRADER_SEALING_KEY_FILE"):
            find_sealing_keys(env)


def test_a_file_that_is_named_and_not_there_is_no_reason_to_take_another_key(tmp_path: Path) -> None:
    env = {"COPYTRADER_SEALING_KEY_FILE": str(tmp_path / "none")}
    with pytest.raises(FileUnreadable, match="No such file"):
        find_sealing_keys(env, key_file(tmp_path / "keys", generate_key()))

    with pytest.raises(FileUnreadable, match="not a plain file"):
        find_sealing_keys({}, tmp_path)
