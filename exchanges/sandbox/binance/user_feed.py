"""User data streams: what happens to an account, pushed to every socket that listens by its key."""

from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.listen_keys import ListenKey, ListenKeys
from exchanges.sandbox.binance.modes import Modes
from exchanges.sandbox.binance.records import OrderRecord, Records
from exchanges.sandbox.binance.subscriptions import acknowledge
from exchanges.sandbox.binance.user_events import UserEvents
from exchanges.sandbox.binance.wire import Row, dump
from exchanges.sandbox.events import Executed, LeverageChanged, OrderChanged, VenueEvent, WalletChanged
from exchanges.sandbox.pushing import Pusher
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

ROOT = "/private"
EVERYTHING: frozenset[str] = frozenset()


class UserFeed:
    """All sockets below ``/private``. A key that is none, or over, delivers nothing and says nothing.

    ``needs_events``: ``/ws?listenKey=`` without ``events`` delivers nothing (unsettled; so it was seen).
    """

    def __init__(self, venue: SandboxVenue, records: Records, modes: Modes, keys: ListenKeys) -> None:
        self.needs_events = True
        self.events = UserEvents(venue, records, modes)
        self._venue = venue
        self._keys = keys
        self._sessions: dict[str, set[UserSession]] = {}
        """By account: a crowd's orders are no business of everybody's socket."""
        keys.expired = self._expired
        venue.subscribe(self._hear)

    async def converse(self, path: str, socket: ServerWebSocket) -> None:
        """Serve one socket until it ends."""
        session = UserSession(socket, self._venue, is_enveloped=path.startswith(f"{ROOT}/stream"))
        for key, kinds in self._asked(path, socket.query):
            self._listen(session, key, kinds)
        try:
            while (received := await socket.receive()) is not None:
                self._take(session, received[0])
        finally:
            for sessions in self._sessions.values():
                sessions.discard(session)

    def accepted(self, record: OrderRecord) -> None:
        """Tell of an order that was taken and has not met the book yet."""
        self._tell(record.order.account, self.events.accepted(record))

    def tell(self, account: Account, row: Row) -> None:
        """Push one event of an account."""
        self._tell(account, [row])

    def _asked(self, path: str, query: str) -> Iterable[tuple[str, frozenset[str]]]:
        """Return the keys, and the kinds of events, that an address names."""
        named = path.removeprefix(f"{ROOT}/ws/")
        if named != path:
            return [(key, EVERYTHING) for key in named.split("/")]
        asked: list[tuple[str, frozenset[str]]] = []
        for name, value in parse_qsl(query):
            if name == "listenKey":
                asked.append((value, EVERYTHING))
            elif name == "events" and asked:
                asked[-1] = asked[-1][0], frozenset(value.split("/"))
        return [it for it in asked if it[1] or not self.needs_events]

    def _listen(self, session: "UserSession", text: str, kinds: frozenset[str]) -> None:
        key = self._keys.find(text)
        if key is not None:
            self.events.opened(key.account)
            session.listen(key, kinds)
            self._sessions.setdefault(key.account.name, set()).add(session)

    def _take(self, session: "UserSession", text: str) -> None:
        session.acknowledge(text, lambda stream: self._listen(session, stream, EVERYTHING))

    def _hear(self, event: VenueEvent) -> None:
        match event:
            case Executed():
                self._tell(event.account, self.events.executed(event))
            case OrderChanged():
                self._tell(event.account, self.events.changed(event.order))
            case WalletChanged():
                row = self.events.wallet_changed(event.account)
                self._tell(event.account, [] if row is None else [row])
            case LeverageChanged():
                self.tell(event.account, self.events.leverage_changed(event.symbol, event.leverage))
            case _:
                return

    def _tell(self, account: Account, rows: Iterable[Row]) -> None:
        for row in rows:  # made even if nobody listens: making them keeps the books
            for session in tuple(self._sessions.get(account.name, ())):
                session.push(account, row)

    def _expired(self, key: ListenKey) -> None:
        row: Row = {"e": "listenKeyExpired", "E": self._venue.now_ms(), "listenKey": key.text}
        for session in tuple(self._sessions.get(key.account.name, ())):
            session.push_last(key, row)


class UserSession:
    """One socket, and the keys by which it listens. A raw one has no envelope, and names no account."""

    def __init__(self, socket: ServerWebSocket, venue: SandboxVenue, *, is_enveloped: bool) -> None:
        self._socket = socket
        self._pusher = Pusher(socket, venue)
        self._is_enveloped = is_enveloped
        self._keys: dict[str, tuple[ListenKey, frozenset[str]]] = {}

    def listen(self, key: ListenKey, kinds: frozenset[str]) -> None:
        """Hear an account from now on."""
        self._keys[key.text] = key, kinds
        self._socket.peer.account = key.account.name

    def acknowledge(self, text: str, subscribe: Callable[[str], None]) -> None:
        """Answer a request that came through the socket."""
        acknowledge(self._socket, text, streams=list(self._keys), subscribe=subscribe, unsubscribe=self._drop)

    def push(self, account: Account, row: Row) -> None:
        """Send an event of an account if this socket hears it."""
        for key, kinds in self._keys.values():
            if key.account is account and not key.is_over and (not kinds or row["e"] in kinds):
                self._send(key, row)

    def push_last(self, key: ListenKey, row: Row) -> None:
        """Tell that a key is over; nothing follows."""
        found = self._keys.get(key.text)
        if found is not None and (not found[1] or row["e"] in found[1]):
            self._send(key, row)

    def _send(self, key: ListenKey, row: Row) -> None:
        body = {"stream": key.text, "data": row} if self._is_enveloped else row
        self._pusher.push(str(row["e"]), dump(body))

    def _drop(self, stream: str) -> None:
        self._keys.pop(stream, None)
