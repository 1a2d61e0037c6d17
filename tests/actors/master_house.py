"""Pairing in its supervisor, with everyone it speaks to as an actor that keeps what it was told."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import trio
import trio.testing

from actors.bus import Bus
from actors.ledger_desk import LedgerDesk, Mode
from actors.messages import (
    ExecutionsReported,
    MasterChanged,
    MasterRead,
    OrderReported,
    PositionsReported,
    SymbolRead,
)
from actors.pairing import Pairing, PairingPorts
from actors.runtime import Address, TrioActor
from exchanges.clock import TrioClock
from model.account import AccountSnapshot, Execution, PositionReport, WalletReport
from model.copy import ClaimAnswer
from model.ledger import LedgerUnreachable, Store, open_store
from model.ledger.store import WriteBatch
from model.order import OrderReport
from supervision.restarts import Intensity
from supervision.supervisor import ChildSpec, Strategy, Supervisor, SupervisorSpec
from tests.model.master_session import Frame

T = TypeVar("T")


class Recorder(TrioActor):
    """Keeps what it is told, in a list that outlives it."""

    def __init__(self, told: list[Any]) -> None:
        super().__init__()
        self._told = told

    async def on_receive(self, message: object) -> object:
        self._told.append(message)
        return None


class FlakyDesk(LedgerDesk):
    """A ledger that can go away, or refuse what it is given."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, mode=Mode.INLINE)
        self.error: Exception | None = None
        self.batches: list[WriteBatch] = []

    async def write(self, batch: WriteBatch) -> list[ClaimAnswer]:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        self.batches.append(batch)
        return await super().write(batch)

    def go_away(self) -> None:
        self.error = LedgerUnreachable("gone for a moment")


class PairingHouse:
    """Pairing, two followers, the mark streams of two venues, and a stand-in for the master's stream."""

    def __init__(self, store: Store) -> None:
        self.bus = Bus(history=10_000)
        self.clock = TrioClock()
        self.ledger = FlakyDesk(store)
        self.told: dict[str, list[Any]] = {}
        self.followers: dict[str, Address] = {}
        children = [
            self._recorder(name) for name in ("alice", "bob", "marks:bybit", "marks:binance", "stream")
        ]
        ports = PairingPorts(
            followers=self.followers,
            master_stream=lambda: self.supervisor.address("stream"),
            marks=lambda: [self.supervisor.address(f"marks:{venue}") for venue in ("bybit", "binance")],
            ledger=self.ledger,
            clock=self.clock,
            bus=self.bus,
        )
        children.append(ChildSpec(name="pairing", make=lambda: Pairing(ports=ports)))
        self.supervisor = Supervisor(
            SupervisorSpec(
                name="root",
                strategy=Strategy.ONE_FOR_ONE,
                intensity=Intensity(max_failures=3, period_s=60.0),
                children=tuple(children),
            ),
            report=self.bus.publish,
        )
        self.followers |= {name: self.supervisor.address(name) for name in ("alice", "bob")}
        self.pairing = self.supervisor.address("pairing")

    def _recorder(self, name: str) -> ChildSpec:
        told = self.told[name] = []
        return ChildSpec(name=name, make=lambda: Recorder(told))

    async def say(self, *messages: object) -> None:
        """Tell Pairing, and wait until everybody is done with it."""
        for message in messages:
            self.pairing.tell(message)
        await trio.testing.wait_all_tasks_blocked()

    async def say_frames(self, frames: Sequence[Frame]) -> None:
        await self.say(*(self.as_message(frame) for frame in frames))

    async def say_read(
        self, *rows: PositionReport, reconnected: bool = True, equity: str | None = "1000"
    ) -> None:
        known = None if equity is None else Decimal(equity)
        wallet = WalletReport(
            wallet_balance=known, equity=known, available=known, venue_time_ms=self.clock.wall_ms()
        )
        await self.say(
            MasterRead(
                snapshot=AccountSnapshot(positions=rows, wallet=wallet),
                reconnected=reconnected,
                received_at=trio.current_time(),
                received_at_ms=self.clock.wall_ms(),
            )
        )

    async def say_symbol(self, symbol: str, *rows: PositionReport) -> None:
        at, ms = trio.current_time(), self.clock.wall_ms()
        await self.say(SymbolRead(symbol=symbol, positions=rows, received_at=at, received_at_ms=ms))

    def as_message(self, frame: Frame) -> object:
        if isinstance(frame, OrderReport):
            return OrderReported(frame)
        at, ms = trio.current_time(), self.clock.wall_ms()
        fills = tuple(row for row in frame if isinstance(row, Execution))
        rows = tuple(row for row in frame if isinstance(row, PositionReport))
        if fills:
            return ExecutionsReported(executions=fills, received_at=at, received_at_ms=ms)
        return PositionsReported(positions=rows, received_at=at, received_at_ms=ms)

    def heard(self, name: str, kind: type[T]) -> list[T]:
        return [message for message in self.told[name] if isinstance(message, kind)]

    def changes(self, name: str) -> list[MasterChanged]:
        return self.heard(name, MasterChanged)

    def seen(self, topic: str) -> list[Any]:
        with self.bus.subscribe(topics=[topic], capacity=10_000, from_seq=1) as events:
            return [item.event for item in events._queue]


@asynccontextmanager
async def pairing_house(tmp_path: Path) -> AsyncIterator[PairingHouse]:
    """Yield a house whose actors run, on the ledger in ``tmp_path``."""
    store = open_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    try:
        house = PairingHouse(store)
        async with trio.open_nursery() as nursery:
            await nursery.start(house.supervisor.run)
            try:
                yield house
            finally:
                await house.supervisor.stop()
    finally:
        store.close()
