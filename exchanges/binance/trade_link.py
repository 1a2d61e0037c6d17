"""The order socket of one account: requests out, answers matched by ``id`` ("WebSocket API")."""

import logging
import secrets
from collections.abc import Callable
from typing import Any

import trio

from exchanges.binance.codes import EXCHANGE
from exchanges.binance.wire import load_object
from exchanges.errors import MalformedMessage, OutcomeUnknown, StreamLost
from exchanges.websocket import WebSocket

log = logging.getLogger(__name__)

ORDER_S = 15.0
"""How long an order may take to be answered: longer than the venue's slow case (R11)."""


class _Question:
    __slots__ = ("answer", "answered")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.answer: dict[str, Any] | None = None


class TradeLink:
    """One life of an order socket. An answer that nobody waits for any more is dropped."""

    __slots__ = ("_asked", "_lost", "_number", "_prefix", "_retiring", "_settled", "_socket")

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._asked: dict[str, _Question] = {}
        self._number = 0
        self._prefix = secrets.token_hex(4)
        self._lost = ""
        self._retiring = trio.Event()
        self._settled = trio.Event()

    @property
    def is_usable(self) -> bool:
        """Tell whether a request may leave through it."""
        return not self._retiring.is_set() and not self._lost and self._socket.is_open

    async def ask(self, request: Callable[[str], str]) -> dict[str, Any]:
        """Send one request and return its answer, whatever that says.

        ``request`` makes the text for an id. Raises: RequestNotSent when nothing left;
        OutcomeUnknown when no answer came: then the socket is not used again.
        """
        self._number += 1
        request_id = f"{self._prefix}-{self._number}"
        question = self._asked[request_id] = _Question()
        try:
            await self._send(request(request_id))
            with trio.move_on_after(ORDER_S):
                await question.answered.wait()
        finally:
            del self._asked[request_id]
            self._settled.set()
        if question.answer is None:
            self._retiring.set()
            raise OutcomeUnknown(self._lost or f"no answer within {ORDER_S:g} s", exchange=EXCHANGE)
        return question.answer

    async def read_answers(self) -> None:
        """Hand out answers until the socket ends; raises StreamLost."""
        while True:
            self._take(await self._socket.receive())

    async def retire(self) -> None:
        """Take no new request; end the socket when those under way are answered."""
        self._retiring.set()
        while self._asked:
            self._settled = trio.Event()
            await self._settled.wait()
        await self._socket.abort()

    async def watch(self) -> None:
        """End the socket once it is not to be used again: a request on it went unanswered, say."""
        await self._retiring.wait()
        await self.retire()

    def lose(self, why: str) -> None:
        """Tell everyone who still waits that no answer will come."""
        self._lost = why or "the order socket ended"
        for question in self._asked.values():
            question.answered.set()

    async def _send(self, text: str) -> None:
        try:
            await self._socket.send(text)
        except StreamLost as error:
            raise OutcomeUnknown(f"lost while sending: {error}", exchange=EXCHANGE) from error

    def _take(self, text: str) -> None:
        try:
            answer = load_object(text)
        except MalformedMessage as error:
            # It may have been anybody's: whoever waits for it runs into the time limit.
            log.warning("order socket: a frame of %d characters cannot be read: %s", len(text), error)
            return
        request_id = answer.get("id")
        if request_id is None:
            # Nobody's answer: the venue speaks of the connection, a key that was revoked say.
            log.warning("order socket: the venue says %s", str(answer.get("error"))[:200])
            self._retiring.set()
            return
        question = self._asked.get(request_id) if isinstance(request_id, str) else None
        if question is not None and question.answer is None:
            question.answer = answer
            question.answered.set()
