"""One account on Binance USD-M futures: its reads, its settings, its stream and its orders."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import attrs
import trio

from exchanges.binance.catalogue import Catalogue
from exchanges.binance.clock import VenueClock
from exchanges.binance.codes import EXCHANGE, NO_SUCH_ORDER
from exchanges.binance.key_rights import KeyQuestion, parse_key
from exchanges.binance.memory import READS_LAG_S, AccountMemory
from exchanges.binance.orders import BinanceOrders, OrderParts
from exchanges.binance.rest import ORDER_PATH, BinanceRest
from exchanges.binance.stream import BinancePrivateStream, StreamParts, open_private_stream
from exchanges.binance.wire import (
    AccountConfig,
    SymbolConfig,
    format_leverage,
    parse_account_config,
    parse_order,
    parse_position,
    parse_symbol_configs,
    parse_wallet,
    positive,
    reading,
    rows_of,
)
from exchanges.errors import MalformedMessage, Refusal, RequestRejected
from exchanges.pacing import Urgency
from exchanges.port import OrderEntry
from exchanges.single_flight import SingleFlight
from model.account import AccountSnapshot, PositionReport
from model.key_check import KeyReport
from model.leg import Leg, PositionMode
from model.order import OrderReport

T = TypeVar("T")
U = TypeVar("U")

POSITIONS_PATH = "/fapi/v3/positionRisk"
BALANCE_PATH = "/fapi/v3/balance"
ACCOUNT_CONFIG_PATH = "/fapi/v1/accountConfig"
SYMBOL_CONFIG_PATH = "/fapi/v1/symbolConfig"
LEVERAGE_PATH = "/fapi/v1/leverage"
READ_WEIGHT = 5
SNAPSHOT_WEIGHT = 2 * READ_WEIGHT
"""While the stream tells of changes."""
CONFIG_TRUSTED_S = 600.0
"""No event tells of another position mode; a refused order does, and then it is read again at once."""
SYMBOLS_ASKED_ONE_BY_ONE = 1


@attrs.frozen(kw_only=True)
class AccountParts:
    """What an account is made from."""

    stream: StreamParts
    orders: OrderParts
    catalogue: Catalogue
    key: KeyQuestion


class BinanceAccount:
    """The gateway of one account; opens nothing before it is asked to."""

    __slots__ = (
        "_catalogue",
        "_clock",
        "_config_read",
        "_key",
        "_memory",
        "_rest",
        "_stream",
        "exchange",
        "orders",
    )

    def __init__(self, parts: AccountParts) -> None:
        self.exchange = EXCHANGE
        self._stream = parts.stream
        self._catalogue = parts.catalogue
        self._key = parts.key
        self._rest: BinanceRest = parts.stream.rest
        self._memory: AccountMemory = parts.stream.memory
        self._clock: VenueClock = parts.stream.clock
        self._config_read = SingleFlight[AccountConfig]()
        self.orders: OrderEntry = BinanceOrders(parts.orders)

    def private_stream(self) -> AbstractAsyncContextManager[BinancePrivateStream]:
        """Connect by a listen key; raises StreamLost or RequestRejected (AUTH)."""
        return open_private_stream(self._stream, self._config)

    async def snapshot(self) -> AccountSnapshot:
        """Read open positions, wallet and what they need to be understood, at the same time.

        A stream that has just begun did not hear what happened before it, and a read may not know yet: it
        waits until it does. Costs a weight of 10, and of 10 more while no stream tells of changes.
        """
        config = await self._config()
        await self._catalogue.read_tiers_once(self._rest)
        if self._memory.stream_is_live:
            await trio.sleep_until(self._memory.stream_began_at + READS_LAG_S)
        began = trio.current_time()
        positions, balances = await _both(
            partial(self._positions, (), began, Urgency.READ),
            partial(self._rest.read, BALANCE_PATH, weight=READ_WEIGHT),
        )
        await self._learn_leverages({row.leg.symbol for row in positions})
        as_of = self._as_of(began)
        told = self._memory.take_read(positions, asked_at=began)
        return AccountSnapshot(
            positions=(*told, *self._memory.newer_than(as_of, told)),
            wallet=self._memory.date(parse_wallet(balances, config, read_at_ms=as_of)),
            hedge_symbols=self._catalogue.symbols if config.mode is PositionMode.HEDGE else frozenset(),
        )

    async def positions_of(self, symbol: str, *, for_exit: bool = False) -> tuple[PositionReport, ...]:
        """Read every leg of one symbol, flat ones too: tells the mode and the leverage."""
        urgency = Urgency.EXIT_READ if for_exit else Urgency.OPEN
        if not for_exit or self._memory.config is None:  # of a position its row tells the mode
            await self._config(urgency)
        began = trio.current_time()
        asked = (("symbol", symbol),)
        rows, configs = await _both(
            partial(self._positions, asked, began, urgency),
            partial(self._symbol_configs, asked, urgency),
        )
        if symbol not in configs:
            raise MalformedMessage(f"no symbolConfig of {symbol}", exchange=EXCHANGE)
        self._memory.leverages[symbol] = configs[symbol].leverage
        told = self._memory.take_read((row for row in rows if row.leg.symbol == symbol), asked_at=began)
        absent = self._memory.flat_rows(symbol, told, asked_at=began, asked_ms=self._asked_ms(began))
        return (*told, *absent)

    async def find_order(self, leg: Leg, client_order_id: str) -> OrderReport | None:
        """Ask for one order by our id. None is the venue's "Order does not exist" (-2013).

        It is no proof on its own: it is also said for a while of an order that was just taken.
        """
        asked = (("symbol", leg.symbol), ("origClientOrderId", client_order_id))
        try:
            found = await self._rest.read(ORDER_PATH, asked, weight=1, urgency=Urgency.REDUCE)
        except RequestRejected as error:
            if error.code == str(NO_SUCH_ORDER):
                return None
            raise
        report = parse_order(found, leg)
        if report.client_order_id != client_order_id or report.leg.symbol != leg.symbol:
            raise MalformedMessage("the answer is of another order", exchange=EXCHANGE)
        return report

    async def set_leverage(self, leg: Leg, leverage: Decimal) -> None:
        """Set it for the symbol, both sides of it; the same again is success."""
        if leverage != leverage.to_integral_value() or leverage < 1:
            raise RequestRejected(
                f"leverage is a whole number: {leverage}", refusal=Refusal.LEVERAGE, exchange=EXCHANGE
            )
        params = format_leverage(leg.symbol, leverage)
        try:
            found = await self._rest.change_setting(LEVERAGE_PATH, params, weight=1)
        except RequestRejected as error:
            if error.refusal is Refusal.LEVERAGE:
                self._catalogue.doubt_tiers()
                await self._catalogue.read_tiers_once(self._rest)
            raise
        with reading("leverage"):
            got = positive(found["leverage"]) if found else leverage
        if got != leverage:
            raise RequestRejected(f"leverage is {got} now", refusal=Refusal.LEVERAGE, exchange=EXCHANGE)
        self._memory.learn_leverage(leg.symbol, leverage)

    async def position_mode(self, symbol: str) -> PositionMode:
        """Tell the mode of the account, which is that of each symbol, COIN-M's included."""
        self._memory.doubt_config()
        return (await self._config()).mode

    async def check_key(self) -> KeyReport:
        """Ask what the key may do, and how the account is set."""
        row = await self._key.ask()
        self._memory.doubt_config()
        return parse_key(row, await self._config())

    async def aclose(self) -> None:
        """Close every connection of this account but those of running streams: they close themselves."""
        await self._rest.aclose()

    async def _config(self, urgency: Urgency = Urgency.OPEN) -> AccountConfig:
        """Return the account's settings, read anew when old or in doubt; many that ask share a read."""
        memory = self._memory
        if memory.config is not None and trio.current_time() - memory.config_read_at <= CONFIG_TRUSTED_S:
            return memory.config
        read = partial(self._read_config, urgency)
        if urgency is Urgency.EXIT_READ:  # another's may wait for its turn
            return await self._config_read.lead(read)
        return await self._config_read.share(read)

    async def _read_config(self, urgency: Urgency) -> AccountConfig:
        read_at = trio.current_time()
        found = await self._rest.read(ACCOUNT_CONFIG_PATH, weight=READ_WEIGHT, urgency=urgency)
        config = parse_account_config(found)
        self._memory.take_config(config, read_at=read_at, read_at_ms=self._clock.venue_ms())
        return config

    async def _positions(
        self, asked: tuple[tuple[str, str], ...], began: float, urgency: Urgency
    ) -> tuple[PositionReport, ...]:
        found = await self._rest.read(POSITIONS_PATH, asked, weight=READ_WEIGHT, urgency=urgency)
        rows = _each(partial(parse_position, read_at_ms=self._as_of(began)), rows_of(found))
        return tuple(row for row in rows if row.size or row.seq)  # flat since nobody knows when: as if absent

    def _as_of(self, began: float) -> int:
        """Return the venue's time of which a read that began then, by trio's clock, is: what carries none."""
        return self._asked_ms(began) - int(READS_LAG_S * 1000)

    def _asked_ms(self, began: float) -> int:
        """Return the venue's time at that moment, by the clock as it is known now.

        A read may find it wrong and have it measured.
        """
        return self._clock.venue_ms() - int((trio.current_time() - began) * 1000)

    async def _symbol_configs(
        self, asked: tuple[tuple[str, str], ...], urgency: Urgency
    ) -> dict[str, SymbolConfig]:
        found = await self._rest.read(SYMBOL_CONFIG_PATH, asked, weight=READ_WEIGHT, urgency=urgency)
        return parse_symbol_configs(found)

    async def _learn_leverages(self, symbols: set[str]) -> None:
        """Read the leverages that are not known; all at once costs no more than one."""
        memory = self._memory
        if not memory.stream_is_live:
            memory.leverages.clear()
        missing = symbols - memory.leverages.keys()
        if not missing:
            return
        asked = (("symbol", next(iter(missing))),) if len(missing) == SYMBOLS_ASKED_ONE_BY_ONE else ()
        configs = await self._symbol_configs(asked, Urgency.READ)
        memory.leverages.update({it: configs[it].leverage for it in missing if it in configs})


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
