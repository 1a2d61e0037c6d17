"""The look for secrets finds one wherever it is left: in a log, an event, a file."""

import logging
from pathlib import Path

import pytest
import structlog
from trio.testing import MockClock

from actors.events import FollowerStateChanged
from tests.simulation.secrecy import Secrecy, secrets_of
from tests.world import Cast, World, open_world


def _log(world: World, directory: Path, secret: str) -> None:
    structlog.get_logger("actors").warning("refused", url=f"https://host/?key={secret}")


def _log_by_the_standard_library(world: World, directory: Path, secret: str) -> None:
    logging.getLogger("httpx").warning("sent %s", {"X-KEY": secret})


def _publish(world: World, directory: Path, secret: str) -> None:
    world.events.append(FollowerStateChanged(follower="alice", state="x", detail=f"signed with {secret}"))


def _write(world: World, directory: Path, secret: str) -> None:
    (directory / "journal").write_text(f"{{{secret}}}")


@pytest.mark.parametrize("leak", [_log, _log_by_the_standard_library, _publish, _write])
async def test_a_secret_that_is_left_somewhere_is_found(
    leak: object, tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast(), Cast(name="hugo", venue="hyperliquid")) as world:
        secrecy = Secrecy()
        with secrecy.listen():
            before = secrecy.leaks(world, tmp_path)
            for _, secret in secrets_of(world):
                leak(world, tmp_path, secret)  # type: ignore[operator]
                found = secrecy.leaks(world, tmp_path)
                assert found
                assert not any(secret in it for it in found)

    assert not before
