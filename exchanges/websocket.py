"""A WebSocket client over our own network: it owns its stream, drains it, and notices silence.

trio-websocket speaks the protocol. What it leaves open is closed here: a stream that the peer let
go of, a handshake that never ends, a frame cut in two by a cancellation, a close that nobody answers.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from exchanges.errors import RequestNotSent, StreamLost
from exchanges.network import Network

HANDSHAKE_S = 10.0
SEND_S = 5.0
CLOSE_S = 1.0
CLOSE_S_CANCELLED = 0.05
"""Enough to say goodbye: what would read the answer is cancelled too."""
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
MESSAGES_WAITING_MAX = 10_000
"""Frames that may wait while their reader reads its account by REST; the queue costs nothing empty."""


class WebSocket:
    """An open WebSocket of text frames. One task receives, any number send."""

    __slots__ = ("_connection", "_exchange", "_stream")

    def __init__(self, connection: WebSocketConnection, stream: "_OwnStream", exchange: str) -> None:
        self._connection = connection
        self._stream = stream
        self._exchange = exchange

    @property
    def is_open(self) -> bool:
        """Tell whether the socket is not known to be closed."""
        return self._connection.closed is None and not self._stream.closed

    async def send(self, text: str) -> None:
        """Send one frame whole, even when the sender is cancelled: half a frame spoils all that follow.

        Raises: RequestNotSent when the socket is closed already; StreamLost when it ends meanwhile,
        or does not take the frame within SEND_S: then nobody knows how much of it left.
        """
        if not self.is_open:
            raise RequestNotSent("the socket is closed", exchange=self._exchange)
        try:
            with trio.CancelScope(deadline=trio.current_time() + SEND_S, shield=True) as scope:
                await self._connection.send_message(text)
        except ConnectionClosed as error:
            raise self._lost(f"closed while sending: {_reason(error)}") from error
        if scope.cancelled_caught:
            await self.abort()
            raise self._lost(f"the peer took no frame for {SEND_S:g} s")

    async def receive(self) -> str:
        """Return the next frame; raises StreamLost when there will be none."""
        try:
            message = await self._connection.get_message()
        except ConnectionClosed as error:
            raise self._lost(f"closed: {_reason(error)}") from error
        return message if isinstance(message, str) else message.decode("utf-8", "replace")

    async def ping(self) -> None:
        """Wait for the peer's answer to a ping; raises StreamLost when the socket ends first."""
        try:
            await self._connection.ping()
        except ConnectionClosed as error:
            raise self._lost(f"closed while pinged: {_reason(error)}") from error

    async def abort(self) -> None:
        """Let go of the stream without a word: a peer that is silent answers no close either."""
        await trio.aclose_forcefully(self._stream)

    def _lost(self, why: str) -> StreamLost:
        return StreamLost(why, exchange=self._exchange)


@asynccontextmanager
async def open_websocket(network: Network, url: str, *, exchange: str) -> AsyncIterator[WebSocket]:
    """Open a WebSocket for the length of the block.

    What the block raises leaves it as it is, never inside a group. Raises: StreamLost when the peer
    cannot be reached, refuses, or breaks the protocol.
    """
    stream = await _connect(network, url, exchange)
    raised: BaseException | None = None
    finished = False
    try:
        async with trio.open_nursery() as nursery:
            socket = WebSocket(await _shake_hands(nursery, stream, url), stream, exchange)
            try:
                yield socket
                finished = True
            except BaseException as error:
                raised = error
                raise
            finally:
                await _close(socket, CLOSE_S_CANCELLED if _is_cancelled(raised) else CLOSE_S)
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if raised is not None and not isinstance(raised, trio.Cancelled):
            raise raised from raised.__cause__
        failures = group.split(trio.Cancelled)[1]
        if failures is None:
            raise
        if finished:
            return  # the block had its say: what the peer breaks afterwards is nobody's trouble
        raise StreamLost(f"{_host(url)}: {_first(failures)!r}", exchange=exchange) from group
    finally:
        await trio.aclose_forcefully(stream)


class _OwnStream(trio.abc.Stream):
    """The stream below a WebSocket; an end before the handshake's is an error, not just an end."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.opened = False
        self.closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError as error:
            if self.opened:
                raise
            # trio-websocket takes it for a close, and waits for the end of a handshake that never comes.
            raise ConnectionAbortedError("closed before the handshake was done") from error

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        if not data and not self.opened:
            raise ConnectionAbortedError("closed before the handshake was done")
        return data

    async def aclose(self) -> None:
        self.closed = True
        await self._stream.aclose()


async def _connect(network: Network, url: str, exchange: str) -> _OwnStream:
    parts = urlsplit(url)
    tls = parts.scheme == "wss"
    try:
        stream = await network.connect(parts.hostname or "", parts.port or (443 if tls else 80), tls=tls)
    except OSError as error:
        raise StreamLost(f"{_host(url)}: {error}", exchange=exchange) from error
    return _OwnStream(stream)


async def _shake_hands(nursery: trio.Nursery, stream: _OwnStream, url: str) -> WebSocketConnection:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with trio.fail_after(HANDSHAKE_S):
            connection = await wrap_client_stream(
                nursery,
                stream,  # type: ignore[arg-type]  # any stream does; the annotation is narrower
                parts.netloc,
                target,
                message_queue_size=MESSAGES_WAITING_MAX,
                max_message_size=MESSAGE_BYTES_MAX,
            )
    except trio.TooSlowError:
        raise TimeoutError(f"no handshake within {HANDSHAKE_S:g} s") from None
    stream.opened = True
    return connection


async def _close(socket: WebSocket, wait_s: float) -> None:
    """Say goodbye where somebody listens, and let go of the stream in any case."""
    if socket.is_open:
        with trio.move_on_after(wait_s, shield=True):
            await socket._connection.aclose()
    with trio.CancelScope(shield=True):
        await socket.abort()


def _is_cancelled(error: BaseException | None) -> bool:
    """Tell whether the block was cancelled: what has tasks beside it is so in a group."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _reason(error: ConnectionClosed) -> str:
    reason = error.reason
    return "no reason given" if reason is None else f"{reason.code} {reason.reason or reason.name}"


def _host(url: str) -> str:
    return urlsplit(url).netloc
