"""The private stream of one account: pushed where a slot is free, polled where none is.

The venue lets ten users per IP be watched. An account without a slot reads its state every few seconds,
and at once after an order of ours; whoever listens gets the same events either way. A pushed state that
grows old is read too, because a subscription can fall silent on a socket that lives.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from exchanges.errors import ExchangeError, MalformedMessage, StreamLost
from exchanges.hyperliquid.limits import EXCHANGE, AddressLimits
from exchanges.hyperliquid.order_tape import OrderTape
from exchanges.hyperliquid.reader import AccountReader
from exchanges.hyperliquid.session import Session, SubscriptionRefused
from exchanges.hyperliquid.standing import Standing
from exchanges.hyperliquid.wire import (
    FRAME_TEXT_MAX,
    Collateral,
    Row,
    SpotBalance,
    State,
    flat_row,
    load_object,
    parse_fills,
    parse_order,
    parse_spot,
    parse_state,
    reading,
    wallet_of,
)
from exchanges.network import Network
from exchanges.pacing import Urgency
from exchanges.port import Heard, StreamEvent, Unreadable
from exchanges.websocket import open_websocket
from model.account import PositionReport, WalletReport

POLL_S = 8.0
POLL_RETRY_S = 2.0
STATE_AGE_S_MAX = 15.0
"""A pushed state older than this is read: the venue pushes about every 5 s, but does not promise it."""
SILENCE_S_MAX = 25.0
TICK_S = 0.25
"""How soon a nudge is noticed on a pushed stream."""
TOPICS = ("clearinghouseState", "orderUpdates", "userFills")


class HyperliquidPrivateStream:
    """One life of an account's stream.

    Iteration raises StreamLost; RequestRejected (AUTH) once the agent is known to have no rights.
    """

    def __init__(
        self,
        reader: AccountReader,
        standing: Standing,
        session: Session | None,
        collateral: Collateral | None = None,
    ) -> None:
        self._reader = reader
        self._standing = standing
        self._session = session
        self._collateral = collateral
        self._lost = ""
        self._events: deque[StreamEvent] = deque()
        self._book = _LastKnown()
        self._tape = OrderTape()
        self._state: State | None = None
        self._spot: SpotBalance | None = None
        self._heard_at = trio.current_time()
        self._read_at = self._heard_at - POLL_S

    @property
    def is_pushed(self) -> bool:
        """Tell whether the venue pushes this account's news."""
        return self._session is not None

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        """Return the next event; a state that tells nothing new was still heard."""
        while not self._events:
            self._standing.check()
            if self._lost:
                raise StreamLost(self._lost, exchange=EXCHANGE)
            if self._session is None:
                self._events.extend(await self._poll())
            else:
                self._events.extend(await self._listen(self._session))
        return self._events.popleft()

    async def _poll(self) -> tuple[StreamEvent, ...]:
        await self._reader.wait_nudge(self._read_at + POLL_S - trio.current_time())
        return await self._read(retry_s=POLL_RETRY_S)

    async def _read(self, *, retry_s: float) -> tuple[StreamEvent, ...]:
        """Read the account; trouble is borne until nothing was heard for SILENCE_S_MAX."""
        try:
            state, wallet = await self._reader.read()
        except ExchangeError as error:
            if trio.current_time() - self._heard_at > SILENCE_S_MAX:
                raise StreamLost(f"the account cannot be read: {error}", exchange=EXCHANGE) from error
            await trio.sleep(retry_s)
            return (Unreadable("", str(error)),) if isinstance(error, MalformedMessage) else ()
        self._heard_at = self._read_at = trio.current_time()
        return self._book.news(state, wallet)

    async def _listen(self, session: Session) -> tuple[StreamEvent, ...]:
        text = await session.receive(trio.current_time() + TICK_S)
        if text is not None:
            self._heard_at = trio.current_time()
            return self._take(text)
        stale = trio.current_time() - self._read_at > STATE_AGE_S_MAX
        if not stale and not self._reader.is_nudged:
            return ()
        before = self._book.sizes()
        events = await self._read(retry_s=POLL_RETRY_S)
        if stale and self._book.sizes() != before:
            # The truth is told first; then the subscription that missed it is given up.
            self._lost = "the pushed state had fallen behind"
        return events

    def _take(self, text: str) -> tuple[StreamEvent, ...]:
        try:
            frame = load_object(text)
            with reading("frame"):
                return self._events_of(frame)
        except MalformedMessage as error:
            return (Unreadable(text[:FRAME_TEXT_MAX], str(error)),)

    def _events_of(self, frame: Row) -> tuple[StreamEvent, ...]:
        channel: str = frame["channel"]
        data: Any = frame.get("data")
        if channel == "clearinghouseState":
            self._check_user(data)
            return self._take_state(parse_state(data["clearinghouseState"]), self._spot)
        if channel == "spotState":
            self._check_user(data)
            return self._take_state(self._state, parse_spot(data["spotState"]))
        if channel == "userFills":
            self._check_user(data)
            # The snapshot repeats old fills: what they did is in the state already.
            fills = () if data.get("isSnapshot") else parse_fills(data["fills"])
            return (fills, *self._tape.take_fills(fills)) if fills else (Heard(),)
        if channel == "orderUpdates":
            reports = self._tape.take_orders(tuple(parse_order(row) for row in data))
            return reports or (Heard(),)
        return (Heard(),)

    def _take_state(self, state: State | None, spot: SpotBalance | None) -> tuple[StreamEvent, ...]:
        self._state, self._spot = state, spot
        if state is None:
            return (Heard(),)
        self._read_at = trio.current_time()
        self._reader.learn(state)
        collateral = self._collateral or Collateral.UNKNOWN
        if collateral is not self._reader.known_collateral:
            self._lost = "the account's mode changed: it is to be subscribed to anew"
        if collateral is Collateral.SPOT and spot is None:
            return self._book.news(state, None)
        return self._book.news(state, wallet_of(state, collateral, spot))

    def _check_user(self, data: Any) -> None:
        if str(data["user"]).lower() != self._reader.address:
            raise ValueError("it speaks of another user")


