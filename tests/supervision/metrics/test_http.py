"""A page server that answers what it knows, and is not held up by what it does not."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from supervision.metrics.http import CALLERS_MAX, Answer, PageServer


async def hello() -> Answer:
    return Answer(body=b"hello\n")


async def broken() -> Answer:
    raise RuntimeError("signature=canary")


SERVER_PAGES: dict[str, Callable[[], Awaitable[Answer]]] = {"/metrics": hello, "/broken": broken}


@asynccontextmanager
async def calling(server: PageServer) -> AsyncIterator[trio.abc.Stream]:
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, theirs)
        try:
            yield ours
        finally:
            await trio.aclose_forcefully(ours)


async def until_end(stream: trio.abc.Stream) -> bytes:
    text = b""
    with trio.fail_after(60):
        while chunk := await stream.receive_some():
            text += chunk
    return text


async def asked(server: PageServer, request: bytes) -> bytes:
    async with calling(server) as stream:
        await stream.send_all(request)
        return await until_end(stream)


def get(path: str, *, method: str = "GET", close: bool = True) -> bytes:
    end = "Connection: close\r\n\r\n" if close else "\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{end}".encode()


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (get("/metrics"), b"200", b"hello\n"),
        (get("/metrics?name[]=x"), b"200", b"hello\n"),
        (get("/other"), b"404", b"/metrics"),
        (get("/metrics", method="DELETE"), b"405", b"GET only"),
    ],
)
async def test_pages_are_answered(
    request_: bytes, status: bytes, body: bytes, autojump_clock: trio.abc.Clock
) -> None:
    answer = await asked(PageServer(SERVER_PAGES), request_)

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert body in answer


async def test_head_has_no_body(autojump_clock: trio.abc.Clock) -> None:
    answer = await asked(PageServer(SERVER_PAGES), get("/metrics", method="HEAD"))

    assert b"content-length: 6" in answer.lower()
    assert answer.endswith(b"\r\n\r\n")


async def test_a_connection_may_ask_again(autojump_clock: trio.abc.Clock) -> None:
    answer = await asked(PageServer(SERVER_PAGES), get("/metrics", close=False) + get("/metrics"))

    assert answer.count(b"hello\n") == 2


@pytest.mark.parametrize(
    "odd",
    [
        b"\x00\xff\xfe\n\n",
        b"GET /metrics\r\n\r\n" * 3,
        b"GET /" + b"a" * 20_000,
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nxx",
        get("/broken"),
        b"GET /metrics HTTP/1.1\r\nHo",
    ],
)
async def test_odd_callers_are_let_go_and_the_next_is_served(
    odd: bytes, autojump_clock: trio.abc.Clock
) -> None:
    server = PageServer(SERVER_PAGES)

    answer = await asked(server, odd)

    assert b"canary" not in answer
    assert b"200" not in answer[:20]
    assert b"hello" in await asked(server, get("/metrics"))


async def test_too_many_callers_are_told_so(autojump_clock: trio.abc.Clock) -> None:
    server = PageServer(SERVER_PAGES)
    async with trio.open_nursery() as nursery:
        for _ in range(CALLERS_MAX):
            _, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(server.serve_stream, theirs)
        await trio.testing.wait_all_tasks_blocked()

        assert (await asked(server, get("/metrics"))).startswith(b"HTTP/1.1 503")
        nursery.cancel_scope.cancel()


async def test_over_tcp(nursery: trio.Nursery) -> None:
    port = await nursery.start(PageServer(SERVER_PAGES).serve, "127.0.0.1", 0)

    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(get("/metrics"))
        assert b"hello" in await until_end(stream)
    nursery.cancel_scope.cancel()
