"""A client for the tests alone: the official signer, h11 and trio-websocket, over any network."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import eth_account
import h11
import trio
import trio_websocket
from hyperliquid.utils.signing import sign_l1_action

from exchanges.clock import TrioClock
from exchanges.network import MemoryNetwork
from exchanges.sandbox import SandboxVenue, build_venue
from exchanges.sandbox.hyperliquid import HyperliquidServer, describe_wallet, hyperliquid_description

HOST, PORT = "hyperliquid.sandbox", 80
BTC, ETH = 0, 1
SUB = "0x" + "5b" * 20
AGENT_TWO = "0x" + "22" * 32


def order(
    b: bool = True, s: str = "0.01", p: str = "61000", *, a: int = BTC, tif: str = "Ioc", **more: Any
) -> dict[str, Any]:
    """One order's row, in the order of the hash."""
    row: dict[str, Any] = {"a": a, "b": b, "p": p, "s": s, "r": more.pop("r", False)}
    row["t"] = more.pop("t", {"limit": {"tif": tif}})
    return {**row, **more}


def cloid(n: int) -> str:
    return f"0x{n:032x}"


@attrs.define
class World:
    """A venue with accounts ``m`` and ``n`` of 10,000 USDC, its server, and the network it is on."""

    venue: SandboxVenue
    server: HyperliquidServer
    network: MemoryNetwork
    clock: TrioClock
    last_nonce: int = 0

    def address(self, name: str = "m") -> str:
        return self.venue.account(name).api_key

    def nonce(self) -> int:
        self.last_nonce = max(self.last_nonce + 1, self.clock.wall_ms())
        return self.last_nonce

    def sign(
        self,
        action: dict[str, Any],
        *,
        key: str = "",
        nonce: int | None = None,
        vault: str | None = None,
        expires: int | None = None,
        mainnet: bool = False,
    ) -> dict[str, Any]:
        """Sign with m's agent unless told otherwise."""
        wallet = eth_account.Account.from_key(key or self.venue.account("m").api_secret)
        nonce = self.nonce() if nonce is None else nonce
        signature = sign_l1_action(wallet, action, vault, nonce, expires, mainnet)
        return {
            "action": action,
            "nonce": nonce,
            "signature": signature,
            "vaultAddress": vault,
            "expiresAfter": expires,
        }

    async def post(self, path: str, body: object) -> tuple[int, str]:
        """Post on a connection of its own; raise trio.EndOfChannel when it is cut."""
        async with await self.network.connect(HOST, PORT, tls=False) as stream:
            connection = h11.Connection(h11.CLIENT)
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            fields = [("Host", HOST), ("Content-Length", str(len(data)))]
            head = connection.send(h11.Request(method="POST", target=path, headers=fields))
            out = (head or b"") + (connection.send(h11.Data(data=data)) or b"")
            await stream.send_all(out + (connection.send(h11.EndOfMessage()) or b""))
            return await _read(connection, stream)

    async def info(self, kind: str, name: str = "m", **fields: Any) -> Any:
        """Ask; the answer has to be one."""
        status, text = await self.post("/info", {"type": kind, "user": self.address(name), **fields})
        assert status == 200, (status, text)
        return json.loads(text)

    async def act(self, action: dict[str, Any], **signing: Any) -> Any:
        """Sign and post an action by HTTP."""
        status, text = await self.post("/exchange", self.sign(action, **signing))
        assert status == 200, (status, text)
        return json.loads(text)

    async def order(self, *rows: dict[str, Any], **signing: Any) -> list[Any]:
        """Place orders; return their statuses."""
        action = {"type": "order", "orders": list(rows or (order(),)), "grouping": "na"}
        answer = await self.act(action, **signing)
        assert answer["status"] == "ok", answer
        return answer["response"]["data"]["statuses"]

    @asynccontextmanager
    async def socket(self, *subscriptions: dict[str, str]) -> AsyncIterator["Socket"]:
        """Open a WebSocket and subscribe; what comes with the subscriptions is read away."""
        stream = await self.network.connect(HOST, PORT, tls=False)
        async with trio.open_nursery() as nursery:
            connection = await trio_websocket.wrap_client_stream(nursery, stream, HOST, "/ws")
            socket = Socket(connection)
            assert await connection.get_message() == "Websocket connection established."
            for subscription in subscriptions:
                await socket.send({"method": "subscribe", "subscription": subscription})
            if subscriptions:
                await socket.frames(0.01)
            yield socket
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)

    def of(self, kind: str, name: str = "m", **more: str) -> dict[str, str]:
        """A subscription of an account's."""
        return {"type": kind, "user": self.address(name), **more}


@attrs.define
class Socket:
    """The client's end."""

    connection: trio_websocket.WebSocketConnection
    number: int = 0

    async def send(self, message: object) -> None:
        await self.connection.send_message(message if isinstance(message, str) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        with trio.fail_after(30):
            return json.loads(await self.connection.get_message())

    async def ask(self, message: object) -> dict[str, Any]:
        await self.send(message)
        return await self.receive()

    async def post(self, kind: str, payload: object) -> dict[str, Any]:
        """Post; the answer has to be to this one."""
        self.number += 1
        request = {"type": kind, "payload": payload}
        answer = await self.ask({"method": "post", "id": self.number, "request": request})
        assert (answer["channel"], answer["data"]["id"]) == ("post", self.number), answer
        return answer["data"]["response"]

    async def frames(self, seconds: float = 0.5) -> list[dict[str, Any]]:
        """Collect what comes within so many seconds."""
        got = []
        with trio.move_on_after(seconds):
            while True:
                got.append(json.loads(await self.connection.get_message()))
        return got

    async def data(self, channel: str, seconds: float = 0.5) -> list[Any]:
        """Return what comes on one channel."""
        return [frame["data"] for frame in await self.frames(seconds) if frame["channel"] == channel]


@asynccontextmanager
async def open_world(**settings: Any) -> AsyncIterator[World]:
    """Serve a sandbox in memory; fail when it crashed anywhere."""
    clock = TrioClock()
    accounts = [describe_wallet(name, Decimal(10_000)) for name in ("m", "n")]
    venue = build_venue(hyperliquid_description(accounts), clock=clock)
    server = HyperliquidServer(venue, **settings)
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve_memory, network, HOST, PORT)
        yield World(venue, server, network, clock)
        nursery.cancel_scope.cancel()
    assert server.crashes == []


async def _read(connection: h11.Connection, stream: trio.abc.Stream) -> tuple[int, str]:
    status, body = 0, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await stream.receive_some()
            if not data:
                raise trio.EndOfChannel
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return status, body.decode()
