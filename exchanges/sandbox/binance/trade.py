"""Order entry by WebSocket: one signed JSON request a frame, matched to its answer by ``id``."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.budgets import Budgets, Limited
from exchanges.sandbox.binance.codes import VenueError
from exchanges.sandbox.binance.requests import Asked, Reply, Requests
from exchanges.sandbox.binance.routes import Route
from exchanges.sandbox.binance.signing import check_sorted
from exchanges.sandbox.binance.wire import Row, dump
from exchanges.sandbox.conduct import Fate, spoilt
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

PATH = "/ws-fapi/v1"
HANDSHAKE_WEIGHT = 5
SESSION = ("session.logon", "session.status", "session.logout")


class TradeEntry:
    """Takes requests on all order sockets. One socket may serve any number of accounts."""

    def __init__(
        self, venue: SandboxVenue, requests: Requests, routes: Mapping[str, Route], budgets: Budgets
    ) -> None:
        self._venue = venue
        self._requests = requests
        self._routes = routes
        self._budgets = budgets

    async def converse(self, socket: ServerWebSocket) -> None:
        """Serve one socket until it ends."""
        try:
            self._budgets.spend_weight(HANDSHAKE_WEIGHT)
        except Limited as error:
            socket.post(dump({"id": None, **self._failure(error, None)}))
            socket.close(1008)
            return
        while (received := await socket.receive()) is not None:
            self._take(socket, *received)

    def _take(self, socket: ServerWebSocket, text: str, arrived_ns: int) -> None:
        try:
            message: Any = json.loads(text, parse_float=Decimal)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._refuse(socket, None, VenueError(-1135, "Invalid JSON Request"))
            return
        number = message.get("id")
        if number is not None and (isinstance(number, bool) or not isinstance(number, (str, int))):
            self._refuse(socket, None, VenueError(-1135, "Invalid JSON Request"))
            return
        method, params = message.get("method"), message.get("params") or {}
        if method in SESSION:
            text = "Only Ed25519 keys are supported for this feature."
            self._refuse(socket, number, VenueError(-4056, text))
            return
        route = self._routes.get(method) if isinstance(method, str) else None
        if route is None or not isinstance(params, dict):
            self._refuse(socket, number, VenueError(-1000, "Invalid method."))
            return
        asked = _asked(str(method), params, arrived_ns)
        owner = self._venue.account_by_key(asked.key)
        if owner is not None:
            socket.peer.account = owner.name
        tells_limits = asked.params.get("returnRateLimits") != "false"
        self._requests.take(
            asked, route, lambda reply: self._answer(socket, number, reply, tells_limits=tells_limits)
        )

    def _answer(self, socket: ServerWebSocket, number: object, reply: Reply, *, tells_limits: bool) -> None:
        if reply.fate is Fate.LOST:
            return
        if reply.fate is Fate.RESET:
            socket.peer.reset()
            return
        account = reply.account if reply.is_order else None
        if reply.error is not None:
            told = self._failure(reply.error, account)
        else:
            told = {"status": 200, "result": reply.body, "rateLimits": self._budgets.rows(account)}
        if not tells_limits:
            del told["rateLimits"]
        socket.post(spoilt(dump({"id": number, **told}), reply.spoiler))

    def _refuse(self, socket: ServerWebSocket, number: object, error: VenueError) -> None:
        socket.post(dump({"id": number, **self._failure(error, None)}))

    def _failure(self, error: VenueError, account: Account | None) -> Row:
        body: Row = {"code": error.code, "msg": error.text}
        if isinstance(error, Limited) and error.retry_after_s:
            now_ms = self._venue.now_ms()
            body["data"] = {"serverTime": now_ms, "retryAfter": now_ms + error.retry_after_s * 1000}
        return {"status": error.status, "error": body, "rateLimits": self._budgets.rows(account)}


def _asked(method: str, params: Mapping[str, object], arrived_ns: int) -> Asked:
    plain = {name: _text(value) for name, value in params.items()}

    def verify(account: Account) -> None:
        check_sorted(account, plain, plain.get("signature", ""))

    return Asked(name=method, key=plain.get("apiKey", ""), params=plain, verify=verify, arrived_ns=arrived_ns)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
