"""The trade socket of one account: requests out, answers matched by ``reqId`` (V5 "Trade WebSocket")."""

import logging
import secrets
from typing import Any

import trio

from exchanges.bybit.codes import EXCHANGE
from exchanges.bybit.session import Session
from exchanges.bybit.wire import load_object
from exchanges.errors import MalformedMessage, OutcomeUnknown, StreamLost
from exchanges.websocket import WebSocket

log = logging.getLogger(__name__)

ORDER_S = 15.0
"""How long an order may take to be answered: longer than the venue's slow case (R11)."""
RETIRING = 10019
"""The venue restarts: it takes no new request on this socket, those under way go on."""


class _Question:
    __slots__ = ("answer", "answered")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.answer: dict[str, Any] | None = None


class TradeLink:
    """One life of a trade socket. An answer that nobody waits for any more is dropped."""

    __slots__ = ("_asked", "_lost", "_number", "_prefix", "_session", "_socket", "is_retiring")

    def __init__(self, socket: WebSocket, session: Session) -> None:
        self._socket = socket
        self._session = session
        self._asked: dict[str, _Question] = {}
        self._number = 0
        self._prefix = secrets.token_hex(6)  # a reqId must not repeat, over restarts neither
        self._lost = ""
        self.is_retiring = False

    @property
    def is_usable(self) -> bool:
        """Tell whether a request may leave through it."""
        return not self.is_retiring and not self._lost and self._socket.is_open

    async def ask(self, op: str, arguments: str, *, timestamp_ms: int, recv_window_ms: int) -> dict[str, Any]:
        """Send one request and return its answer, whatever that says.

        ``arguments`` is the JSON text of its only argument. Raises: RequestNotSent when nothing
        left; OutcomeUnknown when the answer did not come.
        """
        self._number += 1
        request_id = f"{self._prefix}-{self._number}"
        question = self._asked[request_id] = _Question()
        try:
            await self._send(
                f'{{"reqId":"{request_id}","header":{{"X-BAPI-TIMESTAMP":"{timestamp_ms}",'
                f'"X-BAPI-RECV-WINDOW":"{recv_window_ms}"}},"op":"{op}","args":[{arguments}]}}'
            )
            with trio.move_on_after(ORDER_S):
                await question.answered.wait()
        finally:
            del self._asked[request_id]
        if question.answer is None:
            raise OutcomeUnknown(self._lost or f"no answer within {ORDER_S:g} s", exchange=EXCHANGE)
        return question.answer

    async def read_answers(self) -> None:
        """Hand out answers until the socket ends; raises StreamLost."""
        while True:
            if self.is_retiring and not self._asked:
                raise StreamLost("the venue restarts", exchange=EXCHANGE, code=str(RETIRING))
            self._take(await self._session.receive())

    def lose(self, why: str) -> None:
        """Tell everyone who still waits that no answer will come."""
        self._lost = why or "the trade socket ended"
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
            log.warning("trade socket: a frame of %d characters cannot be read: %s", len(text), error)
            return
        if answer.get("retCode") == RETIRING:
            self.is_retiring = True
        request_id = answer.get("reqId")
        question = self._asked.get(request_id) if isinstance(request_id, str) else None
        if question is not None and question.answer is None:
            question.answer = answer
            question.answered.set()
