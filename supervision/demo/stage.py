"""A sandbox on loopback and an engine that watches it: the demo's world, real but for the money."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from actors.bus import Bus
from actors.ledger import LedgerDesk, LedgerKeeper
from exchanges.bybit import BybitEndpoints, BybitVenue
from exchanges.clock import SystemClock
from exchanges.network import TcpNetwork
from exchanges.port import Credentials
from exchanges.sandbox import AccountDescription, SandboxDescription, SandboxVenue, build_venue
from exchanges.sandbox.bybit import BybitSandbox
from exchanges.sandbox.server import SandboxServer
from model.ledger import Store, open_store
from model.ledger.journal import Journal
from model.ledger.lease import make_lease
from supervision.demo.cast import MASTER, Player
from supervision.engine import Engine, EngineParts
from supervision.roster import FollowerAccount


@attrs.frozen(kw_only=True)
class Stage:
    """What a session plays on."""

    venue: SandboxVenue
    server: SandboxServer
    port: int
    engine: Engine
    bus: Bus
    store: Store
    players: tuple[Player, ...]


@asynccontextmanager
async def open_stage(
    directory: Path,
    description: SandboxDescription,
    players: Sequence[Player],
    *,
    ledger_url: str | None = None,
) -> AsyncIterator[Stage]:
    """Serve the venue on a free port of loopback and run an engine.

    The ledger is a new file in ``directory`` where ``ledger_url`` names no other.
    """
    venue = build_venue(description)
    server = SandboxServer(BybitSandbox(venue))
    store = open_store(ledger_url or f"sqlite:///{directory / 'ledger.db'}")
    try:
        async with trio.open_nursery() as nursery:
            port = await nursery.start(server.serve_tcp)
            bus = Bus()
            engine = _engine(venue, port, store, bus, directory, players)
            stage = Stage(
                venue=venue,
                server=server,
                port=port,
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
    venue: SandboxVenue,
    port: int,
    store: Store,
    bus: Bus,
    directory: Path,
    players: Sequence[Player],
) -> Engine:
    clock = SystemClock()
    ledger = LedgerDesk(store, journal=Journal(directory / "reductions"), publish=bus.publish)
    parts = EngineParts(
        venues={"bybit": BybitVenue(loopback_endpoints(port), network=TcpNetwork(), clock=clock)},
        master_exchange="bybit",
        master_credentials=_credentials(venue, MASTER),
        ledger=ledger,
        make_keeper=lambda: LedgerKeeper(
            desk=ledger, lease=make_lease(store.database, holder="demo"), publish=bus.publish
        ),
        clock=clock,
        bus=bus,
    )
    accounts = [
        FollowerAccount(settings=it.settings, credentials=_credentials(venue, it.settings.name))
        for it in players
    ]
    return Engine(parts, accounts, report=bus.publish)


def loopback_endpoints(port: int) -> BybitEndpoints:
    """Return the addresses of a Bybit sandbox on this machine."""
    host = f"127.0.0.1:{port}"
    return BybitEndpoints(
        rest=f"http://{host}",
        private_ws=f"ws://{host}/v5/private",
        public_ws=f"ws://{host}/v5/public/linear",
        trade_ws=f"ws://{host}/v5/trade",
        paced=False,
    )


def _credentials(venue: SandboxVenue, name: str) -> Credentials:
    account = venue.account(name)
    return Credentials(api_key=account.api_key, api_secret=account.api_secret)


def accounts_of(master: AccountDescription, players: Sequence[Player]) -> tuple[AccountDescription, ...]:
    """Return every account that the sandbox opens."""
    return (master, *(player.account for player in players))
