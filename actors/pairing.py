"""Pairs the master's fills with their confirmed margin and tells every follower (R4, R14)."""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs
import trio
from pykka import ActorDeadError

from actors.bus import Bus
from actors.events import MasterChangeSeen, TroubleMet
from actors.ledger_desk import LedgerDesk
from actors.messages import (
    Describe,
    Drain,
    ExecutionsReported,
    FollowerReady,
    MasterChanged,
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
from model.ledger import LedgerUnreachable
from model.pairing import Pairing as Rules


@attrs.frozen(kw_only=True)
class PairingPorts:
    """Whom Pairing speaks to."""

    followers: Mapping[str, Address]
    """Every follower by name; the engine adds and removes at run time."""
    master_stream: Callable[[], Address]
    marks: Callable[[], Address]
    ledger: LedgerDesk
    clock: Clock
    bus: Bus
    wait_s: float = 1.0


class Pairing(TrioActor):
    """Owns what is known of the master; rebuilt from the ledger and a snapshot."""

    def __init__(self, *, ports: PairingPorts) -> None:
        super().__init__()
        self._ports = ports
        self._rules = Rules({}, wait_s=ports.wait_s)
        self._wallet: WalletReport | None = None
        self._absent: frozenset[str] = frozenset()
        self._read_once = False
        self._draining = False
        self._waiting: set[str] = set()
        self._rearmed = trio.Event()

    async def on_start(self) -> None:
        """Load the last change of every leg: a snapshot is compared with what was acted on."""
        memory = await self._ports.ledger.read(lambda store: store.last_changes())
        self._rules = Rules(memory, wait_s=self._ports.wait_s)
        self.nursery.start_soon(self._watch_deadlines)

    async def on_receive(self, message: object) -> object:
        """Take news of the master; answer Describe."""
        if isinstance(message, Describe):
            return self._describe()
        changes = self._take(message)
        self._rearmed.set()
        for change, received_at in changes:
            self._tell_change(change, received_at)
        if self.reconciled:
            self._tell_those_who_wait()
        return None

    @property
    def reconciled(self) -> bool:
        """Tell whether the stream is up and a snapshot has been compared."""
        return self._read_once and not self._absent

    def _take(self, message: object) -> tuple[tuple[Change, float], ...]:
        rules = self._rules
        rules.master_equity = self._equity()
        match message:
            case ExecutionsReported(executions=rows, received_at=at, received_at_ms=ms):
                return _at(at, rules.executions(rows, now=at, received_at_ms=ms))
            case PositionsReported(positions=rows, received_at=at, received_at_ms=ms):
                return _at(at, rules.positions(rows, now=at, received_at_ms=ms))
            case OrderReported(report=report):
                now = trio.current_time()
                return _at(now, rules.order(report, now=now))
            case WalletReported(report=wallet):
                self._take_wallet(wallet)
            case MasterRead():
                return self._take_snapshot(message)
            case SymbolRead(symbol=symbol, positions=rows, received_at=at, received_at_ms=ms):
                changes = rules.settled(symbol, rows, now=at, received_at_ms=ms)
                self._absent -= {symbol}
                return _at(at, changes)
            case PairingDue():
                return self._take_deadline()
            case MasterLost():
                rules.stream_lost()
                self._read_once = False
            case FollowerReady(name=name):
                self._waiting.add(name)  # told once the master is reconciled: memory alone is stale
            case Drain():
                self._draining = True
            case _:
                raise TypeError(f"Pairing does not know {message!r}")
        return ()

    def _take_snapshot(self, read: MasterRead) -> tuple[tuple[Change, float], ...]:
        self._take_wallet(read.snapshot.wallet)
        self._rules.master_equity = self._equity()
        rows = read.snapshot.positions
        changes = self._rules.snapshot(
            rows, now=read.received_at, received_at_ms=read.received_at_ms, live=not read.reconnected
        )
        gone = self._rules.unlisted(rows)
        if gone:
            # A listing leaves flat legs out and an absence has no sequence: ask before believing it.
            self._absent = gone
            self._ports.master_stream().tell(ReadSymbols(self._absent))
        self._read_once = True
        return _at(read.received_at, changes)

    def _take_deadline(self) -> tuple[tuple[Change, float], ...]:
        now = trio.current_time()
        overdue = self._rules.overdue(now)
        if overdue:
            self._ports.master_stream().tell(ReadSymbols(overdue))
        return _at(now, self._rules.expire(now=now))

    def _take_wallet(self, wallet: WalletReport) -> None:
        if self._wallet is None or wallet.venue_time_ms >= self._wallet.venue_time_ms:
            self._wallet = wallet

    def _equity(self) -> Decimal | None:
        return None if self._wallet is None else self._wallet.equity

    def _tell_change(self, change: Change, received_at: float) -> None:
        if self._draining:
            return
        self.nursery.start_soon(self._remember, change)
        message = self._message(change, received_at)
        for follower in tuple(self._ports.followers.values()):
            _tell(follower, message)
        self._ports.marks().tell(WatchMarks(frozenset({change.leg.symbol})))
        waited = self._ports.clock.wall_ms() - change.received_at_ms
        self._ports.bus.publish(MasterChangeSeen(change=change, waited_ms=waited))

    def _tell_those_who_wait(self) -> None:
        while self._waiting:
            self._tell_every_leg(self._waiting.pop())

    def _tell_every_leg(self, name: str) -> None:
        """Tell a follower that came back where every leg stands: what it missed is in there (R14)."""
        follower = self._ports.followers.get(name)
        if follower is None or self._draining:
            return
        for change in self._rules.legs.values():
            caught_up = attrs.evolve(change, caught_up=True)
            _tell(follower, self._message(caught_up, trio.current_time()))

    def _message(self, change: Change, received_at: float) -> MasterChanged:
        others = self._rules.others(change.leg)
        return MasterChanged(change=change, others=others, received_at=received_at)

    async def _remember(self, change: Change) -> None:
        try:
            await self._ports.ledger.remember(change)
        except LedgerUnreachable as error:
            # Claims carry the change too; a restart compares a snapshot with what did get there.
            self._ports.bus.publish(TroubleMet(where="pairing", what=f"change not remembered: {error}"))

    async def _watch_deadlines(self) -> None:
        while True:
            self._rearmed = trio.Event()
            deadline = self._rules.next_deadline()
            with trio.move_on_at(math.inf if deadline is None else deadline) as scope:
                await self._rearmed.wait()
            if scope.cancelled_caught:
                self.address.tell(PairingDue())
                await self._rearmed.wait()

    def _describe(self) -> MasterStatus:
        equity = self._equity()
        legs = tuple(change for change in self._rules.legs.values() if change.size_after)
        return MasterStatus(
            reconciled=self.reconciled, equity=None if equity is None else str(equity), legs=legs
        )


def _at(received_at: float, changes: tuple[Change, ...]) -> tuple[tuple[Change, float], ...]:
    return tuple((change, received_at) for change in changes)


def _tell(follower: Address, message: MasterChanged) -> None:
    try:
        follower.tell(message)
    except ActorDeadError:
        return  # quarantined: it asks for every leg when it is revived
