"""The daily sign of life."""

import trio

from tests.supervision.alerts.house import (
    FakeChannel,
    MakeHouse,
    follower,
    near,
)

Clock = trio.abc.Clock


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
