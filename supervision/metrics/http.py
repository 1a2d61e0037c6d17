"""A server for a handful of pages on loopback: GET, bounded in everything, and deaf to anything else."""

from collections.abc import Awaitable, Callable, Mapping

import attrs
import h11
import structlog
import trio

CALLERS_MAX = 8
REQUEST_S = 10.0
HEAD_BYTES_MAX = 8_192
CHUNK = 16_384
TEXT = "text/plain; charset=utf-8"

log = structlog.get_logger("supervision.metrics")


@attrs.frozen(kw_only=True)
class Answer:
    """One answer."""

    status: int = 200
    body: bytes = b""
    kind: str = TEXT


FULL = Answer(status=503, body=b"too many callers\n")

Page = Callable[[], Awaitable[Answer]]


class PageServer:
    """Serves pages by path; no more than a few callers, and none of them for long."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = pages
        self._callers = 0

    async def serve(
        self, host: str, port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until cancelled; tells the port. Raises: OSError when it cannot be had."""
        listeners = await trio.open_tcp_listeners(port, host=host)
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self.serve_stream, listeners)
            task_status.started(listeners[0].socket.getsockname()[1])

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one caller until it goes, errs or takes too long. Never raises for what it does."""
        self._callers += 1
        try:
            async with stream:
                await self._serve_calls(stream, full=self._callers > CALLERS_MAX)
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            return
        except Exception:
            log.exception("metrics.connection_failed")
        finally:
            self._callers -= 1

    async def _serve_calls(self, stream: trio.abc.Stream, *, full: bool) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        while True:
            with trio.move_on_after(REQUEST_S) as scope:
                request = await _request(connection, stream)
                if request is None:
                    return
                answer = FULL if full else await self._answer(request)
                await _send(connection, stream, answer, body=request.method != b"HEAD")
            if scope.cancelled_caught or connection.our_state is not h11.DONE or full:
                return
            if connection.their_state is not h11.DONE:
                return  # a request with a body that nobody wants
            connection.start_next_cycle()

    async def _answer(self, request: h11.Request) -> Answer:
        if request.method not in (b"GET", b"HEAD"):
            return Answer(status=405, body=b"GET only\n")
        page = self._pages.get(request.target.split(b"?")[0].decode("ascii", "replace"))
        if page is None:
            return Answer(status=404, body=f"there are {', '.join(self._pages)}\n".encode())
        return await page()


async def _request(connection: h11.Connection, stream: trio.abc.Stream) -> h11.Request | None:
    request: h11.Request | None = None
    while True:
        event = connection.next_event()
        match event:
            case h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(CHUNK)))
            case h11.Request():
                request = event
            case h11.EndOfMessage():
                return request
            case h11.Data():
                return request
            case _:
                return None


async def _send(connection: h11.Connection, stream: trio.abc.Stream, answer: Answer, *, body: bool) -> None:
    headers = [("content-type", answer.kind), ("content-length", str(len(answer.body)))]
    head = connection.send(h11.Response(status_code=answer.status, headers=headers))
    data = connection.send(h11.Data(data=answer.body)) if body else b""
    end = connection.send(h11.EndOfMessage())
    await stream.send_all((head or b"") + (data or b"") + (end or b""))
