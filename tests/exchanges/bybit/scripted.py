"""A Bybit in memory that answers as a test tells it to: REST by path, WebSockets by script."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import attrs
import trio

from exchanges.bybit import BybitEndpoints, BybitVenue
from exchanges.clock import TrioClock
from exchanges.network import MemoryNetwork
from exchanges.port import AccountGateway, Credentials
from tests.exchanges.bybit.samples import answer
from tests.exchanges.fakes import Answer, Drop, HttpServer, Request, WsPeer, WsServer, serving

KEYS = Credentials(api_key="key", api_secret="secret")


def ok(result: Any) -> Answer:
    return 200, {}, json.dumps(answer(result)).encode()


def no(code: int, text: str = "no", **headers: str) -> Answer:
    return 200, headers, json.dumps(answer({}, code, text)).encode()


Reply = Answer | Exception | Callable[[dict[str, str]], Answer]


@attrs.define
class Scripted:
    """What REST answers, by path: each list is used up, its last reply is kept."""

    rest: dict[str, list[Reply]] = attrs.field(factory=dict)
    private: Callable[[WsPeer], Awaitable[None]] | None = None
    trade: Callable[[WsPeer], Awaitable[None]] | None = None
    public: Callable[[WsPeer], Awaitable[None]] | None = None
    paced: bool = False
    network: MemoryNetwork = attrs.field(factory=MemoryNetwork)
    http: HttpServer = attrs.field(init=False)
    trades: WsServer | None = None

    def __attrs_post_init__(self) -> None:
        self.http = HttpServer(self._answer)

    async def _answer(self, request: Request) -> Answer:
        replies = self.rest[request.path]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        if callable(reply):
            return reply({name: values[0] for name, values in parse_qs(request.query).items()})
        return reply

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.http.asked if request.path == path]

    def venue(self) -> BybitVenue:
        endpoints = BybitEndpoints(
            rest="http://rest",
            private_ws="ws://private/v5/private",
            public_ws="ws://public/v5/public/linear",
            trade_ws="ws://trade/v5/trade" if self.trade else None,
            paced=self.paced,
        )
        return BybitVenue(endpoints, network=self.network, clock=TrioClock())

    @asynccontextmanager
    async def account(self) -> AsyncIterator[AccountGateway]:
        """Serve, and yield an account whose order entry is warmed up."""
        servers: dict[str, Callable[[trio.abc.Stream], Awaitable[None]]] = {"rest": self.http.serve}
        if self.private:
            servers["private"] = WsServer(self.private).serve
        if self.public:
            servers["public"] = WsServer(self.public).serve
        if self.trade:
            self.trades = WsServer(self.trade)
            servers["trade"] = self.trades.serve
        async with serving(self.network, **servers), trio.open_nursery() as nursery:
            account = self.venue().account(KEYS)
            nursery.start_soon(account.orders.warm_up)
            await trio.testing.wait_all_tasks_blocked()
            yield account
            await account.aclose()
            nursery.cancel_scope.cancel()


async def log_in(peer: WsPeer, *, trade: bool = False) -> None:
    """Answer a login as the venue does."""
    asked = await peer.hear()
    assert asked["op"] == "auth"
    await peer.say(
        {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c"}
        if trade
        else {"success": True, "ret_msg": "", "op": "auth", "conn_id": "c"}
    )


async def subscribed(peer: WsPeer) -> list[str]:
    """Answer a subscription; return its topics."""
    asked = await peer.hear()
    assert asked["op"] == "subscribe"
    await peer.say({"success": True, "ret_msg": "", "op": "subscribe", "conn_id": "c"})
    topics: list[str] = asked["args"]
    return topics


__all__ = ["KEYS", "Drop", "Scripted", "log_in", "no", "ok", "subscribed"]
