"""Pairs the master's fills with their confirmed margin and tells every follower (R4, R14)."""

import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import attrs
import trio
from pykka import ActorDeadError

from actors.bus import Bus
from actors.change_keeper import ChangeKeeper
from actors.events import MasterChangeSeen
from actors.ledger_desk import LedgerDesk
from actors.master_line import MasterLine
from actors.messages import (
    Describe,
    DescribeLegs,
    Drain,
    ExecutionsReported,
    FollowerReady,
    MasterChanged,
    MasterLeg,
    MasterLegs,
    MasterLost,
    MasterRead,
    MasterStatus,
    OrderReported,
    PairingDue,
    PositionsReported,
    ReadSymbols,
    SymbolRead,
    WalletReported,
    WatchMarks,
)
from actors.runtime import Address, TrioActor
from exchanges.clock import Clock
from model.account import WalletReport
from model.change import Change
from model.leg import Leg
from model.pairing import Pairing as Rules

LAST_WRITES_S = 2.0

Found = tuple[float, tuple[Change, ...]]
"""When the frame was read that completed these changes, in trio's seconds."""


@attrs.frozen(kw_only=True)
class PairingPorts:
    """Whom Pairing speaks to."""

    followers: Mapping[str, Address]
    """Every follower by name; the engine adds and removes at run time."""
    master_stream: Callable[[], Address]
    marks: Callable[[], Iterable[Address]]
    """The mark streams of every venue in use: the master's and the followers'."""
    ledger: LedgerDesk
    clock: Clock
    bus: Bus
    line: MasterLine = attrs.field(factory=MasterLine)
    wait_s: float = 1.0


