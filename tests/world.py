"""A whole engine over a sandbox venue in memory, in virtual time: the world that scenarios run in."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import attrs
import trio
from pykka import ActorDeadError

from actors.bus import Bus
from actors.ledger import LedgerDesk, LedgerKeeper, Mode
from actors.messages import Describe, FollowerStatus, MasterStatus
from exchanges.clock import TrioClock
from exchanges.network import MemoryNetwork
from exchanges.port import Credentials
from exchanges.sandbox import (
    Account,
    Listing,
    SandboxDescription,
    SandboxVenue,
    build_venue,
    describe_account,
)
from exchanges.sandbox.order import Order
from exchanges.sandbox.server import SandboxServer
from model.copy import Holding
from model.ledger import CopyRow, FollowerRow, Store, open_store
from model.ledger.errors import LedgerUnreachable
from model.ledger.journal import Journal
from model.ledger.lease import MemoryLease
from model.settings import FollowerMode, FollowerSettings, Join, Sizing, SizingMode
from supervision.engine import Engine, EngineParts, FollowerAccount
from tests.houses import VENUES, House, bybit_house, mirror_prices

MASTER = "master"
POLL_S = 0.02


def mirror(multiplier: str = "1") -> Sizing:
    """Return the sizing that commits the master's own share, times ``multiplier``."""
    return Sizing(mode=SizingMode.MIRROR, multiplier=Decimal(multiplier))


def fixed_margin(margin_pct: str) -> Sizing:
    """Return the sizing that commits a constant share of equity to each position."""
    return Sizing(mode=SizingMode.FIXED_MARGIN, margin_pct=Decimal(margin_pct))


def fixed_ratio(ratio: str) -> Sizing:
    """Return the sizing that holds a constant multiple of the master's size."""
    return Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal(ratio))


@attrs.frozen(kw_only=True)
class Cast:
    """One follower of a scenario."""

    name: str = "alice"
    equity: str = "10000"
    hedge: bool = False
    venue: str = "bybit"
    settings: Mapping[str, Any] = attrs.field(factory=lambda: {"sizing": fixed_ratio("1")})


