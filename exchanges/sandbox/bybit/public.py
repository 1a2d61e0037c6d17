"""The public WebSocket of linear contracts: tickers, a snapshot first and changes then."""

from typing import Any

import trio

from exchanges.sandbox.bybit.market import ticker_row
from exchanges.sandbox.bybit.messages import acknowledgement, parse_message, topics_of
from exchanges.sandbox.bybit.wire import Row, dump, number
from exchanges.sandbox.events import PriceChanged, VenueEvent
from exchanges.sandbox.pushing import Pusher
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket
from model.leg import Side

PREFIX = "tickers."
REPEAT_S = 1.0


class PublicFeed:
    """Pushes a ticker when its price moves, and once a second besides, as a busy market would."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue
        self._sessions: dict[str, set[PublicSession]] = {}
        venue.subscribe(self._hear)

    async def run(self) -> None:
        """Repeat the tickers until cancelled."""
        while True:
            await trio.sleep(REPEAT_S)
            for symbol in tuple(self._sessions):
                self._push(symbol)

    async def converse(self, socket: ServerWebSocket) -> None:
        """Serve one socket until it ends."""
        session = PublicSession(socket, self._venue, self._sessions)
        try:
            while (received := await socket.receive()) is not None:
                session.take(received[0])
        finally:
            session.leave()

    def _hear(self, event: VenueEvent) -> None:
        if isinstance(event, PriceChanged):
            self._push(event.symbol)

    def _push(self, symbol: str) -> None:
        sessions = self._sessions.get(symbol)
        if not sessions:
            return
        text = ticker_frame(self._venue, symbol, _changes(self._venue, symbol), "delta")
        for session in tuple(sessions):
            session.push(symbol, text)


def ticker_frame(venue: SandboxVenue, symbol: str, data: Row, kind: str) -> str:
    """Return a ``snapshot`` or a ``delta``."""
    now_ms = venue.now_ms()
    return dump(
        {"topic": PREFIX + symbol, "type": kind, "data": data, "cs": venue.next_seq(symbol), "ts": now_ms}
    )


def _changes(venue: SandboxVenue, symbol: str) -> Row:
    mark = number(venue.mark(symbol))
    return {
        "symbol": symbol,
        "lastPrice": mark,
        "markPrice": mark,
        "indexPrice": mark,
        "bid1Price": number(venue.best_price(symbol, Side.SELL)),
        "ask1Price": number(venue.best_price(symbol, Side.BUY)),
    }


class PublicSession:
    """One client: it needs no key."""

    def __init__(
        self, socket: ServerWebSocket, venue: SandboxVenue, sessions: "dict[str, set[PublicSession]]"
    ) -> None:
        self._socket = socket
        self._venue = venue
        self._pusher = Pusher(socket, venue)
        self._sessions = sessions
        self._symbols: set[str] = set()
        self._conn_id = venue.unique_id()

    def push(self, symbol: str, text: str) -> None:
        """Push one frame of a symbol's ticker."""
        self._pusher.push(PREFIX + symbol, text)

    def leave(self) -> None:
        """Subscribe nothing any more."""
        for symbol in tuple(self._symbols):
            self._drop(symbol)

    def take(self, text: str) -> None:
        """Answer one message."""
        message = parse_message(text) or {}
        match message.get("op"):
            case "ping":
                pong = acknowledgement({"req_id": "", **message}, self._conn_id, success=True, text="pong")
                self._socket.post(dump(pong))
            case "subscribe":
                self._subscribe(message)
            case "unsubscribe":
                for topic in topics_of(message) or ():
                    self._drop(topic.removeprefix(PREFIX))
                self._answer(message, success=True)
            case _:
                self._answer(message, success=False, text="error:invalid request")

    def _subscribe(self, message: dict[str, Any]) -> None:
        topics = topics_of(message) or [""]
        for topic in topics:
            if not topic.startswith(PREFIX) or topic.removeprefix(PREFIX) not in self._venue.listings:
                self._answer(message, success=False, text=f"error:handler not found,topic:{topic}")
                return
            if topic.removeprefix(PREFIX) in self._symbols:
                self._answer(message, success=False, text=f"error:already subscribed,topic:{topic}")
                return
        self._answer(message, success=True)
        for topic in topics:
            symbol = topic.removeprefix(PREFIX)
            self._symbols.add(symbol)
            self._sessions.setdefault(symbol, set()).add(self)
            self.push(symbol, ticker_frame(self._venue, symbol, ticker_row(self._venue, symbol), "snapshot"))

    def _drop(self, symbol: str) -> None:
        self._symbols.discard(symbol)
        sessions = self._sessions.get(symbol, set())
        sessions.discard(self)
        if not sessions:
            self._sessions.pop(symbol, None)

    def _answer(self, message: dict[str, Any], *, success: bool, text: str = "") -> None:
        self._socket.post(dump(acknowledgement(message, self._conn_id, success=success, text=text)))
