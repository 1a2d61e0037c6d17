"""The orders of one copy: made durable, sent, settled, and seen in the account (R7, R10, R11)."""

from decimal import Decimal

import attrs
import trio

from actors.copy_record import CopyRecord, Opened
from actors.copy_situation import read_state
from actors.follower_desk import Baseline, FollowerDesk
from actors.lane import Interrupted, Lane
from actors.order_life import send, settle
from exchanges.errors import ExchangeError, RateLimited, Refusal, RequestRejected
from model.amounts import ZERO
from model.copy import OrderRecord
from model.follower import Decision, Goal, Situation
from model.ledger import LedgerTakenOver, LedgerUnreachable
from model.leg import Leg
from model.order import OrderRequest, OrderState, make_client_order_id
from model.reasons import Reason
from model.reduction import shrink_to_margin
from model.validation import OrderDraft

READS_LAG_S_MAX = 5.0
"""How long a read of a position may go on not to show what an order of ours has filled."""
POSITION_WAIT_S = 1.0
"""How long the stream may take to show a fill before the position is read by REST."""
END_WAIT_S = 3.0
"""How long an accepted order may hold up its symbol: it ends at once, and a look-up tells."""
RETRY_S_BASE = 0.1
RETRY_S_MAX = 30.0
SHRINKS_MAX = 3
ORDER_LIFE_MS = 3_000


