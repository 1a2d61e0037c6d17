"""A WebSocket that owns its stream: losses have one name, frames stay whole, errors stay themselves."""

import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from exchanges import websocket
from exchanges.errors import RequestNotSent, StreamLost
from exchanges.network import MemoryNetwork
from exchanges.websocket import open_websocket
from tests.exchanges.fakes import WsPeer, WsServer, serving

URL = "ws://venue/v5/private?max_active_time=60s"


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork()


@asynccontextmanager
async def connected(network: MemoryNetwork, script: Callable[[WsPeer], Awaitable[None]]) -> Any:
    """A socket to a venue that runs ``script``."""
    async with (
        serving(network, venue=WsServer(script).serve),
        open_websocket(network, URL, exchange="bybit") as socket,
    ):
        yield socket


async def echo(peer: WsPeer) -> None:
    while True:
        await peer.say(json.dumps(await peer.hear()))


async def test_frames_go_both_ways_and_the_peer_sees_a_clean_close(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    server = WsServer(echo)
    async with serving(network, venue=server.serve):
        async with open_websocket(network, URL, exchange="bybit") as socket:
            await socket.send('{"a": 1}')
            assert await socket.receive() == '{"a": 1}'
        await trio.testing.wait_all_tasks_blocked()

    assert server.peers[0].connection.path == "/v5/private?max_active_time=60s"
    assert server.peers[0].connection.closed is not None
    assert server.peers[0].connection.closed.code == 1000


async def test_a_close_by_the_peer_is_a_lost_stream_after_what_it_said(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    async def script(peer: WsPeer) -> None:
        await peer.say("last words")

    async with connected(network, script) as socket:
        assert await socket.receive() == "last words"
        with pytest.raises(StreamLost, match="1000"):
            await socket.receive()


async def test_a_torn_stream_is_lost(autojump_clock: MockClock, network: MemoryNetwork) -> None:
    async def script(peer: WsPeer) -> None:
        await trio.aclose_forcefully(peer.stream)

    async with serving(network, venue=WsServer(script).serve):
        with pytest.raises(StreamLost):
            async with open_websocket(network, URL, exchange="bybit") as socket:
                await socket.receive()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nstop",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"\x00\xff garbage \r\n\r\n",
    ],
)
async def test_a_refused_handshake_is_a_lost_stream_at_once(
    autojump_clock: MockClock, network: MemoryNetwork, answer: bytes
) -> None:
    async def refuse(stream: trio.abc.Stream) -> None:
        async with stream:
            await stream.receive_some()
            if answer:
                await stream.send_all(answer)

    async with serving(network, venue=refuse):
        with pytest.raises(StreamLost):
            async with open_websocket(network, URL, exchange="bybit"):
                raise AssertionError
    assert trio.current_time() == 0


@pytest.mark.parametrize("turns", range(6))
async def test_a_line_that_is_cut_before_the_handshake_is_a_lost_stream_at_once(
    autojump_clock: MockClock, network: MemoryNetwork, turns: int
) -> None:
    async def cut(stream: trio.abc.Stream) -> None:
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        await trio.aclose_forcefully(stream)

    async with serving(network, venue=cut):
        with pytest.raises(StreamLost):
            async with open_websocket(network, URL, exchange="bybit"):
                raise AssertionError
    assert trio.current_time() == 0


