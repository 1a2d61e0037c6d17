"""The engine put together: venues, ledger, actors under their supervisors (R3)."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import attrs
import trio
from pykka import ActorDeadError

from actors.account_stream import AccountStream
from actors.auditor import Auditor, AuditPorts
from actors.bus import Bus
from actors.events import FollowerBarred, TroubleMet
from actors.follower import Follower
from actors.follower_desk import FollowerDesk
from actors.ledger import LedgerDesk, LedgerKeeper
from actors.mark_stream import MarkStream
from actors.master_key import MasterKey, MasterKeyDesk
from actors.master_line import MasterLine
from actors.master_stream import MasterStream
from actors.messages import ChangeSettings, Drain, FollowerReady
from actors.pairing import Pairing, PairingPorts
from actors.runtime import Address, TrioActor
from actors.symbol_desk import SymbolDesk
from actors.unanswered import Unanswered
from actors.venue_board import VenueBoard
from exchanges.clock import Clock
from exchanges.errors import RequestRejected
from exchanges.port import AccountGateway, Credentials, Venue
from model.drift import AuditRules
from model.settings import FollowerMode, FollowerSettings
from supervision.roster import FollowerAccount
from supervision.supervisor import Supervisor, SupervisorSpec
from supervision.tree import child, edge_spec, follower_group, follower_spec, root_spec

__all__ = ["Engine", "EngineParts", "FollowerAccount"]

EDGE_RETRY_S = 60.0
EDGE_RESTART_S = 0.2
TELL_S = 0.1
"""By then the bus has its readers."""
CLOSE_S = 5.0

EdgeChild = tuple[str, Callable[[], TrioActor]]


@attrs.frozen(kw_only=True)
class EngineParts:
    """What an engine is made from; tests put in virtual clocks and in-memory venues."""

    venues: Mapping[str, Venue]
    master_exchange: str
    master_credentials: Credentials
    ledger: LedgerDesk
    make_keeper: Callable[[], LedgerKeeper]
    clock: Clock
    bus: Bus
    allow_trading_key: bool = False
    """Take a master's key that may trade, with a standing warning (section 4)."""
    max_open_age_s: float = 5.0
    pairing_wait_s: float = 1.0
    audit: AuditRules = attrs.field(factory=AuditRules)
    symbol_overrides: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)
    """The operator's names by venue and master symbol; blank means that the venue has none."""
    make_notifier: Callable[[], TrioActor] | None = None
    """Who tells people; None where nobody is to be told, as in a demo."""
    jitter: Random = attrs.field(factory=Random)
    """Spreads restarts; seeded where a run has to repeat."""


