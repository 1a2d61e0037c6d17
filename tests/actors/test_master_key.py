"""The master's key: read-only, or the engine ends before it copies; later it is only told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors import master_key
from actors.events import KeyAccepted, KeyRefused, TroubleMet
from actors.messages import CrashNow
from exchanges.port import Credentials
from exchanges.sandbox import FaultKind
from model import key_check
from model.key_standing import KeyState
from supervision.exits import ExitCode, exit_code_of, message_of
from tests.world import MASTER, Cast, World, open_world

D = Decimal
KEY_PATH = "/v5/user/query-api"
DAY_S = 600.0
"""A day that passes faster."""


@asynccontextmanager
async def strict_world(path: Path) -> AsyncIterator[World]:
    """Open a world whose engine takes no trading key of the master, with one that only reads."""
    async with open_world(path, Cast(), start=False) as world:
        world.allow_trading_key = False
        world.account(MASTER).read_only = True
        yield world


async def end_of(world: World) -> BaseException:
    """Start an engine that ends by itself; return what ended it."""
    try:
        with trio.fail_after(120):
            async with trio.open_nursery() as world.nursery:
                await world.start_engine()
                await trio.sleep_forever()
    except Exception as error:  # noqa: BLE001 - looked at by the caller
        return error
    raise AssertionError("it runs on")


def give_secret(monkeypatch: pytest.MonkeyPatch, world: World, secret: str) -> None:
    """Let the engine have another secret of the master than the venue."""
    key = world.account(MASTER).api_key
    credentials = Credentials(api_key=key, api_secret=secret)
    monkeypatch.setattr(World, "_credentials", lambda _, name: credentials)


async def take_secret_later(world: World, secret: str) -> None:
    await trio.sleep(1)
    world.account(MASTER).api_secret = secret


async def test_a_key_that_only_reads_is_taken(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with strict_world(tmp_path) as world:
        await world.start_engine()
        await world.ready()
        world.trade("BTCUSDT", "0.5")
        await world.settled()

        assert world.size("alice") == D("0.5")
        assert world.engine.master_key.standing.state is KeyState.ACCEPTED
        assert [it.warnings for it in world.seen(KeyAccepted) if it.account == MASTER] == [()]


@pytest.mark.parametrize("right", ["trade", "withdraw", "nothing readable", "no such key"])
async def test_a_refused_key_ends_the_engine_before_anything_is_copied(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, right: str
) -> None:
    async with strict_world(tmp_path) as world:
        account = world.account(MASTER)
        world.trade("BTCUSDT", "0.5")
        match right:
            case "trade":
                account.read_only = False
            case "withdraw":
                account.may_withdraw = True
            case "nothing readable":
                account.tells_rights = False
            case "no such key":
                give_secret(monkeypatch, world, "another")
        error = await end_of(world)

        assert exit_code_of(error) is ExitCode.UNSAFE
        told = message_of(error)
        assert told is not None
        assert "the master's key is refused" in told
        assert ("allow_trading_key = true" in told) is (right == "trade")
        assert not world.venue.ledger.of("alice")


async def test_a_trading_key_may_be_allowed_with_a_standing_warning(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        status = world.engine.master_key.describe()

        assert status.state is KeyState.ACCEPTED
        assert any("make a read-only key" in words for words in status.warnings)
        assert [it.warnings for it in world.seen(KeyAccepted) if it.account == MASTER] == [status.warnings]


async def test_a_venue_that_cannot_be_asked_ends_nothing_and_is_asked_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with strict_world(tmp_path) as world:
        outage = world.venue.faults.add(FaultKind.ERROR_BEFORE, endpoint=KEY_PATH, account=MASTER)
        await world.start_engine()
        await world.ready()
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        unchecked = world.engine.master_key.describe()
        world.venue.faults.remove(outage)
        await world.until(lambda: world.engine.master_key.standing.state is KeyState.ACCEPTED, 120)

        assert world.size("alice") == D("0.5")
        assert (unchecked.state, bool(unchecked.trouble)) == (KeyState.UNCHECKED, True)
        assert any("master's key cannot be checked" in it.what for it in world.seen(TroubleMet))


async def test_a_first_verdict_that_comes_late_is_told_and_ends_nothing(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with strict_world(tmp_path) as world:
        world.account(MASTER).read_only = False
        outage = world.venue.faults.add(FaultKind.ERROR_BEFORE, endpoint=KEY_PATH, account=MASTER)
        await world.start_engine()
        await trio.sleep(90)
        world.venue.faults.remove(outage)
        await world.until(lambda: bool(world.seen(KeyRefused)), 120)
        world.trade("BTCUSDT", "0.5")
        await world.settled()

        assert world.size("alice") == D("0.5")
        assert world.engine.master_key.standing.state is KeyState.REFUSED


async def test_one_answer_that_the_key_is_unknown_ends_nothing(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with strict_world(tmp_path) as world:
        give_secret(monkeypatch, world, "another")
        world.nursery.start_soon(take_secret_later, world, "another")
        await world.start_engine()
        await world.until(lambda: world.engine.master_key.standing.state is KeyState.ACCEPTED)

        assert world.engine.master_key.checks == 2
        assert not world.seen(KeyRefused)


async def test_a_right_that_is_given_later_is_told_and_the_copying_goes_on(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert master_key.DAY_S == 86_400
    monkeypatch.setattr(master_key, "DAY_S", DAY_S)
    async with strict_world(tmp_path) as world:
        await world.start_engine()
        await world.ready()
        world.account(MASTER).read_only = False
        await trio.sleep(DAY_S + 60)
        world.engine.address("master_key").tell(CrashNow("a drill"))
        await trio.sleep(60)
        world.trade("BTCUSDT", "0.5")
        await world.settled()

        assert world.size("alice") == D("0.5")
        assert {it.account for it in world.seen(KeyRefused)} == {MASTER}
        assert world.engine.master_key.standing.state is KeyState.REVOKED


def test_a_refusal_is_told_without_a_traceback() -> None:
    error = ExceptionGroup("", [key_check.KeyRefused("it may withdraw: make another")])

    assert (exit_code_of(error), message_of(error)) == (ExitCode.UNSAFE, "it may withdraw: make another")