async def test_a_handshake_without_an_answer_ends(autojump_clock: MockClock, network: MemoryNetwork) -> None:
    async def mute(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    async with serving(network, venue=mute):
        with pytest.raises(StreamLost, match="handshake"):
            async with open_websocket(network, URL, exchange="bybit"):
                raise AssertionError
    assert trio.current_time() == pytest.approx(websocket.HANDSHAKE_S)


async def test_nobody_listening_is_a_lost_stream(autojump_clock: MockClock, network: MemoryNetwork) -> None:
    with pytest.raises(StreamLost):
        async with open_websocket(network, URL, exchange="bybit"):
            raise AssertionError


async def test_an_error_of_the_block_leaves_it_bare(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    async with serving(network, venue=WsServer(echo).serve):
        with pytest.raises(KeyError):
            async with open_websocket(network, URL, exchange="bybit"):
                raise KeyError("mine")


async def test_a_cancelled_block_closes_the_socket_and_stays_cancelled(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    server = WsServer(echo)
    async with serving(network, venue=server.serve):
        with trio.move_on_after(3) as scope:
            async with open_websocket(network, URL, exchange="bybit") as socket:
                await socket.receive()
        await trio.testing.wait_all_tasks_blocked()

    assert scope.cancelled_caught
    assert server.peers[0].connection.closed is not None


async def test_a_peer_that_answers_no_close_does_not_hold_us(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    async def deaf(peer: WsPeer) -> None:
        await trio.sleep_forever()

    async def mute(stream: trio.abc.Stream) -> None:
        await WsServer(deaf).serve(_Mute(stream))

    async with serving(network, venue=mute), open_websocket(network, URL, exchange="bybit") as socket:
        assert socket.is_open
    assert trio.current_time() == pytest.approx(websocket.CLOSE_S)


class _Muted(trio.abc.Stream):
    """Passes the handshake's answer, then swallows whatever is said."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._said = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if not self._said:
            self._said = True
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Mute(_Muted):
    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_a_sender_cancelled_half_way_does_not_spoil_the_next_frame(
    autojump_clock: MockClock,
) -> None:
    network = _SlowNetwork()
    async with connected(network, echo) as socket:
        with trio.move_on_after(0.5):
            await socket.send('"cancelled while it leaves"')
        await socket.send('"next"')
        assert await socket.receive() == json.dumps("cancelled while it leaves")
        assert await socket.receive() == json.dumps("next")


class _SlowNetwork(MemoryNetwork):
    """Streams on which a frame leaves in two halves, a second apart."""

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        return _Slow(await super().connect(host, port, tls=tls))


class _Slow(_Muted):
    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if not self._said:
            self._said = True
            await self._stream.send_all(data)
            return
        await self._stream.send_all(data[:5])
        await trio.sleep(1)
        await self._stream.send_all(data[5:])


async def test_a_peer_that_takes_nothing_is_given_up(autojump_clock: MockClock) -> None:
    class Stuck(_Muted):
        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            if self._said:
                await trio.sleep_forever()
            self._said = True
            await self._stream.send_all(data)

    class StuckNetwork(MemoryNetwork):
        async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
            return Stuck(await super().connect(host, port, tls=tls))

    network = StuckNetwork()
    async with connected(network, echo) as socket:
        with pytest.raises(StreamLost):
            await socket.send("one")
        with pytest.raises(RequestNotSent):
            await socket.send("two")
    assert trio.current_time() == pytest.approx(websocket.SEND_S)


async def test_a_frame_that_is_too_large_ends_the_stream(
    autojump_clock: MockClock, network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MESSAGE_BYTES_MAX", 100)

    async def script(peer: WsPeer) -> None:
        await peer.say("x" * 101)
        await trio.sleep_forever()

    async with serving(network, venue=WsServer(script).serve):
        with pytest.raises(StreamLost):
            async with open_websocket(network, URL, exchange="bybit") as socket:
                await socket.receive()


async def test_frames_wait_while_their_reader_is_busy_and_pings_are_answered(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    ponged = trio.Event()

    async def script(peer: WsPeer) -> None:
        for i in range(500):
            await peer.say(str(i))
        await peer.connection.ping(b"alive?")
        ponged.set()
        await trio.sleep_forever()

    async with connected(network, script) as socket:
        with trio.fail_after(5):
            await ponged.wait()
        assert [await socket.receive() for _ in range(500)] == [str(i) for i in range(500)]
