"""Sandboxes on loopback and an engine that watches them: the demo's world, real but for the money."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import trio

from actors.bus import Bus
from actors.ledger import LedgerDesk, LedgerKeeper
from exchanges.clock import SystemClock
from exchanges.network import TcpNetwork
from exchanges.port import Credentials
from exchanges.sandbox import SandboxDescription, SandboxVenue
from exchanges.sandbox.houses import House, build_houses
from exchanges.sandbox.rehearsal import Endpoints, run_rehearsal
from exchanges.sandbox.server import SandboxServer
from model.ledger import Store, open_store
from model.ledger.journal import Journal
from model.ledger.lease import make_lease
from supervision.demo.cast import MASTER, MASTER_EXCHANGE, Player
from supervision.engine import Engine, EngineParts
from supervision.roster import FollowerAccount
from supervision.settings.endpoints import loopback_addresses
from supervision.venues import open_venue


@attrs.frozen(kw_only=True)
class Stage:
    """What a session plays on."""

    houses: Mapping[str, House]
    """By exchange, the master's first."""
    endpoints: Endpoints
    engine: Engine
    bus: Bus
    store: Store
    players: tuple[Player, ...]

    @property
    def venue(self) -> SandboxVenue:
        """Where the master trades."""
        return self.houses[MASTER_EXCHANGE].core

    @property
    def server(self) -> SandboxServer:
        """Through which the master's venue is reached."""
        return self.houses[MASTER_EXCHANGE].server

    @property
    def port(self) -> int:
        """Where the master's venue listens."""
        port = urlsplit(self.endpoints[MASTER_EXCHANGE]["rest"]).port
        assert port is not None
        return port

    def house(self, player: Player) -> House:
        """Return the venue of a follower."""
        return self.houses[player.settings.exchange]


@asynccontextmanager
async def open_stage(
    directory: Path,
    descriptions: Mapping[str, SandboxDescription],
    players: Sequence[Player],
    *,
    ledger_url: str | None = None,
) -> AsyncIterator[Stage]:
    """Serve the venues on free ports of loopback and run an engine; ``descriptions`` are by exchange.

    The ledger is a new file in ``directory`` where ``ledger_url`` names no other.
    """
    houses = build_houses(descriptions)
    store = open_store(ledger_url or f"sqlite:///{directory / 'ledger.db'}")
    try:
        async with trio.open_nursery() as nursery:
            endpoints = await nursery.start(partial(run_rehearsal, houses, walk_period_s=None))
            bus = Bus()
            engine = _engine(houses, endpoints, store, bus, directory, players)
            stage = Stage(
                houses=houses,
                endpoints=endpoints,
                engine=engine,
                bus=bus,
                store=store,
                players=tuple(players),
            )
            running = await nursery.start(_run, engine)
            yield stage
            await engine.stop()
            await running.wait()
            nursery.cancel_scope.cancel()
    finally:
        store.close()


async def _run(engine: Engine, *, task_status: trio.TaskStatus[trio.Event]) -> None:
    ended = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        task_status.started(ended)
    ended.set()


def _engine(
    houses: Mapping[str, House],
    endpoints: Endpoints,
    store: Store,
    bus: Bus,
    directory: Path,
    players: Sequence[Player],
) -> Engine:
    clock, network = SystemClock(), TcpNetwork()
    ledger = LedgerDesk(store, journal=Journal(directory / "reductions"), publish=bus.publish)
    parts = EngineParts(
        venues={
            exchange: open_venue(loopback_addresses(exchange, urls), network=network, clock=clock)
            for exchange, urls in endpoints.items()
        },
        master_exchange=MASTER_EXCHANGE,
        master_credentials=_master_credentials(houses[MASTER_EXCHANGE]),
        ledger=ledger,
        make_keeper=lambda: LedgerKeeper(
            desk=ledger, lease=make_lease(store.database, holder="demo"), publish=bus.publish
        ),
        clock=clock,
        bus=bus,
        allow_trading_key=not houses[MASTER_EXCHANGE].core.account(MASTER).read_only,
    )
    accounts = [FollowerAccount(settings=it.settings, credentials=it.credentials) for it in players]
    return Engine(parts, accounts, report=bus.publish)


def _master_credentials(house: House) -> Credentials:
    account = house.core.account(MASTER)
    return Credentials(api_key=account.api_key, api_secret=account.api_secret)
