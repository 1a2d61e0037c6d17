"""The venue's process: a Bybit sandbox that stamps what leaves for the master and what comes from others."""

import json
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs
import trio

from exchanges.sandbox import FaultKind, LedgerRow, SandboxVenue
from exchanges.sandbox.bybit import signing, trade
from exchanges.sandbox.houses import KINDS, build_houses
from exchanges.sandbox.http import HttpRequest, HttpResponse
from exchanges.sandbox.server import Face, SandboxServer
from exchanges.sandbox.websocket import ServerWebSocket
from model.amounts import use_money_context
from tests.bench.accounts import BARE, FOLLOWER, MASTER, MASTER_EXCHANGE, SYMBOL, account, names
from tests.bench.line import Line, Stamps
from tests.bench.link import serve_commands

ORDER, OTHERS = "order", "others by socket"
ORDERS = {"bybit": "order.create", "binance": "order.place", "hyperliquid": "post/order"}
"""What faults call an order by WebSocket."""
REQUESTS = ('"op":"order.', '"method":"post"', '"method":"order.')
"""In a message that asks a venue to do or to tell something, as the engine and the floor write it."""
READS_FIRST_S = 1e-6
"""Every order is put off by this: those that come in are stamped before the next one is worked on."""
LOOK_EVERY_S = 0.002
SNAPSHOT = "snapshot"


class CountingFace:
    """Another face; counts requests by what they are for, and when private sockets were opened."""

    def __init__(self, face: Face) -> None:
        self.venue = face.venue
        self.requests: Counter[str] = Counter()
        self.opened_ns: list[int] = []
        self.messages = 0
        """Requests on sockets of order entry, orders among them."""
        self._face = face

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer, and count it under its account's kind."""
        response = await self._face.answer(request)
        self.requests[f"{response.account.partition('-')[0]} {_purpose(request)}"] += 1
        return response

    def accepts(self, path: str) -> bool:
        """Tell whether a WebSocket may be opened at this path."""
        return self._face.accepts(path)

    async def converse(self, path: str, socket: ServerWebSocket) -> None:
        """Serve, having noted when."""
        if path.endswith("private"):
            self.opened_ns.append(time.perf_counter_ns())
        receive = socket.receive

        async def count() -> tuple[str, int] | None:
            received = await receive()
            if received is not None and any(mark in received[0] for mark in REQUESTS):
                self.messages += 1
            return received

        socket.receive = count  # type: ignore[method-assign]  # this socket's own
        await self._face.converse(path, socket)

    async def run(self) -> None:
        """Do what goes on beside the connections, until cancelled."""
        await self._face.run()


