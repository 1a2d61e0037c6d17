"""Closes all that is ours on one account, for an operator; then the follower is paused (section 4).

Copies that are in hand finish first; nothing new is taken. Each leg is closed by a copy of its own, the
ordinary way: claimed, reduce-only, asked for by its id, retried until the leg is flat, also after a restart.
"""

from collections.abc import Callable, Iterable

import attrs
import trio

from actors.copy_record import CopyRecord
from actors.copying import Copying
from actors.events import FlattenMoved
from actors.follower_desk import FollowerDesk
from actors.lane import Interrupted, Lane
from actors.messages import MasterChanged
from actors.mode_keeping import keep_mode
from exchanges.errors import ExchangeError
from model.amounts import format_decimal
from model.change import operator_close
from model.leg import Leg
from model.settings import FollowerMode

LOOK_AGAIN_S = 1.0
RETRY_S_MAX = 60.0
WAITING_AFTER_S = 10.0
WAITING_EVERY_S = 60.0


@attrs.define(kw_only=True)
class FlattenPorts:
    """What a follower lets its flattening do and know."""

    lanes: Callable[[], Iterable[Lane]]
    """Where copies run now, those that give way included."""
    is_busy: Callable[[str], bool]
    """Whether a copy of the symbol has its turn."""
    open_lane: Callable[[Leg], None]
    """Has ``Flattening.close`` run for a leg in a lane of its own."""
    take_interrupted: Callable[[str], tuple[CopyRecord, ...]]
    """Hands over the copies of a symbol that have no outcome."""
    give_back: Callable[[CopyRecord], None]
    """Takes one again that still has none."""
    ended: Callable[[], None]
    """Told when all is flat and the ledger knows that the follower is paused."""


