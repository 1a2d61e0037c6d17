"""One copy, step by step, in its follower's own actor (R7)."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs
import trio

from actors.copy_record import CopyRecord
from actors.events import TroubleMet
from actors.follower_desk import FollowerDesk
from actors.messages import MasterChanged
from actors.order_life import send, settle
from exchanges.errors import ExchangeError, Refusal
from model.amounts import ZERO
from model.copy import Claim, ClaimAnswer, Holding, OrderRecord
from model.follower import Decision, Goal, Situation, decide, goals_of
from model.ledger import LedgerUnreachable
from model.leg import Leg, PositionMode
from model.order import OrderRequest, OrderState, make_client_order_id, make_copy_id
from model.reasons import Reason
from model.reduction import shrink_to_margin
from model.validation import OrderDraft

POSITION_WAIT_S = 1.0
"""How long the stream may take to show a fill before the position is read by REST."""
RETRY_S_BASE = 0.1
RETRY_S_MAX = 30.0
OPENING_TRIES_MAX = 3
ORDER_LIFE_MS = 3_000


class Interrupted(Exception):
    """A newer change, a pause or a drain ended the waiting of this copy; it has no outcome yet."""


@attrs.define(kw_only=True)
class Lane:
    """The one place where copies of a symbol run, one after another."""

    symbol: str
    changed: Callable[[], None]
    """Tells the actor that its mailbox is worth another look."""
    interruptible: bool = False
    yielding: bool = False
    """An opening is unknown: reductions may pass in another lane (R11)."""
    newer: MasterChanged | None = None
    _woken: trio.Event = attrs.field(factory=trio.Event)

    def interrupt(self, newer: MasterChanged | None) -> None:
        """Hand a newer change to a copy that waits to try again, or just end its wait."""
        self.newer = newer
        self._woken.set()

    async def pause(self, seconds: float) -> None:
        """Wait before another try; raises Interrupted when something newer came."""
        self._woken = trio.Event()
        self.interruptible = True
        self.changed()
        try:
            with trio.move_on_after(seconds):
                await self._woken.wait()
                raise Interrupted
        finally:
            self.interruptible = False

    def give_way(self) -> None:
        """Let reductions of the symbol pass while an opening's outcome is unknown (R11)."""
        self.yielding = True
        self.changed()


