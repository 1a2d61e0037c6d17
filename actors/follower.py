"""Owns one follower account: nobody else places its orders (R7, R11, R13, R14)."""

import math
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import attrs
import trio
from pykka import ActorDeadError

from actors.account_watch import AccountWatch
from actors.adoption import adopt, late_joins
from actors.events import FollowerStateChanged
from actors.flattening import Flattening, FlattenPorts
from actors.follower_audit import look_at_legs, preview, repair_message, why_no_repair
from actors.follower_desk import FollowerDesk
from actors.follower_memory import recall, write_late_outcomes
from actors.follower_status import describe, state_of, why_held
from actors.interrupted_copies import InterruptedCopies
from actors.key_watch import KeyWatch
from actors.lanes import LanePorts, Lanes
from actors.messages import (
    AdoptAnswer,
    AdoptPosition,
    AskedToCrash,
    ChangeSettings,
    CheckKey,
    CrashNow,
    Describe,
    Drain,
    FollowerReady,
    GoOn,
    LookAtLegs,
    MasterChanged,
    Mend,
    MendAnswer,
    OrderReported,
    PositionsReported,
    ReadAccount,
    SetMode,
    StreamDown,
    StreamHeard,
    StreamUp,
    WalletReported,
    WatchMarks,
)
from actors.newest_changes import NewestChanges
from actors.risk_watch import RiskWatch
from actors.runtime import Address, TrioActor
from model.amounts import EXACT, ZERO
from model.key_standing import KeyStanding
from model.leg import ONE_WAY, Leg, PositionMode
from model.settings import FollowerMode

STREAM_ASK_S = 1.0
DRAIN_S = 30.0


