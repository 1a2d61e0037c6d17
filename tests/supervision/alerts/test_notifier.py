"""The notifier in virtual time: from an event of the bus to a message, exact to 0.1 s."""

from pathlib import Path
from typing import Any

import pytest
import trio

from actors.events import AlertChannelChanged, OrderMoved
from model.order import OrderState
from tests.supervision.alerts.house import (
    BROKEN,
    DONE,
    REFUSED,
    FakeChannel,
    MakeHouse,
    failed,
    follower,
    live,
    lost,
    near,
    quarantined,
    recovered,
    sms,
)

Clock = trio.abc.Clock


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
