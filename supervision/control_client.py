"""Calls a running engine over its control socket; the command line and the dashboard are such clients."""

import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from supervision.control import PRODUCT, PROTOCOL
from supervision.control.errors import (
    CONFIRMATION_REQUIRED,
    CONFLICT,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    NOT_FOUND,
    NOT_READY,
    RATE_LIMITED,
    UNAUTHORISED,
)
from supervision.control.socket_file import connectable
from supervision.exits import ExitCode, OperatorError

CONNECT_S = 5.0
CALL_S = 90.0
LINE_BYTES_MAX = 64 * 1024 * 1024

_EXIT_CODES: Mapping[int, ExitCode] = {
    **dict.fromkeys((METHOD_NOT_FOUND, INVALID_PARAMS, CONFIRMATION_REQUIRED), ExitCode.USAGE),
    **dict.fromkeys((NOT_FOUND, CONFLICT), ExitCode.BAD_DATA),
    **dict.fromkeys((NOT_READY, RATE_LIMITED), ExitCode.UNAVAILABLE),
    UNAUTHORISED: ExitCode.UNSAFE,
}


class NoEngine(OperatorError):
    """No engine answers at the socket."""

    exit_code = ExitCode.UNAVAILABLE


class EngineGone(NoEngine):
    """The engine was there and went before it answered: what it was asked to do may have been done."""


class NotAllowed(OperatorError):
    """This user may not open the socket."""

    exit_code = ExitCode.UNSAFE


class CallRefused(OperatorError):
    """The engine answered with an error; ``number`` and ``code`` say which."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        data = error.get("data") or {}
        super().__init__(str(error.get("message", "")), hint=str(data.get("hint", "")))
        self.number = int(error.get("code", 0))
        self.code = str(data.get("code", ""))
        self.data: Mapping[str, Any] = data
        self.exit_code = _EXIT_CODES.get(self.number, ExitCode.INTERNAL)


class ControlClient:
    """One connection. Calls go one at a time; a connection that streams events takes no more calls."""

    def __init__(self, stream: trio.SocketStream, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._buffer = bytearray()
        self._searched = 0
        self._next_id = 0
        self.hello: Mapping[str, Any] = {}
        """What the engine said of itself: product, version, protocol."""

    async def greet(self) -> None:
        """Take the greeting. Raises: NoEngine when something else listens there."""
        message = await self._message()
        if message.get("method") != "hello":
            raise self._refused(message) if "error" in message else self._lost("it did not greet")
        self.hello = message.get("params", {})
        protocol = str(self.hello.get("protocol", "")).partition(".")[0]
        if self.hello.get("product") != PRODUCT or protocol != PROTOCOL:
            raise self._lost(f"it is no {PRODUCT} of protocol {PROTOCOL}")

    async def call(self, method: str, **params: object) -> Any:
        """Return the result of a call. Raises: CallRefused; NoEngine when the engine goes or is silent."""
        self._next_id += 1
        call = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}
        with trio.move_on_after(CALL_S):
            await self._send(json.dumps(call, default=str, separators=(",", ":")).encode() + b"\n")
            while True:
                message = await self._message()
                if "error" in message and message.get("id") in (None, self._next_id):
                    raise self._refused(message)
                if message.get("id") == self._next_id:
                    return message.get("result")
        raise self._lost(f"no answer to {method} within {CALL_S:g} s")

    async def events(
        self, topics: tuple[str, ...] = ("*",), *, from_seq: int | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Subscribe, then yield each event as {seq, ts, topic, ...}; `events.dropped` tells a gap.

        Raises: CallRefused; NoEngine when the engine goes.
        """
        await self.call("events.subscribe", topics=list(topics), from_seq=from_seq)
        while True:
            message = await self._message()
            if message.get("method") == "event":
                yield message["params"]

    async def _send(self, line: bytes) -> None:
        try:
            await self._stream.send_all(line)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._lost("it closed the connection") from None

    async def _message(self) -> dict[str, Any]:
        line = await self._line()
        try:
            message = json.loads(line)
        except ValueError:
            raise self._lost("it does not speak JSON") from None
        if not isinstance(message, dict):
            raise self._lost("it does not speak JSON-RPC")
        return message

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            if self._searched > LINE_BYTES_MAX:
                raise self._lost("its answer does not end")
            try:
                chunk = await self._stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                chunk = b""
            if not chunk:
                raise self._lost("it closed the connection")
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def _refused(self, message: Mapping[str, Any]) -> CallRefused:
        error = message["error"]
        return CallRefused(error if isinstance(error, Mapping) else {"message": str(error)})

    def _lost(self, why: str) -> EngineGone:
        return EngineGone(f"the engine at {self._path} cannot be spoken to: {why}")


@asynccontextmanager
async def connect(path: Path) -> AsyncIterator[ControlClient]:
    """Connect to the engine at a control socket.

    Raises: NoEngine when none is running; CallRefused when it does not let this user in.
    """
    with trio.move_on_after(CONNECT_S) as scope:
        stream = await _open(path)
        client = ControlClient(stream, path)
        try:
            await client.greet()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
    if scope.cancelled_caught:
        raise NoEngine(f"the engine at {path} did not greet within {CONNECT_S:g} s")
    async with stream:
        yield client


def call_engine(path: Path, method: str, **params: object) -> Any:
    """Make one call from code that is not async, and return its result. Raises: as `connect` and `call`."""

    async def once() -> Any:
        async with connect(path) as client:
            return await client.call(method, **params)

    return trio.run(once)


def new_request_id() -> str:
    """Return an id for a mutating call; the same one again gets the same answer."""
    return uuid.uuid4().hex


async def _open(path: Path) -> trio.SocketStream:
    try:
        with connectable(path) as name:
            return await trio.open_unix_socket(name)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise NoEngine(f"no engine is running at {path}", hint="start one with `copytrader run`") from None
    except PermissionError:
        raise NotAllowed(f"{path}: permission denied", hint="call as the engine's user") from None
    except OSError as error:
        raise NoEngine(f"{path}: {error}") from None
