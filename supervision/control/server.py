"""The control socket: JSON-RPC 2.0, one object a line, for this user and root (design section 5)."""

import logging
import socket
from collections.abc import Iterable
from pathlib import Path

import structlog
import trio

from actors.bus import Bus
from supervision.control.connection import Connection, Shared
from supervision.control.errors import RateLimited, Unauthorised
from supervision.control.limits import Limits
from supervision.control.methods import Method, MethodTable
from supervision.control.repeats import KeptAnswers
from supervision.control.socket_file import listening_socket, may_call, peer_of

PRODUCT = "copytrader"
PROTOCOL = "1"
ACCEPT_AGAIN_S = 0.5

log = structlog.get_logger("supervision.control")


class ControlServer:
    """Serves callers at a socket; bounded in everything, so that trading never waits for one."""

    def __init__(
        self,
        methods: Iterable[Method],
        socket_path: Path,
        bus: Bus,
        *,
        version: str,
        instance: str = "",
        kept: KeptAnswers | None = None,
        limits: Limits | None = None,
    ) -> None:
        """``kept`` may outlive the server: repeated calls then get their answer across its restarts."""
        self._methods = MethodTable(methods)
        self._path = socket_path
        self._bus = bus
        self._limits = limits or Limits()
        self._kept = KeptAnswers() if kept is None else kept
        self._clients = 0
        self._hello: dict[str, object] = {"product": PRODUCT, "version": version, "protocol": PROTOCOL}
        if instance:
            self._hello["instance"] = instance

    @property
    def clients(self) -> int:
        """How many callers are connected."""
        return self._clients

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled.

        Raises: SocketUnusable, SocketTaken, UnsafePermissions when the socket cannot be had.
        """
        with listening_socket(self._path) as raw:
            listener = trio.socket.from_stdlib_socket(raw)
            async with trio.open_nursery() as nursery:
                shared = Shared(
                    methods=self._methods,
                    bus=self._bus,
                    kept=self._kept,
                    nursery=nursery,
                    limits=self._limits,
                    hello=self._hello,
                )
                task_status.started()
                await self._accept(listener, nursery, shared)

    async def _accept(self, listener: trio.socket.SocketType, nursery: trio.Nursery, shared: Shared) -> None:
        while True:
            try:
                accepted, _ = await listener.accept()
            except OSError as error:  # out of descriptors, or gone before we looked
                log.warning("control.accept_failed", error=str(error))
                await trio.sleep(ACCEPT_AGAIN_S)
                continue
            nursery.start_soon(self._serve_caller, accepted, shared)

    async def _serve_caller(self, accepted: trio.socket.SocketType, shared: Shared) -> None:
        self._clients += 1
        try:
            async with trio.SocketStream(accepted) as stream:
                await self._welcome(stream, shared)
        except Exception:
            logging.getLogger("supervision.control").exception("control.connection_failed")
        finally:
            self._clients -= 1

    async def _welcome(self, stream: trio.SocketStream, shared: Shared) -> None:
        caller = peer_of(_plain(stream))
        connection = Connection(stream, caller, shared)
        if not may_call(caller):
            log.warning("control.refused", uid=caller.uid, pid=caller.pid)
            await connection.refuse(Unauthorised("only the engine's own user and root may call"))
        elif self._clients > self._limits.clients:
            await connection.refuse(
                RateLimited(f"{self._limits.clients} callers are connected", retry_after_s=1.0)
            )
        else:
            await connection.serve()


def _plain(stream: trio.SocketStream) -> socket.socket:
    return stream.socket  # type: ignore[return-value]  # getsockopt is all that is asked of it
