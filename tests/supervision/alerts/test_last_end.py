"""The end of a process: told at once, once in half an hour, and by the next one in any case."""

import trio

from actors.ledger_desk import LedgerDesk, Mode
from supervision.alerting import make_notifier_desk
from supervision.last_end import RUNNING, note_end, take_last_end
from supervision.redaction import register_secret
from tests.supervision.alerts.house import REFUSED, AlertsHouse, FakeChannel, MakeHouse, sms

Clock = trio.abc.Clock


def open_desk(house: AlertsHouse) -> None:
    house.desk = make_notifier_desk(
        house.notify,
        bus=house.bus,
        ledger=LedgerDesk(house.store, mode=Mode.INLINE, now_ms=house.clock.wall_ms),
        clock=house.clock,
        channels=house.channels,
        summary=house._summary,
    )


async def test_a_good_end_is_told_to_nobody(make_house: MakeHouse, autojump_clock: Clock) -> None:
    channel = FakeChannel()
    house = make_house(channel)
    open_desk(house)

    assert await take_last_end(house.desk.ledger) == ""
    await note_end(house.desk, None)

    assert channel.tries == []
    assert await take_last_end(house.desk.ledger) == ""
    assert await take_last_end(house.desk.ledger) == RUNNING  # nothing was noted since


async def test_a_failure_is_told_at_once_without_secrets_and_again_after_half_an_hour(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    register_secret("canary-at-the-end")
    channel, phone = FakeChannel(), sms()
    house = make_house(channel, phone)
    open_desk(house)

    await note_end(house.desk, RuntimeError("canary-at-the-end broke it"))
    await trio.sleep(1_700)
    await note_end(house.desk, RuntimeError("again"))
    await trio.sleep(200)
    await note_end(house.desk, RuntimeError("still"))

    assert [body.splitlines()[0] for _, _, body in channel.got] == [
        "RuntimeError: *** broke it",
        "RuntimeError: still",
    ]
    assert phone.tries == []
    assert await take_last_end(house.desk.ledger) == "RuntimeError: still"


async def test_what_telegram_does_not_take_goes_by_sms_also_without_a_ledger(
    make_house: MakeHouse, autojump_clock: Clock
) -> None:
    channel, phone = FakeChannel(answers=[REFUSED]), sms()
    house = make_house(channel, phone)
    open_desk(house)

    with house.away():
        await note_end(house.desk, RuntimeError("x"))

    assert [body for _, _, body in phone.got] == ["CRITICAL the engine has ended by itself"]
