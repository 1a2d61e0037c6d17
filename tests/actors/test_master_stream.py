"""The master's stream: subscribe, snapshot, apply; and every way in which it may end (R14)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing

from actors.bus import Bus
from actors.master_stream import RECONCILE_S, MasterStream
from actors.messages import (
    ExecutionsReported,
    MasterLost,
    MasterRead,
    OrderReported,
    PositionsReported,
    ReadSymbols,
    SymbolRead,
    WalletReported,
)
from exchanges.clock import TrioClock
from exchanges.errors import ExchangeError, OutcomeUnknown, Refusal, RequestRejected, StreamLost
from exchanges.port import Heard, StreamEvent, Unreadable
from model.account import AccountSnapshot, PositionReport, WalletReport
from supervision.restarts import Intensity
from supervision.supervisor import ChildSpec, Strategy, Supervisor, SupervisorSpec
from supervision.tree import EXPECTED_TROUBLE
from tests.actors.master_house import Recorder
from tests.model.master_session import Master

WALLET = WalletReport(wallet_balance=Decimal(1), equity=Decimal(1), available=Decimal(1), venue_time_ms=1)
RESET = OutcomeUnknown("reset by peer")


class Gateway:
    """The master's account as the test says it: ``say`` on the stream, answers by REST."""

    def __init__(self) -> None:
        self.rows: tuple[PositionReport, ...] = ()
        self.failures: list[Exception] = []
        self.snapshots = 0
        self.asked: list[str] = []
        self.lives = 0
        self.answer_s = 0.0
        self._speaker: trio.MemorySendChannel[StreamEvent | BaseException]

    @asynccontextmanager
    async def private_stream(self) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        await trio.lowlevel.checkpoint()
        self.lives += 1
        self._speaker, listener = trio.open_memory_channel[StreamEvent | BaseException](100)
        yield self._read(listener)

    async def _read(
        self, listener: trio.MemoryReceiveChannel[StreamEvent | BaseException]
    ) -> AsyncIterator[StreamEvent]:
        async for event in listener:
            if isinstance(event, BaseException):
                raise event
            yield event

    def say(self, *events: StreamEvent | BaseException) -> None:
        for event in events:
            self._speaker.send_nowait(event)

    def hang_up(self) -> None:
        self._speaker.close()

    async def snapshot(self) -> AccountSnapshot:
        self.snapshots += 1
        await self._answer()
        return AccountSnapshot(positions=self.rows, wallet=WALLET)

    async def positions_of(self, symbol: str, *, for_exit: bool = False) -> tuple[PositionReport, ...]:
        self.asked.append(symbol)
        await self._answer()
        return self.rows

    async def _answer(self) -> None:
        await trio.sleep(self.answer_s)
        if self.failures:
            raise self.failures.pop(0)


class House:
    def __init__(self) -> None:
        self.gateway = Gateway()
        self.bus = Bus(history=10_000)
        self.told: list[Any] = []
        stream = ChildSpec(
            name="master_stream",
            make=lambda: MasterStream(
                gateway=self.gateway,  # type: ignore[arg-type]
                pairing=lambda: self.supervisor.address("pairing"),
                clock=TrioClock(),
                bus=self.bus,
            ),
            expected=EXPECTED_TROUBLE,
        )
        self.supervisor = Supervisor(
            SupervisorSpec(
                name="root",
                strategy=Strategy.ONE_FOR_ONE,
                intensity=Intensity(max_failures=3, period_s=60.0),
                children=(ChildSpec(name="pairing", make=lambda: Recorder(self.told)), stream),
            ),
            report=self.bus.publish,
        )

    def kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.told]

    def ask(self, *symbols: str) -> None:
        self.supervisor.address("master_stream").tell(ReadSymbols(frozenset(symbols)))

    def seen(self, topic: str) -> list[Any]:
        with self.bus.subscribe(topics=[topic], capacity=10_000, from_seq=1) as events:
            return [item.event for item in events._queue]


@pytest.fixture
async def house(autojump_clock: trio.testing.MockClock) -> AsyncIterator[House]:
    made = House()
    async with trio.open_nursery() as nursery:
        await nursery.start(made.supervisor.run)
        await trio.testing.wait_all_tasks_blocked()
        yield made
        await made.supervisor.stop()


async def test_frames_that_come_while_the_account_is_read_are_told_after_it(
    autojump_clock: trio.abc.Clock,
) -> None:
    master, made = Master(), House()
    made.gateway.answer_s = 1.0
    fills, order, rows = master.trade("AUSDT", "2")
    async with trio.open_nursery() as nursery:
        await nursery.start(made.supervisor.run)
        await trio.sleep(0.5)

        made.gateway.say(fills, order, rows, WALLET, Heard())
        said_at = trio.current_time()
        await trio.sleep(1)

        assert [type(it) for it in made.told] == [
            MasterRead,
            ExecutionsReported,
            OrderReported,
            PositionsReported,
            WalletReported,
        ]
        assert made.told[0].reconnected
        assert made.told[1].received_at == pytest.approx(said_at)
        await made.supervisor.stop()