class _LastKnown:
    """What was told last: states repeat themselves, events should not."""

    def __init__(self) -> None:
        self._rows: dict[str, PositionReport] = {}
        self._wallet: WalletReport | None = None
        self._time_ms = -1

    def sizes(self) -> dict[str, Any]:
        """Return the sizes told last, by symbol."""
        return {symbol: row.size for symbol, row in self._rows.items()}

    def news(self, state: State, wallet: WalletReport | None) -> tuple[StreamEvent, ...]:
        """Return what is new in a state; one that is older than the last says nothing."""
        if state.time_ms < self._time_ms:
            return (Heard(),)
        self._time_ms = state.time_ms
        rows = self._moved(state)
        self._rows = dict(state.positions)
        told: tuple[StreamEvent, ...] = (rows,) if rows else ()
        if wallet is not None and not _same_balances(self._wallet, wallet):
            told += (wallet,)
            self._wallet = wallet
        return told or (Heard(),)

    def _moved(self, state: State) -> tuple[PositionReport, ...]:
        moved = [
            row
            for symbol, row in state.positions.items()
            if (known := self._rows.get(symbol)) is None or not _same_position(known, row)
        ]
        gone = [
            flat_row(symbol, leverage=row.leverage, venue_time_ms=state.time_ms)
            for symbol, row in self._rows.items()
            if symbol not in state.positions
        ]
        return (*moved, *gone)


def _same_position(one: PositionReport, other: PositionReport) -> bool:
    return (one.size, one.entry_price, one.leverage) == (other.size, other.entry_price, other.leverage)


def _same_balances(one: WalletReport | None, other: WalletReport) -> bool:
    return one is not None and (one.wallet_balance, one.available) == (other.wallet_balance, other.available)


@asynccontextmanager
async def open_private_stream(
    url: str, *, network: Network, reader: AccountReader, standing: Standing, limits: AddressLimits
) -> AsyncIterator[HyperliquidPrivateStream]:
    """Start watching an account; raises StreamLost or RequestRejected (AUTH)."""
    standing.check()
    collateral = await _account_mode(reader)
    if not limits.streams.take(reader.address):
        yield HyperliquidPrivateStream(reader, standing, None)
        return
    try:
        if not limits.take_socket(Urgency.OPEN):
            yield HyperliquidPrivateStream(reader, standing, None)
            return
        async with open_websocket(network, url, exchange=EXCHANGE) as socket:
            session = Session(socket)
            await _subscribe(session, reader.address, collateral, limits)
            yield HyperliquidPrivateStream(reader, standing, session, collateral)
    finally:
        limits.streams.give_back(reader.address)


async def _account_mode(reader: AccountReader) -> Collateral:
    try:
        return await reader.collateral(await reader.read_state(Urgency.VIEW), Urgency.VIEW)
    except ExchangeError as error:
        raise StreamLost(str(error), exchange=EXCHANGE) from error


async def _subscribe(session: Session, user: str, collateral: Collateral, limits: AddressLimits) -> None:
    topics = (*TOPICS, "spotState") if collateral is Collateral.SPOT else TOPICS
    for topic in topics:
        try:
            await session.subscribe({"type": topic, "user": user})
        except SubscriptionRefused as error:
            if "total users" in str(error):
                limits.streams.learn_full()
            raise
