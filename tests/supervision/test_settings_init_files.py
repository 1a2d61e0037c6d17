"""What `init` writes can be used at once, is private, and replaces nothing."""

import stat
from pathlib import Path

import pytest

from supervision.exits import ExitCode
from supervision.init_files import AlreadyThere, write_init_files
from supervision.sealing import find_sealing_keys
from supervision.settings import default_addresses, load_followers, load_settings


def test_the_files_load_as_they_are(tmp_path: Path) -> None:
    config, followers, key = write_init_files(tmp_path / "live")

    settings = load_settings(config, {})
    (alice,) = load_followers(followers, {"ALICE_KEY": "alice-key", "ALICE_SECRET": "alice-secret"})

    assert settings.sealing_key_file == key
    assert settings.endpoints["bybit"].urls == default_addresses("bybit").urls
    assert find_sealing_keys({}, key)
    assert alice.settings.name == "alice"
    assert alice.secrets["api_secret"].reveal() == "alice-secret"


def test_every_commented_key_is_a_real_one_with_its_default(tmp_path: Path) -> None:
    config, *_ = write_init_files(tmp_path)
    lines = config.read_text().splitlines()
    plain = [
        line.removeprefix("# ") if line.startswith(("# [", "# urls", "# sms")) or " = " in line else line
        for line in lines
    ]
    named = tmp_path / "named.toml"
    named.write_text("\n".join(plain).replace('network = "mainnet"', "#"))

    full, short = load_settings(named, {}), load_settings(config, {})

    assert full.endpoints["bybit"].is_loopback
    assert full.notify.urls == ("tgram://env:TELEGRAM_TOKEN/CHAT",)
    assert full.notify.sms[0].startswith("twilio://env:TWILIO_SID:env:TWILIO_TOKEN@")
    times = (full.notify.heartbeat_minute, full.notify.escalate_after_s)
    assert times == (short.notify.heartbeat_minute, short.notify.escalate_after_s)
    assert full.metrics_listen is not None
    assert (full.max_open_age_s, full.audit, full.log) == (short.max_open_age_s, short.audit, short.log)


def test_everything_is_private(tmp_path: Path) -> None:
    paths = write_init_files(tmp_path / "live")

    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert stat.S_IMODE((tmp_path / "live").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["copytrader.toml", "followers.toml", "sealing_keys"])
def test_nothing_is_overwritten_and_then_nothing_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")

    with pytest.raises(AlreadyThere, match=name) as caught:
        write_init_files(tmp_path)

    assert caught.value.exit_code is ExitCode.CANNOT_CREATE
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(AlreadyThere, match="file"):
        write_init_files(tmp_path / "file" / "below")
