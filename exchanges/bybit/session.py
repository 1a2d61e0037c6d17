"""What every WebSocket session with Bybit has in common: login, subscription, pings, silence."""

import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import trio

from exchanges.bybit.codes import EXCHANGE, Asked, failure, redacted
from exchanges.bybit.rest import VenueClock
from exchanges.bybit.signing import Signer
from exchanges.bybit.wire import load_object
from exchanges.errors import (
    ExchangeError,
    MalformedMessage,
    OutcomeUnknown,
    Refusal,
    RequestNotSent,
    RequestRejected,
    StreamLost,
)
from exchanges.websocket import WebSocket

PING_EVERY_S = 20.0
SILENCE_S_MAX = 25.0
ANSWER_S = 10.0
LOGIN_LIFE_MS = 8_000
CLOCK_ERROR_MS_MIN = 1_000
"""A clock that was wrong by less got no login refused."""
PING = '{"op":"ping"}'
TOPICS_PER_REQUEST = 50


class Session:
    """One open socket: frames out, frames in, with a ping every 20 s and an ear for silence."""

    __slots__ = ("_early", "_next_ping", "_socket")

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._early: deque[str] = deque()
        self._next_ping = trio.current_time() + PING_EVERY_S

    async def send(self, text: str) -> None:
        """Send one frame; raises StreamLost."""
        try:
            await self._socket.send(text)
        except RequestNotSent as error:
            raise StreamLost(str(error), exchange=EXCHANGE) from error

    async def receive(self) -> str:
        """Return the next frame; raises StreamLost also when nothing is heard for SILENCE_S_MAX."""
        if self._early:
            return self._early.popleft()
        silent_at = trio.current_time() + SILENCE_S_MAX
        while True:
            now = trio.current_time()
            if now >= self._next_ping:
                await self.send(PING)
                self._next_ping = now + PING_EVERY_S
            with trio.move_on_at(min(silent_at, self._next_ping)):
                return await self._socket.receive()
            if trio.current_time() >= silent_at:
                await self._socket.abort()
                raise StreamLost(f"silent for {SILENCE_S_MAX:g} s", exchange=EXCHANGE)

    async def log_in(
        self, signer: Signer, clock: VenueClock, measure_clock: Callable[[], Awaitable[int]]
    ) -> None:
        """Authenticate; nothing else may be sent before. Raises: StreamLost, RequestRejected (AUTH).

        A login expires by the venue's clock, and no code tells that it has: the clocks are compared where
        one is refused, and it is tried again if they were wrong.
        """
        before_ms = clock.offset_ms
        try:
            await self._log_in(signer, clock)
        except RequestRejected:
            with suppress(ExchangeError):
                await measure_clock()
            if abs(clock.offset_ms - before_ms) < CLOCK_ERROR_MS_MIN:
                raise
            await self._log_in(signer, clock)

    async def _log_in(self, signer: Signer, clock: VenueClock) -> None:
        arguments = signer.session(clock.venue_ms() + LOGIN_LIFE_MS)
        await self.send(json.dumps({"op": "auth", "args": arguments}))
        answer = await self._answer("auth")
        if _is_success(answer):
            return
        code, text = answer.get("retCode"), redacted(_text_of(answer))
        if isinstance(code, int) and isinstance(
            failure(code, text, Asked.READ), (OutcomeUnknown, RequestNotSent)
        ):
            raise StreamLost(f"login: {code} {text}", exchange=EXCHANGE, code=str(code))
        raise RequestRejected(f"login: {text}", refusal=Refusal.AUTH, exchange=EXCHANGE, code=str(code or ""))

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe, in requests that the venue takes; raises StreamLost when it will not."""
        for start in range(0, len(topics), TOPICS_PER_REQUEST):
            part = list(topics[start : start + TOPICS_PER_REQUEST])
            await self.send(json.dumps({"op": "subscribe", "args": part}))
            answer = await self._answer("subscribe")
            text = _text_of(answer)
            if not _is_success(answer) and "already subscribed" not in text:
                raise StreamLost(f"subscription refused: {redacted(text)}", exchange=EXCHANGE)

    async def _answer(self, op: str) -> Mapping[str, Any]:
        """Wait for the answer to a request; what comes before it is kept for ``receive``."""
        early: deque[str] = deque()
        with trio.move_on_after(ANSWER_S):
            while True:
                text = await self._socket.receive()
                answer = _answer_to(op, text)
                if answer is not None:
                    self._early.extend(early)
                    return answer
                early.append(text)
        raise StreamLost(f"no answer to {op} within {ANSWER_S:g} s", exchange=EXCHANGE)


def _answer_to(op: str, text: str) -> Mapping[str, Any] | None:
    try:
        frame = load_object(text)
    except MalformedMessage:
        return None
    answers = frame.get("op") == op or (
        frame.get("type") in ("error", "COMMAND_RESP") and "topic" not in frame
    )
    return frame if answers else None


def _is_success(answer: Mapping[str, Any]) -> bool:
    """Tell whether an answer says yes: private streams have ``success``, the trade socket ``retCode``."""
    data = answer.get("data")
    if isinstance(data, dict) and data.get("failTopics"):
        return False
    if "success" in answer:
        return answer["success"] is True
    return answer.get("retCode") in (0, 20001) and answer.get("type") != "error"


def _text_of(answer: Mapping[str, Any]) -> str:
    return str(answer.get("ret_msg") or answer.get("retMsg") or answer.get("data") or "no text")
