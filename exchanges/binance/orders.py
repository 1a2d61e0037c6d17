"""Order entry of one account: its order socket, and REST while that is away (R7, R11).

An order leaves at most once. A client id is unique only among *open* orders, and a market order is
closed at once: the same order sent again would fill again. What the venue may have seen and did not
answer is OutcomeUnknown; RequestNotSent is said only of what certainly was not acted on.
"""

import random
from functools import partial
from typing import Any

import attrs
import trio

from exchanges.binance.clock import VenueClock
from exchanges.binance.codes import EXCHANGE, failure, is_clock, is_mode
from exchanges.binance.limits import AddressLimits, OrderLimits
from exchanges.binance.memory import AccountMemory
from exchanges.binance.probe import StreamProbe
from exchanges.binance.rest import BinanceRest, heed
from exchanges.binance.signing import ORDER_WINDOW_MS, Params, Signer
from exchanges.binance.sockets import beside, ping_for_ever
from exchanges.binance.trade_link import TradeLink
from exchanges.binance.wire import error_of, format_order, parse_order, retry_after_of
from exchanges.errors import (
    ExchangeError,
    MalformedMessage,
    OutcomeUnknown,
    RateLimited,
    RequestNotSent,
    StreamLost,
)
from exchanges.network import Network
from exchanges.pacing import HEALTHY_AFTER_S, RECONNECT_S_MAX, Urgency, reconnect_delay_s
from exchanges.websocket import open_websocket
from model.order import OrderReport, OrderRequest

PLACE = "order.place"
SOCKET_WEIGHT = 5
SOCKET_LIFE_S = 23 * 3_600.0
SOCKET_SPREAD_S = 1_800.0
LIFE_MS_MIN = 100
"""An order with less time left than this is not worth sending: it would expire under way."""


@attrs.frozen(kw_only=True)
class OrderParts:
    """What the order entry of one account is made from."""

    url: str | None
    network: Network
    signer: Signer
    clock: VenueClock
    shared: AddressLimits
    limits: OrderLimits
    rest: BinanceRest
    memory: AccountMemory
    probe: StreamProbe


