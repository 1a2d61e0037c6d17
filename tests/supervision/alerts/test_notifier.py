"""The notifier in virtual time: from an event of the bus to a message, exact to 0.1 s."""

from pathlib import Path
from typing import Any

import pytest
import trio

from actors.events import AlertChannelChanged, CopyFinished, OrderMoved
from actors.messages import CrashNow
from model.copy import CopyState
from model.ledger import LedgerRefused
from model.order import OrderState
from model.reasons import Reason
from tests.supervision.alerts.house import (
    BROKEN,
    DONE,
    REFUSED,
    SLACK_S,
    FakeChannel,
    MakeHouse,
    follower,
    live,
    lost,
    quarantined,
    recovered,
    sighting_error,
    sms,
)

Clock = trio.abc.Clock


def near(times: list[float], *expected: float) -> bool:
    return len(times) == len(expected) and all(
        0 <= at - wanted <= SLACK_S for at, wanted in zip(times, expected, strict=True)
    )


async def test_a_critical_event_is_told_at_once(make_house: MakeHouse, autojump_clock: Clock) -> None:
    channel = FakeChannel()
    house = make_house(channel)
    async with house.process():
        began = trio.current_time()
        house.bus.publish(quarantined())
        await trio.sleep(1)

        assert near(channel.times(), began)
        ((_, title, body),) = channel.got
        assert title == "CRITICAL alice is quarantined"
        (alert,) = (await house.status()).firing
        assert body.splitlines()[0] == "KeyError: 'x'"
        assert body.splitlines()[-1] == f"Ack: copytrader alerts ack {alert.alert_id}"
        assert house.told() == ["fired alice is quarantined"]


