"""Reads and actions as they come, by HTTP or posted through a WebSocket, with the faults that strike them."""

import json

import attrs
import trio

from exchanges.sandbox.conduct import Conduct, Fate, fate_of, fated, spoilt
from exchanges.sandbox.faults import FaultKind
from exchanges.sandbox.http import HttpRequest, HttpResponse
from exchanges.sandbox.hyperliquid.actions import Undeserializable, parse_request
from exchanges.sandbox.hyperliquid.budgets import Budgets, info_weight
from exchanges.sandbox.hyperliquid.codes import UNDESERIALIZABLE
from exchanges.sandbox.hyperliquid.exchange import Done, Exchange, Reply
from exchanges.sandbox.hyperliquid.queries import Queries
from exchanges.sandbox.hyperliquid.wire import dump
from exchanges.sandbox.venue import SandboxVenue

BATCH_PER_WEIGHT = 40
MALFORMED = Reply(status=422, body=UNDESERIALIZABLE)
TOO_MANY = Reply(status=429)
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


class Requests:
    """Faults name endpoints ``/info/TYPE``, ``/exchange/TYPE``, ``post/info/TYPE`` and ``post/TYPE``."""

    def __init__(
        self, venue: SandboxVenue, *, queries: Queries, exchange: Exchange, budgets: Budgets
    ) -> None:
        self._venue = venue
        self._queries = queries
        self._exchange = exchange
        self._budgets = budgets

    def lists(self, coin: str) -> bool:
        """Tell whether a coin is in the universe."""
        return coin in self._venue.listings

    def act(self, body: object, *, via: str, arrived_ns: int, done: Done) -> None:
        """Take a signed request; ``done`` is called with what becomes of it."""
        try:
            request = parse_request(body)
        except Undeserializable:
            done(MALFORMED)
            return
        rows = request.action.get("orders") or request.action.get("cancels") or []
        if not self._budgets.spend_weight(1 + len(rows) // BATCH_PER_WEIGHT):
            done(TOO_MANY)
            return
        self._exchange.take(request, via=via, arrived_ns=arrived_ns, done=done)

    def ask(self, body: object, *, via: str, done: Done) -> None:
        """Answer a read; ``done`` is called with what becomes of it."""
        try:
            kind = self._queries.kind_of(body)
        except Undeserializable:
            done(MALFORMED)
            return
        owner = self._venue.account_by_key(self._queries.user_of(body))
        name = owner.name if owner is not None else ""
        conduct = Conduct(faults=self._venue.faults, account=name, endpoint=f"{via}/{kind}")
        self._venue.later(conduct.request_delay_s(), lambda: self._answer(body, kind, conduct, done))

    def _answer(self, body: object, kind: str, conduct: Conduct, done: Done) -> None:
        fault = conduct.refusal()
        if fault is not None:
            status = 429 if fault.kind is FaultKind.RATE_LIMIT else fault.status
            done(Reply(status=status, account=conduct.account, fate=fate_of(fault)))
            return
        if not self._budgets.spend_weight(info_weight(kind)):
            done(TOO_MANY)
            return
        try:
            found = self._queries.answer(body)  # type: ignore[arg-type]  # kind_of has shown that it is a dict
        except Undeserializable:
            done(MALFORMED)
            return
        fate, status = conduct.fate()
        reply = Reply(body=found, status=status or 200, fate=fate, account=conduct.account)
        if fate is not Fate.ANSWERED:
            done(reply)
            return
        reply = attrs.evolve(reply, spoiler=conduct.spoiler())
        self._venue.later(conduct.answer_delay_s(), lambda: done(reply))

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTP request."""
        if request.method != "POST" or request.path not in ("/info", "/exchange"):
            return HttpResponse(status=404, headers=PLAIN)
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            return _response(MALFORMED)
        replies: list[Reply] = []
        answered = trio.Event()

        def done(reply: Reply) -> None:
            replies.append(reply)
            answered.set()

        if request.path == "/info":
            self.ask(body, via="/info", done=done)
        else:
            self.act(body, via="/exchange", arrived_ns=request.arrived_ns, done=done)
        if not replies:
            await answered.wait()
        return _response(replies[0])


def _response(reply: Reply) -> HttpResponse:
    if reply.status == 200 or reply.fate is not Fate.ANSWERED:
        body = spoilt(dump(reply.body), reply.spoiler).encode()
        response = HttpResponse(body=body, account=reply.account)
        return fated(response, reply.fate, reply.status)
    if reply.status == 429:
        return HttpResponse(status=429, body=b"null", account=reply.account)
    text = str(reply.body or "").encode()
    return HttpResponse(status=reply.status, headers=PLAIN, body=text, account=reply.account)
