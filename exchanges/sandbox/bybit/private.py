"""The private WebSocket: order, execution, position, wallet, and execution.fast."""

from collections.abc import Callable
from typing import Any

from exchanges.sandbox.account import Account
from exchanges.sandbox.bybit.codes import VenueError
from exchanges.sandbox.bybit.messages import acknowledgement, parse_message, topics_of
from exchanges.sandbox.bybit.signing import authenticate_socket
from exchanges.sandbox.bybit.wire import (
    dump,
    execution_row,
    fast_execution_row,
    order_row,
    position_row,
    wallet_row,
)
from exchanges.sandbox.events import Executed, OrderChanged, PositionChanged, VenueEvent, WalletChanged
from exchanges.sandbox.order import FillKind
from exchanges.sandbox.pushing import Pusher
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

PLAIN = ("order", "execution", "position", "wallet", "execution.fast", "greeks")
CATEGORISED = ("order", "execution", "position", "execution.fast")
TOPICS = frozenset(PLAIN) | {f"{topic}.linear" for topic in CATEGORISED}


class PrivateFeed:
    """All private sockets, by account; hears the core and pushes to those that subscribed."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue
        self._sessions: dict[str, set[PrivateSession]] = {}
        venue.subscribe(self._hear)

    async def converse(self, socket: ServerWebSocket) -> None:
        """Serve one socket until it ends."""
        session = PrivateSession(socket, self._venue)
        try:
            while (received := await socket.receive()) is not None:
                session.take(received[0])
                if session.account is not None:
                    self._sessions.setdefault(session.account.name, set()).add(session)
        finally:
            if session.account is not None:
                self._sessions.get(session.account.name, set()).discard(session)

    def _hear(self, event: VenueEvent) -> None:
        if not isinstance(event, (Executed, OrderChanged, PositionChanged, WalletChanged)):
            return
        sessions = self._sessions.get(event.account.name)
        if not sessions:
            return
        frames = self._frames(event)
        for session in tuple(sessions):
            for topic, make in frames:
                session.push(topic, make)

    def _frames(self, event: VenueEvent) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
        """Return (plain topic, how to make its frame); what nobody subscribed is never made."""
        venue = self._venue
        match event:
            case Executed(account=account, symbol=symbol, fills=fills, seq=seq):
                fast = [fill for fill in fills if fill.kind is FillKind.TRADE]
                whole = (
                    "execution",
                    lambda: self._frame(f"{account.uid}_{symbol}_{seq}", map(execution_row, fills)),
                )
                if not fast:
                    return [whole]
                return [("execution.fast", lambda: self._frame(None, map(fast_execution_row, fast))), whole]
            case OrderChanged(account=account, order=order, seq=seq):
                identity = f"{account.uid}_{order.intent.symbol}_{seq}"
                return [("order", lambda: self._frame(identity, [order_row(order, rest=False)]))]
            case PositionChanged(account=account, positions=positions):
                identity = f"{account.uid}_position_{venue.now_ms()}"
                rows = [position_row(venue, account, position, rest=False) for position in positions]
                return [("position", lambda: self._frame(identity, rows))]
            case WalletChanged(account=account):
                identity = f"{account.uid}_wallet_{venue.now_ms()}"
                return [("wallet", lambda: self._frame(identity, [wallet_row(venue, account)]))]
            case _:
                return []

    def _frame(self, identity: str | None, rows: Any) -> dict[str, Any]:
        frame: dict[str, Any] = {} if identity is None else {"id": identity}
        return {**frame, "creationTime": self._venue.now_ms(), "data": list(rows)}


class PrivateSession:
    """One client: who it is and what it subscribed."""

    def __init__(self, socket: ServerWebSocket, venue: SandboxVenue) -> None:
        self._socket = socket
        self._venue = venue
        self._pusher = Pusher(socket, venue)
        self._conn_id = venue.unique_id()
        self._topics: dict[str, list[str]] = {}
        self._subscribed: set[str] = set()
        self.account: Account | None = None

    def push(self, topic: str, make: Callable[[], dict[str, Any]]) -> None:
        """Push a frame under each name by which the client subscribed its topic."""
        for name in self._topics.get(topic, ()):
            self._pusher.push(name, dump({"topic": name, **make()}))

    def take(self, text: str) -> None:
        """Answer one message."""
        message = parse_message(text)
        if message is None:
            self._answer({}, success=False, text="error:invalid json")
            return
        match message.get("op"):
            case "auth":
                self._authenticate(message)
            case "ping":
                self._pong(message)
            case "subscribe" | "unsubscribe" if self.account is None:
                self._answer(message, success=False, text="Request not authorized")
            case "subscribe":
                self._subscribe(message)
            case "unsubscribe":
                self._unsubscribe(message)
            case _:
                self._answer(message, success=False, text="error:unknown op")

    def _authenticate(self, message: dict[str, Any]) -> None:
        try:
            self.account = authenticate_socket(self._venue, message.get("args"))
        except VenueError as error:
            self._answer(message, success=False, text=error.text)
            self._socket.close()
            return
        self._socket.peer.account = self.account.name
        self._answer(message, success=True)

    def _pong(self, message: dict[str, Any]) -> None:
        pong = {"op": "pong", "args": [str(self._venue.now_ms())], "conn_id": self._conn_id}
        request = {"req_id": message["req_id"]} if "req_id" in message else {}
        self._socket.post(dump({**request, **pong}))

    def _subscribe(self, message: dict[str, Any]) -> None:
        topics = topics_of(message)
        problem = "error:params invalid" if topics is None else self._problem(topics)
        if topics is None or problem:
            self._answer(message, success=False, text=problem)
            return
        for topic in topics:
            self._subscribed.add(topic)
            self._topics.setdefault(topic.removesuffix(".linear"), []).append(topic)
        self._answer(message, success=True)

    def _problem(self, topics: list[str]) -> str:
        for topic in topics:
            if topic not in TOPICS:
                return f"error:handler not found,topic:{topic}"
            if topic in self._subscribed:
                return f"error:already subscribed,topic:{topic}"
        if len({topic.endswith(".linear") for topic in topics if topic != "wallet"}) > 1:
            return "error:all-in-one and categorised topics may not be mixed"
        return ""

    def _unsubscribe(self, message: dict[str, Any]) -> None:
        for topic in topics_of(message) or ():
            self._subscribed.discard(topic)
            names = self._topics.get(topic.removesuffix(".linear"), [])
            if topic in names:
                names.remove(topic)
        self._answer(message, success=True)

    def _answer(self, message: dict[str, Any], *, success: bool, text: str = "") -> None:
        self._socket.post(dump(acknowledgement(message, self._conn_id, success=success, text=text)))
