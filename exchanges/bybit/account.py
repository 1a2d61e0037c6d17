"""One account on Bybit: its reads, its settings, its stream and its orders."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any, TypeVar

import trio

from exchanges.bybit.codes import EXCHANGE
from exchanges.bybit.key_rights import ACCOUNT_PATH, KEY_PATH, parse_key
from exchanges.bybit.limits import AddressLimits, KeyLimits, Pool
from exchanges.bybit.orders import BybitOrders
from exchanges.bybit.rest import Answer, BybitRest, VenueClock, rows_of
from exchanges.bybit.signing import Signer
from exchanges.bybit.stream import BybitPrivateStream, open_private_stream
from exchanges.bybit.wire import (
    CATEGORY,
    COIN,
    format_leverage,
    parse_execution,
    parse_order,
    parse_position,
    parse_wallet,
    reading,
)
from exchanges.errors import MalformedMessage
from exchanges.network import Network
from exchanges.pacing import Urgency
from exchanges.port import OrderEntry
from model.account import AccountSnapshot, Execution, PositionReport, WalletReport
from model.amounts import ZERO
from model.key_check import KeyReport
from model.leg import ONE_WAY, Leg, PositionMode, Side
from model.order import OrderReport, OrderState

T = TypeVar("T")
U = TypeVar("U")

POSITIONS = "/v5/position/list"
LINEAR = ("category", CATEGORY)
SNAPSHOT_REQUESTS = 2
"""What one snapshot costs an account whose positions fit on a page."""


class BybitAccount:
    """The gateway of one account; opens nothing before it is asked to."""

    __slots__ = (
        "_clock",
        "_measure_clock",
        "_network",
        "_private_url",
        "_rest",
        "_shared",
        "_signer",
        "exchange",
        "orders",
    )

    def __init__(
        self,
        *,
        private_url: str,
        trade_url: str | None,
        signer: Signer,
        rest: BybitRest,
        key: KeyLimits,
        shared: AddressLimits,
        clock: VenueClock,
        network: Network,
        measure_clock: Callable[[], Awaitable[int]],
    ) -> None:
        self.exchange = EXCHANGE
        self._private_url = private_url
        self._signer = signer
        self._rest = rest
        self._shared = shared
        self._clock = clock
        self._network = network
        self._measure_clock = measure_clock
        self.orders: OrderEntry = BybitOrders(
            trade_url,
            network=network,
            signer=signer,
            clock=clock,
            shared=shared,
            key=key,
            rest=rest,
            measure_clock=measure_clock,
        )

    def private_stream(self) -> AbstractAsyncContextManager[BybitPrivateStream]:
        """Connect, authenticate and subscribe; raises StreamLost or RequestRejected (AUTH)."""
        return open_private_stream(
            self._private_url,
            network=self._network,
            signer=self._signer,
            clock=self._clock,
            shared=self._shared,
            measure_clock=self._measure_clock,
        )

    async def snapshot(self) -> AccountSnapshot:
        """Read the open positions, every page, and the wallet, at the same time."""
        positions, wallet = await _both(self._open_positions, self._wallet)
        return AccountSnapshot(positions=positions, wallet=wallet)

    async def positions_of(self, symbol: str, *, for_exit: bool = False) -> tuple[PositionReport, ...]:
        """Read every leg of one symbol, flat ones too: tells the mode and the leverage."""
        urgency = Urgency.EXIT_READ if for_exit else Urgency.READ
        answer = await self._rest.read(POSITIONS, [LINEAR, ("symbol", symbol)], urgency=urgency)
        found = _each(parse_position, rows_of(answer))
        return tuple(row for row in found if row.leg.symbol == symbol)

    async def find_order(self, leg: Leg, client_order_id: str) -> OrderReport | None:
        """Ask for one order by our id: among the latest, in the history, by its fills.

        None only when all three lists were read and none has it. An order of which only fills are
        known yet counts as accepted: the venue's history may lag.
        """
        by_id = [LINEAR, ("symbol", leg.symbol), ("orderLinkId", client_order_id)]
        for path in ("/v5/order/realtime", "/v5/order/history"):
            rows = rows_of(await self._rest.read(path, by_id))
            for report in _each(parse_order, rows):
                if report.client_order_id == client_order_id:
                    return report
        answer = await self._rest.read("/v5/execution/list", by_id)
        fills = [
            fill
            for fill in _each(parse_execution, rows_of(answer))
            if fill.client_order_id == client_order_id
        ]
        return _filled_by(fills, leg) if fills else None

    async def set_leverage(self, leg: Leg, leverage: Decimal) -> None:
        """Set it for both sides of the symbol; "not modified" is success."""
        await self._rest.change_setting("/v5/position/set-leverage", format_leverage(leg.symbol, leverage))

    async def position_mode(self, symbol: str) -> PositionMode:
        """Tell the mode the account has for the symbol; modes are mixed freely across symbols."""
        rows = await self.positions_of(symbol)
        if not rows:
            raise MalformedMessage(f"no row for {symbol}", exchange=EXCHANGE)
        hedged = any(row.leg.position_idx != ONE_WAY for row in rows)
        return PositionMode.HEDGE if hedged else PositionMode.ONE_WAY

    async def check_key(self) -> KeyReport:
        """Ask what the key may do and how its account is set."""
        key, account = await _both(self._key_information, self._account_information)
        return parse_key(key, account)

    async def aclose(self) -> None:
        """Close every connection of this account but those of running streams: they close themselves."""
        await self._rest.aclose()

    async def _key_information(self) -> Answer:
        return await self._rest.read(KEY_PATH, pool=Pool.KEY)

    async def _account_information(self) -> Answer:
        return await self._rest.read(ACCOUNT_PATH)

    async def _open_positions(self) -> tuple[PositionReport, ...]:
        pages = await self._rest.read_pages(POSITIONS, [LINEAR, ("settleCoin", COIN), ("limit", "200")])
        return tuple(row for page in pages for row in _each(parse_position, rows_of(page)))

    async def _wallet(self) -> WalletReport:
        asked = [("accountType", "UNIFIED"), ("coin", COIN)]
        return _wallet_of(await self._rest.read("/v5/account/wallet-balance", asked))


def _wallet_of(answer: Answer) -> WalletReport:
    """Return the wallet in an answer; an account without the coin leaves everything unknown."""
    rows = rows_of(answer)
    with reading("wallet-balance"):
        found = parse_wallet(rows[0], venue_time_ms=answer.venue_time_ms)
    if found is not None:
        return found
    return WalletReport(wallet_balance=None, equity=None, available=None, venue_time_ms=answer.venue_time_ms)


def _filled_by(fills: list[Execution], leg: Leg) -> OrderReport:
    unique = {fill.execution_id: fill for fill in fills}.values()  # pages and lists repeat rows
    quantity = sum((fill.quantity for fill in unique), ZERO)
    value = sum((fill.quantity * fill.price for fill in unique), ZERO)
    return OrderReport(
        leg=leg,
        client_order_id=fills[0].client_order_id,
        order_id=fills[0].order_id,
        state=OrderState.ACCEPTED,
        filled=quantity,
        average_price=value / quantity,
        venue_time_ms=max(fill.venue_time_ms for fill in unique),
        side=Side.BUY if fills[0].side_sign > 0 else Side.SELL,
    )


def _each(parse: Callable[[Any], T | None], rows: Iterable[Any]) -> tuple[T, ...]:
    """Return all rows that are followed; one that cannot be read spoils the whole answer."""
    return tuple(found for found in map(parse, rows) if found is not None)


async def _both(first: Callable[[], Awaitable[T]], second: Callable[[], Awaitable[U]]) -> tuple[T, U]:
    """Await both at the same time; what fails first is raised as it is, not inside a group."""
    firsts: list[T] = []
    seconds: list[U] = []

    async def run_first() -> None:
        firsts.append(await first())

    async def run_second() -> None:
        seconds.append(await second())

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_first)
            nursery.start_soon(run_second)
    except BaseExceptionGroup as group:
        failures = group.split(trio.Cancelled)[1]
        if failures is None:
            raise
        raise failures.exceptions[0] from None
    return firsts[0], seconds[0]
