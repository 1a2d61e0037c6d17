"""The venue's process: a Bybit sandbox that stamps what leaves for the master and what comes from others."""

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import trio

from exchanges.sandbox import FaultKind, LedgerRow, SandboxDescription, SandboxVenue, build_venue
from exchanges.sandbox.bybit import BybitSandbox, signing, trade
from exchanges.sandbox.http import HttpRequest, HttpResponse
from exchanges.sandbox.server import SandboxServer
from exchanges.sandbox.websocket import ServerWebSocket
from model.amounts import use_money_context
from tests.bench.accounts import BARE, FOLLOWER, MASTER, SYMBOL, account, names
from tests.bench.line import Line, Stamps
from tests.bench.link import serve_commands

ORDER = "order.create"
READS_FIRST_S = 1e-6
"""Every order is put off by this: those that come in are stamped before the next one is worked on."""
LOOK_EVERY_S = 0.002
SNAPSHOT = "snapshot"


class CountingFace(BybitSandbox):
    """Counts REST requests by what they are for, and remembers when private sockets were opened."""

    def __init__(self, venue: SandboxVenue) -> None:
        super().__init__(venue)
        self.requests: Counter[str] = Counter()
        self.opened_ns: list[int] = []

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer, and count it under its account's kind."""
        response = await super().answer(request)
        what = SNAPSHOT if "settleCoin" in str(request) or "wallet-balance" in request.path else request.path
        self.requests[f"{response.account.partition('-')[0]} {what}"] += 1
        return response

    async def converse(self, path: str, socket: ServerWebSocket) -> None:
        """Serve, having noted when."""
        if path.endswith("private"):
            self.opened_ns.append(time.perf_counter_ns())
        await super().converse(path, socket)


class StampingServer(SandboxServer):
    """Puts a Line before every client."""

    def __init__(self, face: CountingFace, stamps: Stamps, one_way_s: float) -> None:
        super().__init__(face)
        self._stamps = stamps
        self._one_way_s = one_way_s

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one connection through its line."""
        line = Line(stream, self._stamps, self._one_way_s)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.carry)
            await super().serve_stream(line)
            nursery.cancel_scope.cancel()


class BenchVenue:
    """What the bench may ask of the venue."""

    def __init__(self, followers: int, bare: int, one_way_s: float) -> None:
        cast = [MASTER, *names(FOLLOWER, followers), *names(BARE, bare)]
        self.venue = build_venue(SandboxDescription(accounts=tuple(account(name) for name in cast)))
        self.venue.faults.add(FaultKind.DELAY_REQUEST, endpoint=ORDER, seconds=READS_FIRST_S)
        self.face = CountingFace(self.venue)
        self.stamps = Stamps(f"{self.venue.account(MASTER).uid}_position_".encode())
        self.server = StampingServer(self.face, self.stamps, one_way_s)

    async def trade(self, quantity: str) -> None:
        """Let the master trade: signed base asset, at the mark."""
        self.venue.trade(MASTER, SYMBOL, Decimal(quantity))

    async def event(self, quantity: str, kind: str, accounts: int, timeout_s: float = 20.0) -> dict[str, Any]:
        """Trade once; tell when each account of a kind sent its first order for it.

        Returns: milliseconds from writing the master's frame to the last of them, and how many
        accounts sent none in time. Raises: RuntimeError when nobody sent any.
        """
        begin, self.stamps.written_ns = len(self.venue.ledger), 0
        await self.trade(quantity)
        with trio.move_on_after(timeout_s):
            while len(first := _first_orders(self.venue.ledger.since(begin), kind)) < accounts:
                await trio.sleep(LOOK_EVERY_S)
        if not first:
            raise RuntimeError("nobody copied")
        last_ms = (max(first.values()) - self.stamps.written_ns) / 1e6
        silent = accounts - len(first)
        return {"written_ns": self.stamps.written_ns, "last_ms": last_ms, "silent": silent}

    async def burst(
        self, quantity: str, fills: int, seconds: float, timeout_s: float = 60.0
    ) -> dict[str, Any]:
        """Let the master trade often; tell when all held what it holds, and how many orders it took."""
        begin, every_s = len(self.venue.ledger), seconds / fills
        start = trio.current_time()
        for number in range(fills):
            await trio.sleep_until(start + number * every_s)
            await self.trade(quantity)
        with trio.fail_after(timeout_s):
            while not self._all_hold_the_same():
                await trio.sleep(LOOK_EVERY_S)
        at = time.perf_counter_ns()
        orders = len([row for row in self.venue.ledger.since(begin) if row.via != "desk"])
        return {"converged_ms": (at - self.stamps.written_ns) / 1e6, "orders": orders}

    async def converged(self, timeout_s: float = 60.0) -> None:
        """Wait until every follower holds what the master holds."""
        with trio.fail_after(timeout_s):
            while not self._all_hold_the_same():
                await trio.sleep(LOOK_EVERY_S)

    async def slow(self, seconds: dict[str, float]) -> None:
        """Answer each account's orders so much later from now on."""
        for name, delay_s in seconds.items():
            self.venue.faults.add(FaultKind.DELAY_ANSWER, account=name, endpoint=ORDER, seconds=delay_s)

    async def drop_master(self) -> int:
        """Cut the master's private socket; return when, perf_counter_ns."""
        self.server.drop_connections(account=MASTER, kind="private")
        return time.perf_counter_ns()

    async def opened(self) -> list[int]:
        """Return when each private socket was opened."""
        return self.face.opened_ns

    async def counts(self) -> dict[str, int]:
        """Return requests by kind of account and purpose, orders among them."""
        orders = Counter(row.account.partition("-")[0] for row in self.venue.ledger if row.via != "desk")
        return {**self.face.requests, **{f"{kind} {ORDER}": count for kind, count in orders.items()}}

    async def faultless(self) -> bool:
        """Tell whether nothing went wrong on this side, and no order was taken twice."""
        return not self.server.crashes and not self.venue.ledger.accepted_twice()

    def _all_hold_the_same(self) -> bool:
        wanted = self.venue.account(MASTER).size(SYMBOL, 0)
        return all(
            it.size(SYMBOL, 0) == wanted
            for it in self.venue.accounts.values()
            if it.name.startswith(FOLLOWER)
        )

    async def serve(self) -> None:
        """Serve until stdin ends."""
        asked = (
            *(self.trade, self.event, self.burst, self.converged, self.slow),
            *(self.drop_master, self.opened, self.counts, self.faultless),
        )
        async with trio.open_nursery() as nursery:
            port = await nursery.start(partial(self.server.serve_tcp))
            await serve_commands(port, {command.__name__: command for command in asked})
            nursery.cancel_scope.cancel()


def _first_orders(rows: Sequence[LedgerRow], kind: str) -> dict[str, int]:
    first: dict[str, int] = {}
    for row in rows:
        if row.via != "desk" and row.account.startswith(kind):
            first.setdefault(row.account, row.arrived_ns)
    return first


def _window_of(_: SandboxVenue, headers: Mapping[str, str]) -> tuple[str, str]:
    """Refuse nothing for its age: what is old here only waited for this process's one core."""
    return headers["x-bapi-timestamp"], headers["x-bapi-recv-window"]


if __name__ == "__main__":
    use_money_context()
    trade.check_window = signing.check_window = _window_of
    trio.run(BenchVenue(**json.loads(sys.argv[1])).serve)
