"""Alerts of a whole engine over the sandbox in virtual time: real faults, real ends."""

from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.messages import CrashNow, SetMode
from actors.notifier import Notifier
from exchanges.sandbox import FaultKind
from model.settings import FollowerMode
from supervision.alerting import make_notifier_desk
from supervision.engine import EngineParts
from supervision.settings import NotifySettings
from tests.supervision.alerts.house import FakeChannel
from tests.world import Cast, World, fixed_ratio, open_world

Clock = trio.abc.Clock
KEY = "WARNING the key of master should be changed"
"""The sandbox's master trades by itself, with a key that is not read-only."""


async def _quiet() -> str:
    await trio.lowlevel.checkpoint()
    return ""


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> FakeChannel:
    """Return what the notifiers of the test's engines send by."""
    told = FakeChannel()

    def parts(**given: Any) -> EngineParts:
        desk = make_notifier_desk(
            NotifySettings(heartbeat_minute=None),
            bus=given["bus"],
            ledger=given["ledger"],
            clock=given["clock"],
            channels=(told,),
            summary=_quiet,
        )
        return EngineParts(**given, make_notifier=partial(Notifier, desk=desk))

    monkeypatch.setattr("tests.world.EngineParts", parts)
    return told


def firing(world: World) -> set[str]:
    return {alert.key for alert in world.store.alerts(limit=100) if alert.ended_at_ms is None}


async def test_a_quiet_day_tells_nothing(tmp_path: Path, autojump_clock: Clock, channel: FakeChannel) -> None:
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        world.close("BTCUSDT")
        await world.settled()
        await trio.sleep(600)

        assert world.size("alice") == 0
        assert channel.titles == [KEY]
        assert firing(world) == {"key_warning:master"}


async def test_an_order_without_an_outcome_is_told_after_a_minute_and_its_end(
    tmp_path: Path, autojump_clock: Clock, channel: FakeChannel
) -> None:
    async with open_world(tmp_path, Cast(name="alice"), Cast(name="bob")) as world:
        faults = world.core("alice").faults
        faults.add(
            FaultKind.LOSE_ANSWER, account="alice", endpoint=world.house("alice").order_endpoint, count=1
        )
        faults.add(FaultKind.DROP_FRAME, account="alice", topic="order")
        for endpoint in ("/v5/order/realtime", "/v5/order/history"):
            faults.add(FaultKind.ERROR_BEFORE, account="alice", endpoint=endpoint, status=503)
        world.trade("BTCUSDT", "0.5")
        await trio.sleep(120)

        (title,) = [it for it in channel.titles if "no outcome" in it]
        assert title.startswith("CRITICAL order ")
        assert " of alice has had no outcome for a minute" in title
        faults.clear()
        await trio.sleep(120)

        assert f"resolved: {title.removeprefix('CRITICAL ')}" in channel.titles
        assert not {key for key in firing(world) if key.startswith("order_unknown")}


async def test_a_follower_that_crashes_for_ever_is_told_once_and_when_it_is_well_again(
    tmp_path: Path, autojump_clock: Clock, channel: FakeChannel
) -> None:
    async with open_world(tmp_path, Cast(name="alice"), Cast(name="bob")) as world:
        for _ in range(5):
            world.engine.followers["alice"].tell(CrashNow("a drill"))
            await trio.sleep(3)
        await trio.sleep(30)
        critical = [it for it in channel.titles if it.startswith("CRITICAL")]
        world.trade("BTCUSDT", "0.5")
        await trio.sleep(300)

        assert critical == ["CRITICAL alice is quarantined"]
        assert "resolved: alice is quarantined" in channel.titles
        assert channel.titles.count("CRITICAL alice is quarantined") == 1
        assert world.size("bob") == world.size("alice") == world.size("master")


async def test_a_restart_of_the_engine_repeats_nothing(
    tmp_path: Path, autojump_clock: Clock, channel: FakeChannel
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        world.core("alice").trade("alice", "ETHUSDT", Decimal(1))
        await trio.sleep(60)
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        await trio.sleep(120)

        assert channel.titles.count("WARNING alice ETHUSDT:0: a position that the engine did not open") == 1


async def test_a_paused_follower_is_no_alarm_but_kept(
    tmp_path: Path, autojump_clock: Clock, channel: FakeChannel
) -> None:
    async with open_world(tmp_path, Cast(settings={"sizing": fixed_ratio("1")})) as world:
        world.engine.followers["alice"].tell(SetMode(FollowerMode.PAUSED))
        await trio.sleep(60)
        paused = firing(world)
        world.engine.followers["alice"].tell(SetMode(FollowerMode.ACTIVE))
        await trio.sleep(60)

        assert paused == {"follower_held_back:alice", "key_warning:master"}
        assert firing(world) == {"key_warning:master"}
        assert channel.titles == [KEY]
