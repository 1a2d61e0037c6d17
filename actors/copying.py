"""One copy, step by step, in its follower's own actor (R7)."""

import math
from decimal import Decimal

import attrs
import trio

from actors.copy_record import CopyRecord, Opened
from actors.copy_situation import goals_for, read_state, situation_for
from actors.events import TroubleMet
from actors.follower_desk import FollowerDesk
from actors.lane import Interrupted, Lane
from actors.messages import MasterChanged
from actors.placing import Placing
from exchanges.errors import ExchangeError
from model.amounts import EXACT, ZERO
from model.copy import Claim, ClaimAnswer, Holding
from model.expectation import NOTHING_TAKEN, still_wanted
from model.follower import Decision, Goal, Situation, decide, wanted_size
from model.ledger import LedgerTakenOver, LedgerUnreachable
from model.leg import Leg, PositionMode
from model.order import make_client_order_id, make_copy_id
from model.reasons import Reason

RETRY_S_BASE = 0.1
RETRY_S_MAX = 30.0
UNHEARD_RETRY_S_MAX = 5.0
TAKEN_OVER_RETRY_S = 1.0
OPENING_TRIES_MAX = 3
PRICE_WAITS_MAX = 6
READ_S_LONG = 1.0
MAIL_S = 0.01
HIDDEN_RETRY_S = 0.2
TOO_OLD_S = 0.01


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
        self._is_answered = False
        self._is_in_hand = False
        self._unfinished = unfinished
        self.record = resumed or CopyRecord(
            copy_id=make_copy_id(desk.settings.name, message.change.change_id),
            follower=desk.settings.name,
            exchange=desk.settings.exchange,
            change=message.change,
        )
        self._note_catching_up()
        self._placing = Placing(desk, lane, self.record)
        self._waits = 0
        self._mail_at = -math.inf if message.change.caught_up else trio.current_time()
        """When a newer change could have overtaken this one last: what is found at a start comes together."""
        self._line_life = desk.master.life

    async def run(self) -> None:
        """Answer the change; raises Interrupted when the copy stays open."""
        if not await self._take_up():
            return
        copy_id, in_hand = self.record.copy_id, self._desk.in_hand
        in_hand.add(copy_id)
        try:
            for goal in await self._goals():
                await self._pursue_all(goal)
            await self.record.finish(self._desk, overtaken=self._unfinished)
        finally:
            in_hand.discard(copy_id)

    def open_records(self) -> tuple[CopyRecord, ...]:
        """Return every record that has no outcome yet, oldest first."""
        return (*self._unfinished, self.record)

    async def _take_up(self) -> bool:
        """Claim the change; return whether there is anything to do under it.

        A change that has its outcome is looked at again when an older copy of the leg turned out
        filled after it (R11): that copy then carries what has still to be reduced. So it does beside
        another lane that has the change in hand: what is to be opened is opened there.

        An older copy with fills stays open until this one has its outcome: legs that it moved are
        nowhere else remembered, neither here nor after a crash.
        """
        overtaken = self._unfinished
        if not self._resumed and await self._claim() is not ClaimAnswer.NEW:
            if not overtaken:
                return False
            self._is_answered = True
            self._is_in_hand = self.record.copy_id in self._desk.in_hand
            self.record, overtaken = overtaken[-1], overtaken[:-1]
            self._placing = Placing(self._desk, self._lane, self.record)  # its orders, under its own ids
            self._note_catching_up()
        self._unfinished = tuple(record for record in overtaken if record.moving)
        for record in overtaken:
            if not record.moving:
                await record.finish(self._desk, superseded=True)
        return True

    def _note_catching_up(self) -> None:
        """Say of a copy that was seen live, and goes on with what was told anew, that price judges it now."""
        if self._message.change.caught_up:
            self.record.change = attrs.evolve(self.record.change, caught_up=True)

    async def _claim(self) -> ClaimAnswer:
        desk, change = self._desk, self._message.change
        if self.record.copy_id in desk.undurable:  # the ledger, back by now, would take it for new
            desk.unanswered.answered((change,))
            return ClaimAnswer.DUPLICATE
        claim = Claim(
            copy_id=self.record.copy_id,
            follower=desk.settings.name,
            change=change,
            client_order_id=make_client_order_id(desk.settings.name, change.change_id, 0, 0),
            superseded=desk.unanswered.before(self._message),
            claimed_at_ms=desk.clock.wall_ms(),
        )
        try:
            answer = await self._answer(claim)
        except LedgerUnreachable as error:
            if desk.has_claimed(self.record.copy_id):
                desk.unanswered.answered((change,))  # what it superseded is left to the leg's next claim
                return ClaimAnswer.DUPLICATE  # another lane has it in hand, or had, or an earlier life
            desk.unanswered.claimed_in_memory(self._message, claim)  # it is written with the outcome
            # Reductions go on, by ids that repeat (R18); openings are held back by `durable`.
            desk.bus.publish(TroubleMet(where=desk.settings.name, what=f"claim not durable: {error}"))
            self.record.undurable_claim = claim
            desk.undurable.add(self.record.copy_id)
            desk.note_claim(self.record.copy_id)
            return ClaimAnswer.NEW
        desk.unanswered.answered((*claim.superseded, change))
        self.record.claimed_at_ms = desk.clock.wall_ms()
        if answer is ClaimAnswer.NEW:
            desk.note_claim(self.record.copy_id)
        return answer

    async def _answer(self, claim: Claim) -> ClaimAnswer:
        """Claim; where another engine writes the ledger this one ends within seconds, or is the one again.

        Until then it sends nothing: exits too are the other's, which claims them. Raises LedgerUnreachable.
        """
        while True:
            try:
                return await self._desk.ledger.claim(claim)
            except LedgerTakenOver as error:
                self.record.trouble(str(error))
                await self._pause(TAKEN_OVER_RETRY_S)

    async def _goals(self) -> tuple[Goal, ...]:
        desk, symbol, message = self._desk, self._lane.symbol, self._message
        mode = desk.view.mode(symbol)
        if mode is None:
            mode = await self._read_mode(symbol)
        goals = goals_for(desk, message, symbol=symbol, mode=mode)
        return tuple(
            goal.begun(
                moving=self._moving(goal.leg),
                held=desk.view.size(goal.leg),
                only_reduces=self._only_reduces(goal),
            )
            for goal in goals
        )

    def _only_reduces(self, goal: Goal) -> bool:
        """Tell whether this run opens nothing: the change has its outcome, or its opening was filled."""
        if self._is_answered:
            return self._is_in_hand or not (self._message.change.caught_up or goal.grew)
        return self._opened_for(goal) is not None

    def _opened_for(self, goal: Goal) -> Opened | None:
        """Return the opening of this very change that has brought the leg to the goal, if one has."""
        opened = None if self._is_answered else self.record.opened.get(goal.leg)
        return opened if opened is not None and opened.answers == goal.after else None

    def _moving(self, leg: Leg) -> tuple[Decimal, ...]:
        """Return the master's sizes that fills of unfinished copies have begun to answer."""
        return tuple(size for record in self.open_records() for size in record.moving.get(leg, ()))

    async def _read_mode(self, symbol: str) -> PositionMode:
        """Return the symbol's position mode; one-way where the venue does not list the symbol.

        A catalogue that was read while the venue left it out is read again: the legs to fill depend on it.
        """
        board = self._desk.board
        if symbol not in board.instruments:
            await board.doubt()
        if symbol not in board.instruments:
            return PositionMode.ONE_WAY
        wait_s = RETRY_S_BASE
        while True:
            try:
                await self._desk.read_symbol(symbol)
            except ExchangeError as error:
                self.record.trouble(str(error))
                await self._pause(wait_s)
                wait_s = min(RETRY_S_MAX, wait_s * 2)
                continue
            return self._desk.view.mode(symbol) or PositionMode.ONE_WAY

    async def _pursue_all(self, goal: Goal) -> None:
        """Pursue a leg; one that the master has left, once more if the view lacked a fill when that began.

        Until that is shown the leg counts as not answered: who interrupts has still to leave it.
        """
        desk, leg = self._desk, goal.leg
        is_hidden = bool(desk.unconfirmed[leg]) and not goal.after
        before = desk.holdings.get(leg)
        await self._pursue(goal)
        if not is_hidden:
            return
        left = desk.holdings[leg]
        if is_put_back := before is not None and before.owned:
            self._hold(before)
        await self._until_shown(leg)
        noted = left if is_put_back else desk.holdings[leg]  # by now others may own the fill
        if desk.view.size(leg) != noted.target:
            await self._pursue(goal)
        elif is_put_back:
            self._hold(left)

    async def _once_shown(self, goal: Goal) -> Goal:
        """Hold up what takes off a part until the view shows every fill: it is a part of what is held.

        An opening is held up by its gates; what closes all is not.
        """
        desk, leg = self._desk, goal.leg
        if not (goal.after and goal.takes_off and desk.unconfirmed[leg]):
            return goal
        await self._until_shown(leg)
        return goal if self._placing.tries else attrs.evolve(goal, held=desk.view.size(leg))

    async def _until_shown(self, leg: Leg) -> None:
        """Wait until the view shows what orders of ours have filled; raises Interrupted."""
        while self._desk.unconfirmed[leg]:
            if self._desk.stopping:
                raise Interrupted
            await self._pause(HIDDEN_RETRY_S)

    async def _pursue(self, goal: Goal) -> None:
        """Send what brings one leg to its goal, until it is there or must not go there."""
        wait_s = RETRY_S_BASE
        while True:
            goal = await self._once_shown(goal)
            situation = await self._observe(goal)
            if goal.adds and self._may_be_overtaken(goal, self._mail_at):
                # A dead line may have taken half a minute, here or before: newer changes first.
                await self._pause(MAIL_S)
                situation = await self._observe(goal)
            decision = decide(goal, situation)
            if decision.drafts and situation.settings.dry_run:
                decision = attrs.evolve(decision, reason=Reason.DRY_RUN)
            if decision.leaves_fraction and await self._desk.board.doubt():
                continue
            self.record.decided(decision, self._desk.clock.wall_ms())
            if self._must_stop_here(decision):
                raise Interrupted
            reason = decision.reason
            if reason is Reason.DRY_RUN:
                return self._leave(goal, situation, situation.size, reason)
            if decision.drafts:
                asked_at = trio.current_time()
                reason = await self._placing.set_leverage(decision)
                if reason is None and self._may_be_overtaken(goal, asked_at):
                    continue  # it has grown older meanwhile
                if reason is None:
                    reason = await self._placing.place(decision, situation)
                if decision.again and reason in (None, Reason.ALREADY_FLAT):
                    goal = attrs.evolve(goal, before=ZERO, moving=(), held=ZERO)
                    continue
                if reason is None and decision.has_more_to_reduce:
                    continue
                if reason is None:
                    return self._leave_done(goal, decision)
                if reason is Reason.ALREADY_FLAT:
                    return self._leave(goal, situation, ZERO, reason)
                # A reduction too small for the venue's taste is part of the next one (R10).
                if reason is Reason.DEFERRED or (decision.drafts[0].opens and self._gives_up(reason)):
                    if self._placing.shrinks and reason is Reason.VENUE_REJECTED:
                        reason = Reason.MARGIN_INSUFFICIENT
                    return self._leave(goal, situation, self._desk.view.size(goal.leg), reason)
            else:
                must_go_on = _must_go_on(goal, situation, reason)
                if (must_go_on or reason in _BY_CATALOGUE) and await self._desk.board.doubt():
                    continue
                if not (must_go_on or self._is_worth_waiting(reason)):
                    return self._leave(goal, situation, decision.desired, reason)
            if self._desk.stopping:
                raise Interrupted
            self._waits += 1
            await self._pause(max(wait_s, self._told_wait_s(decision)))
            is_unheard = reason is Reason.MASTER_UNHEARD
            wait_s = min(UNHEARD_RETRY_S_MAX if is_unheard else RETRY_S_MAX, wait_s * 2)
            if is_unheard:  # what the master did meanwhile is told when its line is back
                self._mail_at = -math.inf

    def _told_wait_s(self, decision: Decision) -> float:
        """Return how long the venue asked to be left alone; of what only opens, until it is too old."""
        told_s, situation = self._placing.take_retry_after_s(), decision.situation
        only_opens = all(draft.opens for draft in decision.drafts)
        if not only_opens or self._message.change.caught_up:
            return told_s
        return min(told_s, situation.max_open_age_s - situation.age_s + TOO_OLD_S)

    async def _pause(self, seconds: float) -> None:
        # Of before the pause: what a line that came up at its very end tells may not be taken yet.
        line_life = self._desk.master.life
        await self._lane.pause(seconds)
        self._mail_at, self._line_life = trio.current_time(), line_life

    def _may_be_overtaken(self, goal: Goal, since: float) -> bool:
        """Tell whether newer changes may have come: it took long, or the master's line came up meanwhile.

        Only an opening looks for them then, by a pause.
        """
        came_up = goal.adds and self._line_life != self._desk.master.life
        return came_up or trio.current_time() - since > READ_S_LONG

    def _leave_done(self, goal: Goal, decision: Decision) -> None:
        """Note a leg whose orders are done; one that was shrunk to the margin is where it is (R10)."""
        if self._placing.shrinks and decision.drafts[0].opens:
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
        return reason in _PASSES

    def _must_stop_here(self, decision: Decision) -> bool:
        """Tell whether the copy stays open: it waits for a pause, a key or the next start."""
        if decision.reason in (Reason.PAUSED, Reason.ENGINE_STOPPING):
            return True
        if not decision.situation.key.may_reduce:
            return True
        return self._desk.stopping and self._placing.tries > 0 and bool(decision.drafts)

    def _gives_up(self, reason: Reason) -> bool:
        """Tell whether an opening ends with ``reason``; reductions never do (R13)."""
        if reason is Reason.VENUE_UNREACHABLE:
            return False  # its age ends it
        return reason in _ENDS_AN_OPENING or self._placing.tries >= OPENING_TRIES_MAX

    async def _observe(self, goal: Goal) -> Situation:
        desk, leg = self._desk, goal.leg
        fresh = desk.is_fresh() and leg.symbol in desk.view.leverages
        if not fresh:
            fresh = await read_state(desk, leg, self.record, for_exit=not goal.adds)
        durable = self.record.undurable_claim is None
        return situation_for(desk, goal, self._message, durable=durable, fresh=fresh)

    def _leave(self, goal: Goal, situation: Situation, left: Decimal, reason: Reason | None) -> None:
        """Note how the leg was left: the next change is judged by what was acted on."""
        repair = self._message.repair
        opened = self._opened_for(goal)
        if opened is not None and goal.withholds and opened.size not in (None, left):
            self.record.saw_hand(self._desk, goal.leg, expected=opened.size, size=left)
        self.record.left(reason)
        held = bool(self._desk.view.size(goal.leg) or self._desk.unconfirmed[goal.leg])
        owned = held and self._desk.owns(goal.leg)
        known = attrs.evolve(self._desk.own(goal.leg), owned=owned, target=left)
        if goal.change.by_operator:  # what of the master was acted on stays as it was
            self._hold(attrs.evolve(known, skipped=None, wanted=None))
        elif (self._is_in_hand and goal.withholds) or self._has_its_outcome(goal, known, reason):
            self._hold(known)
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

    def _has_its_outcome(self, goal: Goal, known: Holding, reason: Reason | None) -> bool:
        """Tell whether what was said of the leg when the change was answered still says why it is there."""
        is_told = self._is_answered or goal.only_reduces
        return is_told and reason in NOTHING_TAKEN and known.master_size == goal.after

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


