"""HTTP over our own network: httpx and httpcore from their public parts, TLS from ``Network``.

One client serves one account: a client shared by all is quadratic in the requests under way.
No client builds a TLS context; it is the network that secures a stream.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
import httpcore
import httpx
import trio

from exchanges.errors import OutcomeUnknown, RequestNotSent
from exchanges.network import Network

CONNECT_S = 10.0
ANSWER_S = 15.0
"""How long a venue may think: longer than its slow case, slow is not unknown (R11)."""
REQUEST_S = 30.0
BODY_BYTES_MAX = 16 * 1024 * 1024
CONNECTIONS_MAX = 4
KEEP_ALIVE_S = 20.0
CLOSE_S = 2.0
TOO_MANY = 429

REQUESTS: Counter[tuple[str, str, str]] = Counter()
"""Requests of this process by venue, path without its query, and how they ended; for metrics."""


@attrs.frozen
class HttpAnswer:
    """What a server answered, read whole."""

    status: int
    headers: httpx.Headers
    body: bytes


class HttpClient:
    """Sends requests to one address; nothing is built before the first."""

    __slots__ = ("_base", "_client", "_exchange", "_in_flight", "_network", "_transport")

    def __init__(
        self,
        base_url: str,
        *,
        network: Network,
        exchange: str,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._network = network
        self._exchange = exchange
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._in_flight: Counter[httpx.AsyncClient] = Counter()

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], content: bytes = b""
    ) -> HttpAnswer:
        """Send one request, at most once; ``target`` is put on the wire as it stands.

        Raises: RequestNotSent when no byte left, else OutcomeUnknown (a timeout, a reset, a body
        that is cut off or larger than BODY_BYTES_MAX).
        """
        outcome = "cancelled"
        try:
            answer = await self._sent(method, target, headers, content)
            outcome = "429" if answer.status == TOO_MANY else f"{answer.status // 100}xx"
            return answer
        except RequestNotSent:
            outcome = "not_sent"
            raise
        except OutcomeUnknown:
            outcome = "unknown"
            raise
        finally:
            REQUESTS[self._exchange, target.partition("?")[0], outcome] += 1

    async def _sent(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> HttpAnswer:
        try:
            with trio.fail_after(REQUEST_S):
                return await self._answer(method, target, headers, content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RequestNotSent(_said(error), exchange=self._exchange) from error
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise RequestNotSent(_said(error), exchange=self._exchange) from error
        except (httpx.HTTPError, httpx.StreamError, trio.TooSlowError) as error:
            raise OutcomeUnknown(_said(error), exchange=self._exchange) from error

    async def aclose(self) -> None:
        """Close every connection; the client may be used again afterwards."""
        client, self._client = self._client, None
        if client is not None:
            with trio.move_on_after(CLOSE_S, shield=True):
                await client.aclose()

    async def _answer(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes
    ) -> HttpAnswer:
        client = self._opened()
        self._in_flight[client] += 1
        try:
            return await self._exchanged(client, method, target, headers, content)
        except (httpx.ReadTimeout, httpx.WriteTimeout):
            # What it keeps open may be as dead as this one: each would cost the next request as long.
            if self._client is client:
                self._client = None
            raise
        finally:
            await self._leave(client)

    async def _leave(self, client: httpx.AsyncClient) -> None:
        """Close a client that was given up, once nobody waits for an answer by it."""
        self._in_flight[client] -= 1
        if self._in_flight[client]:
            return
        del self._in_flight[client]
        if client is not self._client:
            with trio.move_on_after(CLOSE_S, shield=True):
                await client.aclose()

    async def _exchanged(
        self,
        client: httpx.AsyncClient,
        method: str,
        target: str,
        headers: Mapping[str, str],
        content: bytes,
    ) -> HttpAnswer:
        request = client.build_request(
            method,
            self._base + target,
            headers=headers,
            content=content or None,
            extensions={"target": target.encode("ascii")},
        )
        response = await client.send(request, stream=True)
        try:
            return HttpAnswer(response.status_code, response.headers, await _body(response))
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await response.aclose()
            response.stream = httpx.ByteStream(b"")  # it leads back: only the collector would free both

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            transport = self._transport or NetworkTransport(
                self._network, tls=self._base.startswith("https:")
            )
            self._client = httpx.AsyncClient(
                transport=transport,
                timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


class NetworkTransport(httpx.AsyncBaseTransport):
    """httpx's transport over ``Network``, for one address."""

    def __init__(self, network: Network, *, tls: bool) -> None:
        self._tls = tls
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=_Backend(network, tls=tls),
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=CONNECTIONS_MAX,
            keepalive_expiry=KEEP_ALIVE_S,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises httpx's exceptions."""
        # The scheme says "http" to httpcore always: the stream that it gets is secured already.
        url = httpcore.URL(
            scheme=b"http",
            host=request.url.raw_host,
            port=request.url.port or (443 if self._tls else 80),
            target=request.extensions.get("target", request.url.raw_path),
        )
        sent = httpcore.Request(
            method=request.method,
            url=url,
            headers=request.headers.raw,
            content=_Content(await request.aread()),
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        with _mapped_errors():
            response = await self._pool.handle_async_request(sent)
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        with _mapped_errors():
            await self._pool.aclose()


class _Content:
    """A request's body. No generator: one that a broken connection leaves half read would be a leak."""

    def __init__(self, content: bytes) -> None:
        self._parts = [content] if content else []

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._parts:
            raise StopAsyncIteration
        return self._parts.pop()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _mapped_errors():
            async for part in self._response.aiter_stream():
                yield part

    async def aclose(self) -> None:
        with _mapped_errors():
            await self._response.aclose()


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, network: Network, *, tls: bool) -> None:
        self._network = network
        self._tls = tls

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: object = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            with trio.fail_after(_seconds(timeout)):
                return _NetworkStream(await self._network.connect(host, port, tls=self._tls))
        except trio.TooSlowError as error:
            raise httpcore.ConnectTimeout(f"{host}:{port} did not answer") from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host}:{port}: {error}") from error

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class _NetworkStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            with trio.fail_after(_seconds(timeout)):
                return bytes(await self._stream.receive_some(max_bytes))
        except trio.TooSlowError as error:
            raise httpcore.ReadTimeout("no answer in time") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        try:
            with trio.fail_after(_seconds(timeout)):
                await self._stream.send_all(buffer)
        except trio.TooSlowError as error:
            raise httpcore.WriteTimeout("the peer does not read") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self._stream)

    def get_extra_info(self, info: str) -> Any:
        """Tell whether an idle connection was closed by its peer: httpcore asks before it reuses one."""
        if info != "is_readable":
            return None
        stream = self._stream
        while isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        return stream.socket.is_readable() if isinstance(stream, trio.SocketStream) else False


_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.ReadTimeout, httpx.ReadTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.ReadError, httpx.ReadError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (httpcore.ProtocolError, httpx.ProtocolError),
    (httpcore.NetworkError, httpx.NetworkError),
    (httpcore.TimeoutException, httpx.TimeoutException),
    (httpcore.ConnectionNotAvailable, httpx.PoolTimeout),
)


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except tuple(core for core, _ in _ERRORS) as error:
        mapped = next(ours for core, ours in _ERRORS if isinstance(error, core))
        raise mapped(str(error)) from error


async def _body(response: httpx.Response) -> bytes:
    """Read a body whole. One that is too large is read on without being kept: streams are not cut."""
    body = bytearray()
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size <= BODY_BYTES_MAX:
            body += part
    if size > BODY_BYTES_MAX:
        raise httpx.ReadError(f"a body of {size} bytes")
    return bytes(body)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _seconds(timeout: float | None) -> float:
    return float("inf") if timeout is None else timeout
