"""The control socket as an actor of the edge: it may die and come back without touching trading (R3)."""

from collections.abc import Callable
from pathlib import Path

from actors.bus import Bus
from actors.runtime import TrioActor
from supervision.control import ControlServer, KeptAnswers, Method


class ControlSocket(TrioActor):
    """Serves operators. ``kept`` outlives it, so that a repeated call is answered across its restarts."""

    def __init__(
        self,
        *,
        methods: Callable[[], tuple[Method, ...]],
        path: Path,
        bus: Bus,
        version: str,
        instance: str,
        kept: KeptAnswers,
    ) -> None:
        super().__init__()
        self._methods = methods
        self._path = path
        self._bus = bus
        self._version = version
        self._instance = instance
        self._kept = kept

    async def on_start(self) -> None:
        """Listen. Raises: SocketUnusable, SocketTaken, UnsafePermissions."""
        server = ControlServer(
            self._methods(),
            self._path,
            self._bus,
            version=self._version,
            instance=self._instance,
            kept=self._kept,
        )
        await self.nursery.start(server.serve)

    async def on_receive(self, message: object) -> object:
        """Nothing is sent here: a message is a bug in its sender."""
        raise TypeError(f"ControlSocket does not know {message!r}")
