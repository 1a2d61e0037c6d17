"""HTTP/1.1 on a peer: one request in, one response out, parsed by h11."""

import time
from collections.abc import Mapping
from enum import Enum, auto

import attrs
import h11

from exchanges.sandbox.peer import Peer

BODY_BYTES_MAX = 1_000_000


class Then(Enum):
    """What becomes of the answer."""

    ANSWER = auto()
    SILENCE = auto()
    """It is never sent; the connection stays."""
    RESET = auto()
    """The connection is reset instead."""


@attrs.frozen(kw_only=True)
class HttpRequest:
    """``query`` and ``body`` exactly as they came, since they are signed; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    arrived_ns: int


@attrs.frozen(kw_only=True)
class HttpResponse:
    """``account`` tells the server whose connection this has turned out to be."""

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    then: Then = Then.ANSWER
    account: str = ""


async def read_request(connection: h11.Connection, peer: Peer) -> HttpRequest | None:
    """Return the next request, None when the client is done; raise h11.RemoteProtocolError."""
    head: h11.Request | None = None
    body = bytearray()
    arrived_ns = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                proceed = connection.send(h11.InformationalResponse(status_code=100, headers=[]))
                await peer.send_all(proceed or b"")
            connection.receive_data(await peer.receive_some())
            arrived_ns = time.perf_counter_ns()
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_BYTES_MAX:
                raise h11.RemoteProtocolError("body too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _request(head, bytes(body), arrived_ns)
        else:  # h11.ConnectionClosed, h11.PAUSED
            return None


def _request(head: h11.Request, body: bytes, arrived_ns: int) -> HttpRequest:
    path, _, query = head.target.decode("latin-1").partition("?")
    return HttpRequest(
        method=head.method.decode("latin-1"),
        path=path,
        query=query,
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers},
        body=body,
        arrived_ns=arrived_ns or time.perf_counter_ns(),
    )


async def write_response(connection: h11.Connection, peer: Peer, response: HttpResponse) -> None:
    """Send a response in one piece."""
    headers = {"Content-Type": "application/json; charset=utf-8", **response.headers}
    headers["Content-Length"] = str(len(response.body))
    head = h11.Response(status_code=response.status, headers=list(headers.items()))
    data = connection.send(head) or b""
    data += connection.send(h11.Data(data=response.body)) or b""
    data += connection.send(h11.EndOfMessage()) or b""
    await peer.send_all(data)