@pytest.mark.parametrize(
    "end", [StreamLost("silent"), OSError("no route"), ValueError("a bug"), ExceptionGroup("", [RESET])]
)
async def test_however_the_stream_ends_pairing_is_told_and_the_next_one_reads_anew(
    house: House, autojump_clock: trio.abc.Clock, end: Exception
) -> None:
    house.gateway.say(end)
    await trio.sleep(1)

    assert house.kinds() == ["MasterRead", "MasterLost", "MasterRead"]
    assert [event.live for event in house.seen("master.stream")] == [True, False, True]
    assert house.told[2].reconnected
    assert house.gateway.lives == 2


async def test_a_stream_that_just_stops_is_lost(house: House, autojump_clock: trio.abc.Clock) -> None:
    house.gateway.hang_up()
    await trio.sleep(1)

    assert house.kinds() == ["MasterRead", "MasterLost", "MasterRead"]


async def test_a_stopped_stream_tells_pairing_too(house: House, autojump_clock: trio.abc.Clock) -> None:
    await house.supervisor.restart("master_stream")
    await trio.sleep(1)

    assert house.kinds() == ["MasterRead", "MasterLost", "MasterRead"]


async def test_a_venue_that_is_away_is_tried_for_ever_without_escalation(
    house: House, autojump_clock: trio.abc.Clock
) -> None:
    house.gateway.failures = [StreamLost("away")] * 30
    house.gateway.say(StreamLost("dropped"))
    await trio.sleep(1200)

    assert house.gateway.failures == []
    assert house.kinds()[-1] == "MasterRead"
    assert isinstance(house.told[-2], (MasterLost, MasterRead))


async def test_the_account_is_read_again_every_ten_seconds(
    house: House, autojump_clock: trio.abc.Clock
) -> None:
    await trio.sleep(RECONCILE_S * 3 + 2)

    assert house.kinds() == ["MasterRead"] * 4
    assert [it.reconnected for it in house.told] == [True, False, False, False]


async def test_unreadable_frames_are_kept_and_followed_by_few_readings(
    house: House, autojump_clock: trio.abc.Clock
) -> None:
    house.gateway.say(*(Unreadable(frame=f"frame {number}", error="?") for number in range(50)))
    await trio.sleep(2)

    assert [event.frame for event in house.seen("frame.unreadable")] == [f"frame {n}" for n in range(50)]
    assert house.kinds() in (["MasterRead"] * 2, ["MasterRead"] * 3)


async def test_a_reading_that_fails_beside_a_live_stream_is_repeated_ever_slower(
    house: House, autojump_clock: trio.abc.Clock
) -> None:
    house.gateway.failures = [RESET] * 3
    house.gateway.say(Unreadable(frame="?", error="?"))
    await trio.sleep(0.9)
    assert house.gateway.snapshots == 2
    await trio.sleep(8)

    assert house.kinds() == ["MasterRead", "MasterRead"]
    assert house.gateway.lives == 1
    assert len([event for event in house.seen("master.stream") if "reset by peer" in event.detail]) == 3


async def test_a_symbol_is_read_until_it_works_and_only_once_at_a_time(
    house: House, autojump_clock: trio.abc.Clock
) -> None:
    house.gateway.rows = Master().reading("AUSDT")
    house.gateway.failures = [RESET, RESET]

    house.ask("AUSDT")
    house.ask("AUSDT")
    await trio.sleep(1)

    (read,) = (it for it in house.told if isinstance(it, SymbolRead))
    assert (read.symbol, read.positions) == ("AUSDT", house.gateway.rows)
    assert house.gateway.asked == ["AUSDT"] * 3
    house.ask("AUSDT")
    await trio.sleep(1)
    assert house.kinds().count("SymbolRead") == 2


@pytest.mark.parametrize(("refusal", "answered"), [(Refusal.SYMBOL, True), (Refusal.AUTH, False)])
async def test_a_symbol_that_is_gone_has_no_legs_but_a_refused_key_says_nothing(
    house: House, autojump_clock: trio.abc.Clock, refusal: Refusal, answered: bool
) -> None:
    house.gateway.rows = Master().reading("AUSDT")
    no: list[ExchangeError] = [RequestRejected("no", refusal=refusal)] * 20
    house.gateway.failures = list(no)

    house.ask("AUSDT")
    await trio.sleep(5)

    answers = [it.positions for it in house.told if isinstance(it, SymbolRead)]
    assert answers == ([()] if answered else [])
