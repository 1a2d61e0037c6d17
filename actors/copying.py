"""One copy, step by step, in its follower's own actor (R7)."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial

import attrs
import trio

from actors.copy_record import CopyRecord
from actors.copy_situation import goals_for, situation_for
from actors.events import HandSeen, TroubleMet
from actors.follower_desk import Baseline, FollowerDesk
from actors.lane import Interrupted, Lane
from actors.messages import MasterChanged
from actors.order_life import send, settle
from exchanges.errors import ExchangeError, Refusal, RequestRejected
from model.amounts import ZERO, format_decimal
from model.copy import Claim, ClaimAnswer, Holding, OrderRecord
from model.expectation import still_wanted
from model.follower import Decision, Goal, Situation, decide, wanted_size
from model.ledger import LedgerUnreachable
from model.leg import Leg, PositionMode
from model.order import OrderRequest, OrderState, make_client_order_id, make_copy_id
from model.reasons import Reason
from model.reduction import shrink_to_margin
from model.validation import OrderDraft

READS_LAG_S_MAX = 5.0
"""How long a read of a position may go on not to show what an order of ours has filled."""
POSITION_WAIT_S = 1.0
"""How long the stream may take to show a fill before the position is read by REST."""
RETRY_S_BASE = 0.1
RETRY_S_MAX = 30.0
OPENING_TRIES_MAX = 3
PRICE_WAITS_MAX = 6
ORDER_LIFE_MS = 3_000


class Copying:
    """The run of one copy: claim, state, leverage, size, send, outcome, record."""

    def __init__(
        self,
        desk: FollowerDesk,
        message: MasterChanged,
        lane: Lane,
        *,
        resumed: CopyRecord | None = None,
        unfinished: tuple[CopyRecord, ...] = (),
    ) -> None:
        """Answer ``message``.

        Args:
            resumed: the record of this very change, claimed before.
            unfinished: records of older changes of the leg that have no outcome yet, oldest first.
        """
        self._desk = desk
        self._message = message
        self._lane = lane
        self._resumed = resumed is not None
        self._unfinished = unfinished
        self.record = resumed or CopyRecord(
            copy_id=make_copy_id(desk.settings.name, message.change.change_id),
            follower=desk.settings.name,
            exchange=desk.settings.exchange,
            change=message.change,
        )
        self._tries = 0
        self._shrinks = 0
        self._waits = 0
        self._retry_after_s = 0.0

    async def run(self) -> None:
        """Answer the change; raises Interrupted when the copy stays open."""
        if not await self._take_up():
            return
        for goal in await self._goals():
            await self._pursue(goal)
        await self.record.finish(self._desk, overtaken=self._unfinished)

    def open_records(self) -> tuple[CopyRecord, ...]:
        """Return every record that has no outcome yet, oldest first."""
        return (*self._unfinished, self.record)

    async def _take_up(self) -> bool:
        """Claim the change; return whether there is anything to do under it.

        A change that has its outcome is looked at again when an older copy of the leg turned out
        filled after it (R11): that copy then carries what has still to be reduced.

        An older copy with fills stays open until this one has its outcome: legs that it moved are
        nowhere else remembered, neither here nor after a crash.
        """
        overtaken = self._unfinished
        if not self._resumed and await self._claim() is not ClaimAnswer.NEW:
            if not overtaken:
                return False
            self.record, overtaken = overtaken[-1], overtaken[:-1]
        self._unfinished = tuple(record for record in overtaken if record.moving)
        for record in overtaken:
            if not record.moving:
                await record.finish(self._desk, superseded=True)
        return True

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

    async def _goals(self) -> tuple[Goal, ...]:
        desk, symbol, message = self._desk, self._lane.symbol, self._message
        mode = desk.view.mode(symbol)
        if mode is None:
            mode = await self._read_mode(symbol)
        goals = goals_for(desk, message, symbol=symbol, mode=mode)
        return tuple(
            goal.begun(moving=self._moving(goal.leg), held=desk.view.size(goal.leg)) for goal in goals
        )

    def _moving(self, leg: Leg) -> tuple[Decimal, ...]:
        """Return the master's sizes that fills of unfinished copies have begun to answer."""
        return tuple(record.moving[leg] for record in self.open_records() if leg in record.moving)

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
            if decision.drafts and situation.settings.dry_run:
                decision = attrs.evolve(decision, reason=Reason.DRY_RUN)
            self.record.decided(decision, self._desk.clock.wall_ms())
            if self._must_stop_here(decision):
                raise Interrupted
            reason = decision.reason
            if reason is Reason.DRY_RUN:
                return self._leave(goal, situation, situation.size, reason)
            if decision.drafts:
                reason = await self._act(decision, situation)
                if decision.again and reason in (None, Reason.ALREADY_FLAT):
                    goal = attrs.evolve(goal, before=ZERO, moving=(), held=ZERO)
                    continue
                if reason is None:
                    return self._leave_done(goal, decision)
                if reason is Reason.ALREADY_FLAT:
                    return self._leave(goal, situation, ZERO, reason)
                # A reduction too small for the venue's taste is part of the next one (R10).
                if reason is Reason.DEFERRED or (decision.drafts[0].opens and self._gives_up(reason)):
                    if self._shrinks and reason is Reason.VENUE_REJECTED:
                        reason = Reason.MARGIN_INSUFFICIENT
                    return self._leave(goal, situation, self._desk.view.size(goal.leg), reason)
            elif not self._is_worth_waiting(reason):
                return self._leave(goal, situation, decision.desired, reason)
            if self._desk.stopping:
                raise Interrupted
            self._waits += 1
            await self._lane.pause(max(wait_s, self._retry_after_s))
            wait_s = min(RETRY_S_MAX, wait_s * 2)

    def _leave_done(self, goal: Goal, decision: Decision) -> None:
        """Note a leg whose orders are done; one that was shrunk to the margin is where it is (R10)."""
        if self._shrinks and decision.drafts[0].opens:
            size = self._desk.view.size(goal.leg)
            return self._leave(goal, decision.situation, size, Reason.MARGIN_INSUFFICIENT)
        return self._leave(goal, decision.situation, decision.desired, decision.reason)

    def _is_worth_waiting(self, reason: Reason | None) -> bool:
        """Tell whether what holds an opening back passes by itself; its age ends the wait.

        A missed opening is judged by marks, and so are names of two venues; both are asked for when
        the change is told: they come.
        """
        if reason is Reason.SYMBOL_UNCONFIRMED or (
            reason is Reason.PRICE_UNKNOWN and self._message.change.caught_up
        ):
            return self._waits < PRICE_WAITS_MAX
        if reason is Reason.EQUITY_UNKNOWN:  # for want of a mark: where the balance is blank it stays so
            wallet = self._desk.view.wallet
            lacks_marks = wallet is not None and wallet.wallet_balance is not None
            return lacks_marks and (not self._message.change.caught_up or self._waits < PRICE_WAITS_MAX)
        return reason in (Reason.VIEW_NOT_FRESH, Reason.ORDER_UNKNOWN, Reason.KEY_UNCHECKED)

    def _must_stop_here(self, decision: Decision) -> bool:
        """Tell whether the copy stays open: it waits for a pause, a key or the next start."""
        if decision.reason in (Reason.PAUSED, Reason.ENGINE_STOPPING):
            return True
        if not decision.situation.key.may_reduce:
            return True
        return self._desk.stopping and self._tries > 0 and bool(decision.drafts)

    def _gives_up(self, reason: Reason) -> bool:
        """Tell whether an opening ends with ``reason``; reductions never do (R13)."""
        if reason is Reason.VENUE_UNREACHABLE:
            return False  # its age ends it
        return reason in _ENDS_AN_OPENING or self._tries >= OPENING_TRIES_MAX

    async def _observe(self, goal: Goal) -> Situation:
        desk, leg = self._desk, goal.leg
        fresh = desk.is_fresh() and leg.symbol in desk.view.leverages
        if not fresh:
            fresh = await self._read_state(leg)
        durable = self.record.undurable_claim is None
        return situation_for(desk, goal, self._message, durable=durable, fresh=fresh)

    async def _read_state(self, leg: Leg) -> bool:
        """Read what the view lacks, in parallel (R7 step 2); trouble leaves what is known.

        Returns: whether the account is known as it is now.
        """
        if leg.symbol not in self._desk.board.instruments:
            return True
        failed: list[ExchangeError] = []

        async def read(reading: Callable[[], Awaitable[object]]) -> None:
            try:
                await reading()
            except ExchangeError as error:
                failed.append(error)
                self.record.trouble(str(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, partial(self._desk.read_symbol, leg.symbol))
            if not self._desk.is_fresh():
                nursery.start_soon(read, self._desk.read_account)
        return not failed

    async def _act(self, decision: Decision, situation: Situation) -> Reason | None:
        """Perform a decision; return None when it is done, else why it is not."""
        if decision.leverage is not None and (reason := await self._set_leverage(decision)):
            return reason
        drafts = self._shrunk(decision, situation)
        if not drafts:
            return Reason.MARGIN_INSUFFICIENT
        records = self._records(drafts)
        if not await self._plan(records):
            return Reason.LEDGER_UNREACHABLE
        self._tries += 1
        for draft, record in zip(drafts, records, strict=True):
            reason = await self._place(decision.goal, draft, record)
            if reason is not None:
                return reason
        return None

    async def _set_leverage(self, decision: Decision) -> Reason | None:
        """Return why the leverage is not set: refused, or not heard of, which is worth another try."""
        leg, leverage = decision.goal.leg, decision.leverage
        assert leverage is not None
        try:
            await self._desk.gateway.set_leverage(leg, leverage)
        except ExchangeError as error:
            self.record.trouble(f"leverage: {error}")
            is_refused = isinstance(error, RequestRejected)
            return Reason.LEVERAGE_FAILED if is_refused else Reason.VENUE_UNREACHABLE
        self._desk.view.leverages[leg.symbol] = leverage
        return None

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
        """Make ids durable before they leave; the claim already holds that of part 0, attempt 0.

        Reductions go on while the ledger is away, whatever the master's own leg did (R18).
        """
        unplanned = tuple(record for record in records if (record.part, record.attempt) != (0, 0))
        if self.record.undurable_claim is None:
            try:
                if unplanned:
                    await self._desk.ledger.plan_orders(unplanned)
                return True
            except LedgerUnreachable as error:
                self.record.trouble(str(error))
        if not records[0].reduce_only:
            return False
        await self.record.keep_locally(self._desk, unplanned)
        return True

    async def _place(self, goal: Goal, draft: OrderDraft, record: OrderRecord) -> Reason | None:
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
        if sent.record.state is OrderState.UNKNOWN:
            settled = await self._settle_unknown(draft, sent.record, baseline)
        else:
            settled = await settle(desk, sent.record, baseline)
        self.record.keep(settled)
        return await self._settled(goal, draft, settled, size_before)

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
            self.record.filled(self._desk.clock.wall_ms())
            moved = draft.side.sign * settled.filled
            self._desk.note_fill(draft.leg, moved)
            self.record.moving[draft.leg] = goal.after
            if draft.opens:
                self._hold(self._desk.own(draft.leg))  # at once: what is held is ours (R14)
            self._desk.unconfirmed[draft.leg] += 1
            try:
                await self._confirm(draft.leg, size_before + moved)
            finally:
                self._desk.unconfirmed[draft.leg] -= 1
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
            if refusal is Refusal.REDUCE_ONLY and not draft.opens and not self._desk.view.size(draft.leg):
                return Reason.ALREADY_FLAT
        if refusal is Refusal.MIN_SIZE:
            return Reason.BELOW_MIN_NOTIONAL if draft.opens or draft.closes_all else Reason.DEFERRED
        if refusal is Refusal.SYMBOL:
            return Reason.SYMBOL_NOT_TRADING
        return Reason.VENUE_REJECTED

    async def _confirm(self, leg: Leg, expected: Decimal) -> None:
        """Wait until the view shows a fill; read the position when the stream is late.

        A read may lag behind the fill as well: one that does not show it is believed only after a while.
        """
        view = self._desk.view
        if await self._desk.wait_until(lambda: view.size(leg) == expected, POSITION_WAIT_S):
            return
        wait_s, believed_at = RETRY_S_BASE, trio.current_time() + READS_LAG_S_MAX
        while True:
            try:
                await self._desk.read_symbol(leg.symbol)
                if self._lane.yielding or trio.current_time() >= believed_at:
                    return
            except ExchangeError as error:
                self.record.trouble(str(error))
            if await self._desk.wait_until(lambda: view.size(leg) == expected, wait_s):
                return
            wait_s = min(RETRY_S_MAX, wait_s * 2)

    def _look_for_hands(self, leg: Leg, before: Decimal, expected: Decimal) -> None:
        """Tell when somebody else moved the leg while our order was on its way: it cannot be told apart.

        A venue that still shows the old size is only late.
        """
        desk = self._desk
        size = desk.view.size(leg)
        if size in (before, expected) or self._lane.yielding or desk.unknown_orders[leg.symbol]:
            return
        self.record.trouble(f"{leg}: {size} held where our orders lead to {expected}")
        desk.bus.publish(
            HandSeen(
                follower=desk.settings.name,
                symbol=leg.symbol,
                position_idx=leg.position_idx,
                expected=format_decimal(expected),
                size=format_decimal(size),
            )
        )

    def _leave(self, goal: Goal, situation: Situation, left: Decimal, reason: Reason | None) -> None:
        """Note how the leg was left: the next change is judged by what was acted on."""
        repair = self._message.repair
        self.record.left(reason)
        held = bool(self._desk.view.size(goal.leg) or self._desk.unconfirmed[goal.leg])
        owned = held and self._desk.owns(goal.leg)
        if goal.change.by_operator:  # what of the master was acted on stays as it was
            known = self._desk.own(goal.leg)
            self._hold(attrs.evolve(known, owned=owned, target=left, skipped=None, wanted=None))
        else:
            self._hold(
                Holding(
                    follower=self.record.follower,
                    leg=goal.leg,
                    owned=owned,
                    target=left,
                    master_size=goal.after,
                    change_id=goal.change.change_id if repair is None else repair.answers,
                    skipped=reason,
                    wanted=self._still_wanted(goal, situation, reason),
                )
            )

    def _still_wanted(self, goal: Goal, situation: Situation, reason: Reason | None) -> Decimal | None:
        """Return where the leg should have gone; a repair that may not open leaves that to others (R15)."""
        repair = self._message.repair
        if repair is not None and not repair.may_open and reason is Reason.CLOSE_ONLY:
            return repair.wanted
        if reason is None:
            return None
        before = self._desk.holdings.get(goal.leg)
        return still_wanted(goal, reason, ideal=wanted_size(goal, situation), before=before)

    def _hold(self, holding: Holding) -> None:
        self.record.hold(holding)
        self._desk.holdings[holding.leg] = holding


_ENDS_AN_OPENING = frozenset(
    {
        Reason.LEVERAGE_FAILED,
        Reason.MARGIN_INSUFFICIENT,
        Reason.BELOW_MIN_NOTIONAL,
        Reason.SYMBOL_NOT_TRADING,
        Reason.LEDGER_UNREACHABLE,
    }
)
