"""`alerts.*`, `status` and `health` over a whole engine: what operators see of the alerts, and do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from actors.messages import CrashNow
from actors.notifier import Notifier
from model.ledger import open_store
from supervision.alerting import make_notifier_desk
from supervision.control import InvalidParams, NotFound, NotReady
from supervision.engine import Engine
from supervision.service import ServiceDesk, make_methods
from supervision.settings import NotifySettings
from tests.supervision.alerts.house import DONE, REFUSED, FakeChannel, quarantined, recovered, sms
from tests.supervision.engine_house import House, engine_house, make_row
from tests.supervision.fake_venue import FakeVenue

Clock = trio.abc.Clock


@asynccontextmanager
async def alerting_house(tmp_path: Path, *channels: Any) -> AsyncIterator[House]:
    """Yield a house whose engine has a notifier with these channels."""
    store = open_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    store.apply_followers([make_row("alice")], prune=False)
    house = House(store, FakeVenue())
    house.build()
    alerts = make_notifier_desk(
        NotifySettings(heartbeat_minute=None),
        bus=house.bus,
        ledger=house.ledger,
        clock=house.venue.clock,
        channels=channels,
        summary=partial(trio.sleep, 0),  # type: ignore[arg-type]
    )
    parts = attrs.evolve(house.engine.parts, make_notifier=partial(Notifier, desk=alerts))
    accounts = tuple(house.engine._accounts.values())
    house.engine = Engine(parts, accounts, report=house.bus.publish)
    house.desk = attrs.evolve(house.desk, engine=house.engine, alerts=alerts)
    house._methods = {method.name: method for method in make_methods(house.desk)}
    try:
        async with house.running():
            await house.until_ready()
            yield house
    finally:
        store.close()


async def test_what_fires_is_listed_acknowledged_and_its_past_kept(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    channel, phone = FakeChannel(), sms()
    async with alerting_house(tmp_path, channel, phone) as house:
        house.bus.publish(quarantined("zoe"))
        house.bus.publish(quarantined("yan"))
        await trio.sleep(5)

        listed = await house.call("alerts.list")
        zoe, yan = sorted(listed["alerts"], key=lambda it: it["subject"], reverse=True)
        done = await house.call(
            "alerts.ack", request_id="r1", alert_ids=[zoe["alert_id"]], reason="on my way"
        )
        again = await house.call(
            "alerts.ack", request_id="r1", alert_ids=[zoe["alert_id"]], reason="on my way"
        )
        await trio.sleep(400)

        assert (zoe["severity"], zoe["state"], zoe["count"]) == ("critical", "firing", 1)
        assert zoe["meaning"]
        assert zoe["action"]
        assert [it["name"] for it in listed["channels"]] == ["tgram", "twilio"]
        assert done == again
        assert done["acknowledged"][0]["acknowledged_by"] == "operator: on my way"
        assert [body.split(".")[0] for _, _, body in phone.got] == ["CRITICAL yan is quarantined"]

        status = await house.call("status")
        assert status["alerts"]["firing"] == {"critical": 2}
        assert status["alerts"]["unacknowledged"] == 1
        everything = await house.call("alerts.ack", request_id="r2", all=True)
        assert {it["alert_id"] for it in everything["acknowledged"]} == {zoe["alert_id"], yan["alert_id"]}
        house.bus.publish(recovered("zoe"))
        await trio.sleep(100)
        assert [it["subject"] for it in (await house.call("alerts.list"))["alerts"]] == ["yan"]
        past = (await house.call("alerts.list", all=True))["alerts"]
        assert [(it["subject"], it["state"]) for it in past] == [("yan", "firing"), ("zoe", "ended")]


async def test_wrong_calls_are_refused_and_change_nothing(tmp_path: Path, autojump_clock: Clock) -> None:
    async with alerting_house(tmp_path, FakeChannel()) as house:
        house.bus.publish(quarantined())
        await trio.sleep(5)
        (alert,) = (await house.call("alerts.list"))["alerts"]

        with pytest.raises(NotFound, match="does not fire: nobody"):
            await house.call("alerts.ack", request_id="a", alert_ids=[alert["alert_id"], "nobody"])
        with pytest.raises(InvalidParams):
            await house.call("alerts.ack", request_id="b")
        with pytest.raises(InvalidParams):
            await house.call("alerts.ack", request_id="c", alert_ids=["x"], all=True)
        with pytest.raises(InvalidParams):
            await house.call("alerts.list", limit=0)
        with pytest.raises(NotFound, match="no channel of that name"):
            await house.call("alerts.test", request_id="d", channels=["pigeon"])

        (still,) = (await house.call("alerts.list"))["alerts"]
        assert still["acknowledged_at_ms"] is None


async def test_a_failing_channel_is_seen_until_it_delivers_and_makes_nobody_restart_the_engine(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    channel = FakeChannel(answers=[REFUSED])
    async with alerting_house(tmp_path, channel) as house:
        assert (await house.call("health"))["health"] == "ready"
        house.bus.publish(quarantined())
        await trio.sleep(5)

        sick = await house.call("health")
        tested = await house.call("alerts.test", request_id="t1")
        channel.answers[:] = [DONE]
        await trio.sleep(400)
        well = await house.call("health")

        assert (sick["health"], sick["problems"]) == ("ready", [])
        assert sick["warnings"] == ["alerts: tgram does not deliver: Unauthorized, error=401."]
        assert tested["channels"] == [
            {
                "name": "tgram",
                "delivered": False,
                "refused": True,
                "retry_after_s": None,
                "error": "Unauthorized, error=401.",
            }
        ]
        assert well["warnings"] == []
        assert channel.titles == ["CRITICAL alice is quarantined"]


async def test_a_notifier_that_crashes_for_ever_stops_nobody_and_is_seen(
    tmp_path: Path, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Notifier) -> None:
        raise KeyError("a bug")

    async with alerting_house(tmp_path, FakeChannel()) as house:
        monkeypatch.setattr(Notifier, "on_start", broken)
        house.engine.address("notifier").tell(CrashNow("a drill"))
        await trio.sleep(120)

        health = await house.call("health")
        assert "alerts: the notifier does not answer" in health["warnings"]
        with pytest.raises(NotReady, match="does not answer"):
            await house.call("alerts.list")
        house.venue.of("master-key").move("BTCUSDT", "0.4")
        await house.until(lambda: house.account("alice").size("BTCUSDT") != 0)
        assert house.failure is None


async def test_an_engine_without_a_notifier_says_so(tmp_path: Path, autojump_clock: Clock) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()

        assert isinstance(house.desk, ServiceDesk)
        with pytest.raises(NotReady, match="tells nobody"):
            await house.call("alerts.list")
        assert (await house.call("status"))["alerts"] is None


async def test_without_channels_alerts_are_listed_and_a_test_is_refused(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with alerting_house(tmp_path) as house:
        house.bus.publish(quarantined())
        await trio.sleep(5)

        listed = await house.call("alerts.list")
        assert (len(listed["alerts"]), listed["channels"]) == (1, [])
        assert (await house.call("health"))["health"] == "ready"
        with pytest.raises(NotReady, match="no channel is set up"):
            await house.call("alerts.test", request_id="t")


async def test_a_real_loss_of_the_masters_stream_is_told_and_its_end(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    channel = FakeChannel()
    async with alerting_house(tmp_path, channel) as house:
        house.venue.away = True
        house.venue.of("master-key").drop_streams()
        house.account("alice").drop_streams()
        await trio.sleep(100)
        house.venue.away = False
        await trio.sleep(200)

        fired = {title for title in channel.titles if not title.startswith("resolved")}
        ended = {title.removeprefix("resolved: ") for title in channel.titles if title.startswith("resolved")}
        assert {"CRITICAL the master's stream is lost", "WARNING alice has lost its private stream"} <= fired
        assert {"the master's stream is lost", "alice has lost its private stream"} <= ended
        left = (await house.call("alerts.list"))["alerts"]
        assert {it["condition"] for it in left} <= {"trouble"}, left