class BinanceOrders:
    """Takes the orders of one account. Any number may be under way at once."""

    __slots__ = ("_jitter", "_link", "_parts")

    def __init__(self, parts: OrderParts) -> None:
        self._parts = parts
        self._link: TradeLink | None = None
        self._jitter = random.Random(parts.signer.api_key)

    async def place(self, order: OrderRequest) -> OrderReport:
        """Send one order, at most once, and return what the venue answered: often its end.

        An answer tells what was filled, but since July 2026 not at which price; the price is there
        when the stream was faster. Raises: RequestNotSent, RequestRejected, OutcomeUnknown; nothing else.
        """
        params = format_order(order)
        urgency = Urgency.REDUCE if order.reduce_only else Urgency.OPEN
        self._parts.shared.check_stop(urgency)
        await self._parts.limits.pass_order(urgency)
        probe = self._parts.probe
        probe.sent(order.client_order_id)
        try:
            report = _checked(await self._send(params, order, urgency), order)
        except BaseException as error:
            probe.not_taken(order.client_order_id)
            if isinstance(error, ExchangeError) and is_mode(error):
                self._parts.memory.doubt_config()
            raise
        self._parts.memory.note_fill(order, report.filled)
        told = probe.taken(order.client_order_id)
        return report if report.average_price else attrs.evolve(report, average_price=told)

    async def warm_up(self) -> None:
        """Keep the order socket open, one after another; runs until cancelled.

        A world without one takes orders by REST, and so does one that refuses it.
        """
        url = self._parts.url
        if url is None:
            await trio.sleep_forever()
            return
        failures = 0
        while True:
            began = trio.current_time()
            wait_s = 0.0
            try:
                await self._live(url)
            except RateLimited as error:
                wait_s = error.retry_after_s
            except ExchangeError:
                failures = 0 if trio.current_time() - began > HEALTHY_AFTER_S else failures
            failures += 1
            delay_s = min(RECONNECT_S_MAX, reconnect_delay_s(failures, self._jitter.random()))
            await trio.sleep(max(wait_s, delay_s))

    async def _live(self, url: str) -> None:
        parts = self._parts
        await parts.shared.pass_socket(SOCKET_WEIGHT, Urgency.OPEN)
        async with open_websocket(parts.network, url, exchange=EXCHANGE) as socket:
            link = TradeLink(socket)
            why = ""
            async with beside(
                partial(ping_for_ever, socket, trio.lowlevel.checkpoint),
                partial(self._retire_in_time, link),
                link.watch,
            ):
                self._link = link
                try:
                    await link.read_answers()
                except StreamLost as error:
                    why = str(error)
                    raise
                finally:
                    self._link = None
                    link.lose(why)

    async def _retire_in_time(self, link: TradeLink) -> None:
        """End a socket before its 24 hours are over, between orders."""
        await trio.sleep(SOCKET_LIFE_S + self._jitter.random() * SOCKET_SPREAD_S)
        await link.retire()

    async def _send(self, params: Params, order: OrderRequest, urgency: Urgency) -> Any:
        link = self._link
        if link is not None and link.is_usable:
            window_ms = self._window_ms(order)
            try:
                answer = await link.ask(
                    lambda request_id: self._parts.signer.request(
                        request_id,
                        PLACE,
                        params,
                        timestamp_ms=self._parts.clock.venue_ms(),
                        window_ms=window_ms,
                    )
                )
            except RequestNotSent:
                pass  # the socket had just closed: not a byte left, so REST may take the order
            else:
                return await self._result(answer)
        window_ms = self._window_ms(order)
        return await self._parts.rest.new_order(params, urgency=urgency, window_ms=window_ms)

    def _window_ms(self, order: OrderRequest) -> int:
        """Return how long the venue may take the order; raises RequestNotSent when that is over."""
        if order.expires_at_ms is None:
            return ORDER_WINDOW_MS
        left_ms = order.expires_at_ms - self._parts.clock.wall_ms()
        if left_ms < LIFE_MS_MIN:
            raise RequestNotSent("expired before it could leave", exchange=EXCHANGE)
        return min(ORDER_WINDOW_MS, left_ms)

    async def _result(self, answer: dict[str, Any]) -> Any:
        """Return what an answer by WebSocket holds; raises what its error lets the caller do next."""
        parts = self._parts
        parts.shared.learn_limits(answer.get("rateLimits"))
        parts.limits.learn_limits(answer.get("rateLimits"))
        status = answer.get("status")
        if status == 200 and "error" not in answer:
            return answer.get("result")
        error = self._refusal(answer, status if isinstance(status, int) else 0)
        if is_clock(error):
            await parts.rest.resync()
        raise error

    def _refusal(self, answer: dict[str, Any], status: int) -> ExchangeError:
        code, text = error_of(answer.get("error"))
        venue_ms = self._parts.clock.venue_ms()
        wait = retry_after_of(answer.get("error"), venue_ms)
        error = failure(code, text, status=status, retry_after=wait, venue_ms=venue_ms)
        if isinstance(error, RateLimited):
            heed(error, status, self._parts.shared, self._parts.limits)
        return error or OutcomeUnknown(f"code {code}", exchange=EXCHANGE, code=str(code))


def _checked(found: object, order: OrderRequest) -> OrderReport:
    """Return the report in an answer, if it is of this order."""
    try:
        report = parse_order(found, order.leg)
    except MalformedMessage as error:
        raise OutcomeUnknown(str(error), exchange=EXCHANGE) from error
    if report.client_order_id != order.client_order_id or report.leg.symbol != order.leg.symbol:
        raise OutcomeUnknown("the answer is of another order", exchange=EXCHANGE)
    return report
