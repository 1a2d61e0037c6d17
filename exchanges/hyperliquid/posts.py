"""The one socket through which the actions of all accounts leave (docs: "Post requests").

The venue takes ten sockets from an IP, so accounts do not get one each: whichever of them is alive keeps
it open for all. While it is away, and when it is full, actions go over HTTP.
"""

import random
from collections.abc import Mapping
from typing import Any

import attrs
import trio

from exchanges.errors import ExchangeError, MalformedMessage, OutcomeUnknown, RequestNotSent, StreamLost
from exchanges.hyperliquid.codes import LOAD_RETRY_S, Asked, posted_failure
from exchanges.hyperliquid.limits import EXCHANGE, POSTS_IN_FLIGHT_MAX, AddressLimits
from exchanges.hyperliquid.session import Session
from exchanges.hyperliquid.wire import load_object, reading, whole
from exchanges.network import Network
from exchanges.pacing import HEALTHY_AFTER_S, Urgency, reconnect_delay_s
from exchanges.websocket import open_websocket

ANSWER_S = 15.0
"""How long the venue may think: longer than its slow case, slow is not unknown (R11)."""
DRAIN_S = 2.0
"""How long a keeper that is stopped stays for the answers to others' orders."""


@attrs.define(eq=False)
class _Pending:
    answered: trio.Event = attrs.field(factory=trio.Event)
    response: Any = None


class PostSocket:
    """Sends signed bodies and hands each its answer. Any number of tasks may post."""

    def __init__(self, url: str, *, network: Network, limits: AddressLimits) -> None:
        self._url = url
        self._network = network
        self._limits = limits
        self._session: Session | None = None
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self._keeper = trio.Lock()
        self._drained = trio.Event()
        self._jitter = random.Random(url)

    async def post(self, body: Mapping[str, Any], asked: Asked) -> Any:
        """Send one signed body, at most once, and return the venue's answer to it.

        Raises: RequestNotSent while there is no socket, or no room on it; RequestRejected;
        OutcomeUnknown.
        """
        session = self._session
        if session is None or not session.is_open:
            raise RequestNotSent("the order socket is closed", exchange=EXCHANGE)
        if len(self._pending) >= POSTS_IN_FLIGHT_MAX or not self._limits.take_post():
            raise RequestNotSent("the order socket is full", exchange=EXCHANGE)
        self._number += 1
        number, pending = self._number, _Pending()
        self._pending[number] = pending
        try:
            request = {"type": "action", "payload": body}
            try:
                await session.send({"method": "post", "id": number, "request": request})
            except StreamLost as error:
                raise OutcomeUnknown(str(error), exchange=EXCHANGE) from error
            return await self._answer(pending, asked)
        finally:
            self._pending.pop(number, None)
            if not self._pending:
                self._drained.set()

    async def keep_open(self) -> None:
        """Keep the socket open, one after another; runs until cancelled.

        Of many callers one does it, the others stand by. One that is stopped first lets the orders
        under way be answered, for they are others'.
        """
        async with self._keeper, trio.open_nursery() as nursery:
            scope = trio.CancelScope(shield=True)
            nursery.start_soon(self._keep_within, scope)
            try:
                await trio.sleep_forever()
            finally:
                self._session = None
                with trio.move_on_after(DRAIN_S, shield=True):
                    await self._until_drained()
                scope.cancel()

    async def _until_drained(self) -> None:
        while self._pending:
            self._drained = trio.Event()
            await self._drained.wait()

    async def _keep_within(self, scope: trio.CancelScope) -> None:
        with scope:
            failures = 0
            while True:
                began = trio.current_time()
                try:
                    await self._live()
                except ExchangeError:
                    failures = 0 if trio.current_time() - began > HEALTHY_AFTER_S else failures
                failures += 1
                await trio.sleep(reconnect_delay_s(failures, self._jitter.random()))

    async def _live(self) -> None:
        await self._limits.wait_for_socket(Urgency.OPEN)
        async with open_websocket(self._network, self._url, exchange=EXCHANGE) as socket:
            session = self._session = Session(socket)
            try:
                while True:
                    text = await session.receive()
                    self._take(text or "")
            finally:
                if self._session is session:
                    self._session = None
                self._lose_all()

    async def _answer(self, pending: _Pending, asked: Asked) -> Any:
        with trio.move_on_after(ANSWER_S):
            await pending.answered.wait()
        response = pending.response
        if response is None:
            raise OutcomeUnknown("no answer on the order socket", exchange=EXCHANGE)
        if response.get("type") == "error":
            failed = posted_failure(str(response.get("payload")), asked)
            if failed.code == "http_429":
                self._limits.refused(LOAD_RETRY_S)
            raise failed
        return response.get("payload")

    def _take(self, text: str) -> None:
        """Hand an answer to who waits for it. What cannot be read answers nobody: that is unknown."""
        try:
            frame = load_object(text)
            if frame.get("channel") != "post":
                return
            with reading("post"):
                number, response = whole(frame["data"]["id"]), frame["data"]["response"]
        except MalformedMessage:
            return
        pending = self._pending.get(number)
        if pending is not None and isinstance(response, dict):
            pending.response = response
            pending.answered.set()

    def _lose_all(self) -> None:
        for pending in self._pending.values():
            pending.answered.set()
