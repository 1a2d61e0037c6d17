"""A small Hyperliquid in memory: it checks signatures and nonces, keeps positions, and misbehaves as told."""

import json
from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import h11
import trio
from coincurve import PublicKey
from Crypto.Hash import keccak
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from exchanges.clock import TrioClock
from exchanges.hyperliquid import HyperliquidEndpoints, HyperliquidVenue
from exchanges.hyperliquid.signing import action_hash
from exchanges.network import MemoryNetwork
from exchanges.port import Credentials

KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
AGENT = "0x14791697260e4c9a71f18484c9f997b308e59325"
MASTER = "0x" + "aa" * 20
SUB = "0x" + "bb" * 20
STRANGER = "0x" + "cc" * 20
ENDPOINTS = HyperliquidEndpoints(rest="http://hl.rest", ws="ws://hl.ws/ws", chain="testnet")
CLOID = "c" * 32

UNIVERSE = [
    {"name": "SOL", "szDecimals": 2, "maxLeverage": 20, "marginTableId": 55},
    {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 40},
    {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10, "marginTableId": 10},
    {"name": "HPOS", "szDecimals": 0, "maxLeverage": 3, "marginTableId": 3, "onlyIsolated": True},
    {"name": "LOOM", "szDecimals": 1, "maxLeverage": 3, "marginTableId": 3, "isDelisted": True},
]
TABLE = {
    "description": "tiered",
    "marginTiers": [
        {"lowerBound": "0.0", "maxLeverage": 20},
        {"lowerBound": "70000000.0", "maxLeverage": 10},
    ],
}
Silence = object()
"""An answer that never comes."""
Reset = object()
"""The connection ends instead of an answer."""


