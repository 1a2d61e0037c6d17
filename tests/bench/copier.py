"""The copier's process: the whole engine, its log included, on a ledger of its own."""

import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from actors.bus import Bus, Gap
from actors.events import CopyFinished, FollowerStateChanged, MasterStreamChanged
from actors.ledger import LedgerDesk, LedgerKeeper
from actors.messages import Describe, MasterStatus
from exchanges.clock import Clock, SystemClock
from exchanges.network import TcpNetwork
from exchanges.port import Venue
from exchanges.sandbox.houses import KINDS
from model.amounts import use_money_context
from model.ledger import open_store
from model.ledger.journal import Journal
from model.ledger.lease import make_lease
from supervision.engine import Engine, EngineParts
from supervision.event_log import LastWords, log_events
from supervision.events import ActorCrashed
from supervision.interpreter import spare_what_stays, tune_interpreter
from supervision.logs import start_logs
from supervision.settings.endpoints import loopback_addresses
from supervision.settings.engine import LogSettings
from supervision.venues import open_venue
from tests.bench.accounts import MASTER, MASTER_EXCHANGE, credentials, followers
from tests.bench.link import serve_commands
from tests.bench.sickness import Sickness

LOOK_EVERY_S = 0.001
OPEN_FILES = 20_000


class Copier:
    """An engine, and counts of what it said."""

    def __init__(
        self,
        ports: dict[str, int],
        exchange: str,
        count: int,
        ledger: str,
        directory: str,
        mirror: bool = True,
    ) -> None:
        self._store = open_store(ledger)
        self._bus, clock = Bus(), SystemClock()
        self._desk = LedgerDesk(
            self._store, journal=Journal(Path(directory) / "journal"), publish=self._bus.publish
        )
        parts = EngineParts(
            venues={name: _venue(name, port, clock) for name, port in ports.items()},
            master_exchange=MASTER_EXCHANGE,
            master_credentials=credentials(MASTER),
            ledger=self._desk,
            make_keeper=lambda: LedgerKeeper(
                desk=self._desk,
                lease=make_lease(self._store.database, holder="bench"),
                publish=self._bus.publish,
            ),
            clock=clock,
            bus=self._bus,
            allow_trading_key=True,
        )
        self._count = count
        self._engine = Engine(
            parts, followers(count, mirror=mirror, exchange=exchange), report=self._bus.publish
        )
        self._sickness = Sickness(self._engine.root)
        self._ready: set[str] = set()
        self._copies = self._missed = self._crashes = 0
        self._orderless: Counter[str] = Counter()
        self._finished_ns = self._live_ns = self._began_cpu_ns = self._began_transactions = 0

    async def finished(self, copies: int) -> dict[str, Any]:
        """Wait until so many copies have their outcome since ``begin``; tell when the last one had."""
        while self._copies < copies:
            await trio.sleep(LOOK_EVERY_S)
        return {"copies": self._copies, "finished_ns": self._finished_ns, "events_missed": self._missed}

    async def begin(self) -> None:
        """Count copies and CPU from here."""
        self._copies = 0
        self._began_cpu_ns, self._began_transactions = time.process_time_ns(), self._desk.transactions

    async def spent(self) -> dict[str, float]:
        """Return CPU seconds and group commits since ``begin``."""
        return {
            "cpu_s": (time.process_time_ns() - self._began_cpu_ns) / 1e9,
            "transactions": self._desk.transactions - self._began_transactions,
        }

    async def orderless(self) -> dict[str, int]:
        """Return the reasons of copies that sent no order, since the start."""
        return self._orderless

    async def memory(self) -> int:
        """Return the resident memory of this process, bytes."""
        return await trio.to_thread.run_sync(_resident)

    async def fall_ill(self, hangs: str, crashes: str) -> None:
        """Let one follower's receive loop wait, and another one crash again and again."""
        self._crashes = 0
        self._sickness.begin(hangs=hangs, crashes=crashes)

    async def get_well(self, crashes: str) -> int:
        """Let both go on; return how often the one crashed."""
        count = self._crashes
        self._ready.discard(crashes)
        await self._sickness.end(crashes=crashes, is_well=lambda: crashes in self._ready)
        return count

    async def begin_outage(self) -> None:
        """Forget when the master's stream was last live."""
        self._live_ns = 0

    async def reconciled(self) -> int:
        """Wait until the master's stream is live again and compared; return when, perf_counter_ns."""
        while not self._live_ns or not await self._is_reconciled():
            await trio.sleep(LOOK_EVERY_S)
        return time.perf_counter_ns()

    async def _is_reconciled(self) -> bool:
        status = await self._engine.address("pairing").ask(Describe(), timeout_s=5.0)
        return isinstance(status, MasterStatus) and status.reconciled

    async def _watch(self) -> None:
        with self._bus.subscribe(capacity=100_000) as subscription:
            async for item in subscription:
                self._see(item.count if isinstance(item, Gap) else item.event)

    def _see(self, event: object) -> None:
        match event:
            case CopyFinished(orders=orders, reason=reason):
                self._copies += 1
                if not orders:
                    self._orderless[str(reason)] += 1
                self._finished_ns = time.perf_counter_ns()
            case FollowerStateChanged(follower=name, state="ready"):
                self._ready.add(name)
            case ActorCrashed():
                self._crashes += 1
            case MasterStreamChanged(live=True):
                self._live_ns = time.perf_counter_ns()
            case int():
                self._missed += event

    async def serve(self) -> None:
        """Run the engine until stdin ends."""
        asked = (
            *(
                self.finished,
                self.begin,
                self.spent,
                self.orderless,
                self.memory,
                self.begin_outage,
                self.fall_ill,
                self.get_well,
                self.reconciled,
            ),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            nursery.start_soon(log_events, self._bus, LastWords())
            await nursery.start(self._engine.run)
            while len(self._ready) < self._count:
                await trio.sleep(LOOK_EVERY_S)
            await self.reconciled()
            await spare_what_stays(self._is_reconciled)
            await serve_commands(None, {command.__name__: command for command in asked})
            await self._engine.stop()
            nursery.cancel_scope.cancel()
        self._store.close()


def _venue(exchange: str, port: int, clock: Clock) -> Venue:
    addresses = loopback_addresses(exchange, KINDS[exchange].endpoints("127.0.0.1", port))
    return open_venue(addresses, network=TcpNetwork(), clock=clock)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _logging_to_nowhere() -> Iterator[None]:
    with Path(os.devnull).open("w") as nowhere:
        logs = start_logs(LogSettings(), stream=nowhere)
        yield
        logs.close()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    use_money_context()
    tune_interpreter()
    with _logging_to_nowhere():
        trio.run(Copier(**json.loads(sys.argv[1])).serve)