class Pairing(TrioActor):
    """Owns what is known of the master; rebuilt from the ledger and a snapshot.

    Handling a message waits for nothing: what is slow runs beside the mailbox.
    """

    def __init__(self, *, ports: PairingPorts) -> None:
        super().__init__()
        self._ports = ports
        self._rules = Rules({}, wait_s=ports.wait_s)
        self._keeper = ChangeKeeper(ledger=ports.ledger, bus=ports.bus)
        self._wallet: WalletReport | None = None
        self._absent: frozenset[str] = frozenset()
        """Symbols of which a snapshot left out a leg that was open: they are being asked for."""
        self._held_back: list[tuple[Change, float]] = []
        """Changes of those symbols, and when they were read."""
        self._read_once = False
        self._changed_at: dict[Leg, float] = {}
        self._began_at = trio.current_time()
        self._draining = False
        self._waiting: dict[str, None] = {}
        self._is_telling = False
        self._handled = 0
        self._heard_at = 0.0
        """Counts messages: legs that were put into words before the last one may be old."""
        self._rearmed = trio.Event()
        self._armed_for: float | None = None
        self._due_sent = False
        ports.line.note(is_live=False)

    async def on_start(self) -> None:
        """Load the last change of every leg: a snapshot is compared with what was acted on.

        Whatever ended an earlier life may have kept a change from some followers, so all of them
        hear every leg once the master is read; what they acted on they know.
        """
        memory = await self._ports.ledger.read(lambda store: store.last_changes())
        self._rules = Rules(memory, wait_s=self._ports.wait_s)
        self._waiting = dict.fromkeys(self._ports.followers)
        self.nursery.start_soon(self._watch_deadlines)
        self.nursery.start_soon(self._keeper.run)

    async def on_stop(self) -> None:
        """Give the ledger a moment for the last changes; a snapshot finds again what is not written."""
        with trio.move_on_after(LAST_WRITES_S):
            await self._keeper.written.wait()

    async def on_receive(self, message: object) -> object:
        """Take news of the master; answer Describe."""
        if isinstance(message, Describe):
            return self._describe()
        if isinstance(message, DescribeLegs):
            return self._describe_legs()
        self._handled += 1
        received_at, changes = self._take(message)
        self._heard_at = max(self._heard_at, received_at)
        if self._next_deadline() != self._armed_for:
            self._rearmed.set()
        self._tell_held_back()
        for change in changes:
            self._tell_change(change, received_at)
        self._ports.line.note(is_live=self.reconciled)
        if self._waiting and self.reconciled and not self._is_telling:
            self._is_telling = True
            self.nursery.start_soon(self._tell_those_who_wait)
        return None

    @property
    def reconciled(self) -> bool:
        """Tell whether the stream is up and a snapshot has been compared."""
        return self._read_once and not self._absent

    # The master's news

    def _take(self, message: object) -> Found:
        rules = self._rules
        rules.master_equity = self._equity()
        match message:
            case ExecutionsReported(executions=rows, received_at=at, received_at_ms=ms):
                return at, rules.executions(rows, now=at, received_at_ms=ms)
            case PositionsReported(positions=rows, received_at=at, received_at_ms=ms):
                return at, rules.positions(rows, now=at, received_at_ms=ms)
            case OrderReported(report=report):
                now = trio.current_time()
                return now, rules.order(report, now=now)
            case SymbolRead(symbol=symbol, positions=rows, received_at=at, received_at_ms=ms):
                self._absent -= {symbol}
                return at, rules.settled(symbol, rows, now=at, received_at_ms=ms)
            case MasterRead():
                return self._take_snapshot(message)
            case PairingDue():
                return self._take_deadline()
            case _:
                self._take_other(message)
        return 0.0, ()

    def _take_other(self, message: object) -> None:
        match message:
            case WalletReported(report=wallet):
                self._take_wallet(wallet)
            case MasterLost():
                self._forget_stream()
            case FollowerReady(name=name):
                self._waiting[name] = None  # told once the master is read: memory alone is stale
            case Drain():
                self._draining = True
            case _:
                raise TypeError(f"Pairing does not know {message!r}")

    def _take_snapshot(self, read: MasterRead) -> Found:
        if read.reconnected:
            self._forget_stream()  # the one before may have ended without a word
        self._take_wallet(read.snapshot.wallet)
        self._rules.master_equity = self._equity()
        rows = read.snapshot.positions
        changes = self._rules.snapshot(
            rows, now=read.received_at, received_at_ms=read.received_at_ms, live=not read.reconnected
        )
        # A listing leaves flat legs out and an absence has no sequence: ask before believing it.
        self._absent = self._rules.unlisted(rows)
        self._ask_for(self._absent)
        self._read_once = True
        self._watch_marks(row.leg.symbol for row in rows)
        return read.received_at, changes

    def _take_deadline(self) -> Found:
        self._due_sent = False
        now = trio.current_time()
        self._ask_for(self._rules.overdue(now))
        return now, self._rules.expire(now=now)

    def _take_wallet(self, wallet: WalletReport) -> None:
        if self._wallet is None or wallet.venue_time_ms >= self._wallet.venue_time_ms:
            self._wallet = wallet

    def _forget_stream(self) -> None:
        self._rules.stream_lost()
        self._read_once = False

    def _ask_for(self, symbols: frozenset[str]) -> None:
        if symbols:
            _tell(self._ports.master_stream(), ReadSymbols(symbols))

    def _equity(self) -> Decimal | None:
        return None if self._wallet is None else self._wallet.equity

    # To the followers

    def _tell_change(self, change: Change, received_at: float) -> None:
        if self._draining:
            return  # nor is it remembered: the next start finds it missed
        self._changed_at[change.leg] = received_at
        waited = self._ports.clock.wall_ms() - change.received_at_ms
        # What completes a change may come long after what it began with: it is as old as that (R13).
        received_at = min(received_at, trio.current_time() - waited / 1000)
        if change.leg.symbol in self._absent:
            # Beside a leg that may be flat by now: a follower with one leg would open its old net.
            self._held_back.append((change, received_at))
        else:
            self._tell_followers(change, received_at)
        self._keeper.keep(change)
        self._watch_marks((change.leg.symbol,))
        self._ports.bus.publish(MasterChangeSeen(change=change, waited_ms=waited))

    def _tell_followers(self, change: Change, received_at: float) -> None:
        message = self._message(change, received_at)
        for follower in self._ports.followers.values():
            _tell(follower, message)

    def _tell_held_back(self) -> None:
        """Tell the changes whose symbol has been read meanwhile."""
        held_back, self._held_back = self._held_back, []
        for change, received_at in held_back:
            if change.leg.symbol in self._absent:
                self._held_back.append((change, received_at))
            else:
                self._tell_followers(change, received_at)

    async def _tell_those_who_wait(self) -> None:
        """Tell followers that came back where every leg stands: what they missed is in there (R14).

        One after another, with others' turns in between: there may be many at once.
        """
        messages: list[MasterChanged] = []
        worded_at = -1
        try:
            while self._waiting and self.reconciled and not self._draining:
                if worded_at != self._handled:
                    messages, worded_at = self._every_leg(), self._handled
                name = next(iter(self._waiting))
                del self._waiting[name]
                follower = self._ports.followers.get(name)
                if follower is not None:
                    for message in messages:
                        _tell(follower, message)
                await trio.lowlevel.checkpoint()
        finally:
            self._is_telling = False

    def _every_leg(self) -> list[MasterChanged]:
        now = trio.current_time()
        legs = self._rules.legs.values()
        return [self._message(attrs.evolve(change, caught_up=True), now) for change in legs]

    def _message(self, change: Change, received_at: float) -> MasterChanged:
        others = self._rules.others(change.leg)
        return MasterChanged(change=change, others=others, received_at=received_at)

    def _watch_marks(self, symbols: Iterable[str]) -> None:
        wanted = WatchMarks(frozenset(symbols))
        for marks in self._ports.marks():
            _tell(marks, wanted)

    def _next_deadline(self) -> float | None:
        return None if self._due_sent else self._rules.next_deadline()

    async def _watch_deadlines(self) -> None:
        """Tell ourselves when a wait runs out: news that came before is then taken before."""
        while True:
            self._rearmed = trio.Event()
            deadline = self._armed_for = self._next_deadline()
            with trio.move_on_at(math.inf if deadline is None else deadline) as scope:
                await self._rearmed.wait()
            if scope.cancelled_caught:
                self._due_sent = True
                _tell(self.address, PairingDue())

    def _describe(self) -> MasterStatus:
        equity = self._equity()
        legs = tuple(change for change in self._rules.legs.values() if change.size_after)
        return MasterStatus(
            reconciled=self.reconciled,
            equity=None if equity is None else str(equity),
            legs=legs,
            heard_age_s=trio.current_time() - self._heard_at if self._heard_at else None,
        )

    def _describe_legs(self) -> MasterLegs:
        legs = tuple(
            MasterLeg(message=message, changed_at=self._changed_at.get(message.change.leg, self._began_at))
            for message in self._every_leg()
        )
        return MasterLegs(reconciled=self.reconciled, legs=legs)


def _tell(receiver: Address, message: object) -> None:
    try:
        receiver.tell(message)
    except ActorDeadError:
        return  # quarantined, removed or ended: whoever comes back asks for what it missed