class Follower(TrioActor):
    """A shell: messages in, lanes of copies out; one lane a symbol at a time."""

    def __init__(
        self,
        *,
        desk: FollowerDesk,
        pairing: Callable[[], Address],
        marks: Callable[[], Address],
        stream: Callable[[], Address],
    ) -> None:
        super().__init__()
        self._desk = desk
        self._pairing = pairing
        self._marks = marks
        self._stream = stream
        self._prepared = False
        self._key = KeyWatch(desk, changed=self._key_judged)
        self._held_until = -math.inf
        """When a pause, or the wait for a key's verdict, ended: what came before is judged by price (R14)."""
        self._watched: set[str] = set()
        self._newest = NewestChanges()
        self._interrupted = InterruptedCopies(desk)
        self._lanes = Lanes(desk, self._newest, self._interrupted, self._lane_ports())
        self._flattening = Flattening(desk, self._flatten_ports())
        self._risk = RiskWatch(desk, is_busy=lambda: bool(self._lanes.all()))
        self._account = AccountWatch(
            desk,
            self._risk,
            is_busy=self._lanes.has,
            watch_mark=self._watch_mark,
            readable=self._is_readable_again,
        )

    def _lane_ports(self) -> LanePorts:
        return LanePorts(
            nursery=lambda: self.nursery,
            wake=self.wake,
            close=lambda lane, leg: self._flattening.close(lane, leg),
            take_closing=lambda record: self._flattening.take_up(record),
            recovered=self._tell_ready,
            closed=self._lane_closed,
        )

    def _flatten_ports(self) -> FlattenPorts:
        return FlattenPorts(
            lanes=self._lanes.all,
            is_busy=lambda symbol: symbol in self._lanes.running,
            open_lane=self._lanes.open_closing,
            take_interrupted=self._interrupted.take_of,
            give_back=self._interrupted.keep,
            ended=lambda: self._move_mode(FollowerMode.PAUSED),
        )

    async def on_start(self) -> None:
        """Prepare in the background: mailbox news flows meanwhile, changes wait (R2)."""
        self._desk.unanswered.begin_life()
        self.nursery.start_soon(self._prepare)
        self.nursery.start_soon(self._desk.gateway.orders.warm_up)

    async def on_stop(self) -> None:
        """Let what is in flight settle, 30 s at most; the rest is found again at the next start."""
        self._begin_drain()
        with trio.move_on_after(DRAIN_S):
            while self._lanes.in_flight():
                await self._desk.wait_until(lambda: not self._lanes.in_flight(), 1.0)

    def ready_for(self, message: object) -> bool:
        """Leave a change in the mailbox, where newer ones replace it, until its symbol is free."""
        if not isinstance(message, MasterChanged):
            return True
        self._newest.hear(message)  # it may wait for long: a net is of what the master holds now
        if not self._prepared or self._desk.stopping:
            return False
        if not self._desk.may_send():
            return False
        symbol = self._symbol(message)
        lane = self._lanes.running.get(symbol)
        if lane is not None:
            return lane.interruptible
        yielding = [lane for lane in self._lanes.yielding if lane.symbol == symbol]
        if not yielding:
            return True
        before, after = self._move_of(message, symbol)
        return all(lane.lets_pass(before, after) for lane in yielding)

    async def on_receive(self, message: object) -> object:
        """Take one message; copies run beside the mailbox, so news of fills reaches them."""
        match message:
            case MasterChanged():
                self._take_change(message)
            case Describe():
                busy, key = self._lanes.busy_symbols(), self._key.describe()
                return describe(self._desk, state=self._state(), busy=busy, key=key)
            case CheckKey():
                return self._key.ask_soon()
            case SetMode(mode=mode):
                self._set_mode(mode)
            case ChangeSettings():
                self._change_settings(message)
            case LookAtLegs():
                return look_at_legs(self._desk, message, state=self._state(), is_busy=self._is_busy)
            case ReadAccount():
                self._account.read_soon()
            case Mend():
                return self._mend(message)
            case Drain():
                self._begin_drain()
            case AdoptPosition():
                return await self._adopt(message)
            case GoOn():
                self._go_on()
            case CrashNow(why=why):
                raise AskedToCrash(why)
            case _:
                self._take_news(message)
        return None

    def _take_news(self, message: object) -> None:
        view, desk = self._desk.view, self._desk
        now = trio.current_time()
        match message:
            case PositionsReported(positions=rows):
                view.heard_at = now
                desk.take_positions(rows)
                self._account.see(desk.view.positions[row.leg] for row in rows)  # a row may be old
            case OrderReported(report=report):
                view.heard_at = now
                if report.client_order_id in desk.awaited:
                    desk.reports[report.client_order_id] = report
            case WalletReported(report=wallet):
                view.heard_at = now
                desk.take_wallet(wallet)
            case StreamHeard():
                view.heard_at = now
            case StreamUp():
                view.heard_at = now
                desk.stream_came_up()
                self._account.read_soon()
            case StreamDown():
                view.heard_at = None
            case _:
                raise TypeError(f"Follower does not know {message!r}")
        desk.tell_news()

    # Copies

    def _move_of(self, message: MasterChanged, symbol: str) -> tuple[Decimal, Decimal]:
        """Return the master's size before and after the change, netted where the follower nets.

        What is held against him now counts as before: it is to be left, whatever he did on the way.
        """
        before, after = self._master_move(message, symbol)
        leg = Leg(symbol, ONE_WAY)
        held = self._desk.view.size(leg) if self._desk.owns(leg) else ZERO
        return (held if EXACT.multiply(held, after) < 0 else before), after

    def _master_move(self, message: MasterChanged, symbol: str) -> tuple[Decimal, Decimal]:
        change = self._desk.symbols.own_units(message.change)
        leg = Leg(symbol, ONE_WAY)
        if change.leg.position_idx == ONE_WAY or self._desk.view.mode(symbol) is not PositionMode.ONE_WAY:
            first = message.superseded[0] if message.superseded else message.change
            return first.size_before, message.change.size_after
        others = (self._desk.symbols.own_units(it) for it in self._newest.beside(message).others)
        holding = self._desk.holdings.get(leg)
        acted = ZERO if holding is None else holding.master_size
        return acted, sum((it.size_after for it in others), change.size_after)

    def _symbol(self, message: MasterChanged) -> str:
        return self._desk.symbols.name(message.change.leg.symbol)

    def _take_change(self, message: MasterChanged) -> None:
        if message.received_at <= self._held_until:
            message = attrs.evolve(message, change=attrs.evolve(message.change, caught_up=True))
        change = message.change
        symbol = self._symbol(message)
        self._interrupted.latest[change.leg] = message
        self._newest.hear(message)
        self._watch_mark(symbol)
        lane = self._lanes.running.get(symbol)
        if lane is not None:
            self._desk.unanswered.take(message)
            lane.interrupt(message)
            return
        if change.change_id not in self._interrupted.records and self._acted_on(message, symbol):
            for mend in late_joins(self._desk, message, symbol):
                self._mend(mend)
            return
        self._desk.unanswered.take(message)
        self._lanes.open(symbol, message)

    def _watch_mark(self, symbol: str) -> None:
        """Ask for the symbol's mark under this venue's name, once: Pairing knows the master's alone."""
        if symbol not in self._watched:
            self._watched.add(symbol)
            self._marks().tell(WatchMarks(frozenset({symbol})))

    def _acted_on(self, message: MasterChanged, symbol: str) -> bool:
        """Tell whether nothing is new: every leg was left by this very change, or is not concerned."""
        change = message.change
        if self._interrupted.moved(change.leg):
            return False  # an older copy of the leg moved it since
        held = [h for leg, h in self._desk.holdings.items() if leg.symbol == symbol]
        if any(holding.change_id == change.change_id for holding in held):
            return True
        missed = message.superseded or self._desk.unanswered.has(change.leg)
        return not held and not change.size_after and not missed and change.caught_up

    def _lane_closed(self, symbol: str) -> None:
        self._account.see(self._desk.view.rows_of(symbol))
        self._desk.tell_news()
        self.wake()

    def wake(self) -> None:
        """Look at the mailbox again; lanes that gave way leave room for reductions (R11)."""
        self._lanes.make_room()
        super().wake()

    # Repairs (R15)

    def _is_busy(self, symbol: str) -> bool:
        """Tell whether a copy of the symbol runs, waits or is not finished, or an order of it is unknown."""
        is_unknown = bool(self._desk.unknown_orders[symbol])
        return is_unknown or self._lanes.has(symbol) or self._interrupted.concern(symbol)

    def _mend(self, mend: Mend) -> MendAnswer:
        """Begin an ordinary copy that mends a leg, or only say what it would send."""
        desk, message = self._desk, mend.message
        why_not = why_no_repair(desk, mend, is_prepared=self._prepared, is_busy=self._is_busy)
        if why_not:
            return MendAnswer(why_not=why_not)
        self._newest.hear(message)
        told, newest = self._newest.of(message.change.leg)
        if told > message.told and newest.size_after != message.change.size_after:
            return MendAnswer(why_not="the master has moved on: its own copy comes first")
        repair = self._newest.beside(repair_message(desk, mend, newest=newest))
        answer = preview(desk, repair)
        if mend.preview or not answer.orders:
            return answer
        self._interrupted.latest[message.change.leg] = repair  # what it goes on with when it is interrupted
        self._watch_mark(mend.plan.leg.symbol)
        self._lanes.open(mend.plan.leg.symbol, repair)
        return attrs.evolve(answer, started=True)

    # Positions that an operator calls ours, episodes that it wants joined (R14)

    async def _adopt(self, wanted: AdoptPosition) -> AdoptAnswer:
        """Make a position ours that an operator calls so."""
        if not self._prepared or self._desk.stopping:
            return AdoptAnswer(why_not="it is starting or stopping: try again")
        changes = self._newest.oldest_first()
        answer = await adopt(self._desk, wanted, changes, is_busy=self._is_busy, mend=self._mend)
        if answer.leg is not None and not answer.why_not:
            self._account.forget_foreign(answer.leg)
        return answer

    # State

    async def _prepare(self) -> None:
        """Trust no memory: ledger first, then the venue, then the master (R2)."""
        desk = self._desk
        recalled = await recall(desk, self._key, self._risk)
        desk.holdings.update({holding.leg: holding for holding in recalled.holdings})
        self._lanes.confirm(recalled.last_fills)
        self.nursery.start_soon(self._key.run)
        await desk.board.known.wait()
        await desk.symbols.master.known.wait()  # until then none of its symbols has a name here
        await self._account.read_until_it_works()
        await self._risk.keep()
        await self._hear_of_the_stream()
        self._lanes.recover(recalled.open_copies)
        self._risk.begin(self.nursery)
        self._account.begin(self.nursery)
        self.nursery.start_soon(write_late_outcomes, desk)
        self._prepared = True
        self._marks().tell(WatchMarks(frozenset(leg.symbol for leg in desk.view.open_legs())))
        self._tell_state()
        self._tell_ready()
        self._flatten_if_wanted()
        self.wake()

    async def _hear_of_the_stream(self) -> None:
        """Ask whether the stream, which outlived a crash of this actor, is up: it may be silent for long."""
        with suppress(ActorDeadError, trio.TooSlowError):
            if await self._stream().ask(Describe(), timeout_s=STREAM_ASK_S):
                self._desk.view.heard_at = trio.current_time()

    def _change_settings(self, message: ChangeSettings) -> None:
        """Take new settings; a broken limit holds until an operator resumes the follower."""
        desk, settings, before = self._desk, message.settings, self._desk.settings
        if desk.breach is not None and settings.mode is FollowerMode.ACTIVE and not message.resumes:
            settings = attrs.evolve(settings, mode=FollowerMode.CLOSE_ONLY)
            desk.mode_moved(FollowerMode.CLOSE_ONLY)
        desk.settings = attrs.evolve(settings, mode=before.mode)
        if before.dry_run and not settings.dry_run:
            self._key.forget()
        if self._prepared and settings.join is not before.join:
            self._tell_ready()
        desk.mode_unkept = message.unkept
        self._set_mode(settings.mode)
        if self._prepared:
            self._risk.begin(self.nursery)

    def _move_mode(self, mode: FollowerMode) -> None:
        """Set a mode that no operator has set."""
        self._desk.mode_moved(mode)
        self._set_mode(mode)

    def _set_mode(self, mode: FollowerMode) -> None:
        desk, before = self._desk, self._desk.settings.mode
        desk.set_mode(mode)
        if mode is FollowerMode.ACTIVE:
            desk.resumed()
        if not mode.takes_changes or before is FollowerMode.FLATTENING:
            self._lanes.interrupt_waits()
        if mode.takes_changes and not before.takes_changes:
            self._held_until = trio.current_time()
        if mode.takes_changes and before is not mode and self._prepared:
            self._tell_ready()
        self._tell_state()
        self._flatten_if_wanted()
        desk.tell_news()
        self.wake()

    def _flatten_if_wanted(self) -> None:
        if self._prepared and self._desk.settings.mode is FollowerMode.FLATTENING:
            self.nursery.start_soon(self._flattening.run)

    def _key_judged(self, before: KeyStanding) -> None:
        """Go on with what waited for a verdict; what a key could not send until now is caught up (R14)."""
        after = self._desk.key.state
        if after is not before.state:
            self._tell_state()
        self._lanes.nudge()
        if after.may_reduce and not before.state.may_reduce:
            self._held_until = trio.current_time()
        if self._prepared and after.may_open and not before.state.may_open:
            self._tell_ready()
        self._desk.tell_news()
        self.wake()

    def _begin_drain(self) -> None:
        self._desk.stopping = True
        self._lanes.interrupt_waits()

    def _go_on(self) -> None:
        if self._desk.stopping:
            self._desk.stopping = False
            self._tell_ready()
            self._flatten_if_wanted()
            self.wake()

    def _state(self) -> str:
        return state_of(self._desk, is_prepared=self._prepared)

    def _is_readable_again(self) -> None:
        """Go on at once with what waited for that."""
        self._tell_state()
        self._lanes.nudge()

    def _tell_state(self) -> None:
        name, state = self._desk.settings.name, self._state()
        self._desk.bus.publish(FollowerStateChanged(follower=name, state=state, detail=why_held(self._desk)))

    def _tell_ready(self) -> None:
        """Have Pairing tell again where the master's legs are."""
        self._pairing().tell(FollowerReady(self._desk.settings.name))