def _purpose(request: HttpRequest) -> str:
    if "settleCoin" in str(request) or "wallet-balance" in request.path:
        return SNAPSHOT
    if request.path == "/info":  # of Hyperliquid: what is asked stands in the body
        return f"/info {json.loads(request.body)['type']}"
    return f"{request.method} {request.path}"


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
    """What the bench may ask of the venues: the master's, and the followers' where it is another one."""

    def __init__(self, followers: int, bare: int, one_way_s: float, exchange: str = MASTER_EXCHANGE) -> None:
        cast = [account(name, exchange) for name in (*names(FOLLOWER, followers), *names(BARE, bare))]
        master = account(MASTER)
        own = {exchange: KINDS[exchange].describe_venue(cast, 0)}
        if exchange == MASTER_EXCHANGE:
            own[exchange] = attrs.evolve(own[exchange], accounts=(master, *cast))
        else:
            own = {MASTER_EXCHANGE: KINDS[MASTER_EXCHANGE].describe_venue((master,), 0), **own}
        houses = build_houses(own)
        self.venue, self.orders = houses[MASTER_EXCHANGE].core, houses[exchange].core
        self.order = ORDERS[exchange]
        self.orders.faults.add(FaultKind.DELAY_REQUEST, endpoint=self.order, seconds=READS_FIRST_S)
        self.symbol = houses[exchange].name_of(SYMBOL) or SYMBOL
        self.stamps = Stamps(f"{self.venue.account(MASTER).uid}_position_".encode())
        self.faces = {name: CountingFace(house.server.face) for name, house in houses.items()}
        self.face, self.theirs = self.faces[MASTER_EXCHANGE], self.faces[exchange]
        self.servers = {
            name: StampingServer(face, self.stamps, one_way_s) for name, face in self.faces.items()
        }

    async def trade(self, quantity: str) -> None:
        """Let the master trade: signed base asset, at the mark."""
        self.venue.trade(MASTER, SYMBOL, Decimal(quantity))

    async def event(self, quantity: str, kind: str, accounts: int, timeout_s: float = 20.0) -> dict[str, Any]:
        """Trade once; tell when each of so many accounts of a kind sent its first order for it.

        Returns: milliseconds from writing the master's frame to the last of them, and how many
        accounts sent none in time. Raises: RuntimeError when nobody sent any.
        """
        begin, self.stamps.written_ns = len(self.orders.ledger), 0
        asked = frozenset(names(kind, accounts))
        await self.trade(quantity)
        with trio.move_on_after(timeout_s):
            while len(first := _first_orders(self.orders.ledger.since(begin), asked)) < accounts:
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
        begin, every_s = len(self.orders.ledger), seconds / fills
        start = trio.current_time()
        for number in range(fills):
            await trio.sleep_until(start + number * every_s)
            await self.trade(quantity)
        with trio.fail_after(timeout_s):
            while not self._all_hold_the_same():
                await trio.sleep(LOOK_EVERY_S)
        at = time.perf_counter_ns()
        orders = len([row for row in self.orders.ledger.since(begin) if row.via != "desk"])
        return {"converged_ms": (at - self.stamps.written_ns) / 1e6, "orders": orders}

    async def converged(self, timeout_s: float = 60.0) -> None:
        """Wait until every follower holds what the master holds."""
        with trio.fail_after(timeout_s):
            while not self._all_hold_the_same():
                await trio.sleep(LOOK_EVERY_S)

    async def slow(self, seconds: dict[str, float]) -> None:
        """Answer each account's orders so much later from now on."""
        for name, delay_s in seconds.items():
            self.orders.faults.add(FaultKind.DELAY_ANSWER, account=name, endpoint=self.order, seconds=delay_s)

    async def drop_master(self) -> int:
        """Cut the master's private socket; return when, perf_counter_ns."""
        self.servers[MASTER_EXCHANGE].drop_connections(account=MASTER, kind="private")
        return time.perf_counter_ns()

    async def opened(self) -> list[int]:
        """Return when each private socket was opened."""
        return self.face.opened_ns

    async def counts(self) -> dict[str, int]:
        """Return requests by kind of account and purpose; orders are those by socket."""
        rows = [row for row in self.orders.ledger if row.via == self.order]
        orders = Counter(row.account.partition("-")[0] for row in rows)
        return {
            **self.theirs.requests,
            **{f"{kind} {ORDER}": count for kind, count in orders.items()},
            f"{FOLLOWER} {OTHERS}": self.theirs.messages - len(rows),
        }

    async def faultless(self) -> bool:
        """Tell whether nothing went wrong on this side, and no order was taken twice."""
        return not any(it.crashes for it in self.servers.values()) and not self.orders.ledger.accepted_twice()

    def _all_hold_the_same(self) -> bool:
        wanted = self.venue.account(MASTER).size(SYMBOL, 0)
        return all(
            it.size(self.symbol, 0) == wanted
            for it in self.orders.accounts.values()
            if it.name.startswith(FOLLOWER)
        )

    async def serve(self) -> None:
        """Serve until stdin ends."""
        asked = (
            *(self.trade, self.event, self.burst, self.converged, self.slow),
            *(self.drop_master, self.opened, self.counts, self.faultless),
        )
        async with trio.open_nursery() as nursery:
            ports = {name: await nursery.start(it.serve_tcp) for name, it in self.servers.items()}
            await serve_commands(ports, {command.__name__: command for command in asked})
            nursery.cancel_scope.cancel()


def _first_orders(rows: Sequence[LedgerRow], accounts: Collection[str]) -> dict[str, int]:
    first: dict[str, int] = {}
    for row in rows:
        if row.via != "desk" and row.account in accounts:
            first.setdefault(row.account, row.arrived_ns)
    return first


def _window_of(_: SandboxVenue, headers: Mapping[str, str]) -> tuple[str, str]:
    """Refuse nothing for its age: what is old here only waited for this process's one core."""
    return headers["x-bapi-timestamp"], headers["x-bapi-recv-window"]


if __name__ == "__main__":
    use_money_context()
    trade.check_window = signing.check_window = _window_of
    trio.run(BenchVenue(**json.loads(sys.argv[1])).serve)
