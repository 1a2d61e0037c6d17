"""The user data stream of one account, and the life of its listen key (USD-M "User Data Streams").

A key lives 60 minutes and is prolonged every 25. It is the account's, not ours: the same one comes
back while it is active, and it is never deleted, for that would silence other programs too.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import attrs
import trio

from exchanges.binance.clock import VenueClock
from exchanges.binance.codes import EXCHANGE, LISTEN_KEY_GONE
from exchanges.binance.events import (
    AccountEvent,
    LeverageChanged,
    ListenKeyExpired,
    MultiAssetsChanged,
    is_answer,
    parse_event,
)
from exchanges.binance.limits import AddressLimits
from exchanges.binance.memory import AccountMemory
from exchanges.binance.probe import StreamProbe
from exchanges.binance.rest import BinanceRest
from exchanges.binance.sockets import beside, ping_for_ever
from exchanges.binance.wire import load_object, reading, word
from exchanges.errors import ExchangeError, MalformedMessage, Refusal, RequestRejected, StreamLost
from exchanges.network import Network
from exchanges.pacing import Urgency
from exchanges.port import Heard, StreamEvent, Unreadable
from exchanges.websocket import WebSocket, open_websocket
from model.account import Execution, WalletReport
from model.order import OrderReport

PROLONG_EVERY_S = 25 * 60.0
PROLONG_WITHIN_S = 30 * 60.0
"""A prolongation that fails is tried again for this long; then the key is near its end."""
PROLONG_RETRY_S_MAX = 30.0
STREAM_LIFE_S = 23 * 3_600.0
"""The venue cuts a connection after 24 hours; we choose the moment, spread over `STREAM_SPREAD_S`."""
STREAM_SPREAD_S = 1_800.0
EVENTS_WAITING_MAX = 1_000
FRAME_TEXT_MAX = 4_000


@attrs.frozen(kw_only=True)
class StreamParts:
    """What a stream of one account is made from."""

    url: str
    network: Network
    rest: BinanceRest
    shared: AddressLimits
    memory: AccountMemory
    probe: StreamProbe
    clock: VenueClock
    spread: float
    """In [0, 1): which part of the spread this account takes."""


class BinancePrivateStream:
    """One life of an account's user data stream; iteration raises StreamLost."""

    __slots__ = ("_bug", "_memory", "_probe", "_receive", "_send", "_socket", "_why")

    def __init__(self, socket: WebSocket, memory: AccountMemory, probe: StreamProbe) -> None:
        self._socket = socket
        self._memory = memory
        self._probe = probe
        self._send, self._receive = trio.open_memory_channel[StreamEvent](EVENTS_WAITING_MAX)
        self._why = ""
        self._bug: Exception | None = None

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        """Return the next event; what came before the end is told before it."""
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise self._bug or StreamLost(self._why, exchange=EXCHANGE) from None

    async def lose(self, why: str) -> None:
        """End the stream for a reason of ours."""
        self._why = self._why or why
        await self._socket.abort()

    async def read_frames(self) -> None:
        """Pass on what comes until the socket ends."""
        with self._send:
            try:
                while True:
                    for event in self._told_by(await self._socket.receive()):
                        await self._send.send(event)
            except StreamLost as error:
                self._why = self._why or str(error)
            except Exception as error:  # noqa: BLE001 - whoever reads the stream dies of it, not of a lost one
                self._bug = error

    async def heard_pong(self) -> None:
        """Tell that the line is alive, unless the stream on it is dead."""
        if self._probe.is_suspect():
            await self.lose("an order of ours was taken and did not show up on the stream")
            return
        try:
            self._send.send_nowait(Heard())
        except (trio.WouldBlock, trio.ClosedResourceError):
            return  # there is enough to hear

    def _told_by(self, text: str) -> Iterable[StreamEvent]:
        try:
            frame = load_object(text)
            if is_answer(frame):
                return (Heard(),)
            events = parse_event(frame)
        except MalformedMessage as error:
            return (Unreadable(text[:FRAME_TEXT_MAX], str(error)),)
        return [self._told(event) for event in events] or (Heard(),)

    def _told(self, event: AccountEvent) -> StreamEvent:
        match event:
            case Execution():
                return (event,)
            case OrderReport():
                self._probe.heard(event.client_order_id, event.average_price)
                return event
            case WalletReport():
                config = self._memory.config
                return Heard() if config is not None and config.multi_assets else event
            case LeverageChanged(symbol=symbol, leverage=leverage):
                return self._memory.learn_leverage(symbol, leverage) or Heard()
            case MultiAssetsChanged():
                self._memory.doubt_config()
                raise StreamLost("the account's margin mode has changed", exchange=EXCHANGE)
            case ListenKeyExpired():
                raise StreamLost("the listen key has expired", exchange=EXCHANGE)
            case _:
                return self._memory.take_event(event) or Heard()