class Flattening:
    """One follower's way to flat; begun again by whoever is started in its place."""

    def __init__(self, desk: FollowerDesk, ports: FlattenPorts) -> None:
        self._desk = desk
        self._ports = ports
        self._running = False
        self._open: dict[Leg, CopyRecord] = {}
        """Closings without an outcome that nobody runs now."""
        self._in_hand: dict[Leg, CopyRecord] = {}
        self._not_before: dict[Leg, float] = {}
        self._tries: dict[Leg, int] = {}
        self._trouble = ""
        self._told_at = 0.0

    async def take_up(self, record: CopyRecord) -> None:
        """Go on with a closing that has no outcome yet, or end it where it is not wanted any more."""
        if self._is_wanted or self._desk.stopping:
            self._open[record.change.leg] = record
        else:
            await record.finish(self._desk, superseded=True)

    async def run(self) -> None:
        """Close everything, however long it takes; return when it is done or not wanted any more."""
        if self._running:
            return
        self._running = True
        try:
            while self._is_wanted:
                self._told_at = trio.current_time() + WAITING_AFTER_S - WAITING_EVERY_S
                self._tell("started")
                if await self._until_flat():
                    return
                await self._give_up()  # and begin again, should it be wanted again by then
        finally:
            self._running = False

    async def close(self, lane: Lane, leg: Leg) -> None:
        """Run the copy that closes a leg, in its lane; one that is interrupted is taken up again."""
        desk = self._desk
        record = self._open.pop(leg, None)
        change = (
            operator_close(desk.settings.name, leg, desk.view.size(leg), desk.clock.wall_ms())
            if record is None
            else record.change
        )
        message = MasterChanged(change=change, others=(), received_at=trio.current_time())
        interrupted = self._ports.take_interrupted(leg.symbol)
        copying = Copying(desk, message, lane, resumed=record, unfinished=interrupted)
        self._in_hand[leg] = copying.record
        try:
            await copying.run()
        except Interrupted:
            for unfinished in copying.open_records():
                await self._put_back(unfinished)
        else:
            self._note_try(leg, copying.record)
        finally:
            del self._in_hand[leg]

    async def _put_back(self, record: CopyRecord) -> None:
        if record.change.by_operator:
            await self.take_up(record)
        else:
            self._ports.give_back(record)

    @property
    def _is_wanted(self) -> bool:
        return self._desk.settings.mode is FollowerMode.FLATTENING

    async def _until_flat(self) -> bool:
        """Return whether everything is flat and the follower paused."""
        desk = self._desk
        while self._is_wanted and not desk.stopping:
            for leg in self._due():
                self._ports.open_lane(leg)
            if self._looks_flat() and await self._is_flat():
                return await self._pause()
            self._tell_waiting()
            await desk.wait_until(self._has_moved, LOOK_AGAIN_S)
        return desk.stopping

    def _has_moved(self) -> bool:
        return not self._is_wanted or self._looks_flat() or bool(self._due())

    def _held(self) -> tuple[Leg, ...]:
        return tuple(leg for leg in self._desk.view.open_legs() if self._desk.owns(leg))

    def _due(self) -> list[Leg]:
        """Return the legs to close now: one a symbol, beside no other closing of that symbol.

        None while the follower's key may not send anything.
        """
        if not self._desk.key.state.may_reduce:
            return []
        closing = {lane.symbol for lane in self._ports.lanes() if lane.for_operator}
        now = trio.current_time()
        due: dict[str, Leg] = {}
        for leg in (*self._open, *self._held()):
            is_free = leg.symbol not in closing and not self._ports.is_busy(leg.symbol)
            if is_free and now >= self._not_before.get(leg, 0.0):
                due.setdefault(leg.symbol, leg)
        return list(due.values())

    def _looks_flat(self) -> bool:
        """Tell whether nothing is held, nothing under way, and no order without a known outcome."""
        return not (self._held() or self._open or any(True for _ in self._ports.lanes()))

    async def _is_flat(self) -> bool:
        """Ask the venue too: what it does not answer is not known to be flat."""
        try:
            await self._desk.read_account()
        except ExchangeError as error:
            self._trouble = str(error)
            self._tell_waiting()
            await trio.sleep(LOOK_AGAIN_S)
            return False
        self._trouble = ""
        return self._looks_flat()

    async def _pause(self) -> bool:
        """Pause; the ledger knows it first. Return False where the operator wants something else by now."""
        while not await keep_mode(self._desk, FollowerMode.PAUSED, instead_of=FollowerMode.FLATTENING):
            await trio.sleep(LOOK_AGAIN_S)  # the ledger is away, or an operator's word is on its way here
            if not self._is_wanted:
                return False
        if self._is_wanted:
            self._tell("done")
            self._ports.ended()
        return True

    async def _give_up(self) -> None:
        self._tell("given_up")
        while self._open:
            _, record = self._open.popitem()
            await record.finish(self._desk, superseded=True)

    def _note_try(self, leg: Leg, record: CopyRecord) -> None:
        """Put a leg off that could not be closed: what refuses it now may pass."""
        if not self._desk.view.size(leg):
            self._tries.pop(leg, None)
            return
        tries = self._tries[leg] = self._tries.get(leg, 0) + 1
        self._not_before[leg] = trio.current_time() + min(RETRY_S_MAX, LOOK_AGAIN_S * 2 ** min(tries, 10))
        if record.reason is not None:
            self._trouble = f"{leg}: {record.reason.value}"

    def _tell_waiting(self) -> None:
        now = trio.current_time()
        if now - self._told_at >= WAITING_EVERY_S:
            self._told_at = now
            self._tell("waiting", self._why_it_waits())

    def _why_it_waits(self) -> str:
        unknown = self._desk.unknown_orders.total()
        troubles = [f"{leg}: {it.last_trouble}" for leg, it in self._in_hand.items() if it.last_trouble]
        words = [f"orders without a known outcome: {unknown}"] if unknown else []
        if self._desk.view.heard_at is None:
            words.append("the account's stream is down")
        if not self._desk.key.state.may_reduce:
            words.append("the follower's key may not send anything")
        return "; ".join([*words, *troubles, *([self._trouble] if self._trouble else [])])

    def _tell(self, state: str, detail: str = "") -> None:
        desk = self._desk
        left = tuple(f"{leg} {format_decimal(desk.view.size(leg))}" for leg in self._held())
        desk.bus.publish(FlattenMoved(follower=desk.settings.name, state=state, left=left, detail=detail))
