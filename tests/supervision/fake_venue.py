"""A venue in memory: accounts that hold positions, fill orders at once and speak on private streams."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
import trio

from exchanges.clock import TrioClock
from exchanges.errors import Refusal, RequestRejected, StreamLost
from exchanges.port import Credentials, Heard, StreamEvent
from model.account import AccountSnapshot, Execution, PositionReport, WalletReport
from model.amounts import ZERO
from model.instrument import Instrument
from model.key_check import KeyReport, MarginMode
from model.leg import Leg, PositionMode
from model.order import OrderReport, OrderRequest, OrderState

LEVERAGE = Decimal(10)


def make_instrument(symbol: str = "BTCUSDT") -> Instrument:
    return Instrument(
        exchange="bybit",
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        lot_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(1000),
        max_market_quantity=Decimal(1000),
        min_notional=Decimal(5),
        min_notional_exempts_reductions=True,
        tick_size=Decimal("0.1"),
        max_leverage=Decimal(100),
        leverage_step=Decimal("0.01"),
    )


def make_key_report(*, is_read_only: bool = False) -> KeyReport:
    return KeyReport(
        is_read_only=is_read_only,
        may_trade=not is_read_only,
        may_withdraw=False,
        may_transfer=False,
        is_ip_bound=True,
        expires_at_ms=None,
        margin_mode=MarginMode.CROSS,
    )


class FakeAccount:
    """One account, also its gateway and its order entry; what it is asked for is kept in ``placed``."""

    exchange = "bybit"

    def __init__(self, venue: "FakeVenue", key: str) -> None:
        self.venue = venue
        self.key = key
        self.orders = self
        self.balance = Decimal(10_000)
        self.rows: dict[Leg, PositionReport] = {}
        self.placed: list[OrderRequest] = []
        self.reports: dict[str, OrderReport] = {}
        self.listeners: set[trio.MemorySendChannel[StreamEvent]] = set()
        self.closed = 0
        self.key_report = make_key_report(is_read_only=key.startswith("master"))
        self.keys_checked = 0

    # What happens to it

    def move(self, symbol: str, size: str, *, by: OrderRequest | None = None) -> None:
        """Bring a leg to ``size`` at the mark, as a fill followed by its position update."""
        leg, price = Leg(symbol), self.venue.prices[symbol]
        seq = self.venue.next_seq()
        before = self.size(symbol)
        delta = Decimal(size) - before
        entry = price if not before else self.rows[leg].entry_price
        self.rows[leg] = PositionReport(
            leg=leg,
            size=Decimal(size),
            entry_price=entry,
            leverage=LEVERAGE,
            initial_margin=abs(Decimal(size)) * price / LEVERAGE,
            mark_price=price,
            seq=seq,
            venue_time_ms=self.venue.clock.wall_ms(),
        )
        fill = Execution(
            execution_id=f"x{seq}",
            symbol=symbol,
            position_idx=None,
            side_sign=1 if delta > 0 else -1,
            quantity=abs(delta),
            price=price,
            closed_size=min(abs(before), abs(delta)) if before * delta < 0 else ZERO,
            order_id=f"o{seq}",
            client_order_id="" if by is None else by.client_order_id,
            seq=seq,
            venue_time_ms=self.venue.clock.wall_ms(),
        )
        self.say((fill,))
        self.say((self.rows[leg],))

    def size(self, symbol: str) -> Decimal:
        row = self.rows.get(Leg(symbol))
        return ZERO if row is None else row.size

    def say(self, event: StreamEvent) -> None:
        for listener in tuple(self.listeners):
            listener.send_nowait(event)

    def drop_streams(self) -> None:
        for listener in tuple(self.listeners):
            listener.close()
        self.listeners.clear()

    # AccountGateway

    @asynccontextmanager
    async def private_stream(self) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        await self.venue.reached()
        send, receive = trio.open_memory_channel[StreamEvent](1000)
        self.listeners.add(send)
        try:
            yield self._read(receive)
        finally:
            self.listeners.discard(send)

    async def _read(self, receive: trio.MemoryReceiveChannel[StreamEvent]) -> AsyncIterator[StreamEvent]:
        while True:
            with trio.move_on_after(5) as scope:
                try:
                    event = await receive.receive()
                except trio.EndOfChannel:
                    raise StreamLost("dropped by the venue") from None
            yield Heard() if scope.cancelled_caught else event

    async def snapshot(self) -> AccountSnapshot:
        await self.venue.reached()
        wallet = WalletReport(
            wallet_balance=self.balance,
            equity=self.balance,
            available=self.balance,
            venue_time_ms=self.venue.clock.wall_ms(),
        )
        held = tuple(row for row in self.rows.values() if row.size)
        return AccountSnapshot(positions=held, wallet=wallet, hedge_symbols=frozenset())

    async def positions_of(self, symbol: str, *, for_exit: bool = False) -> tuple[PositionReport, ...]:
        await self.venue.reached()
        flat = PositionReport(
            leg=Leg(symbol),
            size=ZERO,
            entry_price=None,
            leverage=LEVERAGE,
            initial_margin=None,
            mark_price=self.venue.prices[symbol],
            seq=0,
            venue_time_ms=0,
        )
        return (self.rows.get(Leg(symbol), flat),)

    async def find_order(self, leg: Leg, client_order_id: str) -> OrderReport | None:
        await self.venue.reached()
        return self.reports.get(client_order_id)

    async def set_leverage(self, leg: Leg, leverage: Decimal) -> None:
        await self.venue.reached()

    async def position_mode(self, symbol: str) -> PositionMode:
        await self.venue.reached()
        return PositionMode.ONE_WAY

    async def check_key(self) -> KeyReport:
        await self.venue.reached()
        self.keys_checked += 1
        return self.key_report

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed += 1
        self.drop_streams()

    # OrderEntry

    async def warm_up(self) -> None:
        await trio.sleep_forever()

    async def place(self, order: OrderRequest) -> OrderReport:
        await self.venue.reached()
        if order.client_order_id in self.reports:
            raise RequestRejected("sent twice", refusal=Refusal.DUPLICATE_ID)
        self.placed.append(order)
        await trio.sleep(self.venue.order_s)
        symbol = order.leg.symbol
        report = OrderReport(
            leg=order.leg,
            client_order_id=order.client_order_id,
            order_id=f"v{len(self.placed)}",
            state=OrderState.FILLED,
            filled=order.quantity,
            average_price=self.venue.prices[symbol],
            venue_time_ms=self.venue.clock.wall_ms(),
        )
        self.reports[order.client_order_id] = report
        self.move(symbol, str(self.size(symbol) + order.side.sign * order.quantity), by=order)
        self.say(report)
        return attrs.evolve(report, state=OrderState.ACCEPTED, filled=ZERO, average_price=None)


class FakeVenue:
    """The venue; accounts are made by key when they are first asked for."""

    exchange = "bybit"

    def __init__(self) -> None:
        self.clock = TrioClock()
        self.prices: dict[str, Decimal] = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(2_000)}
        self.accounts: dict[str, FakeAccount] = {}
        self.away = False
        self.order_s = 0.01
        self.closed = 0
        self._seq = 0

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    async def reached(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise StreamLost("nothing listens there")

    def account(self, credentials: Credentials) -> FakeAccount:
        return self.of(credentials.api_key)

    def of(self, key: str) -> FakeAccount:
        return self.accounts.setdefault(key, FakeAccount(self, key))

    async def instruments(self) -> Mapping[str, Instrument]:
        await self.reached()
        return {symbol: make_instrument(symbol) for symbol in self.prices}

    @asynccontextmanager
    async def marks(self, symbols: frozenset[str]) -> AsyncIterator[AsyncIterator[tuple[str, Decimal]]]:
        await self.reached()
        yield self._marks(symbols)

    async def _marks(self, symbols: frozenset[str]) -> AsyncIterator[tuple[str, Decimal]]:
        while True:
            for symbol in symbols:
                yield symbol, self.prices[symbol]
            await trio.sleep(1)

    async def read_marks(self) -> Mapping[str, Decimal]:
        await self.reached()
        return dict(self.prices)

    def budgets_used(self) -> Mapping[str, float]:
        return {"rest": 0.25}

    async def clock_offset_ms(self) -> int:
        await self.reached()
        return 0

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed += 1
