"""Owns one follower account: nobody else places its orders (R7, R11, R13, R14)."""

from collections.abc import Callable, Iterable

import attrs
import trio

from actors.copy_record import CopyRecord
from actors.copying import Copying, Interrupted, Lane
from actors.events import FollowerStateChanged, ForeignPositionSeen, TroubleMet
from actors.follower_desk import FollowerDesk
from actors.follower_status import describe
from actors.messages import (
    AskedToCrash,
    ChangeSettings,
    CrashNow,
    Describe,
    Drain,
    FollowerReady,
    MasterChanged,
    OrderReported,
    PositionsReported,
    SetMode,
    StreamDown,
    StreamHeard,
    StreamUp,
    WalletReported,
    WatchMarks,
)
from actors.recovery import recover_orders
from actors.runtime import Address, TrioActor
from exchanges.errors import ExchangeError
from model.account import PositionReport
from model.copy import Holding
from model.ledger import LedgerUnreachable, OpenCopy
from model.leg import Leg
from model.settings import FollowerMode

SNAPSHOT_S = 55.0
"""R21: at least every 60 s, spread out."""
RETRY_S_BASE = 0.2
RETRY_S_MAX = 30.0
DRAIN_S = 30.0
UNWRITTEN_RETRY_S = 1.0


class Follower(TrioActor):
    """A shell: messages in, lanes of copies out; one lane a symbol at a time."""

    def __init__(
        self,
        *,
        desk: FollowerDesk,
        pairing: Callable[[], Address],
        marks: Callable[[], Address],
    ) -> None:
        super().__init__()
        self._desk = desk
        self._pairing = pairing
        self._marks = marks
        self._prepared = False
        self._lanes: dict[str, Lane] = {}
        self._yielding: list[Lane] = []
        self._latest: dict[Leg, MasterChanged] = {}
        self._resumable: dict[str, CopyRecord] = {}
        self._refresh_wanted = trio.Event()
        self._foreign_told: set[Leg] = set()

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
        if self._desk.settings.mode is FollowerMode.PAUSED:
            return False
        symbol = self._symbol(message)
        lane = self._lanes.get(symbol)
        if lane is not None:
            return lane.interruptible
        if any(lane.symbol == symbol for lane in self._yielding):
            return message.change_class.reduces
        return True

    async def on_receive(self, message: object) -> object:
        """Take one message; copies run beside the mailbox, so news of fills reaches them."""
        match message:
            case MasterChanged():
                self._take_change(message)
            case Describe():
                return describe(self._desk, state=self._state(), busy=tuple(self._lanes))
            case SetMode(mode=mode):
                self._set_mode(mode)
            case ChangeSettings(settings=settings):
                self._desk.settings = settings
                self._set_mode(settings.mode)
            case Drain():
                self._begin_drain()
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
                view.apply_positions(rows)
                self._see_positions(rows)
            case OrderReported(report=report):
                view.heard_at = now
                if report.client_order_id in desk.awaited:
                    desk.reports[report.client_order_id] = report
            case WalletReported(report=wallet):
                view.heard_at = now
                view.apply_wallet(wallet)
            case StreamHeard():
                view.heard_at = now
            case StreamUp():
                view.heard_at = now
                view.snapshot_agreed = False
                self._refresh_wanted.set()
            case StreamDown():
                view.heard_at = None
            case _:
                raise TypeError(f"Follower does not know {message!r}")
        desk.tell_news()

    # Copies

    def _symbol(self, message: MasterChanged) -> str:
        symbol = message.change.leg.symbol
        return self._desk.symbol_of(symbol) or symbol

    def _take_change(self, message: MasterChanged) -> None:
        change = message.change
        symbol = self._symbol(message)
        self._latest[change.leg] = message
        lane = self._lanes.get(symbol)
        if lane is not None:
            lane.interrupt(message)
            return
        if change.change_id not in self._resumable and self._acted_on(message, symbol):
            return
        lane = Lane(symbol=symbol, changed=self.wake)
        self._lanes[symbol] = lane
        self.nursery.start_soon(self._run_lane, lane, message)

    def _acted_on(self, message: MasterChanged, symbol: str) -> bool:
        """Tell whether nothing is new: every leg was left by this very change, or is not concerned."""
        change = message.change
        held = [h for leg, h in self._desk.holdings.items() if leg.symbol == symbol]
        if any(holding.change_id == change.change_id for holding in held):
            return True
        return not held and not change.size_after and not message.superseded and change.caught_up

    async def _run_lane(self, lane: Lane, message: MasterChanged) -> None:
        following: MasterChanged | None = message
        try:
            while following is not None:
                following = await self._run_copy(lane, following)
        finally:
            if self._lanes.get(lane.symbol) is lane:
                del self._lanes[lane.symbol]
            if lane in self._yielding:
                self._yielding.remove(lane)
            self._desk.tell_news()
            self.wake()

    async def _run_copy(self, lane: Lane, message: MasterChanged) -> MasterChanged | None:
        lane.newer = None
        await self._close_older(message)
        copying = Copying(
            self._desk,
            message,
            lane,
            latest=self._latest.get,
            resumed=self._resumable.pop(message.change.change_id, None),
        )
        try:
            await copying.run()
        except Interrupted:
            self._resumable[message.change.change_id] = copying.record
        return lane.newer

    async def _close_older(self, message: MasterChanged) -> None:
        """Write the outcome of copies that a newer change of the leg has overtaken."""
        older = [
            record
            for change_id, record in self._resumable.items()
            if record.change.leg == message.change.leg and change_id != message.change.change_id
        ]
        for record in older:
            del self._resumable[record.change.change_id]
            await record.finish(self._desk, superseded=True)

    def _lane_changed(self, lane: Lane) -> None:
        if lane.yielding and self._lanes.get(lane.symbol) is lane:
            del self._lanes[lane.symbol]
            self._yielding.append(lane)

    def wake(self) -> None:
        """Look at the mailbox again; lanes that gave way leave room for reductions (R11)."""
        for lane in tuple(self._lanes.values()):
            self._lane_changed(lane)
        super().wake()

    # State

    async def _prepare(self) -> None:
        """Trust no memory: ledger first, then the venue, then the master (R2)."""
        desk = self._desk
        await desk.board.known.wait()
        name = desk.settings.name
        holdings = await self._read_ledger_holdings(name)
        desk.holdings.update({holding.leg: holding for holding in holdings})
        await self._read_account_until_it_works()
        self.nursery.start_soon(self._recover)
        self.nursery.start_soon(self._refresh_for_ever)
        self.nursery.start_soon(self._write_late_outcomes)
        self._prepared = True
        self._marks().tell(WatchMarks(frozenset(leg.symbol for leg in desk.view.open_legs())))
        self._tell_state("ready")
        self._pairing().tell(FollowerReady(name))
        self.wake()

    async def _read_ledger_holdings(self, name: str) -> list[Holding]:
        while True:
            try:
                return await self._desk.ledger.read(lambda store: store.holdings(name))
            except LedgerUnreachable as error:
                self._desk.bus.publish(TroubleMet(where=name, what=f"ledger: {error}"))
                await trio.sleep(RETRY_S_MAX / 10)

    async def _read_account_until_it_works(self) -> None:
        wait_s = RETRY_S_BASE
        while True:
            try:
                await self._desk.read_account()
                break
            except ExchangeError as error:
                self._tell_state("starting", str(error))
                await trio.sleep(wait_s)
                wait_s = min(RETRY_S_MAX, wait_s * 2)
        self._see_positions(self._desk.view.positions.values())

    async def _recover(self) -> None:
        """Find out what became of copies that were claimed and have no outcome (R2, R11)."""
        name = self._desk.settings.name
        open_copies = await self._desk.ledger.read(lambda store: store.open_copies(name))
        for open_copy in open_copies:
            symbol = self._desk.symbol_of(open_copy.change.leg.symbol) or open_copy.change.leg.symbol
            lane = Lane(symbol=symbol, changed=self.wake, yielding=True)
            self._yielding.append(lane)
            self.nursery.start_soon(self._recover_one, lane, open_copy)

    async def _recover_one(self, lane: Lane, open_copy: OpenCopy) -> None:
        try:
            record = await recover_orders(self._desk, open_copy, lane.symbol)
        finally:
            self._yielding.remove(lane)
        self._resumable[record.change.change_id] = record
        self._pairing().tell(FollowerReady(self._desk.settings.name))
        self.wake()

    async def _refresh_for_ever(self) -> None:
        """Read the account when the stream came up and at least every 60 s, spread out (R21)."""
        share = sum(self._desk.settings.name.encode()) % 100 / 100
        while True:
            self._refresh_wanted = trio.Event()
            with trio.move_on_after(SNAPSHOT_S * (0.8 + 0.2 * share)):
                await self._refresh_wanted.wait()
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            if not await self._desk.read_account():
                await self._desk.read_account()
        except ExchangeError as error:
            self._desk.view.snapshot_agreed = False
            self._tell_state("snapshot_failed", str(error))
            await trio.sleep(1.0)
            self._refresh_wanted.set()

    async def _write_late_outcomes(self) -> None:
        while True:
            await trio.sleep(UNWRITTEN_RETRY_S)
            while self._desk.unwritten:
                claim, outcome = self._desk.unwritten[0]
                try:
                    if claim is not None:
                        await self._desk.ledger.claim(claim)
                    await self._desk.ledger.record(outcome)
                except LedgerUnreachable:
                    break
                self._desk.unwritten.pop(0)

    def _see_positions(self, rows: Iterable[PositionReport]) -> None:
        for row in rows:
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

    def _set_mode(self, mode: FollowerMode) -> None:
        before = self._desk.settings.mode
        self._desk.settings = attrs.evolve(self._desk.settings, mode=mode)
        if mode is FollowerMode.PAUSED:
            self._interrupt_waits()
        elif before is not mode and self._prepared:
            self._pairing().tell(FollowerReady(self._desk.settings.name))
        self._tell_state(self._state())
        self.wake()

    def _begin_drain(self) -> None:
        self._desk.stopping = True
        self._interrupt_waits()

    def _interrupt_waits(self) -> None:
        for lane in self._lanes.values():
            if lane.interruptible:
                lane.interrupt(None)

    def _state(self) -> str:
        if not self._prepared:
            return "starting"
        mode = self._desk.settings.mode
        return "ready" if mode is FollowerMode.ACTIVE else mode.value

    def _tell_state(self, state: str, detail: str = "") -> None:
        self._desk.bus.publish(
            FollowerStateChanged(follower=self._desk.settings.name, state=state, detail=detail)
        )
