"""One WebSocket: subscriptions, pings, and requests that are posted through it."""

import json
from typing import Any

import trio

from exchanges.sandbox.conduct import Fate, spoilt
from exchanges.sandbox.hyperliquid.actions import ADDRESS
from exchanges.sandbox.hyperliquid.exchange import Reply
from exchanges.sandbox.hyperliquid.feed import OF_BOTH, OF_COIN, OF_MARKET, OF_USER, Feed, Subscription
from exchanges.sandbox.hyperliquid.requests import Requests
from exchanges.sandbox.hyperliquid.wire import dump
from exchanges.sandbox.pushing import Pusher
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

GREETING = "Websocket connection established."
POSTS_MAX = 100
SUBSCRIPTIONS_MAX = 1000
STATUS_TEXTS = {429: "Too Many Requests", 422: "Unprocessable Entity"}

Message = dict[str, Any]


class Session:
    """One client. ``peer.kind`` becomes private, public or trade by what it asks for first."""

    def __init__(
        self, socket: ServerWebSocket, *, venue: SandboxVenue, feed: Feed, requests: Requests
    ) -> None:
        self.subscriptions: dict[Subscription, None] = {}
        self.said_at = trio.current_time()
        self._socket = socket
        self._feed = feed
        self._requests = requests
        self._pusher = Pusher(socket, venue)
        self._posts = 0
        socket.post(GREETING)

    def push(self, channel: str, data: object) -> None:
        """Push one frame of a channel."""
        self.said_at = trio.current_time()
        self._pusher.push(channel, dump({"channel": channel, "data": data}))

    def cut(self) -> None:
        """End it abruptly: no close frame."""
        self._socket.peer.cut()

    def take(self, text: str, arrived_ns: int) -> None:
        """Answer one message."""
        message = _parse(text)
        match (message or {}).get("method"):
            case "ping":
                self._say({"channel": "pong"})
            case "subscribe" if message is not None:
                self._subscribe(message.get("subscription"))
            case "unsubscribe" if message is not None:
                self._unsubscribe(message.get("subscription"))
            case "post" if message is not None:
                self._post(message, arrived_ns, text)
            case _:
                self._error(f"Error parsing JSON into valid websocket request: {text[:200]}")

    def _say(self, frame: Message) -> None:
        self.said_at = trio.current_time()
        self._socket.post(dump(frame))

    def _error(self, text: str) -> None:
        self._say({"channel": "error", "data": text})

    # Subscriptions

    def _subscribe(self, asked: object) -> None:
        subscription = self._read(asked)
        if subscription is None or len(self.subscriptions) >= SUBSCRIPTIONS_MAX:
            self._error(f"Invalid subscription {dump(asked)}")
            return
        if subscription in self.subscriptions:
            self._error(f"Already subscribed: {dump(asked)}")
            return
        kind, user, _ = subscription
        if wrong := self._feed.watch(user):
            self._error(wrong)
            return
        self.subscriptions[subscription] = None
        self._identify(user)
        self._confirm("subscribe", subscription)
        if kind == "userFills":
            self._feed.snapshot(self, user)
        else:
            self._feed.tell_now(self, subscription)

    def _unsubscribe(self, asked: object) -> None:
        subscription = self._read(asked)
        if subscription is None or subscription not in self.subscriptions:
            self._error(f"Already unsubscribed: {dump(asked)}")
            return
        del self.subscriptions[subscription]
        self._feed.unwatch(subscription[1])
        self._confirm("unsubscribe", subscription)

    def _read(self, asked: object) -> Subscription | None:
        """Return a subscription that there is; unknown fields are ignored, addresses lower-cased."""
        if not isinstance(asked, dict):
            return None
        kind, user, coin = asked.get("type"), asked.get("user", ""), asked.get("coin", "")
        if not isinstance(kind, str) or not isinstance(user, str) or not isinstance(coin, str):
            return None
        if kind in OF_MARKET:
            return kind, "", ""
        if kind in OF_COIN | OF_BOTH and not self._requests.lists(coin):
            return None
        if kind in OF_COIN:
            return kind, "", coin
        if not ADDRESS.fullmatch(user):
            return None
        if kind in OF_BOTH:
            return kind, user.lower(), coin
        return (kind, user.lower(), "") if kind in OF_USER else None

    def _confirm(self, method: str, subscription: Subscription) -> None:
        kind, user, coin = subscription
        told = {"type": kind, **({"user": user} if user else {}), **({"coin": coin} if coin else {})}
        if kind in ("clearinghouseState", "openOrders", "allMids"):
            told["dex"] = ""
        data = {"method": method, "subscription": told}
        self._say({"channel": "subscriptionResponse", "data": data})

    def _identify(self, user: str) -> None:
        peer = self._socket.peer
        account = self._feed.account(user) if user else None
        if account is not None and not peer.account:
            peer.account = account.name
        if peer.kind not in ("private", "public", "trade"):
            peer.kind = "private" if user else "public"

    # Posts

    def _post(self, message: Message, arrived_ns: int, text: str) -> None:
        number, request = message.get("id"), message.get("request")
        if not isinstance(number, int) or not isinstance(request, dict):
            self._error(f"Error parsing JSON into valid websocket request: {text[:200]}")
            return
        if self._posts >= POSTS_MAX:
            self._error(f"too many pending post requests id={number}")
            return
        kind, payload = request.get("type"), request.get("payload")
        self._posts += 1

        def done(reply: Reply) -> None:
            self._answer(number, str(kind), payload, reply)

        if kind == "action":
            self._socket.peer.kind = "trade"
            self._requests.act(payload, via="post", arrived_ns=arrived_ns, done=done)
        elif kind == "info":
            self._requests.ask(payload, via="post/info", done=done)
        else:
            self._posts -= 1
            self._error(f"Error parsing JSON into valid websocket request: {text[:200]}")

    def _answer(self, number: int, kind: str, payload: object, reply: Reply) -> None:
        self._posts -= 1
        if reply.fate is Fate.RESET:
            self._socket.peer.reset()
            return
        if reply.fate is Fate.LOST:
            return
        response: Message = {"type": kind, "payload": reply.body}
        if reply.status != 200:
            words = reply.body or STATUS_TEXTS.get(reply.status, "Service Unavailable")
            response = {"type": "error", "payload": f"{reply.status} {words}"}
        elif kind == "info" and isinstance(payload, dict):
            response["payload"] = {"type": payload.get("type"), "data": reply.body}
        self.said_at = trio.current_time()
        frame = {"channel": "post", "data": {"id": number, "response": response}}
        self._socket.post(spoilt(dump(frame), reply.spoiler))


def _parse(text: str) -> Message | None:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
