"""Whose turn it is: the lanes in which one follower's copies run, one a symbol at a time (R7, R11)."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal

import attrs
import trio

from actors.copy_record import CopyRecord
from actors.copying import Copying
from actors.follower_desk import FollowerDesk
from actors.interrupted_copies import InterruptedCopies
from actors.lane import Interrupted, Lane
from actors.last_fills import confirm_fills
from actors.messages import MasterChanged
from actors.newest_changes import NewestChanges
from actors.recovery import recover_orders
from model.copy import OrderRecord
from model.ledger import OpenCopy
from model.leg import Leg

MAIL_S = 0.01
"""How long what was left open lets the mailbox go first."""


@attrs.define(kw_only=True)
class LanePorts:
    """What a follower lets its lanes do and know."""

    nursery: Callable[[], trio.Nursery]
    """Where they run."""
    wake: Callable[[], None]
    """Has the mailbox looked at again, and with it the lanes (``Lanes.make_room``)."""
    close: Callable[[Lane, Leg], Awaitable[None]]
    """Closes a leg for an operator, in the lane that is given."""
    take_closing: Callable[[CopyRecord], Awaitable[None]]
    """Takes an operator's closing that was begun before a crash."""
    recovered: Callable[[], None]
    """Told when it is known what became of a copy that was begun before a crash."""
    closed: Callable[[str], None]
    """Told when a lane of the symbol is done."""


