"""One caller: reads calls one after the other, answers each, and streams events beside them."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import attrs
import structlog
import trio

from actors.bus import Bus, Gap, Published, Subscription, as_json
from supervision.control.answers import encode
from supervision.control.errors import (
    Conflict,
    ControlError,
    InternalError,
    InvalidParams,
    RateLimited,
)
from supervision.control.limits import Limits, TokenBucket
from supervision.control.lines import BadLine, LineReader
from supervision.control.methods import (
    CALLER,
    Caller,
    Method,
    MethodTable,
    NoParams,
    structure_params,
)
from supervision.control.repeats import KeptAnswers, fingerprint
from supervision.control.requests import BadRequest, Request, RequestId, parse_request
from supervision.redaction import REDACTOR

GAP_TOPIC = "events.dropped"

log = structlog.get_logger("supervision.control")


class CallerGone(Exception):
    """Nothing more can be written to the caller."""


@attrs.frozen(kw_only=True)
class Subscribe:
    """Parameters of `events.subscribe`."""

    topics: tuple[str, ...] = ("*",)
    from_seq: int | None = None


@attrs.frozen(kw_only=True)
class Shared:
    """What all connections of a server share."""

    methods: MethodTable
    bus: Bus
    kept: KeptAnswers
    nursery: trio.Nursery
    """Outlives connections: mutating calls are finished in it."""
    limits: Limits
    hello: Mapping[str, object]


class Connection:
    """Serves one caller until it goes or misbehaves. Never raises for what a caller does."""

    def __init__(self, stream: trio.SocketStream, caller: Caller, shared: Shared) -> None:
        self._stream = stream
        self._caller = caller
        self._shared = shared
        self._limits = shared.limits
        self._lines = LineReader(stream, shared.limits)
        self._bucket = TokenBucket(self._limits.calls_per_s, self._limits.burst)
        self._writing = trio.Lock()
        self._subscription: Subscription | None = None

    async def serve(self) -> None:
        """Greet, then answer until the caller ends."""
        try:
            async with trio.open_nursery() as nursery:
                await self._write({"jsonrpc": "2.0", "method": "hello", "params": self._shared.hello})
                await self._serve_calls(nursery)
                nursery.cancel_scope.cancel()
        except* (CallerGone, trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("control.caller_gone", pid=self._caller.pid)
        finally:
            if self._subscription is not None:
                self._subscription.close()

    async def refuse(self, error: ControlError) -> None:
        """Say why the caller is not served."""
        try:
            await self._answer(None, error=error)
        except CallerGone:
            log.debug("control.caller_gone", pid=self._caller.pid)

    async def _serve_calls(self, nursery: trio.Nursery) -> None:
        while True:
            try:
                line = await self._lines.next_line()
            except BadLine as bad:
                await self._answer(None, error=bad.error)
                return
            if line is None:
                return
            if line.strip():
                await self._serve_line(line, nursery)

    async def _serve_line(self, line: bytes, nursery: trio.Nursery) -> None:
        wait_s = self._bucket.wait_s(trio.current_time())
        try:
            request = await self._parse(line)
        except BadRequest as bad:
            await self._answer(bad.request_id, error=bad.error)
        else:
            if wait_s:
                error = RateLimited(
                    f"at most {self._limits.calls_per_s:g} calls a second", retry_after_s=wait_s
                )
                await self._answer(request.id, error=error)
            else:
                await self._serve_request(request, len(line), nursery)
        if wait_s:  # what it sends meanwhile waits in the kernel, and costs nobody anything
            await trio.sleep(wait_s)

    async def _parse(self, line: bytes) -> Request:
        if len(line) <= self._limits.threaded_line_bytes:
            return parse_request(line)
        return await trio.to_thread.run_sync(parse_request, line)

    async def _serve_request(self, request: Request, size: int, nursery: trio.Nursery) -> None:
        try:
            result = await self._result(request, size)
        except ControlError as error:
            await self._answer(request.id, error=error)
            return
        await self._answer(request.id, result=result)
        if self._subscription is not None and request.method == "events.subscribe":
            nursery.start_soon(self._stream_events, self._subscription)

    async def _result(self, request: Request, size: int) -> object:
        if request.method == "events.subscribe":
            return self._subscribe(structure_params(Subscribe, request.params))
        if request.method == "events.unsubscribe":
            structure_params(NoParams, request.params)
            return self._unsubscribe()
        method = self._shared.methods.find(request.method)
        params = structure_params(method.params, request.params)
        if not method.mutates:
            return await self._run(method, params)
        return await self._run_once(method, params, request, size)

    async def _run_once(self, method: Method, params: Any, request: Request, size: int) -> object:
        request_id = params.request_id
        if request_id is None:  # its class lets it be left out
            return await self._run(method, params)
        if not isinstance(request_id, str) or not 0 < len(request_id) <= 128:
            raise InvalidParams("request_id: expected a text of up to 128 characters")
        arguments = (request.method, request.params)
        if size <= self._limits.threaded_line_bytes:
            print_of_it = fingerprint(*arguments)
        else:
            print_of_it = await trio.to_thread.run_sync(fingerprint, *arguments)
        return await self._shared.kept.answer(
            (self._caller.uid, request_id),
            print_of_it,
            lambda: self._run(method, params),
            self._shared.nursery,
        )

    async def _run(self, method: Method, params: Any) -> object:
        token = CALLER.set(self._caller)
        try:
            with trio.fail_after(method.timeout_s):
                return await method.handler(params)
        except ControlError:
            raise
        except trio.TooSlowError:
            raise InternalError(f"not done within {method.timeout_s:g} s") from None
        except Exception as error:
            log.exception("control.call_failed", method=method.name)
            raise InternalError(
                f"the engine failed: {type(error).__name__}", hint="the log says more"
            ) from error
        finally:
            CALLER.reset(token)

    def _subscribe(self, wanted: Subscribe) -> object:
        if self._subscription is not None:
            raise Conflict("this connection is subscribed already", hint="events.unsubscribe first")
        try:
            self._subscription = self._shared.bus.subscribe(
                topics=wanted.topics, capacity=self._limits.subscriber_events, from_seq=wanted.from_seq
            )
        except ValueError as error:
            raise InvalidParams(f"from_seq: {error}", hint="the engine may have restarted since") from None
        return {"topics": list(wanted.topics), "seq": self._shared.bus.seq}

    def _unsubscribe(self) -> object:
        was = self._subscription is not None
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        return {"unsubscribed": was}

    async def _stream_events(self, subscription: Subscription) -> None:
        async for item in subscription:
            if subscription is not self._subscription:
                return
            await self._write({"jsonrpc": "2.0", "method": "event", "params": event_json(item)})

    async def _answer(
        self, request_id: RequestId, *, result: object = None, error: ControlError | None = None
    ) -> None:
        answer: dict[str, object] = {"jsonrpc": "2.0", "id": request_id}
        await self._write(answer | ({"result": result} if error is None else {"error": error.to_json()}))

    async def _write(self, message: Mapping[str, Any]) -> None:
        """Write a line, or end the connection: half a line cannot be followed by another."""
        line = await self._encode(message)
        async with self._writing:
            with trio.move_on_after(self._limits.write_s) as scope:
                try:
                    await self._stream.send_all(line)
                except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    raise CallerGone("the caller went") from error
            if scope.cancelled_caught:
                await trio.aclose_forcefully(self._stream)
                raise CallerGone("the caller does not read")

    async def _encode(self, message: Mapping[str, Any]) -> bytes:
        try:
            return await encode(message)
        except (TypeError, ValueError, RecursionError):
            logging.getLogger("supervision.control").exception("control.answer_unwritable")
            error = InternalError("the answer cannot be written as JSON", hint="the log says more")
            return await encode({"jsonrpc": "2.0", "id": message.get("id"), "error": error.to_json()})


def event_json(item: Published | Gap) -> dict[str, object]:
    """Return an event as callers see it: seq, ts (ISO, UTC), topic and the event's own fields."""
    if isinstance(item, Gap):
        return {"topic": GAP_TOPIC, "count": item.count}
    fields = REDACTOR.value(as_json(item.event))
    own = fields if isinstance(fields, dict) else {"value": fields}
    return {**own, "seq": item.seq, "ts": _iso(item.ts_ms), "topic": item.topic}


def _iso(ts_ms: int) -> str:
    seconds, rest = divmod(ts_ms, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"