def _must_go_on(goal: Goal, situation: Situation, reason: Reason | None) -> bool:
    """Tell whether only the venue keeps us, for now, in what the master has left or made smaller (R13)."""
    if not (situation.size and situation.owned):
        return False
    has_left = EXACT.multiply(situation.size, goal.after) <= 0
    return reason in (_KEEPS_AN_EXIT if has_left else _BY_CATALOGUE if goal.takes_off else ())


_KEEPS_AN_EXIT = frozenset({Reason.SYMBOL_NOT_LISTED, Reason.SYMBOL_NOT_TRADING, Reason.BELOW_MIN_NOTIONAL})

_ENDS_AN_OPENING = frozenset(
    {
        Reason.LEVERAGE_FAILED,
        Reason.MARGIN_INSUFFICIENT,
        Reason.BELOW_MIN_NOTIONAL,
        Reason.SYMBOL_NOT_TRADING,
        Reason.LEDGER_UNREACHABLE,
    }
)

_PASSES = frozenset(
    {Reason.VIEW_NOT_FRESH, Reason.ORDER_UNKNOWN, Reason.KEY_UNCHECKED, Reason.MASTER_UNHEARD}
)

_BY_CATALOGUE = frozenset({Reason.SYMBOL_NOT_TRADING, Reason.SYMBOL_NOT_LISTED})
