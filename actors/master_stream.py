"""Watches the master account: subscribe, then snapshot, then apply (R14)."""

from collections.abc import Callable

import attrs
import trio
from pykka import ActorDeadError

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
from actors.runtime import Address, TrioActor, describe_failure
from exchanges.clock import Clock
from exchanges.errors import ExchangeError, Refusal, RequestRejected, StreamLost
from exchanges.port import AccountGateway, StreamEvent, Unreadable
from model.account import Execution, PositionReport, WalletReport
from model.order import OrderReport

RECONCILE_S = 10.0
"""How long a change whose every frame was lost may stay unseen."""
RESYNC_GAP_S = 0.5
"""Between two readings, however many frames cannot be read."""
RETRY_S_BASE = 0.1
RETRY_S_MAX = 5.0


@attrs.frozen
class _Heard:
    """What the stream told, and when, by trio's clock and by the wall's."""

    event: StreamEvent
    at: float
    at_ms: int


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
        self._resync_wanted = trio.Event()
        self._reading: set[str] = set()
        self._held: list[_Heard] | None = []
        """What was heard before the account was read; None: it is."""
        self._failure: ExchangeError | None = None

    async def on_start(self) -> None:
        """Connect in the background: the first attempt may fail and is then retried from outside."""
        self.nursery.start_soon(self._live)

    async def on_receive(self, message: object) -> object:
        """Read symbols that Pairing waits for."""
        match message:
            case ReadSymbols(symbols=symbols):
                for symbol in sorted(symbols - self._reading):
                    self._reading.add(symbol)
                    self.nursery.start_soon(self._read_symbol, symbol)
            case CrashNow(why=why):
                raise AskedToCrash(why)
            case _:
                raise TypeError(f"MasterStream does not know {message!r}")
        return None

    async def _live(self) -> None:
        try:
            async with self._gateway.private_stream() as stream:
                with trio.CancelScope() as scope:
                    self.nursery.start_soon(self._begin, scope)
                    async for event in stream:
                        self._take(_Heard(event, trio.current_time(), self._clock.wall_ms()))
                if self._failure is not None:
                    raise self._failure
            raise StreamLost("the master's stream ended")
        except BaseException as error:
            # However it ends, Pairing must not take what it knows for fresh.
            self._tell_lost(describe_failure(error))
            raise

    async def _begin(self, scope: trio.CancelScope) -> None:
        """Read the account, pass on what was heard meanwhile, and go on reading now and then.

        Frames that wait for a slow reading are as old as they are: changes are judged by when they came.
        """
        try:
            await self._read_account(reconnected=True)
        except ExchangeError as error:
            self._failure = error
            scope.cancel()
            return
        self._bus.publish(MasterStreamChanged(live=True))
        held, self._held = self._held or [], None
        for heard in held:
            self._pass_on(heard)
        await self._reconcile()

    def _take(self, heard: _Heard) -> None:
        if self._held is None:
            self._pass_on(heard)
        else:
            self._held.append(heard)

    def _tell_lost(self, why: str) -> None:
        self._bus.publish(MasterStreamChanged(live=False, detail=why))
        try:
            self._pairing().tell(MasterLost(why))
        except ActorDeadError:
            return  # the engine stops, from below

    def _pass_on(self, heard: _Heard) -> None:
        pairing, event, now, now_ms = self._pairing(), heard.event, heard.at, heard.at_ms
        match event:
            case OrderReport():
                pairing.tell(OrderReported(event))
            case WalletReport():
                pairing.tell(WalletReported(event))
            case Unreadable(frame=frame, error=error):
                self._bus.publish(FrameUnreadable(account="master", error=error, frame=frame))
                self._resync_wanted.set()
            case tuple():
                fills = tuple(row for row in event if isinstance(row, Execution))
                rows = tuple(row for row in event if isinstance(row, PositionReport))
                if fills:
                    pairing.tell(ExecutionsReported(executions=fills, received_at=now, received_at_ms=now_ms))
                if rows:
                    pairing.tell(PositionsReported(positions=rows, received_at=now, received_at_ms=now_ms))

    async def _reconcile(self) -> None:
        """Read the account now and then, and soon after a frame that could not be read."""
        failures = 0
        while True:
            with trio.move_on_after(RECONCILE_S):
                await self._resync_wanted.wait()
            self._resync_wanted = trio.Event()
            try:
                await self._read_account(reconnected=False)
                if failures:
                    self._bus.publish(MasterStreamChanged(live=True))
                failures = 0
            except ExchangeError as error:
                failures += 1
                self._bus.publish(MasterStreamChanged(live=True, detail=f"snapshot failed: {error}"))
                self._resync_wanted.set()
            await trio.sleep(min(RECONCILE_S, RESYNC_GAP_S * 2**failures))

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
        rows = await self._rows_of(symbol)
        self._reading.discard(symbol)
        self._pairing().tell(
            SymbolRead(
                symbol=symbol,
                positions=rows,
                received_at=trio.current_time(),
                received_at_ms=self._clock.wall_ms(),
            )
        )

    async def _rows_of(self, symbol: str) -> tuple[PositionReport, ...]:
        """Read until it works; a symbol that the venue does not know any more has no legs."""
        wait_s = RETRY_S_BASE
        while True:
            try:
                return await self._gateway.positions_of(symbol)
            except RequestRejected as error:
                if error.refusal is Refusal.SYMBOL:
                    return ()
            except ExchangeError:
                pass  # a read has no side effect; Pairing goes on waiting and reductions have their own way
            await trio.sleep(wait_s)
            wait_s = min(RETRY_S_MAX, wait_s * 2)
