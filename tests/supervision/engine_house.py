"""A whole engine in memory and in virtual time, with the desk that operators reach."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio

from actors.bus import Bus, Gap
from actors.ledger import LedgerDesk, LedgerKeeper, Mode
from exchanges.port import Credentials
from model.ledger import FollowerRow, Store, open_store
from model.ledger.lease import MemoryLease
from model.ledger.secrets import SealingKeys, generate_key, seal_secrets
from model.settings import FollowerSettings, Limits, Sizing, SizingMode
from supervision.control.methods import Method, structure_params
from supervision.engine import Engine, EngineParts
from supervision.event_log import LastWords
from supervision.roster import open_roster
from supervision.service import ServiceDesk, make_methods
from tests.supervision.fake_venue import FakeAccount, FakeVenue

MASTER = Credentials(api_key="master-key", api_secret="master-secret")
KEYS = SealingKeys([generate_key()])


def make_settings(name: str = "alice", **other: Any) -> FollowerSettings:
    facts: dict[str, Any] = {
        "exchange": "bybit",
        "sizing": Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal("0.5")),
        "limits": Limits(max_slippage=Decimal("0.01")),
    }
    return FollowerSettings(name=name, **{**facts, **other})


def make_row(name: str = "alice", *, key: str = "", keys: SealingKeys = KEYS, **other: Any) -> FollowerRow:
    plain = {"api_key": key or f"{name}-key", "api_secret": f"{name}-secret"}
    tokens = seal_secrets(keys, plain, name=name, exchange="bybit")
    return FollowerRow(settings=make_settings(name, **other), secrets=tokens)


class House:
    """The engine, its venue and ledger, and every control method by name."""

    def __init__(self, store: Store, venue: FakeVenue) -> None:
        self.store = store
        self.venue = venue
        self.bus = Bus(history=100_000)
        self.ledger = LedgerDesk(
            store, mode=Mode.INLINE, now_ms=venue.clock.wall_ms, publish=self.bus.publish
        )
        self.lease: Any = MemoryLease()
        self.words = LastWords()
        self.engine: Engine
        self.desk: ServiceDesk
        self.failure: Exception | None = None
        self._methods: dict[str, Method] = {}

    def build(self, edge: Iterable[tuple[str, Callable[[], Any]]] = ()) -> None:
        parts = EngineParts(
            venues={"bybit": self.venue},
            master_exchange="bybit",
            master_credentials=MASTER,
            ledger=self.ledger,
            make_keeper=lambda: LedgerKeeper(
                desk=self.ledger, lease=self.lease, now_ms=self.venue.clock.wall_ms
            ),
            clock=self.venue.clock,
            bus=self.bus,
        )
        roster = open_roster(self.store.followers(), KEYS, exchanges=parts.venues, master=MASTER)
        self.engine = Engine(parts, roster.accounts, report=self.bus.publish)
        self.engine.add_edge(edge)
        self.desk = ServiceDesk(engine=self.engine, keys=KEYS, words=self.words, barred=dict(roster.barred))
        self._methods = {method.name: method for method in make_methods(self.desk)}

    async def call(self, called: str, /, **params: object) -> Any:
        """Call a control method as the socket would."""
        method = self._methods[called]
        return await method.handler(structure_params(method.params, params))

    def account(self, name: str) -> FakeAccount:
        return self.venue.of(f"{name}-key")

    async def until(self, is_so: Callable[[], bool], timeout_s: float = 20.0) -> None:
        with trio.fail_after(timeout_s):
            while not is_so():
                await trio.sleep(0.05)

    async def until_ready(self) -> None:
        health: Any = None
        with trio.move_on_after(20):
            while not (health := await self.call("health"))["ready"]:
                await trio.sleep(0.05)
            return
        raise AssertionError(f"not ready: {health}, {self.failure!r}, {self.seen('actor.crashed')[-3:]}")

    def seen(self, topic: str) -> list[Any]:
        with self.bus.subscribe(topics=[topic], capacity=100_000, from_seq=1) as events:
            return [item.event for item in events._queue]

    async def _listen(self) -> None:
        with self.bus.subscribe() as events:
            async for item in events:
                if not isinstance(item, Gap):
                    self.words.take(item.event)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the engine; what it raises is kept in ``failure``."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            nursery.start_soon(self._run)
            try:
                yield
            finally:
                with trio.CancelScope(shield=True):
                    await self.engine.stop()
                nursery.cancel_scope.cancel()

    async def _run(self) -> None:
        try:
            await self.engine.run()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error


@asynccontextmanager
async def engine_house(
    tmp_path: Path,
    *rows: FollowerRow,
    edge: Iterable[tuple[str, Callable[[], Any]]] = (),
    start: bool = True,
) -> AsyncIterator[House]:
    """Yield a house whose engine runs, unless the test starts it; it is stopped, drained, afterwards."""
    store = open_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    store.apply_followers(rows, prune=False)
    house = House(store, FakeVenue())
    house.build(edge)
    try:
        async with house.running() if start else nullcontext():
            yield house
    finally:
        store.close()