class Copying:
    """The run of one copy: claim, state, leverage, size, send, outcome, record."""

    def __init__(
        self,
        desk: FollowerDesk,
        message: MasterChanged,
        lane: Lane,
        *,
        latest: Callable[[Leg], MasterChanged | None],
        resumed: CopyRecord | None = None,
    ) -> None:
        self._desk = desk
        self._message = message
        self._lane = lane
        self._latest = latest
        self._resumed = resumed is not None
        self.record = resumed or CopyRecord(
            copy_id=make_copy_id(desk.settings.name, message.change.change_id),
            follower=desk.settings.name,
            exchange=desk.settings.exchange,
            change=message.change,
        )
        self._tries = 0
        self._shrinks = 0
        self._retry_after_s = 0.0

    async def run(self) -> None:
        """Answer the change; raises Interrupted when the copy stays open."""
        if not self._resumed and await self._claim() is not ClaimAnswer.NEW:
            return
        for goal in await self._goals(self._message, self._desk.acted()):
            await self._pursue(goal)
        await self._finish()

    async def _claim(self) -> ClaimAnswer:
        desk, change = self._desk, self._message.change
        claim = Claim(
            copy_id=self.record.copy_id,
            follower=desk.settings.name,
            change=change,
            client_order_id=make_client_order_id(desk.settings.name, change.change_id, 0, 0),
            superseded=self._message.superseded,
            claimed_at_ms=desk.clock.wall_ms(),
        )
        try:
            answer = await desk.ledger.claim(claim)
        except LedgerUnreachable as error:
            # Reductions go on, by ids that repeat (R18); openings are held back by `durable`.
            desk.bus.publish(TroubleMet(where=desk.settings.name, what=f"claim not durable: {error}"))
            self.record.undurable_claim = claim
            return ClaimAnswer.NEW
        self.record.claimed_at_ms = desk.clock.wall_ms()
        return answer

    async def _goals(self, message: MasterChanged, acted: Mapping[Leg, Decimal]) -> tuple[Goal, ...]:
        symbol = self._lane.symbol
        mode = self._desk.view.mode(symbol)
        if mode is None:
            mode = await self._read_mode(symbol)
        return goals_of(message.change, message.others, symbol=symbol, mode=mode, acted=acted)

    async def _read_mode(self, symbol: str) -> PositionMode:
        """Return the symbol's position mode; one-way where the venue does not list the symbol."""
        if symbol not in self._desk.board.instruments:
            return PositionMode.ONE_WAY
        wait_s = RETRY_S_BASE
        while True:
            try:
                await self._desk.read_symbol(symbol)
            except ExchangeError as error:
                self.record.trouble(str(error))
                await self._lane.pause(wait_s)
                wait_s = min(RETRY_S_MAX, wait_s * 2)
                continue
            return self._desk.view.mode(symbol) or PositionMode.ONE_WAY

    async def _pursue(self, goal: Goal) -> None:
        """Send what brings one leg to its goal, until it is there or must not go there."""
        wait_s = RETRY_S_BASE
        while True:
            situation = await self._observe(goal)
            decision = decide(goal, situation)
            self.record.decided(decision, self._desk.clock.wall_ms())
            if self._must_stop_here(decision):
                raise Interrupted
            if not decision.drafts:
                return self._leave(goal, decision.desired, decision.reason)
            reason = await self._act(decision, situation)
            if reason is None and decision.again:
                goal = attrs.evolve(goal, before=ZERO)
                continue
            if reason is None:
                return self._leave(goal, decision.desired, decision.reason)
            if decision.drafts[0].opens and self._gives_up(reason):
                return self._leave(goal, self._desk.view.size(goal.leg), reason)
            await self._lane.pause(max(wait_s, self._retry_after_s))
            wait_s = min(RETRY_S_MAX, wait_s * 2)

    def _must_stop_here(self, decision: Decision) -> bool:
        """Tell whether the copy stays open: a pause catches up later, a drain after the next start."""
        if decision.reason is Reason.PAUSED:
            return True
        return self._desk.stopping and self._tries > 0 and bool(decision.drafts)

    def _gives_up(self, reason: Reason) -> bool:
        """Tell whether an opening ends with ``reason``; reductions never do (R13)."""
        if reason is Reason.VENUE_UNREACHABLE:
            return False  # its age ends it
        return reason in _ENDS_AN_OPENING or self._tries >= OPENING_TRIES_MAX

    async def _observe(self, goal: Goal) -> Situation:
        desk, leg = self._desk, goal.leg
        if not desk.is_fresh() or leg.symbol not in desk.view.leverages:
            await self._read_state(leg)
        age_s = trio.current_time() - self._message.received_at
        return Situation(
            settings=desk.settings,
            instrument=desk.board.instruments.get(leg.symbol),
            mode=desk.view.mode(leg.symbol) or PositionMode.ONE_WAY,
            size=desk.view.size(leg),
            owned=desk.owns(leg),
            leverage=desk.view.leverages.get(leg.symbol),
            equity=desk.equity(),
            mark=desk.mark(leg.symbol),
            exposure=desk.exposure_beside(leg),
            age_s=age_s,
            max_open_age_s=desk.max_open_age_s,
            stopping=desk.stopping,
            clock_ok=desk.board.clock_ok,
            durable=self.record.undurable_claim is None,
        )

    async def _read_state(self, leg: Leg) -> None:
        """Read what the view lacks, in parallel (R7 step 2); trouble leaves what is known."""
        if leg.symbol not in self._desk.board.instruments:
            return

        async def read(reading: Callable[[], object]) -> None:
            try:
                await reading()  # type: ignore[misc]
            except ExchangeError as error:
                self.record.trouble(str(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, lambda: self._desk.read_symbol(leg.symbol))
            if not self._desk.is_fresh():
                nursery.start_soon(read, self._desk.read_account)

    async def _act(self, decision: Decision, situation: Situation) -> Reason | None:
        """Perform a decision; return None when it is done, else why it is not."""
        if decision.leverage is not None and not await self._set_leverage(decision):
            return Reason.LEVERAGE_FAILED
        drafts = self._shrunk(decision, situation)
        if not drafts:
            return Reason.MARGIN_INSUFFICIENT
        records = self._records(drafts)
        if not await self._plan(records):
            return Reason.LEDGER_UNREACHABLE
        self._tries += 1
        for draft, record in zip(drafts, records, strict=True):
            reason = await self._place(draft, record)
            if reason is not None:
                return reason
        return None

    async def _set_leverage(self, decision: Decision) -> bool:
        leg, leverage = decision.goal.leg, decision.leverage
        assert leverage is not None
        try:
            await self._desk.gateway.set_leverage(leg, leverage)
        except ExchangeError as error:
            self.record.trouble(f"leverage: {error}")
            return False
        self._desk.view.leverages[leg.symbol] = leverage
        return True

    def _shrunk(self, decision: Decision, situation: Situation) -> tuple[OrderDraft, ...]:
        """Return the drafts, smaller when the venue found the margin insufficient (R10)."""
        if not self._shrinks or not decision.drafts[0].opens:
            return decision.drafts
        assert situation.instrument is not None
        wallet = self._desk.view.wallet
        smaller = shrink_to_margin(
            sum((draft.quantity for draft in decision.drafts), ZERO),
            self._shrinks,
            situation.instrument,
            available=None if wallet is None else wallet.available,
            price=decision.drafts[0].price or ZERO,
            leverage=decision.leverage or situation.leverage,
        )
        return () if smaller is None else (attrs.evolve(decision.drafts[0], quantity=smaller),)

    def _records(self, drafts: tuple[OrderDraft, ...]) -> tuple[OrderRecord, ...]:
        name, change_id = self._desk.settings.name, self.record.change.change_id
        attempt = self.record.next_attempt()
        return tuple(
            OrderRecord(
                client_order_id=make_client_order_id(name, change_id, part, attempt),
                copy_id=self.record.copy_id,
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
        """Make ids durable before they leave; the claim already holds that of part 0, attempt 0."""
        unplanned = tuple(record for record in records if (record.part, record.attempt) != (0, 0))
        if not unplanned:
            return True
        try:
            await self._desk.ledger.plan_orders(unplanned)
        except LedgerUnreachable as error:
            self.record.trouble(str(error))
            return records[0].reduce_only
        return True

    async def _place(self, draft: OrderDraft, record: OrderRecord) -> Reason | None:
        desk = self._desk
        size_before = desk.view.size(draft.leg)
        sizes_before = desk.view.sizes_of(draft.leg.symbol)
        request = OrderRequest(
            client_order_id=record.client_order_id,
            leg=draft.leg,
            side=draft.side,
            quantity=draft.quantity,
            price=draft.price,
            reduce_only=draft.reduce_only,
            expires_at_ms=desk.clock.wall_ms() + ORDER_LIFE_MS if draft.opens else None,
        )
        self.record.keep(record)
        sent = await send(desk, record, request)
        self.record.sent(sent)
        self._retry_after_s = sent.retry_after_s
        if sent.not_sent:
            desk.awaited.discard(record.client_order_id)
            return Reason.VENUE_UNREACHABLE
        if sent.refusal is not None:
            desk.awaited.discard(record.client_order_id)
            return await self._refused(sent.refusal, draft)
        if sent.record.state is OrderState.UNKNOWN and draft.opens:
            self._lane.give_way()
        settled = await settle(desk, sent.record, sizes_before=sizes_before)
        self.record.keep(settled)
        return await self._settled(draft, settled, size_before)

    async def _settled(self, draft: OrderDraft, settled: OrderRecord, size_before: Decimal) -> Reason | None:
        if settled.filled:
            self.record.filled(self._desk.clock.wall_ms())
            if draft.opens and not size_before:
                self._own(draft.leg)
            await self._confirm(draft.leg, size_before + draft.side.sign * settled.filled)
        if self._lane.yielding:
            await self._follow_latest(draft.leg)
            return None
        if settled.filled == draft.quantity:
            return None
        if settled.state is OrderState.LOST:
            return Reason.ORDER_LOST
        if settled.state is OrderState.REJECTED:
            return Reason.VENUE_REJECTED
        if not draft.opens and not self._desk.view.size(draft.leg):
            return None
        return Reason.PRICE_MOVED

    async def _refused(self, refusal: Refusal, draft: OrderDraft) -> Reason | None:
        """Return why the order was refused, after reading again what the refusal puts in doubt."""
        symbol = draft.leg.symbol
        if refusal is Refusal.MARGIN:
            self._shrinks += 1
            return Reason.VENUE_REJECTED if self._shrinks <= OPENING_TRIES_MAX else Reason.MARGIN_INSUFFICIENT
        if refusal in (Refusal.REDUCE_ONLY, Refusal.POSITION_MODE, Refusal.LEVERAGE):
            self._desk.view.leverages.pop(symbol, None)
            await self._read_state(draft.leg)
            if refusal is Refusal.REDUCE_ONLY and not self._desk.view.size(draft.leg):
                return None
        if refusal is Refusal.MIN_SIZE:
            return Reason.BELOW_MIN_NOTIONAL
        if refusal is Refusal.SYMBOL:
            return Reason.SYMBOL_NOT_TRADING
        return Reason.VENUE_REJECTED

    async def _confirm(self, leg: Leg, expected: Decimal) -> None:
        """Wait until the view shows a fill; read the position when the stream is late."""
        view = self._desk.view
        if await self._desk.wait_until(lambda: view.size(leg) == expected, POSITION_WAIT_S):
            return None
        wait_s = RETRY_S_BASE
        while True:
            try:
                return await self._desk.read_symbol(leg.symbol)
            except ExchangeError as error:
                self.record.trouble(str(error))
            if await self._desk.wait_until(lambda: view.size(leg) == expected, wait_s):
                return None
            wait_s = min(RETRY_S_MAX, wait_s * 2)

    async def _follow_latest(self, leg: Leg) -> None:
        """Reduce to the newest change when an unknown opening turned out filled after it (R11)."""
        newest = self._newer_than_mine()
        if newest is None:
            return
        acted = {goal.leg: goal.after for goal in await self._goals(self._message, {})}
        for goal in await self._goals(newest, acted):
            if goal.leg == leg and goal.change_class.reduces:
                await self._pursue(goal)

    def _newer_than_mine(self) -> MasterChanged | None:
        newest = self._latest(self._message.change.leg)
        if newest is None or newest.change.change_id == self._message.change.change_id:
            return None
        return newest

    def _leave(self, goal: Goal, desired: Decimal, reason: Reason | None) -> None:
        """Note how the leg was left: the next change is judged by what was acted on."""
        self.record.left(reason)
        is_mine = goal.change.change_id == self._message.change.change_id
        if self._lane.yielding and is_mine and self._newer_than_mine() is not None:
            return  # a later copy has acted on the leg meanwhile: its word stands
        self._hold(
            Holding(
                follower=self.record.follower,
                leg=goal.leg,
                owned=self._desk.owns(goal.leg),
                target=desired,
                master_size=goal.after,
                change_id=goal.change.change_id,
                skipped=reason,
            )
        )

    def _own(self, leg: Leg) -> None:
        """Remember at once that what is held on a flat leg from now on is ours (R14)."""
        known = self._desk.holdings.get(leg)
        if known is not None:
            return self._hold(attrs.evolve(known, owned=True))
        return self._hold(
            Holding(
                follower=self.record.follower,
                leg=leg,
                owned=True,
                target=ZERO,
                master_size=ZERO,
                change_id="",
            )
        )

    def _hold(self, holding: Holding) -> None:
        self.record.hold(holding)
        self._desk.holdings[holding.leg] = holding

    async def _finish(self) -> None:
        await self.record.finish(self._desk)


_ENDS_AN_OPENING = frozenset(
    {
        Reason.LEVERAGE_FAILED,
        Reason.MARGIN_INSUFFICIENT,
        Reason.BELOW_MIN_NOTIONAL,
        Reason.SYMBOL_NOT_TRADING,
        Reason.LEDGER_UNREACHABLE,
    }
)