class Lanes:
    """One follower's lanes: those that have their symbols' turns, and those that gave way."""

    def __init__(
        self, desk: FollowerDesk, newest: NewestChanges, interrupted: InterruptedCopies, ports: LanePorts
    ) -> None:
        self._desk = desk
        self._newest = newest
        self._interrupted = interrupted
        self._ports = ports
        self.running: dict[str, Lane] = {}
        """Each symbol's lane that has the turn."""
        self.yielding: list[Lane] = []
        """Those that wait for an order's outcome and let reductions pass meanwhile."""

    def all(self) -> tuple[Lane, ...]:
        """Return every lane, those that give way included."""
        return (*self.running.values(), *self.yielding)

    def in_flight(self) -> bool:
        """Tell whether something may still come of what was sent, or be sent."""
        return any(not lane.only_looks for lane in self.all())

    def has(self, symbol: str) -> bool:
        """Tell whether a copy of the symbol runs or gives way."""
        return symbol in self.running or any(lane.symbol == symbol for lane in self.yielding)

    def busy_symbols(self) -> tuple[str, ...]:
        """Return the symbols on which something is done, or a fill is looked for."""
        hidden = (leg.symbol for leg, count in self._desk.unconfirmed.items() if count)
        return tuple(dict.fromkeys((*self.running, *hidden)))

    def open(self, symbol: str, message: MasterChanged | None) -> None:
        """Run copies of the symbol, beginning with ``message`` or with what was left open."""
        lane = self.running[symbol] = Lane(symbol=symbol, changed=self._ports.wake)
        self._ports.nursery().start_soon(self._run, lane, message)

    def open_closing(self, leg: Leg) -> None:
        """Have a leg closed for an operator."""
        lane = Lane(symbol=leg.symbol, changed=self._ports.wake, for_operator=True)
        self.running[leg.symbol] = lane
        self._ports.nursery().start_soon(self._run_closing, lane, leg)

    def recover(self, open_copies: Iterable[OpenCopy]) -> None:
        """Find out what became of copies that were claimed and have no outcome (R2, R11).

        Their symbols' lanes give way from the start: no opening before the last one is known.
        """
        copies = tuple(open_copies)
        names = Counter(self._symbol_of(it) for it in copies)
        for open_copy in copies:
            self._desk.note_claim(open_copy.copy_id)
            lane = Lane(
                symbol=self._symbol_of(open_copy),
                changed=self._ports.wake,
                yielding=True,
                only_full_closes=open_copy.change.change_class.reduces,
                for_operator=open_copy.change.by_operator,
            )
            self.yielding.append(lane)
            self._ports.nursery().start_soon(self._recover, lane, open_copy, names[lane.symbol] == 1)

    def confirm(self, last_fills: Iterable[OrderRecord]) -> None:
        """Hold openings up until the view shows what was filled just before the start (R2, R11).

        Beside a reduction that it may lack another partial one waits too: both would take off too much.
        """
        left = {leg: holding.target for leg, holding in self._desk.holdings.items()}
        by_symbol: dict[str, list[OrderRecord]] = {}
        for order in last_fills:
            by_symbol.setdefault(order.leg.symbol, []).append(order)
        for symbol, orders in by_symbol.items():
            lane = Lane(
                symbol=symbol,
                changed=self._ports.wake,
                yielding=True,
                only_full_closes=any(order.reduce_only for order in orders),
                only_looks=True,
            )
            self.yielding.append(lane)
            self._ports.nursery().start_soon(self._confirm, lane, orders, left)

    def make_room(self) -> None:
        """Take those that gave way out of their symbols' turns: reductions may pass (R11)."""
        for lane in tuple(self.running.values()):
            if lane.yielding and self.running.get(lane.symbol) is lane:
                del self.running[lane.symbol]
                self.yielding.append(lane)
                if lane.newer is not None:
                    self.open(lane.symbol, lane.newer)

    def nudge(self) -> None:
        """Let copies that wait try again at once."""
        for lane in self.running.values():
            lane.nudge()

    def interrupt_waits(self) -> None:
        """End the waits of copies; what they answer stays open."""
        for lane in self.running.values():
            if lane.interruptible:
                lane.interrupt(None)

    async def _run(self, lane: Lane, message: MasterChanged | None) -> None:
        following = message
        try:
            if following is None:
                following = await self._after_the_mail(lane)
            while following is not None:
                following = await self._run_copy(lane, following)
                if following is None and not lane.yielding:
                    following = await self._after_the_mail(lane)
        finally:
            self._close(lane)

    async def _run_copy(self, lane: Lane, message: MasterChanged) -> MasterChanged | None:
        """Run one copy; return the change that this lane takes next."""
        lane.newer = None
        message = self._newest.beside(message)
        resumed, unfinished = self._interrupted.take_for(message)
        copying = Copying(self._desk, message, lane, resumed=resumed, unfinished=unfinished)
        try:
            await copying.run()
        except Interrupted:
            for record in copying.open_records():
                self._interrupted.keep(record)
        return None if lane.yielding else lane.newer

    async def _after_the_mail(self, lane: Lane) -> MasterChanged | None:
        """Return what an interrupted copy left to do, or first a change that waits: it knows more."""
        if self._interrupted.owed(lane.symbol) is None:
            return None
        lane.newer = None
        try:
            await lane.pause(MAIL_S)
        except Interrupted:
            return lane.newer
        return self._interrupted.owed(lane.symbol)

    async def _run_closing(self, lane: Lane, leg: Leg) -> None:
        try:
            await self._ports.close(lane, leg)
        finally:
            self._close(lane)

    def _symbol_of(self, open_copy: OpenCopy) -> str:
        return self._desk.symbols.name(open_copy.change.leg.symbol)

    async def _recover(self, lane: Lane, open_copy: OpenCopy, is_alone: bool) -> None:
        self._desk.unknown_orders[lane.symbol] += 1
        try:
            record = await recover_orders(self._desk, open_copy, lane.symbol, is_alone=is_alone)
        finally:
            self._desk.unknown_orders[lane.symbol] -= 1
        if record.change.by_operator:
            await self._ports.take_closing(record)
        else:
            self._interrupted.keep(record)
        self._close(lane)
        self._ports.recovered()

    async def _confirm(self, lane: Lane, orders: Iterable[OrderRecord], left: Mapping[Leg, Decimal]) -> None:
        try:
            await confirm_fills(self._desk, orders, left=left)
        finally:
            self._close(lane)

    def _close(self, lane: Lane) -> None:
        if self.running.get(lane.symbol) is lane:
            del self.running[lane.symbol]
        if lane in self.yielding:
            self.yielding.remove(lane)
            self._look_again(lane.symbol)
        self._ports.closed(lane.symbol)

    def _look_again(self, symbol: str) -> None:
        """Go on with what a late answer left open; a lane that is busy with the symbol will do it."""
        busy = self.running.get(symbol)
        if busy is not None:
            busy.nudge()
            return
        if self._interrupted.owed(symbol) is not None:
            self.open(symbol, None)
