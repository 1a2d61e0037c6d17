"""One port for REST and WebSockets, over TCP or in memory, whatever the face on top of it."""

import logging
from typing import Protocol

import h11
import trio
from wsproto.utilities import generate_accept_token

from exchanges.network import MemoryNetwork
from exchanges.sandbox.faults import FaultKind
from exchanges.sandbox.http import HttpRequest, HttpResponse, Then, read_request, write_response
from exchanges.sandbox.peer import Peer
from exchanges.sandbox.turns import Turns
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

log = logging.getLogger(__name__)

CONNECTION_LOST = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class Face(Protocol):
    """A venue's protocol over the core."""

    venue: SandboxVenue

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one REST request."""

    def accepts(self, path: str) -> bool:
        """Tell whether a WebSocket may be opened at this path."""

    async def converse(self, path: str, socket: ServerWebSocket) -> None:
        """Serve one WebSocket until it ends."""

    async def run(self) -> None:
        """Do what goes on beside the connections, until cancelled."""


class SandboxServer:
    """Serves a face; knows every connection, to drop or silence it when a test asks for that."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._venue = face.venue
        self._peers: set[Peer] = set()
        self._background = trio.Lock()
        """Held by the transport that runs the rest; when that ends, the next one takes over."""
        self._turns = Turns()
        self.crashes: list[Exception] = []
        """Errors of the sandbox itself: always empty, or it has a bug."""

    async def serve_tcp(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; ``started`` with the port, a free one when 0 was asked for."""
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=4096)
        bound: int = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beside)
            nursery.start_soon(trio.serve_listeners, self.serve_stream, listeners)
            task_status.started(bound)

    async def serve_memory(
        self,
        network: MemoryNetwork,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve ``host:port`` of a network in memory until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beside)
            await nursery.start(network.listen, host, port, self.serve_stream)
            task_status.started()

    async def _beside(self) -> None:
        """Run what runs beside the connections, once, however many transports are served."""
        async with self._background, trio.open_nursery() as nursery:
            nursery.start_soon(self._venue.run)
            nursery.start_soon(self._face.run)
            nursery.start_soon(self._turns.run)

    def connections(self, *, account: str | None = None, kind: str | None = None) -> tuple[Peer, ...]:
        """Return open connections: ``kind`` is rest, private, public or trade."""
        return tuple(
            peer
            for peer in self._peers
            if (account is None or peer.account == account) and (kind is None or peer.kind == kind)
        )

    def drop_connections(
        self, *, account: str | None = None, kind: str | None = None, reset: bool = False
    ) -> int:
        """Cut connections now, with a TCP reset if asked; return how many."""
        peers = self.connections(account=account, kind=kind)
        for peer in peers:
            peer.reset() if reset else peer.cut()
        return len(peers)

    def silence_connections(self, *, account: str | None = None, kind: str | None = None) -> int:
        """Make connections half-open: they stay, take everything and say nothing more; return how many."""
        peers = self.connections(account=account, kind=kind)
        for peer in peers:
            peer.silence()
        return len(peers)

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one connection; its end, however it comes, harms nobody else."""
        peer = Peer(stream)
        self._peers.add(peer)
        try:
            with peer.scope:
                if self._venue.faults.strike(FaultKind.REFUSE_CONNECTIONS) is None:
                    await self._http(peer)
        except CONNECTION_LOST:
            pass  # the client has gone, or a fault cut the line
        except Exception as error:
            self.crashes.append(error)
            log.exception("sandbox connection failed")
        finally:
            self._peers.discard(peer)
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _http(self, peer: Peer) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=65_536)
        while True:
            try:
                request = await read_request(connection, peer)
            except h11.RemoteProtocolError as error:
                await _refuse(connection, peer, error)
                return
            if request is None:
                return
            if request.headers.get("upgrade", "").lower() == "websocket":
                await self._upgrade(connection, peer, request)
                return
            await self._turns.wait()
            response = await self._face.answer(request)
            peer.account = response.account or peer.account
            if response.then is Then.RESET:
                peer.reset()
                return
            if response.then is Then.SILENCE:
                await trio.sleep_forever()
            await write_response(connection, peer, response)
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()

    async def _upgrade(self, connection: h11.Connection, peer: Peer, request: HttpRequest) -> None:
        key = request.headers.get("sec-websocket-key", "")
        fault = self._venue.faults.strike(FaultKind.MAINTENANCE, endpoint=request.path)
        if fault is not None or not key or not self._face.accepts(request.path):
            status = fault.status if fault else 404
            await write_response(connection, peer, HttpResponse(status=status))
            return
        accept = [
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Accept", generate_accept_token(key.encode())),
        ]
        answer = connection.send(h11.InformationalResponse(status_code=101, headers=accept))
        await peer.send_all(answer or b"")
        socket = ServerWebSocket(peer, self._turns, trailing=connection.trailing_data[0], query=request.query)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.write)
            await self._face.converse(request.path, socket)
            await socket.finish()
            nursery.cancel_scope.cancel()


async def _refuse(connection: h11.Connection, peer: Peer, error: h11.RemoteProtocolError) -> None:
    if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
        await write_response(connection, peer, HttpResponse(status=error.error_status_hint))
