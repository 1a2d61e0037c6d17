"""Watches the master account: subscribe, then snapshot, then apply (R14)."""

from collections.abc import Callable

import trio

from actors.bus import Bus
from actors.events import FrameUnreadable, MasterStreamChanged
from actors.messages import (
    AskedToCrash,
    CrashNow,
    ExecutionsReported,
    MasterLost,
    MasterRead,
    OrderReported,
    PositionsReported,
    ReadSymbols,
    SymbolRead,
    WalletReported,
)
from actors.runtime import Address, TrioActor
from exchanges.clock import Clock
from exchanges.errors import ExchangeError, StreamLost
from exchanges.port import AccountGateway, StreamEvent, Unreadable
from model.account import Execution, PositionReport, WalletReport
from model.order import OrderReport

RECONCILE_S = 10.0
"""How long a change whose every frame was lost may stay unseen."""


class MasterStream(TrioActor):
    """One life of the master's private stream. A lost socket ends it; the supervisor starts the next."""

    def __init__(
        self, *, gateway: AccountGateway, pairing: Callable[[], Address], clock: Clock, bus: Bus
    ) -> None:
        super().__init__()
        self._gateway = gateway
        self._pairing = pairing
        self._clock = clock
        self._bus = bus

    async def on_start(self) -> None:
        """Connect in the background: the first attempt may fail and is then retried from outside."""
        self.nursery.start_soon(self._live)

    async def on_receive(self, message: object) -> object:
        """Read symbols that Pairing waits for."""
        match message:
            case ReadSymbols(symbols=symbols):
                for symbol in sorted(symbols):
                    self.nursery.start_soon(self._read_symbol, symbol)
            case CrashNow(why=why):
                raise AskedToCrash(why)
            case _:
                raise TypeError(f"MasterStream does not know {message!r}")
        return None

    async def _live(self) -> None:
        try:
            async with self._gateway.private_stream() as stream:
                await self._read_account(reconnected=True)
                self._bus.publish(MasterStreamChanged(live=True))
                self.nursery.start_soon(self._reconcile)
                async for event in stream:
                    self._pass_on(event)
        except (ExchangeError, OSError) as error:
            self._pairing().tell(MasterLost(str(error)))
            self._bus.publish(MasterStreamChanged(live=False, detail=str(error)))
            raise
        raise StreamLost("the master's stream ended")

    def _pass_on(self, event: StreamEvent) -> None:
        pairing, now, now_ms = self._pairing(), trio.current_time(), self._clock.wall_ms()
        match event:
            case OrderReport():
                pairing.tell(OrderReported(event))
            case WalletReport():
                pairing.tell(WalletReported(event))
            case Unreadable(frame=frame, error=error):
                self._bus.publish(FrameUnreadable(account="master", error=error, frame=frame))
                self.nursery.start_soon(self._read_again)
            case tuple():
                fills = tuple(row for row in event if isinstance(row, Execution))
                rows = tuple(row for row in event if isinstance(row, PositionReport))
                if fills:
                    pairing.tell(ExecutionsReported(executions=fills, received_at=now, received_at_ms=now_ms))
                if rows:
                    pairing.tell(PositionsReported(positions=rows, received_at=now, received_at_ms=now_ms))

    async def _reconcile(self) -> None:
        while True:
            await trio.sleep(RECONCILE_S)
            await self._read_again()

    async def _read_again(self) -> None:
        try:
            await self._read_account(reconnected=False)
        except ExchangeError as error:
            self._bus.publish(MasterStreamChanged(live=True, detail=f"snapshot failed: {error}"))

    async def _read_account(self, *, reconnected: bool) -> None:
        snapshot = await self._gateway.snapshot()
        self._pairing().tell(
            MasterRead(
                snapshot=snapshot,
                reconnected=reconnected,
                received_at=trio.current_time(),
                received_at_ms=self._clock.wall_ms(),
            )
        )

    async def _read_symbol(self, symbol: str) -> None:
        delay_s = 0.1
        while True:
            try:
                rows = await self._gateway.positions_of(symbol)
                break
            except ExchangeError:
                await trio.sleep(delay_s)
                delay_s = min(5.0, delay_s * 2)
        self._pairing().tell(
            SymbolRead(
                symbol=symbol,
                positions=rows,
                received_at=trio.current_time(),
                received_at_ms=self._clock.wall_ms(),
            )
        )