async def test_a_lost_stream_is_told_after_30_s_and_its_end_once(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel = FakeChannel()
    house = make_house(channel)
    async with house.process():
        house.bus.publish(lost())
        await trio.sleep(20)
        house.bus.publish(live())  # a short one is nobody's concern
        await trio.sleep(60)
        assert channel.got == []

        began = trio.current_time()
        house.bus.publish(lost())
        await trio.sleep(10)
        for _ in range(20):
            house.bus.publish(lost("again"))
        await trio.sleep(90)
        house.bus.publish(live())
        await trio.sleep(120)

        assert channel.titles == [
            "CRITICAL the master's stream is lost",
            "resolved: the master's stream is lost",
        ]
        # live after 100 s, calm for 30 s, and then 10 s for company
        assert near(channel.times(), began + 30, began + 140)
        assert await house.firing() == []


async def test_an_unknown_order_is_told_after_a_minute_unless_its_outcome_comes(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    def moved(order: str, state: OrderState) -> OrderMoved:
        return OrderMoved(copy_id="c", client_order_id=order, follower="alice", symbol="X", state=state)

    channel = FakeChannel()
    house = make_house(channel)
    async with house.process():
        began = trio.current_time()
        house.bus.publish(moved("a1", OrderState.UNKNOWN))
        house.bus.publish(moved("b2", OrderState.UNKNOWN))
        await trio.sleep(59)
        house.bus.publish(moved("a1", OrderState.FILLED))
        await trio.sleep(60)

        assert channel.titles == ["CRITICAL order b2 of alice has had no outcome for a minute"]
        assert near(channel.times(), began + 60)


async def test_nobody_acknowledges_and_an_sms_goes_out_after_five_minutes(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel, phone = FakeChannel(), sms()
    house = make_house(channel, phone)
    async with house.process():
        began = trio.current_time()
        house.bus.publish(quarantined())
        house.bus.publish(follower("bob", "stream_lost", "x"))  # a warning is never one
        await trio.sleep(3_000)

        assert near(phone.times(), began + 300, began + 2_100)
        assert phone.got[0][1] == ""
        assert phone.got[0][2].startswith("CRITICAL alice is quarantined. Ack: copytrader alerts ack ")
        assert "KeyError" not in phone.got[0][2]


async def test_the_time_to_acknowledge_is_a_setting(make_house: MakeHouse, autojump_clock: Clock) -> None:
    phone = sms()
    house = make_house(FakeChannel(), phone, escalate_after_s=60.0)
    async with house.process():
        began = trio.current_time()
        house.bus.publish(quarantined())
        await trio.sleep(100)

        assert near(phone.times(), began + 60)


async def test_acknowledging_stops_sms_and_repeats(make_house: MakeHouse, autojump_clock: Clock) -> None:
    channel, phone = FakeChannel(), sms()
    house = make_house(channel, phone)
    async with house.process():
        house.bus.publish(quarantined("alice"))
        house.bus.publish(quarantined("bob"))
        await trio.sleep(200)
        first, second = (await house.status()).firing

        (done,) = await house.ack(first.alert_id)
        assert done.acknowledged_by == "uid 0"
        await trio.sleep(4_000)
        assert all(second.title in body for _, _, body in phone.got)
        assert len(phone.got) == 3
        assert len(channel.times(first.title)) == 1

        assert len(await house.ack()) == 2
        sent = len(phone.got) + len(channel.got)
        await trio.sleep(4_000)
        assert len(phone.got) + len(channel.got) == sent
        house.bus.publish(recovered("alice"))
        await trio.sleep(100)
        assert channel.titles[-1] == "resolved: alice is quarantined"


async def test_when_telegram_refuses_the_sms_goes_out_at_once_and_the_failure_is_seen(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel, phone = FakeChannel(answers=[REFUSED]), sms()
    house = make_house(channel, phone)
    async with house.process():
        began = trio.current_time()
        house.bus.publish(quarantined())
        await trio.sleep(1)

        assert near(phone.times("alice"), began)
        (told, _) = (await house.status()).channels
        assert (told.failures, told.error, told.queued) == (1, "Unauthorized, error=401.", 1)
        await trio.sleep(400)
        assert await house.firing() == ["follower_quarantined:alice", "channel_down:tgram"]
        assert near(phone.times("alerts do not get through by tgram"), began + 300)

        channel.answers[:] = [DONE]
        await trio.sleep(400)
        assert await house.firing() == ["follower_quarantined:alice"]
        assert {"CRITICAL alice is quarantined", "CRITICAL alerts do not get through by tgram"} <= set(
            channel.titles
        )


async def test_three_failures_in_a_row_are_enough_for_an_sms(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel, phone = FakeChannel(answers=[BROKEN]), sms()
    house = make_house(channel, phone)
    async with house.process():
        began = trio.current_time()
        house.bus.publish(quarantined())
        await trio.sleep(20)

        assert near([at for at, *_ in channel.tries], began, began + 2, began + 6, began + 14)
        assert near(phone.times(), began + 6)


async def test_a_failure_that_passes_costs_nothing_but_time(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel, phone = FakeChannel(answers=[BROKEN, BROKEN, DONE]), sms()
    house = make_house(channel, phone)
    async with house.process():
        began = trio.current_time()
        house.bus.publish(quarantined())
        await trio.sleep(290)

        assert near(channel.times(), began + 6)
        assert phone.got == []
        with house.bus.subscribe(topics=["alert.channel"], from_seq=1) as events:
            changes = [item.event for item in events._queue]
        assert changes == [
            AlertChannelChanged(channel="tgram", delivers=False, detail="Bad Gateway, error=502."),
            AlertChannelChanged(channel="tgram", delivers=True),
        ]


async def test_a_slow_channel_holds_up_neither_the_other_nor_the_bus(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    slow, quick = FakeChannel(takes_s=15.0), FakeChannel(name="slack")
    house = make_house(slow, quick)
    async with house.process():
        began = trio.current_time()
        house.bus.publish(quarantined("alice"))
        await trio.sleep(1)
        house.bus.publish(quarantined("bob"))
        await trio.sleep(5)

        assert near(quick.times(), began, began + 3)
        assert len(slow.tries) == 1


@pytest.mark.parametrize("kind", ["copies", "streams"])
async def test_a_storm_of_500_events_is_a_digest(
    kind: str, make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel, phone = FakeChannel(), sms()
    house = make_house(channel, phone)
    async with house.process():
        for number in range(500):
            name = f"f{number:03}"
            house.bus.publish(follower(name, "stream_lost", "reset") if kind == "streams" else failed(name))
        await trio.sleep(120)

        ((_, title, body),) = channel.got
        assert title == "500 messages: 500 warning"
        assert "f000" in body
        assert "and 480 more" in body
        assert len(await house.firing()) == 500
        assert phone.got == []
        assert len(house.store.alerts(limit=1000)) == 500


def failed(name: str) -> CopyFinished:
    return CopyFinished(
        copy_id="c",
        change_id="x",
        follower=name,
        exchange="bybit",
        symbol="BTCUSDT",
        state=CopyState.FAILED,
        reason=Reason.ORDER_LOST,
        orders=1,
        caught_up=False,
        received_to_sent_ms=None,
        received_to_acknowledged_ms=None,
        received_to_filled_ms=None,
    )


async def test_a_storm_that_trickles_is_few_messages(make_house: MakeHouse, autojump_clock: Clock) -> None:
    channel, phone = FakeChannel(), sms()
    house = make_house(channel, phone)
    async with house.process():
        began = trio.current_time()
        for number in range(500):
            house.bus.publish(quarantined(f"f{number:03}"))
            await trio.sleep(0.02)
        await trio.sleep(600)

        assert len(channel.got) <= 6
        assert sum(title.startswith("CRITICAL") or int(title.split()[0]) for title in channel.titles) >= 500
        assert near(phone.times(), began + 300, began + 360)
        assert phone.got[1][2].startswith("499 critical alerts, none acknowledged: f001")


async def test_the_same_event_500_times_is_one_message(make_house: MakeHouse, autojump_clock: Clock) -> None:
    channel = FakeChannel()
    house = make_house(channel)
    async with house.process():
        for _ in range(500):
            house.bus.publish(failed("alice"))
        await trio.sleep(60)

        assert channel.titles == ["WARNING alice BTCUSDT: a copy failed"]
        (alert,) = (await house.status()).firing
        assert alert.count == 500


async def test_an_end_that_is_not_told_is_written_all_the_same(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    house = make_house()
    async with house.process(kill=True):
        house.bus.publish(failed("alice"))
        await trio.sleep(1_810)

        (row,) = house.store.alerts()
        assert row.ended_at_ms is not None
        assert house.told() == ["fired alice BTCUSDT: a copy failed"]


# Over restarts


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


# The daily sign of life


async def test_a_heartbeat_a_day_at_its_minute(make_house: MakeHouse, autojump_clock: Clock) -> None:
    channel = FakeChannel()
    house = make_house(channel, heartbeat_minute=9 * 60)
    async with house.process():
        day_ms = 86_400_000
        at_ms = house.clock.wall_ms()
        first = trio.current_time() + ((9 * 3_600_000 - at_ms) % day_ms) / 1000
        house.bus.publish(follower("bob", "paused"))
        await trio.sleep(2 * 86_400)

        assert near(channel.times("The engine is alive"), first, first + 86_400)
        body = channel.got[0][2]
        assert body.splitlines()[:3] == [
            "It is ready.",
            "Open alerts: 1",
            "- info bob is held back by the operator",
        ]
        assert "tgram: 0 delivered since the start, works" in body


async def test_a_heartbeat_that_was_slept_through_is_told_late_and_once(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel = FakeChannel()
    house = make_house(channel, heartbeat_minute=0)
    async with house.process():
        await trio.sleep(60)
    assert channel.got == []  # the very first start owes none
    await trio.sleep(86_400)
    for _ in range(3):
        async with house.process():
            await trio.sleep(60)

    assert channel.titles == ["The engine is alive"]


async def test_a_summary_that_fails_or_hangs_does_not_stop_the_sign_of_life(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    async def hang() -> str:
        await trio.sleep_forever()
        return ""

    async def fail() -> str:
        raise KeyError("x")

    channel = FakeChannel()
    house = make_house(channel, heartbeat_minute=9 * 60)
    async with house.process():
        house.desk.summary = hang
        await trio.sleep(86_400)
        house.desk.summary = fail
        await trio.sleep(86_400)

        assert [body.splitlines()[0] for _, _, body in channel.got] == [
            "how it is could not be found out"
        ] * 2


async def test_without_a_channel_alerts_are_kept_and_nobody_is_told(
    make_house: MakeHouse, autojump_clock: Clock, tmp_path: Path
) -> None:
    house = make_house(FakeChannel())
    house.channels = ()
    async with house.process():
        house.bus.publish(quarantined())
        await trio.sleep(1_000)

        assert await house.firing() == ["follower_quarantined:alice"]
    assert len(house.store.alerts()) == 1


async def test_a_test_goes_past_the_queue_and_says_how_each_took_it(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel, phone = FakeChannel(answers=[REFUSED]), sms()
    house = make_house(channel, phone)
    async with house.process():
        results: dict[str, Any] = await house.desk.test()
        only = await house.desk.test(["twilio"])

    assert results == {"tgram": REFUSED, "twilio": DONE}
    assert only == {"twilio": DONE}
    assert (await house.desk.test(["nobody"])) == {}