class Placing:
    """Performs what one copy decides, try after try."""

    def __init__(self, desk: FollowerDesk, lane: Lane, record: CopyRecord) -> None:
        self._desk = desk
        self._lane = lane
        self._record = record
        self.tries = 0
        self.shrinks = 0
        """How often the venue found the margin insufficient: each time an opening is made smaller (R10)."""
        self._retry_after_s = 0.0

    def take_retry_after_s(self) -> float:
        """Return how long the venue asked to be left alone; once, for the next wait is for something else."""
        retry_after_s, self._retry_after_s = self._retry_after_s, 0.0
        return retry_after_s

    async def place(self, decision: Decision, situation: Situation) -> Reason | None:
        """Send what was decided; return None when it is done, else why it is not."""
        drafts = self._shrunk(decision, situation)
        if not drafts:
            return Reason.MARGIN_INSUFFICIENT
        records = self._records(drafts)
        if not await self._plan(records):
            return Reason.LEDGER_UNREACHABLE
        self.tries += 1
        symbol = records[0].leg.symbol
        self._desk.placing[symbol] += 1
        try:
            for draft, record in zip(drafts, records, strict=True):
                reason = await self._place(decision.goal, draft, record, is_last=record is records[-1])
                if reason is not None:
                    return reason
        finally:
            self._desk.placing[symbol] -= 1
            self._desk.tell_news()
        return None

    async def set_leverage(self, decision: Decision) -> Reason | None:
        """Return why the leverage is not set: refused, or not heard of, which is worth another try."""
        leg, leverage = decision.goal.leg, decision.leverage
        if leverage is None:
            return None
        try:
            await self._desk.gateway.set_leverage(leg, leverage)
        except ExchangeError as error:
            self._record.trouble(f"leverage: {error}")
            if isinstance(error, RateLimited):
                self._retry_after_s = error.retry_after_s
            if not isinstance(error, RequestRejected):
                return Reason.VENUE_UNREACHABLE
            return Reason.VENUE_REJECTED if await self._desk.board.doubt() else Reason.LEVERAGE_FAILED
        self._desk.view.leverages[leg.symbol] = leverage
        return None

    def _shrunk(self, decision: Decision, situation: Situation) -> tuple[OrderDraft, ...]:
        """Return the drafts, smaller when the venue found the margin insufficient (R10)."""
        if not self.shrinks or not decision.drafts[0].opens:
            return decision.drafts
        assert situation.instrument is not None
        wallet = self._desk.view.wallet
        smaller = shrink_to_margin(
            sum((draft.quantity for draft in decision.drafts), ZERO),
            self.shrinks,
            situation.instrument,
            available=None if wallet is None else wallet.available,
            price=decision.drafts[0].price or ZERO,
            leverage=decision.leverage or situation.leverage,
        )
        return () if smaller is None else (attrs.evolve(decision.drafts[0], quantity=smaller),)

    def _records(self, drafts: tuple[OrderDraft, ...]) -> tuple[OrderRecord, ...]:
        name, change_id = self._desk.settings.name, self._record.change.change_id
        attempt = self._record.next_attempt()
        return tuple(
            OrderRecord(
                client_order_id=make_client_order_id(name, change_id, part, attempt),
                copy_id=self._record.copy_id,
                part=part,
                attempt=attempt,
                leg=draft.leg,
                side=draft.side,
                quantity=draft.quantity,
                price=draft.price,
                reduce_only=draft.reduce_only,
                state=OrderState.CLAIMED,
            )
            for part, draft in enumerate(drafts)
        )

    async def _plan(self, records: tuple[OrderRecord, ...]) -> bool:
        """Make ids durable before they leave; the claim already holds that of part 0, attempt 0.

        Reductions go on while the ledger is away, whatever the master's own leg did (R18).
        """
        unplanned = tuple(record for record in records if (record.part, record.attempt) != (0, 0))
        if self._record.undurable_claim is None:
            try:
                if unplanned:
                    await self._desk.ledger.plan_orders(unplanned)
                return True
            except LedgerTakenOver as error:
                self._record.trouble(str(error))
                return False  # another engine sends what is to be sent, exits too
            except LedgerUnreachable as error:
                self._record.trouble(str(error))
        if not records[0].reduce_only:
            return False
        await self._record.keep_locally(self._desk, unplanned)
        return True

    async def _place(
        self, goal: Goal, draft: OrderDraft, record: OrderRecord, *, is_last: bool
    ) -> Reason | None:
        desk = self._desk
        size_before = desk.view.size(draft.leg)
        baseline = desk.baseline(draft.leg.symbol)
        request = OrderRequest(
            client_order_id=record.client_order_id,
            leg=draft.leg,
            side=draft.side,
            quantity=draft.quantity,
            price=draft.price,
            reduce_only=draft.reduce_only,
            expires_at_ms=desk.clock.wall_ms() + ORDER_LIFE_MS if draft.opens else None,
        )
        self._record.keep(record)
        sent = await send(desk, record, request)
        self._record.sent(sent)
        self._retry_after_s = sent.retry_after_s
        if sent.not_sent:
            desk.awaited.discard(record.client_order_id)
            return Reason.VENUE_UNREACHABLE
        if sent.refusal is not None:
            desk.awaited.discard(record.client_order_id)
            return await self._refused(sent.refusal, draft, is_exit=not goal.after)
        settled = await self._settle(draft, sent.record, baseline)
        self._record.keep(settled)
        if is_last and draft.opens and settled.filled == draft.quantity:
            size = size_before + draft.side.sign * settled.filled
            self._record.opened[draft.leg] = Opened(goal.after, size)
        return await self._settled(goal, draft, settled, size_before)

    async def _settle(self, draft: OrderDraft, record: OrderRecord, baseline: Baseline) -> OrderRecord:
        """Wait for an order's end; one that was accepted, and then nothing, is as good as unknown."""
        if record.state is not OrderState.UNKNOWN:
            with trio.move_on_after(END_WAIT_S):
                return await settle(self._desk, record, baseline)
            self._desk.awaited.add(record.client_order_id)
        return await self._settle_unknown(draft, record, baseline)

    async def _settle_unknown(
        self, draft: OrderDraft, record: OrderRecord, baseline: Baseline
    ) -> OrderRecord:
        """Let reductions of the symbol pass meanwhile, but no opening (R11)."""
        symbol = record.leg.symbol
        self._desk.unknown_orders[symbol] += 1
        if draft.price is not None:
            self._desk.unsettled[record.client_order_id] = draft.quantity * draft.price
        try:
            self._lane.give_way(to_full_closes_only=not draft.opens)
            return await settle(self._desk, record, baseline)
        finally:
            self._desk.unknown_orders[symbol] -= 1
            self._desk.unsettled.pop(record.client_order_id, None)

    async def _settled(
        self, goal: Goal, draft: OrderDraft, settled: OrderRecord, size_before: Decimal
    ) -> Reason | None:
        if settled.filled:
            self._record.filled(self._desk.clock.wall_ms())
            moved = draft.side.sign * settled.filled
            self._desk.note_fill(draft.leg, moved)
            is_whole = settled.filled == draft.quantity
            self._record.moved(draft.leg, goal.after, is_whole=is_whole)
            if draft.opens:
                self._own(draft.leg)
            is_hidden = bool(self._desk.unconfirmed[draft.leg])
            self._desk.unconfirmed[draft.leg] += 1
            try:
                await self._confirm(draft, size_before, size_before + moved, is_hidden=is_hidden)
            finally:
                self._desk.unconfirmed[draft.leg] -= 1
            if not is_hidden:
                self._look_for_hands(draft.leg, size_before, size_before + moved)
        if self._lane.yielding:
            raise Interrupted  # others have acted meanwhile: the newest change is looked at again
        if settled.filled == draft.quantity:
            return None
        if settled.state is OrderState.LOST:
            return Reason.ORDER_LOST
        if settled.state is OrderState.REJECTED:
            return Reason.VENUE_REJECTED
        if not draft.opens and not self._desk.view.size(draft.leg):
            return None if settled.filled else Reason.ALREADY_FLAT
        return Reason.PRICE_MOVED

    async def _refused(self, refusal: Refusal, draft: OrderDraft, *, is_exit: bool) -> Reason | None:
        """Return why the order was refused, after reading again what the refusal puts in doubt.

        ``is_exit``: the master has left that side. A fraction of a lot may have to stay, the rest not.
        """
        symbol = draft.leg.symbol
        if refusal in _BY_CATALOGUE and await self._desk.board.doubt():
            return Reason.VENUE_REJECTED
        if refusal is Refusal.MARGIN:
            self.shrinks += 1
            return Reason.VENUE_REJECTED if self.shrinks <= SHRINKS_MAX else Reason.MARGIN_INSUFFICIENT
        if refusal in (Refusal.REDUCE_ONLY, Refusal.POSITION_MODE, Refusal.LEVERAGE):
            self._desk.view.leverages.pop(symbol, None)
            await read_state(self._desk, draft.leg, self._record, for_exit=not draft.opens)
            if refusal is Refusal.REDUCE_ONLY and not draft.opens and not self._desk.view.size(draft.leg):
                return Reason.ALREADY_FLAT
        if refusal is Refusal.MIN_SIZE:
            may_wait = not (draft.opens or draft.closes_all or is_exit)
            return Reason.DEFERRED if may_wait else Reason.BELOW_MIN_NOTIONAL
        if refusal is Refusal.SYMBOL:
            return Reason.SYMBOL_NOT_TRADING
        return Reason.VENUE_REJECTED

    async def _confirm(
        self, draft: OrderDraft, before: Decimal, expected: Decimal, *, is_hidden: bool
    ) -> None:
        """Wait until the view shows a fill; read the position when the stream is late.

        A read may lag behind the fill as well: one that does not show it is believed only after a while.
        Where others act meanwhile, or ``before`` lacked an older fill, any move from it will do; where a part
        is to stay, not one that is the older fill's alone.
        """
        view, leg = self._desk.view, draft.leg
        if await self._desk.wait_until(lambda: view.size(leg) == expected, POSITION_WAIT_S):
            return
        wait_s, believed_at = RETRY_S_BASE, trio.current_time() + READS_LAG_S_MAX
        while True:
            try:
                await self._desk.read_symbol(leg.symbol, for_exit=not draft.opens)
                has_moved = (is_hidden or self._lane.yielding) and view.size(leg) != before
                if (
                    has_moved and (draft.closes_all or self._is_whole(leg))
                ) or trio.current_time() >= believed_at:
                    return
            except ExchangeError as error:
                self._record.trouble(str(error))
            if await self._desk.wait_until(lambda: view.size(leg) == expected, wait_s):
                return
            wait_s = min(RETRY_S_MAX, wait_s * 2)

    def _is_whole(self, leg: Leg) -> bool:
        """Tell whether the view shows all that settled orders have moved, or may show an unknown one's."""
        return not self._desk.unexplained(leg) or bool(self._desk.unknown_orders[leg.symbol])

    def _look_for_hands(self, leg: Leg, before: Decimal, expected: Decimal) -> None:
        """Tell when somebody else moved the leg while our order was on its way: it cannot be told apart.

        A venue that still shows the old size is only late.
        """
        desk = self._desk
        size = desk.view.size(leg)
        if size in (before, expected) or self._lane.yielding or desk.unknown_orders[leg.symbol]:
            return
        self._record.saw_hand(desk, leg, expected=expected, size=size)

    def _own(self, leg: Leg) -> None:
        """Hold the leg as ours, at once: what is opened there is (R14)."""
        holding = self._desk.holdings[leg] = self._desk.own(leg)
        self._record.hold(holding)


_BY_CATALOGUE = frozenset(
    {Refusal.MIN_SIZE, Refusal.MAX_SIZE, Refusal.PRICE, Refusal.PARAMETER, Refusal.LEVERAGE, Refusal.SYMBOL}
)
