"""Order entry of one account: IOC limits whose answer says at once what was filled (R11, R13).

The venue answers after the block: a taken IOC order is filled, ended or refused, there is no later word.
It has no market orders: one without a price leaves as a limit far from the mark.
"""

from decimal import Decimal

import attrs
import trio

from exchanges.errors import (
    ExchangeError,
    MalformedMessage,
    OutcomeUnknown,
    RateLimited,
    Refusal,
    RequestNotSent,
    RequestRejected,
)
from exchanges.hyperliquid.actions import ActionDoor
from exchanges.hyperliquid.codes import Asked, Verdict, failure, meaning_of
from exchanges.hyperliquid.limits import EXCHANGE, ORDER_PATIENCE_S
from exchanges.hyperliquid.market import Market
from exchanges.hyperliquid.posts import PostSocket
from exchanges.hyperliquid.reader import AccountReader
from exchanges.hyperliquid.rest import HyperliquidRest, VenueClock
from exchanges.hyperliquid.signing import Action
from exchanges.hyperliquid.standing import Standing
from exchanges.hyperliquid.wire import format_order, parse_order_answer, parse_rate_limit
from exchanges.pacing import Urgency
from model.amounts import ZERO
from model.order import OrderReport, OrderRequest, OrderState

ORDER_LIFE_MS = 3_000
"""An order that names no expiry gets one: "not found" is believed only of what can no longer arrive."""
STANDING_RETRY_S = 10.0
STANDING_REFUSED_S = 60.0
"""A person has to approve the agent: no hurry."""
ACTIONS_FIRST_ASKED_S = 120.0
"""Not at once: at a start every account asks for more than this, and for more important things; its standing,
which costs what thirty reads of it cost, is asked for by the check of its key."""
ACTIONS_ASKED_S = 600.0
ACTIONS_ASKED_LOW_S = 60.0
ACTIONS_LOW = 1_000

_STALE_CATALOGUE = frozenset({Refusal.PRICE, Refusal.PARAMETER, Refusal.MAX_SIZE, Refusal.SYMBOL})
"""What a catalogue of an hour ago may be the reason of."""


@attrs.frozen
class _Prepared:
    """All that must be known before an order can be signed."""

    action: Action
    vault: str | None


class HyperliquidOrders:
    """Takes the orders of one account. Any number may be under way at once."""

    def __init__(
        self,
        *,
        door: ActionDoor,
        market: Market,
        standing: Standing,
        reader: AccountReader,
        posts: PostSocket,
        rest: HyperliquidRest,
        clock: VenueClock,
    ) -> None:
        self._door = door
        self._market = market
        self._standing = standing
        self._reader = reader
        self._posts = posts
        self._rest = rest
        self._clock = clock

    async def place(self, order: OrderRequest) -> OrderReport:
        """Send one order, at most once, and return what became of it: the answer has its fills.

        Raises: RequestNotSent, RequestRejected, OutcomeUnknown; nothing else.
        """
        prepared = await self._prepare(order)
        answer = await self._door.send(
            prepared.action,
            vault=prepared.vault,
            urgency=_urgency_of(order),
            asked=Asked.ORDER,
            expires_after_ms=self._expiry_ms(order),
        )
        try:
            report = parse_order_answer(answer, order, venue_time_ms=self._clock.venue_ms())
        except MalformedMessage as error:
            raise OutcomeUnknown(str(error), exchange=EXCHANGE) from error
        if isinstance(report, str):
            return self._refused(report, order)
        self._learn(report)
        return report

    async def warm_up(self) -> None:
        """Ask what orders need to know, and keep their socket open; runs until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._posts.keep_open)
            nursery.start_soon(self._ask_for_ever)

    async def _prepare(self, order: OrderRequest) -> _Prepared:
        """Find out asset, price and vault; all are at hand but after a start. Sends no action."""
        try:
            with trio.fail_after(ORDER_PATIENCE_S):
                asset = await self._market.asset(order.leg.symbol)
                price = order.price
                if price is None:
                    price = await self._market.market_price(asset, order.side)
                action = format_order(order, asset=asset.index, price=price)
                return _Prepared(action, await self._standing.vault(_urgency_of(order)))
        except (RequestRejected, RateLimited):
            raise
        except (ExchangeError, trio.TooSlowError) as error:
            raise RequestNotSent(f"not ready to order: {error}", exchange=EXCHANGE) from error

    def _expiry_ms(self, order: OrderRequest) -> int:
        """Return the venue's time after which it shall refuse the order."""
        if order.expires_at_ms is None:
            return self._clock.venue_ms() + ORDER_LIFE_MS
        return order.expires_at_ms + self._clock.offset_ms

    def _learn(self, report: OrderReport) -> None:
        if report.filled:
            worth = report.filled * (report.average_price or ZERO)
            self._door.budget.count(int(worth) + 1)
            self._reader.nudge()

    def _refused(self, text: str, order: OrderRequest) -> OrderReport:
        """Return the end of an order that found nothing; raises for one that was refused."""
        if meaning_of(text) is Verdict.NO_MATCH:
            return OrderReport(
                leg=order.leg,
                client_order_id=order.client_order_id,
                order_id="",
                state=OrderState.ENDED,
                filled=Decimal(0),
                average_price=None,
                venue_time_ms=self._clock.venue_ms(),
                reject_reason=text,
            )
        failed = failure(text, agent=self._door.agent.address)
        if isinstance(failed, RateLimited):
            self._door.budget.refused(trio.current_time())
        if isinstance(failed, RequestRejected):
            if failed.refusal is Refusal.AUTH:
                self._standing.forget()
            if failed.refusal is Refusal.REDUCE_ONLY:
                self._reader.nudge()
            if failed.refusal in _STALE_CATALOGUE:
                self._market.expire()
        raise failed

    async def _ask_for_ever(self) -> None:
        wait_s = ACTIONS_FIRST_ASKED_S
        while True:
            await self._door.budget.wait_doubt(wait_s)
            wait_s = await (self._ask_for_actions() if self._standing.is_known else self._ask_standing())

    async def _ask_standing(self) -> float:
        """Ask for whom the agent acts; return after how many seconds to ask on."""
        try:
            await self._standing.ask_ahead()
        except RequestRejected:
            return STANDING_REFUSED_S
        except ExchangeError:
            return STANDING_RETRY_S
        return ACTIONS_FIRST_ASKED_S

    async def _ask_for_actions(self) -> float:
        """Ask how many actions are left; return after how many seconds to ask again."""
        try:
            data = await self._rest.read("userRateLimit", user=self._reader.address)
            self._door.budget.learn(*parse_rate_limit(data))
        except ExchangeError:
            return ACTIONS_ASKED_LOW_S
        left = self._door.budget.left
        return ACTIONS_ASKED_LOW_S if left is not None and left < ACTIONS_LOW else ACTIONS_ASKED_S


def _urgency_of(order: OrderRequest) -> Urgency:
    return Urgency.REDUCE if order.reduce_only else Urgency.OPEN
