"""What a notifier remembers over restarts, crashes and outages of the ledger, and does without one."""

from typing import Any

import pytest
import trio

from actors.messages import CrashNow
from model.ledger import LedgerRefused
from tests.supervision.alerts.house import (
    BROKEN,
    DONE,
    FakeChannel,
    MakeHouse,
    failed,
    follower,
    live,
    near,
    quarantined,
    sighting_error,
    sms,
)

Clock = trio.abc.Clock


@pytest.mark.parametrize("kill", [False, True])
async def test_a_restart_neither_repeats_nor_forgets(
    kill: bool, make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel, phone = FakeChannel(), sms()
    house = make_house(channel, phone)
    async with house.process(kill=kill):
        began = trio.current_time()
        house.bus.publish(quarantined())
        await trio.sleep(10)
    async with house.process(kill=kill):
        house.bus.publish(quarantined())
        await trio.sleep(400)
        assert near(phone.times(), began + 300)
    async with house.process():
        house.bus.publish(follower("alice", "ready"))
        await trio.sleep(100)

    assert channel.titles == ["CRITICAL alice is quarantined", "resolved: alice is quarantined"]
    (row,) = house.store.alerts()
    assert (row.count, row.ended_at_ms is None) == (2, False)


async def test_what_could_not_be_delivered_is_delivered_by_the_next_process(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel = FakeChannel(answers=[BROKEN])
    house = make_house(channel)
    async with house.process(kill=True):
        house.bus.publish(quarantined())
        await trio.sleep(10)
    channel.answers[:] = [DONE]
    async with house.process():
        await trio.sleep(10)
    async with house.process():
        await trio.sleep(100)

    assert channel.titles == ["CRITICAL alice is quarantined"]


async def test_an_end_that_nobody_asked_for_is_told_by_the_next_process(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel = FakeChannel()
    house = make_house(channel)
    for _ in range(3):  # a loop of crashes is one alert
        async with house.process(last_end="SupervisorExhausted: root"):
            await trio.sleep(5)

    ((_, title, body),) = channel.got
    assert title == "CRITICAL the engine was started again after it had not ended well"
    assert body.startswith("SupervisorExhausted: root")


async def test_what_happens_while_the_notifier_restarts_is_heard(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel = FakeChannel()
    house = make_house(channel)
    async with house.process():
        for _ in range(2):
            house.notifier.tell(CrashNow("a drill"))
            await trio.sleep(0.001)
        house.bus.publish(quarantined())
        await trio.sleep(30)

        assert channel.titles.count("CRITICAL alice is quarantined") == 1
        assert "actor_crashed:notifier" in await house.firing()


async def test_a_bug_in_the_table_does_not_end_the_process(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    house = make_house()
    async with house.process():
        house.desk.sightings_of = sighting_error
        for _ in range(30):
            house.bus.publish(quarantined())
            await trio.sleep(1)

        assert house.supervisor.describe().state.value == "running"


# Without a ledger


async def test_the_ledgers_own_absence_is_told_without_it(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel = FakeChannel()
    house = make_house(channel)
    async with house.process():
        with house.away():
            began = trio.current_time()
            house.bus.publish(quarantined())
            await trio.sleep(60)
            assert near(channel.times("alice"), began)
            assert near(channel.times("the ledger cannot be reached"), began + 15)
            assert (await house.status()).ledger_trouble == "no route to the database"
        await trio.sleep(120)

        assert channel.titles[-1] == "resolved: the ledger cannot be reached"
        assert {it.condition.name for it in house.store.alerts()} == {"follower_quarantined", "ledger_away"}
    async with house.process():
        await trio.sleep(60)
    assert channel.titles.count("CRITICAL alice is quarantined") == 1


async def test_a_notifier_that_starts_without_a_ledger_tells_all_the_same_and_remembers_later(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel = FakeChannel()
    house = make_house(channel)
    async with house.process():
        house.bus.publish(quarantined("alice"))
        await trio.sleep(10)
    with house.away():
        async with house.process():
            house.bus.publish(quarantined("bob"))
            await trio.sleep(30)
            assert channel.titles[1:] == [
                "CRITICAL bob is quarantined",
                "CRITICAL the ledger cannot be reached",
            ]
            house.ledger_away = False
            await trio.sleep(30)
            assert set(await house.firing()) == {
                "follower_quarantined:alice",
                "follower_quarantined:bob",
                "ledger_away:",
            }


async def test_what_is_in_memory_survives_a_crash_of_the_actor_while_the_ledger_is_away(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel = FakeChannel()
    house = make_house(channel)
    async with house.process():
        with house.away():
            house.bus.publish(quarantined())
            await trio.sleep(10)
            house.notifier.tell(CrashNow("a drill"))
            await trio.sleep(20)
        await trio.sleep(60)

        assert "follower_quarantined:alice" in await house.firing()
    assert channel.titles.count("CRITICAL alice is quarantined") == 1
    assert "follower_quarantined" in {it.condition.name for it in house.store.alerts()}


async def test_a_storm_is_written_little_by_little_and_whole(
    make_house: MakeHouse, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house()
    sizes: list[tuple[int, int]] = []
    real = house.store.save_alerts

    def save(alerts: Any, messages: Any) -> None:
        sizes.append((len(alerts), len(messages)))
        assert {it.alert_id for it in messages} <= {it.alert_id for it in alerts} or not alerts
        real(alerts, messages)

    monkeypatch.setattr(house.store, "save_alerts", save)
    async with house.process():
        for number in range(450):
            house.bus.publish(failed(f"f{number:03}"))
        await trio.sleep(30)

        assert max(max(size) for size in sizes) <= 100
        assert len(house.store.alerts(limit=1000)) == 450
        memory = house.store.recall_alerts(now_ms=house.clock.wall_ms())
        assert {it.state.value for it in memory.messages} == {"delivered"}
        assert len(memory.messages) == 450


async def test_what_the_ledger_refuses_is_told_and_does_not_silence_the_rest(
    make_house: MakeHouse, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FakeChannel()
    house = make_house(channel)

    def refuse(alerts: Any, messages: Any) -> None:
        raise LedgerRefused("a NUL")

    monkeypatch.setattr(house.store, "save_alerts", refuse)
    async with house.process():
        house.bus.publish(quarantined())
        await trio.sleep(30)

        assert channel.titles[0] == "CRITICAL alice is quarantined"
        assert "alerts_lost:" in await house.firing()
        assert (await house.status()).lost > 0


async def test_events_that_could_not_be_looked_at_are_told(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel = FakeChannel()
    house = make_house(channel)
    async with house.process():
        for _ in range(10_500):
            house.bus.publish(live())
        house.bus.publish(quarantined())
        await trio.sleep(60)

        assert "CRITICAL alice is quarantined" in channel.titles
        assert "WARNING events were missed by the alerts" in channel.titles
        assert (await house.status()).lost >= 500
