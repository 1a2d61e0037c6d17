"""The look for secrets finds one wherever it is left: in a log, an event, an answer, a file."""

import logging
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import MockClock

from actors.events import FollowerStateChanged, KeyRefused
from tests.simulation.alarms import parts_with_alarms
from tests.simulation.answers import answers_of
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


async def test_a_secret_in_an_answer_to_an_operator_is_found(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast(), make_parts=parts_with_alarms) as world:
        [secret, *_] = (secret for name, secret in secrets_of(world) if name == "alice")
        told_before = await answers_of(world)
        before = Secrecy(answers=told_before).leaks(world, tmp_path)
        world.engine.parts.bus.publish(
            KeyRefused(account="alice", why=(f"signed with {secret}",), may_reduce=True)
        )
        await trio.sleep(1)

        secrecy = Secrecy(answers=await answers_of(world))
        found = [it for it in secrecy.leaks(world, tmp_path) if "the answer to" in it]

    assert {"status", "copies", "alerts.list", "followers.check"} <= {name for name, _ in told_before}
    assert not before
    assert found
    assert not any(secret in it for it in found)
