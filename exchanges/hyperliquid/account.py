"""The gateway of one Hyperliquid account: a master or sub-account, and the agent that acts for it."""

from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import trio

from exchanges.errors import (
    ExchangeError,
    MalformedMessage,
    OutcomeUnknown,
    RateLimited,
    Refusal,
    RequestRejected,
)
from exchanges.hyperliquid.actions import ActionDoor
from exchanges.hyperliquid.codes import Asked, failure
from exchanges.hyperliquid.key_rights import read_key
from exchanges.hyperliquid.limits import EXCHANGE, AddressLimits
from exchanges.hyperliquid.market import Market
from exchanges.hyperliquid.nonces import NonceLane
from exchanges.hyperliquid.orders import HyperliquidOrders
from exchanges.hyperliquid.posts import PostSocket
from exchanges.hyperliquid.reader import AccountReader
from exchanges.hyperliquid.rest import HyperliquidRest, VenueClock
from exchanges.hyperliquid.signing import Agent
from exchanges.hyperliquid.standing import Standing
from exchanges.hyperliquid.stream import HyperliquidPrivateStream, open_private_stream
from exchanges.hyperliquid.wire import (
    FoundOrder,
    Setting,
    cloid_of,
    format_leverage,
    parse_fills,
    parse_found_order,
    parse_refusal,
    with_fills,
)
from exchanges.network import Network
from exchanges.pacing import Urgency
from exchanges.port import OrderEntry
from model.account import AccountSnapshot, PositionReport
from model.key_check import KeyReport
from model.leg import Leg, PositionMode
from model.order import OrderReport

FILLS_MARGIN_MS = 1_000
"""Around an order's life, within which its fills are listed."""
FILLS_LATE_MS = 10_000
"""How long an order's row that counts more fills than are listed is believed rather than the list."""


class HyperliquidAccount:
    """One account; see AccountGateway. All reads raise ExchangeError's kinds and nothing else."""

    exchange = EXCHANGE

    def __init__(
        self,
        address: str,
        *,
        agent: Agent,
        lane: NonceLane,
        rest: HyperliquidRest,
        posts: PostSocket,
        market: Market,
        limits: AddressLimits,
        clock: VenueClock,
        network: Network,
        stream_url: str,
    ) -> None:
        self._rest = rest
        self._market = market
        self._limits = limits
        self._clock = clock
        self._network = network
        self._stream_url = stream_url
        self._reader = AccountReader(address, rest)
        self._standing = Standing(agent=agent.address, account=address, rest=rest)
        self._door = ActionDoor(agent=agent, lane=lane, posts=posts, rest=rest, limits=limits, clock=clock)
        self.orders: OrderEntry = HyperliquidOrders(
            door=self._door,
            market=market,
            standing=self._standing,
            reader=self._reader,
            posts=posts,
            rest=rest,
            clock=clock,
        )

    def private_stream(self) -> AbstractAsyncContextManager[HyperliquidPrivateStream]:
        """Watch the account, pushed or polled; raises StreamLost or RequestRejected (AUTH)."""
        return open_private_stream(
            self._stream_url,
            network=self._network,
            reader=self._reader,
            standing=self._standing,
            limits=self._limits,
        )

    async def snapshot(self) -> AccountSnapshot:
        """Read positions of the first dex and the balances of the account's mode.

        Ahead of the questions about keys, which cost twenty times as much: nobody copies before it.
        """
        state, wallet = await self._reader.read(Urgency.VIEW)
        return AccountSnapshot(
            positions=tuple(state.positions.values()), wallet=wallet, hedge_symbols=frozenset()
        )

    async def positions_of(self, symbol: str, *, for_exit: bool = False) -> tuple[PositionReport, ...]:
        """Read the one leg of a symbol, flat or not."""
        return await self._reader.rows_of(symbol, Urgency.EXIT_READ if for_exit else Urgency.OPEN)

    async def find_order(self, leg: Leg, client_order_id: str) -> OrderReport | None:
        """Ask for one order by our id, and for its fills once it has ended. None: "unknownOid"."""
        data = await self._rest.read(
            "orderStatus", urgency=Urgency.OPEN, user=self._reader.address, oid=cloid_of(client_order_id)
        )
        found = parse_found_order(data, client_order_id)
        if found is None or not found.report.state.is_final:
            return None if found is None else found.report
        return await self._with_fills(found)

    async def set_leverage(self, leg: Leg, leverage: Decimal) -> None:
        """Set whole leverage, rounded down; the margin type stays, where the asset allows it."""
        asset = await self._market.asset(leg.symbol)
        whole = max(1, int(leverage))
        if self._reader.is_cross(leg.symbol) is None:
            found = await self._reader.ask_setting(leg.symbol)
            if found is not None and found.leverage == whole:
                return
        is_cross = asset.cross_allowed and self._reader.is_cross(leg.symbol) is not False
        answer = await self._door.send(
            format_leverage(asset=asset.index, is_cross=is_cross, leverage=whole),
            vault=await self._standing.vault(Urgency.OPEN),
            urgency=Urgency.OPEN,
            asked=Asked.SETTING,
        )
        try:
            refusal = parse_refusal(answer)
        except MalformedMessage as error:
            raise OutcomeUnknown(str(error), exchange=EXCHANGE) from error
        if refusal is not None:
            raise self._failure(refusal)
        self._reader.learn_setting(leg.symbol, Setting(leverage=Decimal(whole), is_cross=is_cross))

    async def position_mode(self, symbol: str) -> PositionMode:
        """Return one-way: the venue has no other."""
        return PositionMode.ONE_WAY

    async def check_key(self) -> KeyReport:
        """Ask what the agent is to the account, how long it lasts, and the account's mode."""
        return await read_key(
            agent=self._door.agent.address,
            standing=self._standing,
            rest=self._rest,
            reader=self._reader,
        )

    async def aclose(self) -> None:
        """Close every connection of this account."""
        await self._rest.aclose()

    def _failure(self, text: str) -> ExchangeError:
        failed = failure(text, agent=self._door.agent.address)
        if isinstance(failed, RateLimited):
            self._door.budget.refused(trio.current_time())
        if isinstance(failed, RequestRejected) and failed.refusal is Refusal.AUTH:
            self._standing.forget()
        return failed

    async def _with_fills(self, found: FoundOrder) -> OrderReport:
        """Return an ended order with what its fills tell; only they do of a cancelled one."""
        try:
            fills = parse_fills(
                await self._rest.read(
                    "userFillsByTime",
                    urgency=Urgency.OPEN,
                    user=self._reader.address,
                    startTime=max(0, found.placed_at_ms - FILLS_MARGIN_MS),
                    endTime=found.report.venue_time_ms + FILLS_MARGIN_MS,
                )
            )
        except ExchangeError:
            if found.is_certain:
                return found.report
            raise
        report = with_fills(found, fills)
        young = self._clock.venue_ms() - report.venue_time_ms < FILLS_LATE_MS
        if not found.is_certain and young and report.filled < found.executed_at_most:
            raise OutcomeUnknown("the order's fills are not all listed yet", exchange=EXCHANGE)
        return report
