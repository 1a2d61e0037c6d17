"""Order entry of one account: its trade socket, and REST while that is away (R7, R11).

An order leaves at most once. What the venue may have seen and did not answer is OutcomeUnknown;
RequestNotSent is said only of what certainly did not leave or was certainly not looked at.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from exchanges.bybit.codes import EXCHANGE, STAMP_REFUSED, Asked, failure
from exchanges.bybit.limits import AddressLimits, KeyLimits, Pool, retry_after_s
from exchanges.bybit.rest import BybitRest, VenueClock
from exchanges.bybit.session import Session
from exchanges.bybit.signing import RECV_WINDOW_MS, Signer
from exchanges.bybit.trade_link import TradeLink
from exchanges.bybit.wire import format_order, parse_order_ack, reading, whole
from exchanges.errors import (
    ExchangeError,
    MalformedMessage,
    OutcomeUnknown,
    RateLimited,
    RequestNotSent,
    RequestRejected,
)
from exchanges.network import Network
from exchanges.pacing import HEALTHY_AFTER_S, RECONNECT_S_MAX, Urgency, reconnect_delay_s
from exchanges.websocket import open_websocket
from model.order import OrderReport, OrderRequest

CREATE = "order.create"
LIFE_MS_MIN = 100
"""An order with less time left than this is not worth sending: it would expire under way."""


class BybitOrders:
    """Takes the orders of one account. Any number may be under way at once."""

    __slots__ = (
        "_clock",
        "_jitter",
        "_key",
        "_link",
        "_measure_clock",
        "_network",
        "_rest",
        "_shared",
        "_signer",
        "_url",
    )

    def __init__(
        self,
        url: str | None,
        *,
        network: Network,
        signer: Signer,
        clock: VenueClock,
        shared: AddressLimits,
        key: KeyLimits,
        rest: BybitRest,
        measure_clock: Callable[[], Awaitable[int]],
    ) -> None:
        self._url = url
        self._network = network
        self._signer = signer
        self._clock = clock
        self._shared = shared
        self._key = key
        self._rest = rest
        self._measure_clock = measure_clock
        self._link: TradeLink | None = None
        self._jitter = random.Random(signer.api_key)

    async def place(self, order: OrderRequest) -> OrderReport:
        """Send one order, at most once, and return the venue's acceptance.

        Raises: RequestNotSent, RequestRejected, OutcomeUnknown; nothing else.
        """
        urgency = Urgency.REDUCE if order.reduce_only else Urgency.OPEN
        await self._key.pass_pool(Pool.ORDERS, urgency)
        body = format_order(order)
        link = self._link
        if link is not None and link.is_usable:
            await self._shared.pass_frame(urgency)
            try:
                answer = await link.ask(
                    CREATE, body, timestamp_ms=self._clock.venue_ms(), recv_window_ms=self._life_ms(order)
                )
            except RequestNotSent:
                # The socket had just closed: not a byte left, so REST may take the order.
                return await self._post(body, order, urgency)
            return self._judge(answer, order)
        return await self._post(body, order, urgency)

    async def warm_up(self) -> None:
        """Keep the trade socket open, one after another; runs until cancelled.

        A venue without one (the demo world) takes orders by REST, and so does one that refuses it.
        """
        if self._url is None:
            await trio.sleep_forever()
        failures = 0
        while True:
            began = trio.current_time()
            try:
                await self._live(self._url or "")
            except RequestRejected:
                failures = max(failures, 10)  # the login is refused: asking faster does not help
            except ExchangeError:
                failures = 0 if trio.current_time() - began > HEALTHY_AFTER_S else failures
            failures += 1
            await trio.sleep(min(RECONNECT_S_MAX, reconnect_delay_s(failures, self._jitter.random())))

    async def _live(self, url: str) -> None:
        await self._shared.pass_socket(Urgency.OPEN)
        async with open_websocket(self._network, url, exchange=EXCHANGE) as socket:
            session = Session(socket)
            await session.log_in(self._signer, self._clock, self._measure_clock)
            link = self._link = TradeLink(socket, session)
            why = ""
            try:
                await link.read_answers()
            except ExchangeError as error:
                why = str(error)
                raise
            finally:
                self._link = None
                link.lose(why)

    async def _post(self, body: str, order: OrderRequest, urgency: Urgency) -> OrderReport:
        answer = await self._rest.create_order(body, urgency, recv_window_ms=self._life_ms(order))
        try:
            return parse_order_ack(answer.result, order, venue_time_ms=answer.venue_time_ms)
        except MalformedMessage as error:
            raise OutcomeUnknown(str(error), exchange=EXCHANGE) from error

    def _life_ms(self, order: OrderRequest) -> int:
        """Return how long the venue may take the order; raises RequestNotSent when it is over."""
        if order.expires_at_ms is None:
            return RECV_WINDOW_MS
        left_ms = order.expires_at_ms - self._clock.wall_ms()
        if left_ms < LIFE_MS_MIN:
            raise RequestNotSent("expired before it could leave", exchange=EXCHANGE)
        return min(RECV_WINDOW_MS, left_ms)

    def _judge(self, answer: dict[str, Any], order: OrderRequest) -> OrderReport:
        try:
            with reading("answer"):
                code = whole(answer["retCode"])
                header = answer.get("header") or {}
                now = header.get("Timenow")
                venue_time_ms = self._clock.venue_ms() if now is None else whole(now)
            if code == 0:
                self._learn(header)
                return parse_order_ack(answer.get("data"), order, venue_time_ms=venue_time_ms)
        except MalformedMessage as error:
            raise OutcomeUnknown(str(error), exchange=EXCHANGE) from error
        if code == STAMP_REFUSED and now is not None:
            self._clock.correct(venue_time_ms)
        raise self._refusal(code, answer, header, venue_time_ms)

    def _refusal(
        self, code: int, answer: dict[str, Any], header: dict[str, Any], now_ms: int
    ) -> ExchangeError:
        reset = header.get("X-Bapi-Limit-Reset-Timestamp")
        wait_s = retry_after_s(reset if isinstance(reset, str) else None, now_ms)
        failed = failure(code, str(answer.get("retMsg") or ""), Asked.ORDER, retry_after_s=wait_s)
        if isinstance(failed, RateLimited):
            self._key.refused(Pool.ORDERS, failed)
        return failed or OutcomeUnknown(f"code {code}", exchange=EXCHANGE, code=str(code))

    def _learn(self, header: dict[str, Any]) -> None:
        limit = header.get("X-Bapi-Limit")
        if isinstance(limit, str):
            self._key.learn(Pool.ORDERS, limit)
