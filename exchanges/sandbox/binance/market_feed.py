"""Market streams: mark prices, once a second and whenever one moves."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

import trio

from exchanges.sandbox.binance.market import Market
from exchanges.sandbox.binance.subscriptions import acknowledge
from exchanges.sandbox.binance.wire import Row, dump
from exchanges.sandbox.events import PriceChanged, VenueEvent
from exchanges.sandbox.pushing import Pusher
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

ROOT = "/market"
EVERY_S = 1.0
ALL = "!markPrice@arr"
ONE = "@markPrice"
SPEED = "@1s"


class MarketFeed:
    """All sockets that are no user's. Streams other than those of the mark price are taken and silent."""

    def __init__(self, venue: SandboxVenue, market: Market) -> None:
        self._venue = venue
        self._market = market
        self._sessions: set[MarketSession] = set()
        self._joined = trio.Event()
        venue.subscribe(self._hear)

    async def converse(self, path: str, socket: ServerWebSocket) -> None:
        """Serve one socket until it ends."""
        session = MarketSession(socket, self._venue, is_enveloped=path.startswith(f"{ROOT}/stream"))
        if path.startswith(ROOT):  # what is asked for at another root is taken and never delivered
            for stream in _asked(path, socket.query):
                session.subscribe(stream)
            self._sessions.add(session)
            self._joined.set()
        try:
            while (received := await socket.receive()) is not None:
                session.take(received[0])
        finally:
            self._sessions.discard(session)

    async def run(self) -> None:
        """Repeat marks until cancelled."""
        while True:
            if not self._sessions:
                self._joined = trio.Event()
                await self._joined.wait()
            await trio.sleep(EVERY_S)
            self._push(self._market.mark_rows())

    def _hear(self, event: VenueEvent) -> None:
        """A mark that was set is told at once: a sandbox's prices move by themselves less often."""
        if isinstance(event, PriceChanged) and self._sessions:
            self._push([self._market.mark_row(event.symbol)])

    def _push(self, rows: list[Row]) -> None:
        for session in tuple(self._sessions):
            session.push(rows)


class MarketSession:
    """One socket and the streams that it asked for."""

    def __init__(self, socket: ServerWebSocket, venue: SandboxVenue, *, is_enveloped: bool) -> None:
        self._socket = socket
        self._pusher = Pusher(socket, venue)
        self._is_enveloped = is_enveloped
        self._streams: dict[str, None] = {}

    def subscribe(self, stream: str) -> None:
        """Push a stream from now on."""
        self._streams[stream] = None

    def take(self, text: str) -> None:
        """Answer a request that came through the socket."""
        acknowledge(
            self._socket,
            text,
            streams=list(self._streams),
            subscribe=self.subscribe,
            unsubscribe=lambda stream: self._streams.pop(stream, None),
        )

    def push(self, rows: list[Row]) -> None:
        """Send the marks that its streams carry."""
        for stream in self._streams:
            plain = stream.removesuffix(SPEED)
            if plain == ALL:
                self._send(stream, rows)
            elif plain.endswith(ONE):
                symbol = plain.removesuffix(ONE).upper()
                for row in rows:
                    if row["s"] == symbol:
                        self._send(stream, row)

    def _send(self, stream: str, data: object) -> None:
        self._pusher.push(stream, dump({"stream": stream, "data": data} if self._is_enveloped else data))


def _asked(path: str, query: str) -> Iterable[str]:
    """Return the streams that an address names: in its path, or as ``streams=``."""
    named = path.removeprefix(f"{ROOT}/ws/")
    if named != path:
        return named.split("/")
    return [stream for name, value in parse_qsl(query) if name == "streams" for stream in value.split("/")]