class Engine:
    """Owns the two supervisors: what trades, and beside it what speaks to operators."""

    def __init__(
        self,
        parts: EngineParts,
        followers: Iterable[FollowerAccount],
        *,
        report: Callable[[Any], None],
    ) -> None:
        """Put everything together; nothing runs or is connected before `run`.

        Args:
            report: is given every event of the supervisors.
        """
        self.parts = parts
        self._report = report
        self._boards = {name: VenueBoard(venue=venue) for name, venue in parts.venues.items()}
        master = self._boards[parts.master_exchange]
        self._symbols = {
            name: SymbolDesk(master, board, parts.symbol_overrides.get(name, {}))
            for name, board in self._boards.items()
        }
        self._accounts: dict[str, FollowerAccount] = {}
        self._gateways: dict[str, AccountGateway] = {}
        self._addresses: dict[str, Address] = {}
        self._barred: dict[str, str] = {}
        self._added_at: dict[str, float] = {}
        self._unanswered: dict[str, Unanswered] = {}
        self._line = MasterLine()
        self._edge_children: tuple[EdgeChild, ...] = ()
        self._edge: Supervisor | None = None
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope()
        self._changing = trio.Lock()
        self._began_ms = parts.clock.wall_ms()
        self.master_key = MasterKeyDesk(allow_trading_key=parts.allow_trading_key)
        self._master = parts.venues[parts.master_exchange].account(parts.master_credentials)
        first = tuple(account for account in followers if self._open_gateway(account))
        self._streamed = {parts.master_exchange, *(account.settings.exchange for account in first)}
        self._root = Supervisor(self._root_spec(first), report=report, jitter=parts.jitter)
        for account in first:
            self._addresses[account.settings.name] = self._root.address(f"follower:{account.settings.name}")

    @property
    def root(self) -> Supervisor:
        """What trades."""
        return self._root

    @property
    def edge(self) -> Supervisor | None:
        """What speaks to operators, while it runs."""
        return self._edge

    @property
    def followers(self) -> Mapping[str, Address]:
        """The followers' addresses by name."""
        return self._addresses

    @property
    def barred(self) -> Mapping[str, str]:
        """Why a follower is not run, by name: its keys are none of its venue's. The others do not notice."""
        return self._barred

    def added_at(self, name: str) -> float:
        """Return the trio time at which a follower was added; 0 for those that the engine began with."""
        return self._added_at.get(name, 0.0)

    def settings_of(self, name: str) -> FollowerSettings:
        """Return a follower's settings as they are now. Raises: KeyError."""
        return self._accounts[name].settings

    def credentials_of(self, name: str) -> Credentials:
        """Return the keys a follower runs with. Raises: KeyError."""
        return self._accounts[name].credentials

    def clock_offsets(self) -> Mapping[str, float]:
        """Return by venue how far its clock is ahead of ours, in seconds; those that told it."""
        return {
            name: board.clock_offset_ms / 1000
            for name, board in self._boards.items()
            if board.clock_offset_ms is not None
        }

    def address(self, name: str) -> Address:
        """Return the address of an actor of the trading tree."""
        return self._root.address(name)

    def add_edge(self, children: Iterable[EdgeChild]) -> None:
        """Put actors beside the trading tree, before the engine runs."""
        self._edge_children = (*self._edge_children, *children)

    # Life

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until stopped. Raises what the root could not contain, as it is."""
        failure: Exception | None = None
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    nursery.start_soon(self._tell_barred)
                    if self._edge_children:
                        nursery.start_soon(self._run_edge)
                    try:
                        await self._root.run(task_status=task_status)
                    except Exception as error:  # noqa: BLE001 - raised below, outside of any group
                        failure = error
                    nursery.cancel_scope.cancel()
        finally:
            self._nursery = None
            await self._close()
        if failure is not None:
            raise failure

    async def stop(self) -> None:
        """Stop from below: no new changes, the followers settle what is in flight, then the rest."""
        self._drain()
        await self._root.stop()

    def cancel(self) -> None:
        """Stop at once; what is in flight is found again at the next start (R2)."""
        self._scope.cancel()

    def _drain(self) -> None:
        """Tell everybody at once: followers must not open while their siblings are stopped."""
        for address in (self.address("pairing"), *self._addresses.values()):
            try:
                address.tell(Drain())
            except ActorDeadError:
                continue  # not started, or quarantined: it takes nothing any more

    async def _tell_barred(self) -> None:
        await trio.sleep(TELL_S)
        for name, why in self._barred.items():
            self.parts.bus.publish(FollowerBarred(follower=name, why=why))

    async def _run_edge(self) -> None:
        """Run what may die without touching trading; when it gives up, begin again later (R3)."""
        while True:
            self._edge = Supervisor(
                edge_spec(self._edge_children), report=self._report, jitter=self.parts.jitter
            )
            try:
                await self._edge.run()
            except Exception as error:  # noqa: BLE001 - whatever ended it, trading goes on
                self.parts.bus.publish(TroubleMet(where="edge", what=f"{type(error).__name__}: {error}"))
            await trio.sleep(EDGE_RETRY_S)

    def restart_edge(self, name: str) -> None:
        """Restart an actor beside the trading tree a moment later: it may be the one that has to answer."""
        if self._nursery is not None:
            self._nursery.start_soon(self._restart_edge, name)

    async def _restart_edge(self, name: str) -> None:
        await trio.sleep(EDGE_RESTART_S)
        if self._edge is not None:
            with suppress(LookupError, ValueError):  # it has just ended: it is started again anyway
                await self._edge.restart(name)

    async def _close(self) -> None:
        with trio.move_on_after(CLOSE_S, shield=True):
            async with trio.open_nursery() as nursery:
                for gateway in (*self._gateways.values(), self._master):
                    nursery.start_soon(gateway.aclose)
        with trio.move_on_after(CLOSE_S, shield=True):
            for venue in self.parts.venues.values():
                await venue.aclose()

    # Followers at run time; each change is finished even when the caller is cancelled

    async def add_follower(self, account: FollowerAccount) -> None:
        """Start a follower while the engine runs."""
        with trio.CancelScope(shield=True):
            async with self._changing:
                await self._start_follower(account)

    async def remove_follower(self, name: str) -> None:
        """Stop a follower; its orders in flight settle first."""
        with trio.CancelScope(shield=True):
            async with self._changing:
                await self._stop_follower(name)

    async def replace_follower(self, account: FollowerAccount) -> None:
        """Give a follower other keys: stop it, start it anew, let it catch up."""
        with trio.CancelScope(shield=True):
            async with self._changing:
                await self._stop_follower(account.settings.name)
                await self._start_follower(account)

    def change_settings(
        self, settings: FollowerSettings, *, resumes: bool = False, unkept: bool = False
    ) -> None:
        """Give a follower other settings from its next copy on, and after every restart.

        Args:
            resumes: an operator resumes it, also where a broken limit had stopped it.
            unkept: the ledger was away and does not know the mode.
        """
        name = settings.name
        self._accounts[name] = attrs.evolve(self._accounts[name], settings=settings)
        try:
            self._addresses[name].tell(ChangeSettings(settings, resumes=resumes, unkept=unkept))
        except ActorDeadError:
            return  # quarantined: it starts with them when it is revived

    def _mode_moved(self, name: str, mode: FollowerMode) -> None:
        """Remember a mode that a follower came to by itself: who is started in its place begins with it."""
        account = self._accounts.get(name)
        if account is not None:
            settings = attrs.evolve(account.settings, mode=mode)
            self._accounts[name] = attrs.evolve(account, settings=settings)

    async def _start_follower(self, account: FollowerAccount) -> None:
        name, exchange = account.settings.name, account.settings.exchange
        if not self._open_gateway(account):
            self.parts.bus.publish(FollowerBarred(follower=name, why=self._barred[name]))
            return
        if exchange not in self._streamed:
            self._streamed.add(exchange)
            await self._root.start_child("services", child(f"marks:{exchange}", self._make_marks(exchange)))
        await self._root.start_child("followers", self._follower_spec(account))
        self._added_at[name] = trio.current_time()
        self._addresses[name] = self._root.address(f"follower:{name}")
        # It may have asked for the master's legs before Pairing knew it: ask again on its behalf.
        with suppress(ActorDeadError):
            self.address("pairing").tell(FollowerReady(name))

    async def _stop_follower(self, name: str) -> None:
        self._barred.pop(name, None)
        if self._addresses.pop(name, None) is None:
            return
        await self._root.stop_child(follower_group(name))
        self._accounts.pop(name, None)
        self._added_at.pop(name, None)
        self._unanswered.pop(name, None)
        gateway = self._gateways.pop(name, None)
        if gateway is not None:
            with trio.move_on_after(CLOSE_S):
                await gateway.aclose()

    # The tree

    def _root_spec(self, followers: tuple[FollowerAccount, ...]) -> SupervisorSpec:
        parts = self.parts
        ports = PairingPorts(
            followers=self._addresses,
            master_stream=lambda: self._root.address("master_stream"),
            marks=lambda: [self._root.address(f"marks:{name}") for name in self._streamed],
            ledger=parts.ledger,
            clock=parts.clock,
            bus=parts.bus,
            line=self._line,
            wait_s=parts.pairing_wait_s,
        )
        return root_spec(
            ledger=parts.make_keeper,
            master_key=self._make_master_key,
            notifier=parts.make_notifier,
            marks=[(name, self._make_marks(name)) for name in parts.venues if name in self._streamed],
            auditor=lambda: Auditor(ports=self._audit_ports()),
            followers=tuple(self._follower_spec(account) for account in followers),
            pairing=lambda: Pairing(ports=ports),
            master_stream=lambda: MasterStream(
                gateway=self._master,
                pairing=lambda: self._root.address("pairing"),
                clock=parts.clock,
                bus=parts.bus,
            ),
        )

    def _make_master_key(self) -> TrioActor:
        board = self._boards[self.parts.master_exchange]
        return MasterKey(
            desk=self.master_key,
            gateway=self._master,
            clock=self.parts.clock,
            bus=self.parts.bus,
            clock_offset_ms=lambda: board.clock_offset_ms,
        )

    def _audit_ports(self) -> AuditPorts:
        parts = self.parts
        return AuditPorts(
            followers=self._addresses,
            barred=self._barred,
            pairing=lambda: self._root.address("pairing"),
            ledger=parts.ledger,
            clock=parts.clock,
            bus=parts.bus,
            rules=parts.audit,
        )

    def _make_marks(self, exchange: str) -> Callable[[], TrioActor]:
        return lambda: MarkStream(board=self._boards[exchange])

    def _open_gateway(self, account: FollowerAccount) -> bool:
        """Make a follower's gateway, or bar it: a key that is none is refused before anything is sent."""
        name = account.settings.name
        try:
            gateway = self.parts.venues[account.settings.exchange].account(account.credentials)
        except RequestRejected as error:
            self._barred[name] = str(error)
            return False
        self._barred.pop(name, None)
        self._gateways[name], self._accounts[name] = gateway, account
        return True

    def _follower_spec(self, account: FollowerAccount) -> SupervisorSpec:
        name, exchange = account.settings.name, account.settings.exchange
        gateway = self._gateways[name]
        return follower_spec(
            name,
            account_stream=lambda: AccountStream(
                name=name,
                gateway=gateway,
                follower=lambda: self._root.address(f"follower:{name}"),
                clock=self.parts.clock,
                bus=self.parts.bus,
            ),
            follower=lambda: Follower(
                desk=self._make_desk(name, gateway),
                pairing=lambda: self._root.address("pairing"),
                marks=lambda: self._root.address(f"marks:{exchange}"),
                stream=lambda: self._root.address(f"stream:{name}"),
            ),
        )

    def _make_desk(self, name: str, gateway: AccountGateway) -> FollowerDesk:
        settings = self._accounts[name].settings
        board = self._boards[settings.exchange]
        return FollowerDesk(
            settings=settings,
            gateway=gateway,
            board=board,
            ledger=self.parts.ledger,
            bus=self.parts.bus,
            clock=self.parts.clock,
            max_open_age_s=self.parts.max_open_age_s,
            symbols=self._symbols[settings.exchange],
            master=self._line,
            mode_moved=partial(self._mode_moved, name),
            unanswered=self._unanswered.setdefault(name, Unanswered()),
            key_mark=self._accounts[name].key_mark,
            engine_began_ms=self._began_ms,
        )