@attrs.define
class ScriptedVenue:
    """State by address, counters of what was asked, and knobs for what goes wrong."""

    clock: TrioClock
    positions: dict[str, dict[str, Decimal]] = attrs.field(factory=dict)
    values: dict[str, str] = attrs.field(factory=dict)
    roles: dict[str, Any] = attrs.field(
        factory=lambda: {
            AGENT: {"role": "agent", "data": {"user": MASTER}},
            MASTER: {"role": "user"},
            SUB: {"role": "subAccount", "data": {"master": MASTER}},
        }
    )
    abstraction: str = "default"
    spot: tuple[str, str] = ("0", "0")
    marks: dict[str, str | None] = attrs.field(
        factory=lambda: {"SOL": "150.5", "BTC": "97123", "kPEPE": "0.0123", "HPOS": "1", "LOOM": None}
    )
    asked: Counter[str] = attrs.field(factory=Counter)
    actions: list[dict[str, Any]] = attrs.field(factory=list)
    """Posted bodies, with `signer` and `via`."""
    orders: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    fills: list[dict[str, Any]] = attrs.field(factory=list)
    answers: deque[Any] = attrs.field(factory=deque)
    """What the next actions are answered with, whatever they did: a dict, a text, Silence or Reset."""
    act_first: bool = True
    """An action takes effect although its answer is replaced."""
    info_failures: deque[Any] = attrs.field(factory=deque)
    nonsense: set[str] = attrs.field(factory=set)
    """Reads that are answered with words that nobody can read."""
    statuses: Callable[[dict[str, Any]], Any] | None = None
    """What an order is answered with instead of a fill."""
    sockets: list[WebSocketConnection] = attrs.field(factory=list)
    subscriptions: list[tuple[WebSocketConnection, dict[str, str]]] = attrs.field(factory=list)
    users_max: int = 10
    answers_pings: bool = True
    thinks_s: float = 0.0
    """How long the order socket takes for an action."""
    nonces: set[int] = attrs.field(factory=set)
    leverages: dict[str, tuple[int, bool]] = attrs.field(factory=dict)
    _oid: int = 5_000_000_000

    # The world

    def put(self, address: str, coin: str, size: str) -> None:
        """Set a position."""
        self.positions.setdefault(address, {})[coin] = Decimal(size)

    def state(self, address: str) -> dict[str, Any]:
        """Return a clearinghouseState."""
        rows, total = [], Decimal(0)
        for coin, size in self.positions.get(address, {}).items():
            if not size:
                continue
            mark = Decimal(self.marks[coin] or "1")
            worth = abs(size) * mark
            leverage, cross = self.leverages.get(coin, (10, True))
            total += worth / leverage
            rows.append(
                {
                    "type": "oneWay",
                    "position": {
                        "coin": coin,
                        "szi": str(size),
                        "entryPx": str(mark),
                        "positionValue": str(worth),
                        "unrealizedPnl": "0.0",
                        "marginUsed": str(worth / leverage),
                        "leverage": {"type": "cross" if cross else "isolated", "value": leverage},
                    },
                }
            )
        value = self.values.get(address, "1000.0")
        summary = {"accountValue": value, "totalMarginUsed": str(total)}
        return {
            "marginSummary": summary,
            "crossMarginSummary": summary,
            "assetPositions": rows,
            "time": self.clock.wall_ms(),
        }

    async def push(self, kind: str, user: str, message: dict[str, Any]) -> None:
        """Send a message to whoever subscribed to that of a user, or of the coin in it."""
        data = message.get("data") if isinstance(message, dict) else None
        coin = data.get("coin") if isinstance(data, dict) else None
        for socket, subscription in tuple(self.subscriptions):
            wanted = subscription.get("user", user), subscription.get("coin", coin)
            if subscription["type"] == kind and wanted == (user, coin):
                await socket.send_message(json.dumps(message))

    async def push_state(self, user: str) -> None:
        """Push a user's state."""
        data = {"dex": "", "user": user, "clearinghouseState": self.state(user)}
        await self.push("clearinghouseState", user, {"channel": "clearinghouseState", "data": data})

    async def drop_sockets(self) -> None:
        """Cut every WebSocket."""
        for socket in tuple(self.sockets):
            await trio.aclose_forcefully(socket._stream)

    # Reads

    def info(self, body: dict[str, Any]) -> Any:
        """Answer `/info`."""
        kind, user = body["type"], body.get("user", "")
        self.asked[kind] += 1
        if kind in self.nonsense:
            return {"no": "sense"}
        if kind == "clearinghouseState":
            return self.state(user)
        if kind == "spotClearinghouseState":
            return self.spot_state()
        if kind == "userRole":
            return self.roles.get(user, {"role": "missing"})
        if kind == "userAbstraction":
            return self.abstraction
        if kind == "userRateLimit":
            return {"cumVlm": "10.5", "nRequestsUsed": 5, "nRequestsCap": 10_010}
        if kind == "activeAssetData":
            leverage, cross = self.leverages.get(body["coin"], (20, True))
            return {"leverage": {"type": "cross" if cross else "isolated", "value": leverage}}
        if kind == "metaAndAssetCtxs":
            contexts = [{"markPx": self.marks[str(row["name"])]} for row in UNIVERSE]
            return [{"universe": UNIVERSE, "marginTables": [[55, TABLE]]}, contexts]
        if kind == "orderStatus":
            found = self.orders.get(body["oid"])
            return {"status": "unknownOid"} if found is None else {"status": "order", "order": found}
        if kind == "userFillsByTime":
            return [row for row in self.fills if body["startTime"] <= row["time"] <= body["endTime"]]
        if kind in ("exchangeStatus", "l2Book"):
            return {"time": self.clock.wall_ms()}
        raise AssertionError(f"the venue does not know {kind}")

    def spot_state(self) -> dict[str, Any]:
        """Return a spotClearinghouseState."""
        total, hold = self.spot
        return {"balances": [{"coin": "USDC", "token": 0, "total": total, "hold": hold}]}

    # Actions

    def act(self, body: dict[str, Any], via: str) -> Any:
        """Answer `/exchange`: check who signed, then do it."""
        signer = recover(body)
        self.actions.append({**body, "signer": signer, "via": via})
        if signer != AGENT:
            return {"status": "err", "response": f"User or API Wallet {signer} does not exist."}
        if body["nonce"] in self.nonces:
            return {"status": "err", "response": f"Invalid nonce: duplicate nonce {body['nonce']}"}
        self.nonces.add(body["nonce"])
        replaced = self.answers.popleft() if self.answers else None
        if replaced is not None and not self.act_first:
            return replaced
        done = self._do(body)
        return done if replaced is None else replaced

    def _do(self, body: dict[str, Any]) -> Any:
        user = body.get("vaultAddress") or MASTER
        action = body["action"]
        if body.get("expiresAfter", float("inf")) < self.clock.wall_ms():
            return {"status": "err", "response": "Expired"}
        if action["type"] == "updateLeverage":
            coin = UNIVERSE[action["asset"]]["name"]
            self.leverages[str(coin)] = action["leverage"], action["isCross"]
            return {"status": "ok", "response": {"type": "default"}}
        (order,) = action["orders"]
        status = self.statuses(order) if self.statuses else self._fill(user, order)
        return {"status": "ok", "response": {"type": "order", "data": {"statuses": [status]}}}

    def _fill(self, user: str, order: dict[str, Any]) -> dict[str, Any]:
        self._oid += 1
        coin = str(UNIVERSE[order["a"]]["name"])
        price = self.marks[coin]
        held = self.positions.setdefault(user, {})
        held[coin] = held.get(coin, Decimal(0)) + (1 if order["b"] else -1) * Decimal(order["s"])
        self.record(order, coin, status="filled", rest="0.0", fills=((order["s"], str(price)),))
        return {"filled": {"totalSz": order["s"], "avgPx": price, "oid": self._oid, "cloid": order["c"]}}

    def record(
        self,
        order: dict[str, Any],
        coin: str,
        *,
        status: str,
        rest: str,
        fills: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Keep an order and its fills for look-ups."""
        now = self.clock.wall_ms()
        side = "B" if order["b"] else "A"
        row = {"coin": coin, "side": side, "oid": self._oid, "cloid": order["c"]}
        kept = {"limitPx": order["p"], "sz": rest, "origSz": order["s"], "timestamp": now}
        self.orders[order["c"]] = {"order": {**row, **kept}, "status": status, "statusTimestamp": now}
        for number, (size, price) in enumerate(fills):
            extra = {"sz": size, "px": price, "time": now, "tid": number, "hash": "0x1"}
            self.fills.append({**row, **extra, "startPosition": "0.0"})

    # Connections

    async def serve_rest(self, stream: trio.abc.Stream) -> None:
        """Serve HTTP on one connection."""
        connection = h11.Connection(h11.SERVER)
        body = b""
        target = ""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                try:
                    connection.receive_data(bytes(await stream.receive_some(65_536)))
                except trio.BrokenResourceError:
                    return
            elif isinstance(event, h11.Request):
                target, body = event.target.decode(), b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                answer = self._answer(target, json.loads(body))
                if answer is Reset:
                    await stream.aclose()
                    return
                if answer is Silence:
                    await trio.sleep_forever()
                await self._respond(connection, stream, answer)
                connection.start_next_cycle()
            else:
                return

    def _answer(self, target: str, body: dict[str, Any]) -> Any:
        if target == "/exchange":
            return self.act(body, "http")
        if self.info_failures:
            self.asked[body["type"]] += 1
            return self.info_failures.popleft()
        return self.info(body)

    async def _respond(self, connection: h11.Connection, stream: trio.abc.Stream, answer: Any) -> None:
        status, text = (answer, "null") if isinstance(answer, int) else (200, answer)
        content = (text if isinstance(text, bytes) else json.dumps(text).encode()) if status == 200 else b"no"
        head = h11.Response(status_code=status, headers=[("Content-Length", str(len(content)))])
        parts = (head, h11.Data(data=content), h11.EndOfMessage())
        await stream.send_all(b"".join(connection.send(part) or b"" for part in parts))

    async def serve_ws(self, stream: trio.abc.Stream) -> None:
        """Serve a WebSocket on one connection."""
        async with trio.open_nursery() as nursery:
            socket = await wrap_server_stream(nursery, stream)
            connection = await socket.accept()
            self.sockets.append(connection)
            try:
                await connection.send_message("Websocket connection established.")
                while True:
                    await self._take(connection, json.loads(await connection.get_message()))
            except ConnectionClosed:
                pass
            finally:
                self.sockets.remove(connection)
                self.subscriptions = [it for it in self.subscriptions if it[0] is not connection]
                nursery.cancel_scope.cancel()

    async def _take(self, socket: WebSocketConnection, message: dict[str, Any]) -> None:
        method = message["method"]
        if method == "ping":
            if self.answers_pings:
                await socket.send_message('{"channel":"pong"}')
        elif method == "subscribe":
            await self._subscribe(socket, message["subscription"])
        else:
            await trio.sleep(self.thinks_s)
            answer = self.act(message["request"]["payload"], "ws")
            if answer is Silence:
                return
            if answer is Reset:
                await trio.aclose_forcefully(socket._stream)
                return
            kind = "error" if isinstance(answer, str) else "action"
            data = {"id": message["id"], "response": {"type": kind, "payload": answer}}
            await socket.send_message(json.dumps({"channel": "post", "data": data}))

    async def _subscribe(self, socket: WebSocketConnection, subscription: dict[str, str]) -> None:
        users = {it["user"] for _, it in self.subscriptions if "user" in it}
        user = subscription.get("user")
        if user is not None and user not in users and len(users) >= self.users_max:
            text = f"Cannot track more than {self.users_max} total users."
            await socket.send_message(json.dumps({"channel": "error", "data": text}))
            return
        self.subscriptions.append((socket, subscription))
        data = {"method": "subscribe", "subscription": {**subscription, "dex": ""}}
        await socket.send_message(json.dumps({"channel": "subscriptionResponse", "data": data}))
        if subscription["type"] == "clearinghouseState":
            await self.push_state(subscription["user"])


def recover(body: dict[str, Any]) -> str:
    """Return the address that signed a body for testnet, worked out from EIP-712's own words."""
    connection_id = action_hash(
        body["action"],
        body["nonce"],
        vault=body.get("vaultAddress"),
        expires_after_ms=body.get("expiresAfter"),
    )

    def hashed(data: bytes) -> bytes:
        return keccak.new(digest_bits=256, data=data).digest()

    words = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    domain = hashed(
        hashed(words.encode()) + hashed(b"Exchange") + hashed(b"1") + (1337).to_bytes(32, "big") + bytes(32)
    )
    agent = hashed(hashed(b"Agent(string source,bytes32 connectionId)") + hashed(b"b") + connection_id)
    signature = body["signature"]
    raw = b"".join(int(signature[part], 16).to_bytes(32, "big") for part in "rs")
    digest = hashed(b"\x19\x01" + domain + agent)
    point = PublicKey.from_signature_and_message(raw + bytes([signature["v"] - 27]), digest, hasher=None)
    return "0x" + hashed(point.format(compressed=False)[1:])[-20:].hex()


@attrs.define
class World:
    """A scripted venue, and the engine's side of it."""

    script: ScriptedVenue
    venue: HyperliquidVenue
    nursery: trio.Nursery

    def account(self, address: str = MASTER) -> Any:
        """Return a gateway that is closed by the test's end."""
        return self.venue.account(Credentials(api_key="", api_secret=KEY, account=address))


async def open_world(nursery: trio.Nursery, endpoints: HyperliquidEndpoints = ENDPOINTS) -> World:
    """Serve a scripted venue in memory, within a nursery."""
    network, clock = MemoryNetwork(), TrioClock()
    script = ScriptedVenue(clock)
    await nursery.start(network.listen, "hl.rest", 80, script.serve_rest)
    await nursery.start(network.listen, "hl.ws", 80, script.serve_ws)
    return World(script, HyperliquidVenue(endpoints, network=network, clock=clock), nursery)
