"""The engine put together: venues, ledger, actors under their supervisors (R3)."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import trio

from actors.account_stream import AccountStream
from actors.bus import Bus
from actors.follower import Follower
from actors.follower_desk import FollowerDesk
from actors.ledger import LedgerDesk, LedgerKeeper
from actors.mark_stream import MarkStream
from actors.master_stream import MasterStream
from actors.messages import Drain
from actors.pairing import Pairing, PairingPorts
from actors.runtime import Address, TrioActor
from actors.venue_board import VenueBoard
from exchanges.clock import Clock
from exchanges.port import AccountGateway, Credentials, Venue
from model.settings import FollowerSettings
from supervision.supervisor import Supervisor, SupervisorSpec
from supervision.tree import edge_spec, follower_group, follower_spec, root_spec

READY_POLL_S = 0.05


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
    max_open_age_s: float = 5.0
    pairing_wait_s: float = 1.0
    drain_s: float = 30.0


@attrs.frozen(kw_only=True)
class FollowerAccount:
    """A follower that the engine shall run."""

    settings: FollowerSettings
    credentials: Credentials


class Engine:
    """Owns the two supervisors: what trades, and beside it what speaks to operators."""

    def __init__(
        self, parts: EngineParts, followers: tuple[FollowerAccount, ...], *, report: Callable[[Any], None]
    ) -> None:
        self.parts = parts
        self._boards = {name: VenueBoard(venue=venue) for name, venue in parts.venues.items()}
        self._gateways: dict[str, AccountGateway] = {}
        self._settings: dict[str, FollowerSettings] = {}
        self._addresses: dict[str, Address] = {}
        self._master = parts.venues[parts.master_exchange].account(parts.master_credentials)
        self._root = Supervisor(self._root_spec(followers), report=report)
        self._edge: Supervisor | None = None
        self._report = report
        for account in followers:
            self._addresses[account.settings.name] = self._root.address(f"follower:{account.settings.name}")

    @property
    def root(self) -> Supervisor:
        """What trades."""
        return self._root

    @property
    def edge(self) -> Supervisor | None:
        """What speaks to operators, once added."""
        return self._edge

    @property
    def followers(self) -> Mapping[str, Address]:
        """The followers' addresses by name."""
        return self._addresses

    def settings_of(self, name: str) -> FollowerSettings:
        """Return the settings a follower was started with."""
        return self._settings[name]

    def address(self, name: str) -> Address:
        """Return the address of an actor of the trading tree."""
        return self._root.address(name)

    def add_edge(self, children: tuple[tuple[str, Callable[[], TrioActor]], ...]) -> None:
        """Put actors beside the trading tree, before the engine runs."""
        self._edge = Supervisor(edge_spec(children), report=self._report)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until stopped; raises what the root could not contain."""
        async with trio.open_nursery() as nursery:
            if self._edge is not None:
                nursery.start_soon(self._run_edge, self._edge)
            await nursery.start(self._run_root)
            task_status.started()

    async def _run_root(self, *, task_status: trio.TaskStatus[None]) -> None:
        try:
            await self._root.run(task_status=task_status)
        finally:
            with trio.CancelScope(shield=True):
                if self._edge is not None:
                    await self._edge.stop()
                await self._close()

    async def _run_edge(self, edge: Supervisor) -> None:
        await edge.run()

    async def stop(self, *, drain: bool = True) -> None:
        """Stop from below: no new changes, then the followers settle, then the rest (section 6)."""
        if drain:
            self.address("pairing").tell(Drain())
            for address in tuple(self._addresses.values()):
                address.tell(Drain())
        await self._root.stop()

    async def add_follower(self, account: FollowerAccount) -> None:
        """Start a follower while the engine runs."""
        name = account.settings.name
        await self._root.start_child("followers", self._follower_spec(account))
        self._addresses[name] = self._root.address(f"follower:{name}")

    async def remove_follower(self, name: str) -> None:
        """Stop a follower; its orders in flight settle first."""
        self._addresses.pop(name, None)
        await self._root.stop_child(follower_group(name))
        gateway = self._gateways.pop(name, None)
        self._settings.pop(name, None)
        if gateway is not None:
            await gateway.aclose()

    async def _close(self) -> None:
        for gateway in (*self._gateways.values(), self._master):
            await gateway.aclose()
        for venue in self.parts.venues.values():
            await venue.aclose()

    def _root_spec(self, followers: tuple[FollowerAccount, ...]) -> SupervisorSpec:
        parts = self.parts
        used = {parts.master_exchange, *(account.settings.exchange for account in followers)}
        ports = PairingPorts(
            followers=self._addresses,
            master_stream=lambda: self._root.address("master_stream"),
            marks=lambda: self._root.address(f"marks:{parts.master_exchange}"),
            ledger=parts.ledger,
            clock=parts.clock,
            bus=parts.bus,
            wait_s=parts.pairing_wait_s,
        )
        return root_spec(
            ledger=parts.make_keeper,
            marks=[(name, self._make_marks(name)) for name in parts.venues if name in used],
            followers=tuple(self._follower_spec(account) for account in followers),
            pairing=lambda: Pairing(ports=ports),
            master_stream=lambda: MasterStream(
                gateway=self._master,
                pairing=lambda: self._root.address("pairing"),
                clock=parts.clock,
                bus=parts.bus,
            ),
        )

    def _make_marks(self, exchange: str) -> Callable[[], TrioActor]:
        return lambda: MarkStream(board=self._boards[exchange])

    def _follower_spec(self, account: FollowerAccount) -> SupervisorSpec:
        name, exchange = account.settings.name, account.settings.exchange
        gateway = self.parts.venues[exchange].account(account.credentials)
        self._gateways[name] = gateway
        self._settings[name] = account.settings
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
            ),
        )

    def _make_desk(self, name: str, gateway: AccountGateway) -> FollowerDesk:
        settings = self._settings[name]
        board = self._boards[settings.exchange]
        return FollowerDesk(
            settings=settings,
            gateway=gateway,
            board=board,
            ledger=self.parts.ledger,
            bus=self.parts.bus,
            clock=self.parts.clock,
            max_open_age_s=self.parts.max_open_age_s,
            symbol_of=lambda symbol: symbol if symbol in board.instruments else None,
        )

    def keep_settings(self, settings: FollowerSettings) -> None:
        """Remember changed settings, so that a restarted follower has them too."""
        self._settings[settings.name] = settings