@asynccontextmanager
async def open_private_stream(
    parts: StreamParts, read_config: Callable[[], Awaitable[object]]
) -> AsyncIterator[BinancePrivateStream]:
    """Get a key and connect; raises StreamLost or RequestRejected (AUTH).

    ``read_config`` makes the account's position mode known: without it a flat row cannot be told from
    a row of the other mode.
    """
    with _as_lost():
        await read_config()
        key = _key_in(await parts.rest.listen_key("POST"))
        await parts.shared.pass_socket(0, Urgency.REDUCE)
    async with open_websocket(parts.network, f"{parts.url}/ws/{key}", exchange=EXCHANGE) as socket:
        stream = BinancePrivateStream(socket, parts.memory, parts.probe)
        parts.memory.stream_began()
        parts.probe.began()
        try:
            async with beside(
                stream.read_frames,
                partial(ping_for_ever, socket, stream.heard_pong),
                partial(_prolong_for_ever, parts.rest, key, stream),
                partial(_end_in_time, parts.spread, stream),
            ):
                yield stream
        finally:
            parts.memory.stream_ended()
            parts.probe.ended()


@contextmanager
def _as_lost() -> Iterator[None]:
    """Turn whatever keeps a stream from opening into StreamLost, but a refused key."""
    try:
        yield
    except ExchangeError as error:
        if isinstance(error, RequestRejected) and error.refusal is Refusal.AUTH:
            raise
        raise StreamLost(f"no user stream: {error}", exchange=EXCHANGE, code=error.code) from error


async def _prolong_for_ever(rest: BinanceRest, key: str, stream: BinancePrivateStream) -> None:
    """Keep the key alive; end the stream when it is another one now, or none."""
    while True:
        await trio.sleep(PROLONG_EVERY_S)
        why = await _prolong(rest, key)
        if why:
            await stream.lose(why)
            return


async def _prolong(rest: BinanceRest, key: str) -> str:
    """Prolong the key, with patience for trouble; return why it cannot be, or an empty text."""
    wait_s, why = 1.0, ""
    with trio.move_on_after(PROLONG_WITHIN_S):
        while True:
            try:
                found = await rest.listen_key("PUT")
                same = not (isinstance(found, dict) and found.get("listenKey")) or _key_in(found) == key
                return "" if same else "the account has another listen key now"
            except RequestRejected as error:
                if error.code == str(LISTEN_KEY_GONE) or error.refusal is Refusal.AUTH:
                    return f"the listen key is gone: {error}"
                why = str(error)
            except ExchangeError as error:
                why = str(error)
            await trio.sleep(wait_s)
            wait_s = min(PROLONG_RETRY_S_MAX, wait_s * 2)
    return f"the listen key could not be prolonged: {why}"


async def _end_in_time(spread: float, stream: BinancePrivateStream) -> None:
    await trio.sleep(STREAM_LIFE_S + spread * STREAM_SPREAD_S)
    await stream.lose("a stream lives 24 hours at most; this one makes way for the next")


def _key_in(found: object) -> str:
    """Return the key in an answer, which goes into an address; raises MalformedMessage."""
    with reading("listenKey"):
        key = word(found["listenKey"]) if isinstance(found, dict) else word(None)
        if not key.isascii() or not key.replace("-", "").replace("_", "").isalnum():
            raise ValueError("no key that may stand in an address")
        return key
