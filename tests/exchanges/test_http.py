"""HTTP over memory: what certainly did not leave, and what nobody knows."""

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from exchanges import http
from exchanges.errors import OutcomeUnknown, RequestNotSent
from exchanges.http import HttpClient
from exchanges.network import MemoryNetwork
from tests.exchanges.fakes import Answer, Drop, HttpServer, Request, serving


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork()


def client_of(network: MemoryNetwork) -> HttpClient:
    return HttpClient("http://venue", network=network, exchange="bybit")


async def test_a_target_goes_out_as_it_stands_and_a_connection_is_used_again(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    async def answer(request: Request) -> Answer:
        return 200, {"X-Some": "1"}, b"body of " + request.method.encode()

    server, client = HttpServer(answer), client_of(network)
    async with serving(network, venue=server.serve):
        first = await client.send("GET", "/v5/x?cursor=a%3Db%26c,d|e", headers={"X-Key": "k"})
        second = await client.send("POST", "/v5/y", headers={}, content=b'{"a":1}')
        await client.aclose()

    assert (first.status, first.body, first.headers["x-some"]) == (200, b"body of GET", "1")
    assert second.body == b"body of POST"
    assert server.asked[0].target == "/v5/x?cursor=a%3Db%26c,d|e"
    assert server.asked[0].headers["x-key"] == "k"
    assert server.asked[1].body == b'{"a":1}'
    assert server.connections == 1


async def test_requests_are_counted_by_path_and_how_they_ended(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    statuses = iter([200, 429, 503])

    async def answer(request: Request) -> Answer:
        return next(statuses), {}, b""

    http.REQUESTS.clear()
    client = client_of(network)
    with pytest.raises(RequestNotSent):
        await client.send("GET", "/v5/counted", headers={})
    async with serving(network, venue=HttpServer(answer).serve):
        for _ in range(3):
            await client.send("GET", "/v5/counted?signature=abc", headers={})
        await client.aclose()

    assert dict(http.REQUESTS) == {
        ("bybit", "/v5/counted", outcome): 1 for outcome in ("not_sent", "2xx", "429", "5xx")
    }


async def test_nobody_listening_means_nothing_was_sent(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    with pytest.raises(RequestNotSent):
        await client_of(network).send("POST", "/", headers={})


async def test_a_connect_that_hangs_means_nothing_was_sent(autojump_clock: MockClock) -> None:
    class Hanging:
        async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
            await trio.sleep_forever()
            raise AssertionError

    with pytest.raises(RequestNotSent):
        await HttpClient("http://venue", network=Hanging(), exchange="bybit").send("GET", "/", headers={})
    assert trio.current_time() == pytest.approx(http.CONNECT_S)


async def test_a_dropped_connection_leaves_the_outcome_unknown(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    async def answer(request: Request) -> Answer:
        raise Drop

    async with serving(network, venue=HttpServer(answer).serve):
        with pytest.raises(OutcomeUnknown):
            await client_of(network).send("POST", "/", headers={})


async def test_a_silent_venue_is_unknown_after_the_slow_case_and_not_before(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    async def answer(request: Request) -> Answer:
        await trio.sleep(14 if request.path == "/slow" else 16)
        return 200, {}, b"ok"

    client = client_of(network)
    async with serving(network, venue=HttpServer(answer).serve):
        assert (await client.send("POST", "/slow", headers={})).body == b"ok"
        with pytest.raises(OutcomeUnknown):
            await client.send("POST", "/silent", headers={})


async def test_a_body_without_end_is_unknown(
    autojump_clock: MockClock, network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODY_BYTES_MAX", 1000)

    async def answer(request: Request) -> Answer:
        return 200, {}, b"x" * 1001

    async with serving(network, venue=HttpServer(answer).serve):
        with pytest.raises(OutcomeUnknown):
            await client_of(network).send("GET", "/", headers={})


async def test_a_cancelled_request_leaves_the_client_usable(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    async def answer(request: Request) -> Answer:
        await trio.sleep(5 if request.path == "/slow" else 0)
        return 200, {}, request.path.encode()

    client = client_of(network)
    async with serving(network, venue=HttpServer(answer).serve):
        for _ in range(http.CONNECTIONS_MAX + 1):
            with trio.move_on_after(1):
                await client.send("GET", "/slow", headers={})
        assert (await client.send("GET", "/next", headers={})).body == b"/next"


async def test_of_several_dead_connections_only_the_first_costs_time(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    """Each of them took fifteen seconds of the next request: a minute until the venue was heard again."""
    is_dead = False
    alive = trio.Event()

    async def answer(request: Request) -> Answer:
        if is_dead:
            await trio.sleep_forever()
        await alive.wait()
        return 200, {}, b"ok"

    server, client = HttpServer(answer), client_of(network)
    async with serving(network, venue=server.serve), trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(partial(client.send, "GET", "/", headers={}))
        await trio.sleep(1)
        alive.set()
        await trio.sleep(1)
        is_dead = True
        with pytest.raises(OutcomeUnknown):
            await client.send("GET", "/", headers={})
        is_dead, began = False, trio.current_time()
        answered = await client.send("GET", "/", headers={})
        took_s = trio.current_time() - began
        await client.aclose()

    assert (answered.status, server.connections) == (200, 4)
    assert took_s < 1