@attrs.define(kw_only=True)
class World:
    """The venues, the engine that watches them, and what a scenario does with both.

    ``venue`` and ``server`` are the master's; symbols are given as the master's venue calls them.
    """

    houses: tuple[House, ...]
    network: MemoryNetwork
    clock: TrioClock
    """The venues'."""
    host_clock: TrioClock
    """The engine's: that of its host."""
    store: Store
    followers: tuple[FollowerAccount, ...]
    nursery: trio.Nursery
    directory: Path
    max_open_age_s: float = 5.0
    allow_trading_key: bool = True
    paced: bool = False
    """Whether the engine keeps the venues' request budgets, and heeds their stops."""
    make_parts: Callable[..., EngineParts] | None = None
    """Puts an engine's parts together, where it is to have more than a scenario needs."""
    make_desk: Callable[..., LedgerDesk] = LedgerDesk
    events: list[object] = attrs.field(factory=list)
    desk: LedgerDesk | None = None
    """The newest engine's."""
    _engine: Engine | None = None
    _scope: trio.CancelScope | None = None
    _ended: trio.Event = attrs.field(factory=trio.Event)

    @property
    def engine(self) -> Engine:
        """The engine that runs now."""
        assert self._engine is not None, "no engine runs"
        return self._engine

    @property
    def runs(self) -> bool:
        """Tell whether an engine runs now."""
        return self._engine is not None

    @property
    def venue(self) -> SandboxVenue:
        """Where the master trades."""
        return self.houses[0].core

    @property
    def server(self) -> SandboxServer:
        """Through which the master's venue is reached."""
        return self.houses[0].server

    # The master

    def trade(self, symbol: str, quantity: str, **options: Any) -> Order:
        """Trade as the master; see SandboxVenue.trade."""
        return self.venue.trade(MASTER, symbol, Decimal(quantity), **options)

    def close(self, symbol: str, position_idx: int = 0) -> Order:
        """Close a leg of the master."""
        return self.venue.close_position(MASTER, symbol, position_idx)

    # The operator

    def order(self, name: str, mode: FollowerMode) -> None:
        """Set a follower's mode as the control socket does: the ledger first, then the engine."""
        self.store.set_mode(name, mode)
        settings = attrs.evolve(self.engine.settings_of(name), mode=mode)
        self.engine.change_settings(settings, resumes=mode is FollowerMode.ACTIVE)

    def mode_kept(self, name: str) -> FollowerMode:
        """Return a follower's mode as the ledger has it."""
        return next(row.settings.mode for row in self.store.followers() if row.settings.name == name)

    # What is

    def house(self, name: str) -> House:
        """Return where an account is."""
        return next(house for house in self.houses if name in house.core.accounts)

    def core(self, name: str) -> SandboxVenue:
        """Return the core of the venue where an account is."""
        return self.house(name).core

    def account(self, name: str) -> Account:
        """Return an account as its venue has it."""
        return self.core(name).account(name)

    def sent_twice(self) -> list[tuple[str, str]]:
        """Return (account, client order id) of orders that arrived at any venue more than once."""
        return [key for house in self.houses for key in house.core.ledger.sent_twice()]

    def size(self, name: str, symbol: str = "BTCUSDT", position_idx: int = 0) -> Decimal:
        """Return a position as its venue has it."""
        return self.account(name).size(self.house(name).own_symbol(symbol), position_idx)

    def copies(self, name: str | None = None) -> list[CopyRow]:
        """Return the copies in the ledger, oldest first."""
        return self.store.copies(follower=name, limit=1000)[::-1]

    def holding(self, name: str, symbol: str = "BTCUSDT", position_idx: int = 0) -> Holding:
        """Return what the ledger says of a follower's leg."""
        wanted = self.house(name).own_symbol(symbol), position_idx
        return next(
            held for held in self.store.holdings(name) if (held.leg.symbol, held.leg.position_idx) == wanted
        )

    def seen(self, kind: type[Any]) -> list[Any]:
        """Return the events of a kind that the engine published."""
        return [event for event in self.events if isinstance(event, kind)]

    async def status(self, name: str) -> FollowerStatus:
        """Ask a follower for its status."""
        answer = await self.engine.followers[name].ask(Describe(), timeout_s=5.0)
        assert isinstance(answer, FollowerStatus)
        return answer

    # Waiting

    async def until(self, is_so: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Wait in virtual time until ``is_so()``; fails after ``timeout_s``."""
        with trio.fail_after(timeout_s):
            while not is_so():
                await trio.sleep(POLL_S)

    async def ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the master is reconciled and every follower has its state."""
        with trio.fail_after(timeout_s):
            while not await self._is_ready():
                await trio.sleep(POLL_S)

    async def settled(self, timeout_s: float = 60.0) -> None:
        """Wait until the engine knows the master's positions and nobody has a copy in hand."""
        with trio.fail_after(timeout_s):
            quiet = 0
            while quiet < 3:
                quiet = quiet + 1 if await self._is_settled() else 0
                await trio.sleep(POLL_S)

    async def _is_ready(self) -> bool:
        master = await self._master_status()
        if master is None or not master.reconciled:
            return False
        statuses = [await self._status_now(name) for name in self.engine.followers]
        return all(status is not None and status.state != "starting" for status in statuses)

    async def _is_settled(self) -> bool:
        master = await self._master_status()
        if master is None or not master.reconciled:
            return False
        known = {change.leg: change.size_after for change in master.legs}
        held = {(leg.symbol, leg.position_idx): leg.size for leg in self.account(MASTER).open_positions()}
        if {(leg.symbol, leg.position_idx): size for leg, size in known.items()} != held:
            return False
        for name in self.engine.followers:
            status = await self._status_now(name)
            if status is None or status.busy_symbols or status.unknown_orders or status.state == "starting":
                return False
        return all(row.state.is_final for row in self.copies())

    async def _status_now(self, name: str) -> FollowerStatus | None:
        try:
            return await self.status(name)
        except ActorDeadError:
            return None  # between two lives

    async def _master_status(self) -> MasterStatus | None:
        try:
            answer = await self.engine.address("pairing").ask(Describe(), timeout_s=5.0)
        except ActorDeadError:
            return None  # between two lives
        return answer if isinstance(answer, MasterStatus) else None

    # The engine's life

    async def start_engine(self) -> None:
        """Start an engine on the ledger as it is, modes included where it can be read."""
        with suppress(LedgerUnreachable):
            kept = {row.settings.name: row.settings.mode for row in self.store.followers()}
            self.followers = tuple(
                attrs.evolve(it, settings=attrs.evolve(it.settings, mode=kept[it.settings.name]))
                for it in self.followers
            )
        bus = Bus()
        clock = self.host_clock
        self.desk = desk = self.make_desk(
            self.store,
            journal=Journal(self.directory / "journal"),
            mode=Mode.INLINE,
            now_ms=clock.wall_ms,
            publish=bus.publish,
        )
        parts = (self.make_parts or EngineParts)(
            venues={house.exchange: house.connect(self.network, clock, self.paced) for house in self.houses},
            master_exchange="bybit",
            master_credentials=self._credentials(MASTER),
            ledger=desk,
            make_keeper=lambda: LedgerKeeper(
                desk=desk, lease=MemoryLease(), publish=bus.publish, now_ms=clock.wall_ms
            ),
            clock=clock,
            bus=bus,
            max_open_age_s=self.max_open_age_s,
            allow_trading_key=self.allow_trading_key,
            jitter=Random(0),
        )
        self._engine = Engine(parts, self.followers, report=bus.publish)
        await self.nursery.start(self._run, self._engine, bus)

    async def stop_engine(self) -> None:
        """Stop as SIGTERM does: what is in flight settles."""
        await self.engine.stop()
        await self._ended.wait()

    async def kill_engine(self) -> None:
        """End the engine where it stands, as SIGKILL does."""
        assert self._scope is not None
        self._scope.cancel()
        await self._ended.wait()

    async def _run(
        self, engine: Engine, bus: Bus, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        self._ended = trio.Event()
        try:
            with trio.CancelScope() as self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._listen, bus)
                    await trio.lowlevel.checkpoint()
                    await engine.run(task_status=task_status)
                    nursery.cancel_scope.cancel()
        finally:
            self._engine = None
            self._ended.set()

    async def _listen(self, bus: Bus) -> None:
        with bus.subscribe() as subscription:
            async for published in subscription:
                self.events.append(getattr(published, "event", published))

    def _credentials(self, name: str) -> Credentials:
        return self.house(name).credentials(self.account(name))


@asynccontextmanager
async def open_world(
    directory: Path,
    *cast: Cast,
    master_equity: str = "10000",
    master_hedges: Iterable[str] = (),
    description: SandboxDescription | None = None,
    start: bool = True,
    max_open_age_s: float = 5.0,
    ledger_url: str | None = None,
    listings: Mapping[str, Iterable[Listing]] | None = None,
    make_parts: Callable[..., EngineParts] | None = None,
    make_desk: Callable[..., LedgerDesk] = LedgerDesk,
    paced: bool = False,
) -> AsyncIterator[World]:
    """Open venues with a master and these followers, and an engine that is ready to copy.

    ``listings`` are what other venues than the master's list instead of what is usual, by exchange.
    The ledger is a file in ``directory`` where ``ledger_url`` names no other.
    """
    described = description or SandboxDescription(accounts=())
    accounts = [
        describe_account(MASTER, Decimal(master_equity)),
        *(
            describe_account(member.name, Decimal(member.equity), hedge=member.hedge)
            for member in cast
            if member.venue == "bybit"
        ),
    ]
    clock = TrioClock()
    venue = build_venue(attrs.evolve(described, accounts=tuple(accounts)), clock=clock)
    for symbol in master_hedges:
        venue.switch_mode(MASTER, symbol, hedge=True)
    houses = (bybit_house(venue), *_other_houses(cast, clock, listings or {}))
    for house in houses[1:]:
        mirror_prices(houses[0], house)
    store = open_store(ledger_url or f"sqlite:///{directory / 'ledger.db'}")
    network = MemoryNetwork()
    try:
        async with trio.open_nursery() as nursery:
            for house in houses:
                await nursery.start(house.server.serve_memory, network, house.host, 80)
            world = World(
                houses=houses,
                network=network,
                clock=clock,
                host_clock=TrioClock(),
                store=store,
                followers=(),
                nursery=nursery,
                directory=directory,
                max_open_age_s=max_open_age_s,
                make_parts=make_parts,
                make_desk=make_desk,
                paced=paced,
            )
            world.followers = tuple(_account(world, member) for member in cast)
            store.apply_followers([FollowerRow(settings=it.settings) for it in world.followers], prune=False)
            if start:
                await world.start_engine()
                await world.ready()
            yield world
            nursery.cancel_scope.cancel()
    finally:
        store.close()
    for house in houses:
        assert not house.server.crashes
        assert not house.core.ledger.accepted_twice()


def _other_houses(
    cast: Iterable[Cast], clock: TrioClock, listings: Mapping[str, Iterable[Listing]]
) -> Iterator[House]:
    """Open a house for every venue beside the master's on which a follower is."""
    members = [member for member in cast if member.venue != "bybit"]
    for name in dict.fromkeys(member.venue for member in members):
        describe, open_house = VENUES[name]
        accounts = [
            describe(it.name, Decimal(it.equity), **({"hedge": True} if it.hedge else {}))
            for it in members
            if it.venue == name
        ]
        house = open_house(accounts, clock)
        if name in listings:
            house.core.listings.clear()
            house.core.listings.update({it.symbol: it for it in listings[name]})
        yield house


def _account(world: World, member: Cast) -> FollowerAccount:
    settings: dict[str, Any] = {"join": Join.NOW, **member.settings}
    house = world.house(member.name)
    credentials = house.credentials(world.account(member.name))
    return FollowerAccount(
        settings=FollowerSettings(
            name=member.name, exchange=house.exchange, account=credentials.account, **settings
        ),
        credentials=credentials,
    )
