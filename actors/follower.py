"""Owns one follower account: nobody else places its orders (R7, R11, R13, R14)."""

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal

import attrs
import trio
from pykka import ActorDeadError

from actors.adoption import adopt, late_joins
from actors.copy_record import CopyRecord
from actors.copying import Copying
from actors.events import FollowerStateChanged, ForeignPositionSeen, TroubleMet
from actors.flattening import Flattening, FlattenPorts
from actors.follower_audit import look_at_legs, preview, repair_message, why_no_repair
from actors.follower_desk import FollowerDesk
from actors.follower_status import describe
from actors.key_watch import KeyWatch
from actors.lane import Interrupted, Lane
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
from actors.recovery import recover_orders
from actors.risk_watch import RiskWatch
from actors.runtime import Address, TrioActor
from exchanges.errors import ExchangeError
from model.account import PositionReport
from model.amounts import ZERO
from model.change import Change
from model.copy import Holding
from model.key_standing import KeyStanding
from model.ledger import LedgerUnreachable, OpenCopy
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg, PositionMode
from model.settings import FollowerMode

SNAPSHOT_S = 55.0
"""R21: at least every 60 s, spread out."""
SNAPSHOT_SPREAD = 0.2
"""By up to which part of it a follower's own period is shorter."""
RETRY_S_BASE = 0.2
RETRY_S_MAX = 30.0
LEDGER_RETRY_S = 3.0
STREAM_ASK_S = 1.0
DRAIN_S = 30.0
UNWRITTEN_RETRY_S = 1.0
MAIL_S = 0.01
"""How long what was left open lets the mailbox go first."""


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
        self._lanes: dict[str, Lane] = {}
        self._yielding: list[Lane] = []
        self._latest: dict[Leg, MasterChanged] = {}
        self._newest: dict[Leg, tuple[int, Change]] = {}
        """Of every master leg the newest change that any message brought, and the message's number."""
        self._resumable: dict[str, CopyRecord] = {}
        self._flattening = Flattening(
            desk,
            FlattenPorts(
                lanes=lambda: (*self._lanes.values(), *self._yielding),
                is_busy=lambda symbol: symbol in self._lanes,
                open_lane=self._open_closing_lane,
                take_interrupted=self._take_interrupted,
                give_back=self._keep_interrupted,
                ended=lambda: self._move_mode(FollowerMode.PAUSED),
            ),
        )
        self._risk = RiskWatch(desk, is_busy=lambda: bool(self._lanes or self._yielding))
        self._refresh_wanted = trio.Event()
        self._foreign_told: set[Leg] = set()
        self._unreadable = False
        self._watched: set[str] = set()

    async def on_start(self) -> None:
        """Prepare in the background: mailbox news flows meanwhile, changes wait (R2)."""
        self.nursery.start_soon(self._prepare)
        self.nursery.start_soon(self._desk.gateway.orders.warm_up)

    async def on_stop(self) -> None:
        """Let what is in flight settle, 30 s at most; the rest is found again at the next start."""
        self._begin_drain()
        with trio.move_on_after(DRAIN_S):
            while self._lanes or self._yielding:
                await self._desk.wait_until(lambda: not (self._lanes or self._yielding), 1.0)

    def ready_for(self, message: object) -> bool:
        """Leave a change in the mailbox, where newer ones replace it, until its symbol is free."""
        if not isinstance(message, MasterChanged):
            return True
        if not self._prepared or self._desk.stopping:
            return False
        if not self._may_send():
            return False
        symbol = self._symbol(message)
        lane = self._lanes.get(symbol)
        if lane is not None:
            return lane.interruptible
        yielding = [lane for lane in self._yielding if lane.symbol == symbol]
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
                key = self._key.describe()
                return describe(self._desk, state=self._state(), busy=tuple(self._lanes), key=key)
            case CheckKey():
                return self._key.ask_soon()
            case SetMode(mode=mode):
                self._set_mode(mode)
            case ChangeSettings():
                self._change_settings(message)
            case LookAtLegs():
                return look_at_legs(self._desk, message, state=self._state(), is_busy=self._is_busy)
            case ReadAccount():
                self._refresh_wanted.set()
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
                self._see_positions(rows)
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
                self._refresh_wanted.set()
            case StreamDown():
                view.heard_at = None
            case _:
                raise TypeError(f"Follower does not know {message!r}")
        desk.tell_news()

    # Copies

    def _move_of(self, message: MasterChanged, symbol: str) -> tuple[Decimal, Decimal]:
        """Return the master's size before and after the change, netted where the follower nets."""
        change = self._desk.symbols.own_units(message.change)
        leg = Leg(symbol, ONE_WAY)
        if change.leg.position_idx == ONE_WAY or self._desk.view.mode(symbol) is not PositionMode.ONE_WAY:
            first = message.superseded[0] if message.superseded else message.change
            return first.size_before, message.change.size_after
        others = (self._desk.symbols.own_units(it) for it in self._with_newest_others(message).others)
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
        self._latest[change.leg] = message
        self._hear(message)
        self._watch_mark(symbol)
        lane = self._lanes.get(symbol)
        if lane is not None:
            lane.interrupt(message)
            return
        if change.change_id not in self._resumable and self._acted_on(message, symbol):
            for mend in late_joins(self._desk, message, symbol):
                self._mend(mend)
            return
        self._open_lane(symbol, message)

    def _hear(self, message: MasterChanged) -> None:
        for heard in (message.change, *message.others):
            if message.told > self._newest.get(heard.leg, (-1, heard))[0]:
                self._newest[heard.leg] = message.told, heard

    def _watch_mark(self, symbol: str) -> None:
        """Ask for the symbol's mark under this venue's name, once: Pairing knows the master's alone."""
        if symbol not in self._watched:
            self._watched.add(symbol)
            self._marks().tell(WatchMarks(frozenset({symbol})))

    def _open_lane(self, symbol: str, message: MasterChanged | None) -> None:
        lane = Lane(symbol=symbol, changed=self.wake)
        self._lanes[symbol] = lane
        self.nursery.start_soon(self._run_lane, lane, message)

    def _acted_on(self, message: MasterChanged, symbol: str) -> bool:
        """Tell whether nothing is new: every leg was left by this very change, or is not concerned."""
        change = message.change
        if any(record.change.leg == change.leg for record in self._resumable.values()):
            return False  # an older copy of the leg moved it since
        held = [h for leg, h in self._desk.holdings.items() if leg.symbol == symbol]
        if any(holding.change_id == change.change_id for holding in held):
            return True
        return not held and not change.size_after and not message.superseded and change.caught_up

    async def _run_lane(self, lane: Lane, message: MasterChanged | None) -> None:
        """Run copies one after another, beginning with ``message`` or with what was left open."""
        following = message
        try:
            if following is None:
                following = await self._after_the_mail(lane)
            while following is not None:
                following = await self._run_copy(lane, following)
                if following is None and not lane.yielding:
                    following = await self._after_the_mail(lane)
        finally:
            self._close_lane(lane)

    def _close_lane(self, lane: Lane) -> None:
        if self._lanes.get(lane.symbol) is lane:
            del self._lanes[lane.symbol]
        if lane in self._yielding:
            self._yielding.remove(lane)
            self._look_again(lane.symbol)
        self._see_positions(self._desk.view.rows_of(lane.symbol))
        self._desk.tell_news()
        self.wake()

    async def _run_copy(self, lane: Lane, message: MasterChanged) -> MasterChanged | None:
        """Run one copy; return the change that this lane takes next."""
        lane.newer = None
        message = self._with_newest_others(message)
        resumed, unfinished = self._take_unfinished(message)
        copying = Copying(self._desk, message, lane, resumed=resumed, unfinished=unfinished)
        try:
            await copying.run()
        except Interrupted:
            for record in copying.open_records():
                self._keep_interrupted(record)
        return None if lane.yielding else lane.newer

    # Repairs (R15)

    def _is_busy(self, symbol: str) -> bool:
        """Tell whether a copy of the symbol runs, waits or is not finished, or an order of it is unknown."""
        return (
            symbol in self._lanes
            or any(lane.symbol == symbol for lane in self._yielding)
            or bool(self._desk.unknown_orders[symbol])
            or any(self._desk.symbols.name(it.change.leg.symbol) == symbol for it in self._resumable.values())
        )

    def _mend(self, mend: Mend) -> MendAnswer:
        """Begin an ordinary copy that mends a leg, or only say what it would send."""
        desk, message = self._desk, mend.message
        why_not = why_no_repair(desk, mend, is_prepared=self._prepared, is_busy=self._is_busy)
        if why_not:
            return MendAnswer(why_not=why_not)
        self._hear(message)
        told, newest = self._newest[message.change.leg]
        if told > message.told and newest.size_after != message.change.size_after:
            return MendAnswer(why_not="the master has moved on: its own copy comes first")
        repair = self._with_newest_others(repair_message(desk, mend, newest=newest))
        answer = preview(desk, repair)
        if mend.preview or not answer.orders:
            return answer
        self._latest[message.change.leg] = repair  # what it goes on with when it is interrupted
        self._watch_mark(mend.plan.leg.symbol)
        self._open_lane(mend.plan.leg.symbol, repair)
        return attrs.evolve(answer, started=True)

    # Positions that an operator calls ours, episodes that it wants joined (R14)

    async def _adopt(self, wanted: AdoptPosition) -> AdoptAnswer:
        """Make a position ours that an operator calls so."""
        if not self._prepared or self._desk.stopping:
            return AdoptAnswer(why_not="it is starting or stopping: try again")
        changes = [change for _, change in sorted(self._newest.values(), key=_number)]
        answer = await adopt(self._desk, wanted, changes, is_busy=self._is_busy, mend=self._mend)
        if answer.leg is not None and not answer.why_not:
            self._foreign_told.discard(answer.leg)
        return answer

    async def _after_the_mail(self, lane: Lane) -> MasterChanged | None:
        """Return what an interrupted copy left to do, or first a change that waits: it knows more."""
        if self._owed(lane.symbol) is None:
            return None
        lane.newer = None
        try:
            await lane.pause(MAIL_S)
        except Interrupted:
            return lane.newer
        return self._owed(lane.symbol)

    def _with_newest_others(self, message: MasterChanged) -> MasterChanged:
        """Return the change beside what is known of the symbol's other legs by now.

        It may have waited: a reduction of another leg goes first, and a copy that was interrupted
        is taken up again after others (R2, R6: a net is of states, not of memories).
        """
        own = message.change.leg
        legs = (Leg(own.symbol, idx) for idx in (ONE_WAY, HEDGE_LONG, HEDGE_SHORT) if idx != own.position_idx)
        told = {other.leg: (message.told, other) for other in message.others}
        nothing = -1, None
        newest = (max(told.get(leg, nothing), self._newest.get(leg, nothing), key=_number) for leg in legs)
        others = tuple(other for _, other in newest if other is not None)
        return message if others == message.others else attrs.evolve(message, others=others)

    def _take_unfinished(self, message: MasterChanged) -> tuple[CopyRecord | None, tuple[CopyRecord, ...]]:
        """Take the records of the change's leg that have no outcome: its own, and older ones."""
        resumed = self._resumable.pop(message.change.change_id, None)
        older = [it for it in self._resumable.values() if it.change.leg == message.change.leg]
        for record in older:
            del self._resumable[record.change.change_id]
        return resumed, tuple(older)

    def _take_interrupted(self, symbol: str) -> tuple[CopyRecord, ...]:
        """Take the records of a symbol's copies that have no outcome: what is closed overtakes them."""
        taken = [it for it in self._resumable.values() if self._name_of(it.change) == symbol]
        for record in taken:
            del self._resumable[record.change.change_id]
        return tuple(taken)

    def _keep_interrupted(self, record: CopyRecord) -> None:
        self._resumable[record.change.change_id] = record

    def _name_of(self, change: Change) -> str:
        return self._desk.symbols.name(change.leg.symbol)

    def _open_closing_lane(self, leg: Leg) -> None:
        lane = Lane(symbol=leg.symbol, changed=self.wake, for_operator=True)
        self._lanes[leg.symbol] = lane
        self.nursery.start_soon(self._run_closing_lane, lane, leg)

    async def _run_closing_lane(self, lane: Lane, leg: Leg) -> None:
        try:
            await self._flattening.close(lane, leg)
        finally:
            self._close_lane(lane)

    def _owed(self, symbol: str) -> MasterChanged | None:
        """Return the newest change of a leg of the symbol whose copy was interrupted, if it may go on."""
        if self._desk.stopping or not self._may_send():
            return None
        for record in self._resumable.values():
            newest = self._latest.get(record.change.leg)
            if newest is not None and self._symbol(newest) == symbol:
                return newest
        return None

    def _look_again(self, symbol: str) -> None:
        """Go on with what a late answer left open; a lane that is busy with the symbol will do it."""
        busy = self._lanes.get(symbol)
        if busy is not None:
            busy.nudge()
            return
        if self._owed(symbol) is not None:
            self._open_lane(symbol, None)

    def _lane_changed(self, lane: Lane) -> None:
        if lane.yielding and self._lanes.get(lane.symbol) is lane:
            del self._lanes[lane.symbol]
            self._yielding.append(lane)
            if lane.newer is not None:
                self._open_lane(lane.symbol, lane.newer)

    def wake(self) -> None:
        """Look at the mailbox again; lanes that gave way leave room for reductions (R11)."""
        for lane in tuple(self._lanes.values()):
            self._lane_changed(lane)
        super().wake()

    # State

    async def _prepare(self) -> None:
        """Trust no memory: ledger first, then the venue, then the master (R2)."""
        desk = self._desk
        name = desk.settings.name
        holdings, open_copies = await self._read_ledger(name)
        desk.holdings.update({holding.leg: holding for holding in holdings})
        self.nursery.start_soon(self._key.run)
        await desk.board.known.wait()
        await self._read_account_until_it_works()
        await self._risk.keep()
        await self._hear_of_the_stream()
        self._recover(open_copies)
        self._risk.begin(self.nursery)
        self.nursery.start_soon(self._refresh_for_ever)
        self.nursery.start_soon(self._write_late_outcomes)
        self._prepared = True
        self._marks().tell(WatchMarks(frozenset(leg.symbol for leg in desk.view.open_legs())))
        self._tell_state(self._state(), self._why_held())
        self._pairing().tell(FollowerReady(name))
        self._flatten_if_wanted()
        self.wake()

    async def _hear_of_the_stream(self) -> None:
        """Ask whether the stream, which outlived a crash of this actor, is up: it may be silent for long."""
        with suppress(ActorDeadError, trio.TooSlowError):
            if await self._stream().ask(Describe(), timeout_s=STREAM_ASK_S):
                self._desk.view.heard_at = trio.current_time()

    async def _read_ledger(self, name: str) -> tuple[list[Holding], list[OpenCopy]]:
        """Read what is remembered of the follower; what was kept on local disk is part of that (R18)."""
        while True:
            try:
                await self._merge_journal(name)
                await self._risk.read()
                kept = await self._desk.ledger.read(lambda store: store.meta(self._key.meta_key))
                self._key.remember(kept.get(self._key.meta_key))
                return await self._desk.ledger.read(
                    lambda store: (store.holdings(name), store.open_copies(name))
                )
            except LedgerUnreachable as error:
                self._desk.bus.publish(TroubleMet(where=name, what=f"ledger: {error}"))
                await trio.sleep(LEDGER_RETRY_S)

    async def _merge_journal(self, name: str) -> None:
        done = await self._desk.ledger.merge_journal()
        if done.refused:
            what = f"{done.refused} lines of the journal were unreadable and set aside"
            self._desk.bus.publish(TroubleMet(where=name, what=what))

    async def _read_account_until_it_works(self) -> None:
        wait_s = RETRY_S_BASE
        while True:
            try:
                await self._desk.read_account()
                if not self._refresh_wanted.is_set():
                    break
                self._refresh_wanted = trio.Event()  # the stream came up meanwhile: what lies between counts
            except ExchangeError as error:
                self._tell_state("starting", str(error))
                await trio.sleep(wait_s)
                wait_s = min(RETRY_S_MAX, wait_s * 2)
        self._see_positions(self._desk.view.positions.values())

    def _recover(self, open_copies: Iterable[OpenCopy]) -> None:
        """Find out what became of copies that were claimed and have no outcome (R2, R11).

        Their symbols' lanes give way from the start: no opening before the last one is known.
        """
        for open_copy in open_copies:
            symbol = self._desk.symbols.name(open_copy.change.leg.symbol)
            reduced = open_copy.change.change_class.reduces
            lane = Lane(
                symbol=symbol,
                changed=self.wake,
                yielding=True,
                only_full_closes=reduced,
                for_operator=open_copy.change.by_operator,
            )
            self._yielding.append(lane)
            self.nursery.start_soon(self._recover_one, lane, open_copy)

    async def _recover_one(self, lane: Lane, open_copy: OpenCopy) -> None:
        self._desk.unknown_orders[lane.symbol] += 1
        try:
            record = await recover_orders(self._desk, open_copy, lane.symbol)
        finally:
            self._desk.unknown_orders[lane.symbol] -= 1
        if record.change.by_operator:
            await self._flattening.take_up(record)
        else:
            self._keep_interrupted(record)
        self._close_lane(lane)
        self._pairing().tell(FollowerReady(self._desk.settings.name))

    async def _refresh_for_ever(self) -> None:
        """Read the account when the stream came up and at least every 60 s, spread out (R21)."""
        share = sum(self._desk.settings.name.encode()) % 100 / 100
        while True:
            with trio.move_on_after(SNAPSHOT_S * (1 - SNAPSHOT_SPREAD * (1 - share))):
                await self._refresh_wanted.wait()
            self._refresh_wanted = trio.Event()
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            if not await self._desk.read_account():
                await self._desk.read_account()
            self._see_positions(self._desk.view.positions.values())
            await self._risk.keep()
        except ExchangeError as error:
            self._unreadable = True
            self._desk.view.snapshot_agreed = False
            self._tell_state("snapshot_failed", str(error))
            await trio.sleep(1.0)
            self._refresh_wanted.set()
        else:
            if self._unreadable:
                self._unreadable = False
                self._tell_state(self._state(), self._why_held())

    async def _write_late_outcomes(self) -> None:
        while True:
            await trio.sleep(UNWRITTEN_RETRY_S)
            while self._desk.unwritten:
                claim, outcome = self._desk.unwritten[0]
                present = attrs.evolve(outcome, holdings=self._desk.present(outcome.holdings))
                if not await self._desk.write_outcomes([(claim, present)]):
                    break
                self._desk.unwritten.popleft()

    def _see_positions(self, rows: Iterable[PositionReport]) -> None:
        for row in tuple(rows):
            if row.size:
                self._watch_mark(row.leg.symbol)  # the equity counts it, whoever opened it
            busy = row.leg.symbol in self._lanes or any(
                lane.symbol == row.leg.symbol for lane in self._yielding
            )
            holding = self._desk.holdings.get(row.leg)
            if not row.size and holding is not None and holding.owned and not busy:
                # Closed by other hands or by the venue: what is opened there next is not ours.
                self._desk.holdings[row.leg] = attrs.evolve(holding, owned=False)
            if row.size and not busy and self._prepared and not self._desk.owns(row.leg):
                self._tell_foreign(row)
            if not row.size:
                self._foreign_told.discard(row.leg)

    def _tell_foreign(self, row: PositionReport) -> None:
        if row.leg in self._foreign_told:
            return
        self._foreign_told.add(row.leg)
        self._desk.bus.publish(
            ForeignPositionSeen(
                follower=self._desk.settings.name,
                symbol=row.leg.symbol,
                position_idx=row.leg.position_idx,
                size=str(row.size),
            )
        )

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
            self._pairing().tell(FollowerReady(settings.name))
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
            self._interrupt_waits()
        if mode.takes_changes and not before.takes_changes:
            self._held_until = trio.current_time()
        if mode.takes_changes and before is not mode and self._prepared:
            self._pairing().tell(FollowerReady(desk.settings.name))
        self._tell_state(self._state(), self._why_held())
        self._flatten_if_wanted()
        desk.tell_news()
        self.wake()

    def _flatten_if_wanted(self) -> None:
        if self._prepared and self._desk.settings.mode is FollowerMode.FLATTENING:
            self.nursery.start_soon(self._flattening.run)

    def _why_held(self) -> str:
        if self._desk.key.state.is_refused:
            return "; ".join(self._desk.key.refusals)
        breach = self._desk.breach
        return "" if breach is None else breach.words

    def _key_judged(self, before: KeyStanding) -> None:
        """Go on with what waited for a verdict; what a key could not send until now is caught up (R14)."""
        after = self._desk.key.state
        if after is not before.state:
            self._tell_state(self._state(), self._why_held())
        for lane in self._lanes.values():
            lane.nudge()
        if after.may_reduce and not before.state.may_reduce:
            self._held_until = trio.current_time()
        if self._prepared and after.may_open and not before.state.may_open:
            self._pairing().tell(FollowerReady(self._desk.settings.name))
        self._desk.tell_news()
        self.wake()

    def _may_send(self) -> bool:
        """Tell whether changes may be answered at all: they wait in the mailbox until then."""
        return self._desk.settings.mode.takes_changes and self._desk.key.state.may_reduce

    def _begin_drain(self) -> None:
        self._desk.stopping = True
        self._interrupt_waits()

    def _go_on(self) -> None:
        if self._desk.stopping:
            self._desk.stopping = False
            self._pairing().tell(FollowerReady(self._desk.settings.name))
            self._flatten_if_wanted()
            self.wake()

    def _interrupt_waits(self) -> None:
        for lane in self._lanes.values():
            if lane.interruptible:
                lane.interrupt(None)

    def _state(self) -> str:
        if self._desk.key.state.is_refused:
            return "refused"
        if not self._prepared or not self._desk.key.state.is_judged:
            return "starting"
        mode = self._desk.settings.mode
        return "ready" if mode is FollowerMode.ACTIVE else mode.value

    def _tell_state(self, state: str, detail: str = "") -> None:
        self._desk.bus.publish(
            FollowerStateChanged(follower=self._desk.settings.name, state=state, detail=detail)
        )


def _number(heard: tuple[int, Change | None]) -> int:
    return heard[0]
