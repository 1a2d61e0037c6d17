"""The private stream of one account: executions, positions, orders, wallet (V5 "Private")."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from exchanges.bybit.codes import EXCHANGE
from exchanges.bybit.limits import AddressLimits
from exchanges.bybit.rest import VenueClock
from exchanges.bybit.session import Session
from exchanges.bybit.signing import Signer
from exchanges.bybit.wire import FRAME_TEXT_MAX, load_object, parse_frame
from exchanges.errors import MalformedMessage
from exchanges.network import Network
from exchanges.pacing import Urgency
from exchanges.port import Heard, StreamEvent, Unreadable
from exchanges.websocket import open_websocket

TOPICS = ("order", "execution", "position", "wallet")


class BybitPrivateStream:
    """One life of an account's private stream; iteration raises StreamLost."""

    __slots__ = ("_events", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._events: deque[StreamEvent] = deque()

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        """Return the next event; a frame of several order rows gives one for each."""
        while not self._events:
            self._events.extend(read_events(await self._session.receive()))
        return self._events.popleft()


def read_events(text: str) -> tuple[StreamEvent, ...]:
    """Return what one frame says; one that has no news for us was still heard."""
    try:
        frame = load_object(text)
    except MalformedMessage as error:
        return (Unreadable(text[:FRAME_TEXT_MAX], str(error)),)
    if "topic" not in frame:
        return (Heard(),)
    return parse_frame(frame, text) or (Heard(),)


@asynccontextmanager
async def open_private_stream(
    url: str,
    *,
    network: Network,
    signer: Signer,
    clock: VenueClock,
    shared: AddressLimits,
    measure_clock: Callable[[], Awaitable[int]],
) -> AsyncIterator[BybitPrivateStream]:
    """Connect, log in and subscribe; raises StreamLost or RequestRejected (AUTH)."""
    await shared.pass_socket(Urgency.REDUCE)
    async with open_websocket(network, url, exchange=EXCHANGE) as socket:
        session = Session(socket)
        await session.log_in(signer, clock, measure_clock)
        await session.subscribe(TOPICS)
        yield BybitPrivateStream(session)
