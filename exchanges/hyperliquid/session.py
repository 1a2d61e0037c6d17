"""What every WebSocket session with Hyperliquid has in common: subscriptions, pings, silence."""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import trio

from exchanges.errors import MalformedMessage, RequestNotSent, StreamLost
from exchanges.hyperliquid.limits import EXCHANGE
from exchanges.hyperliquid.wire import load_object
from exchanges.websocket import WebSocket

PING_EVERY_S = 10.0
"""The venue drops a socket on which it has said nothing for 60 s; a pong also says that we are heard."""
SILENCE_S_MAX = 20.0
ANSWER_S = 10.0
PING = '{"method":"ping"}'
GREETING = "Websocket connection established."


class SubscriptionRefused(StreamLost):
    """The venue takes no such subscription, or no more of them."""


class Session:
    """One open socket: frames out, frames in, with pings and an ear for silence."""

    __slots__ = ("_early", "_heard_at", "_next_ping", "_socket")

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._early: deque[str] = deque()
        self._heard_at = trio.current_time()
        self._next_ping = self._heard_at + PING_EVERY_S

    @property
    def is_open(self) -> bool:
        """Tell whether the socket is not known to be closed."""
        return self._socket.is_open

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send one message; raises RequestNotSent or StreamLost as the socket does."""
        await self._socket.send(json.dumps(message, separators=(",", ":")))

    async def receive(self, until: float = float("inf")) -> str | None:
        """Return the next frame, None when none comes ``until`` then; raises StreamLost on silence."""
        if self._early:
            return self._early.popleft()
        while True:
            now = trio.current_time()
            if now >= self._next_ping:
                await self._ping(now)
            silent_at = self._heard_at + SILENCE_S_MAX
            with trio.move_on_at(min(until, silent_at, self._next_ping)):
                text = await self._socket.receive()
                self._heard_at = trio.current_time()
                if text != GREETING:
                    return text
            now = trio.current_time()
            if now >= self._heard_at + SILENCE_S_MAX:
                await self._socket.abort()
                raise StreamLost(f"silent for {SILENCE_S_MAX:g} s", exchange=EXCHANGE)
            if now >= until:
                return None

    async def subscribe(self, subscription: Mapping[str, str]) -> None:
        """Subscribe and wait for the answer; what comes before it is kept for ``receive``.

        Raises: SubscriptionRefused, StreamLost.
        """
        await self._say({"method": "subscribe", "subscription": subscription})
        early: deque[str] = deque()
        until = trio.current_time() + ANSWER_S
        while (text := await self._next(until)) is not None:
            if _confirms(text, subscription):
                self._early.extend(early)
                return
            early.append(text)
        raise StreamLost(f"no answer to a subscription within {ANSWER_S:g} s", exchange=EXCHANGE)

    async def ask_for(self, subscription: Mapping[str, str]) -> None:
        """Subscribe without waiting: one that is refused is missing, the others are not held up."""
        await self._say({"method": "subscribe", "subscription": subscription})

    async def _next(self, until: float) -> str | None:
        """Return the next frame from the socket itself, past those that are kept."""
        with trio.move_on_at(until):
            while True:
                text = await self._socket.receive()
                self._heard_at = trio.current_time()
                if text != GREETING:
                    return text
        return None

    async def _ping(self, now: float) -> None:
        self._next_ping = now + PING_EVERY_S
        try:
            await self._socket.send(PING)
        except RequestNotSent as error:
            raise StreamLost(str(error), exchange=EXCHANGE) from error

    async def _say(self, message: Mapping[str, Any]) -> None:
        try:
            await self.send(message)
        except RequestNotSent as error:
            raise StreamLost(str(error), exchange=EXCHANGE) from error


def _confirms(text: str, subscription: Mapping[str, str]) -> bool:
    """Tell whether a frame confirms a subscription: it may say more than was asked. Raises: refused."""
    try:
        frame = load_object(text)
    except MalformedMessage:
        return False
    data = frame.get("data")
    if frame.get("channel") == "error":
        said = str(data)[:200]
        if "already subscribed" in said.lower():
            return True
        raise SubscriptionRefused(f"subscription refused: {said}", exchange=EXCHANGE)
    if frame.get("channel") != "subscriptionResponse" or not isinstance(data, dict):
        return False
    confirmed = data.get("subscription")
    return isinstance(confirmed, dict) and all(
        str(confirmed.get(key)).lower() == value.lower() for key, value in subscription.items()
    )
