"""The control socket: every call gets its answer, every odd one a clear error, and nobody is harmed (5)."""

import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from decimal import Decimal
from enum import Enum
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from actors.bus import Bus
from supervision.control import (
    CALLER,
    ControlServer,
    KeptAnswers,
    Limits,
    Method,
    NoParams,
    NotFound,
    SocketTaken,
    SocketUnusable,
)
from supervision.control_client import CallRefused, NoEngine, connect, new_request_id
from supervision.exits import ExitCode, UnsafePermissions

LIMITS = Limits(clients=3, line_bytes=4096, partial_line_s=0.4, write_s=0.2, threaded_line_bytes=1024)


class Scope(Enum):
    ALL = "all"
    ONE = "one"


@attrs.frozen(kw_only=True)
class Inner:
    size: Decimal


@attrs.frozen(kw_only=True)
class Typed:
    name: str
    count: int = 1
    ratio: Decimal | None = None
    scope: Scope = Scope.ALL
    after_s: float = 0.0
    inner: tuple[Inner, ...] = ()
    rows: list[dict[str, object]] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Mutation:
    request_id: str
    reason: str = ""
    wait_s: float = 0.0


@attrs.frozen(kw_only=True)
class DoorOpened:
    topic = "door.opened"
    door: int
    note: str = ""


class House:
    """A server with methods of every kind, and what they did."""

    def __init__(self, directory: Path, *, limits: Limits = LIMITS, kept: KeptAnswers | None = None) -> None:
        self.path = directory / "run" / "c.sock"
        self.bus = Bus()
        self.seen: list[object] = []
        methods = [
            Method("status", NoParams, self.status),
            Method("typed", Typed, self.typed),
            Method("fail", NoParams, self.fail),
            Method("missing", NoParams, self.missing),
            Method("slow", NoParams, self.slow, timeout_s=0.05),
            Method("odd", NoParams, self.odd),
            Method("mutate", Mutation, self.mutate),
            Method("crash_once", Mutation, self.crash_once),
        ]
        self.server = ControlServer(methods, self.path, self.bus, version="1.2.3", limits=limits, kept=kept)

    async def status(self, params: NoParams) -> object:
        return {"ready": True, "equity": Decimal("1.50"), "scope": Scope.ONE, "row": DoorOpened(door=1)}

    async def typed(self, params: Typed) -> object:
        self.seen.append(params)
        return None

    async def fail(self, params: NoParams) -> object:
        raise RuntimeError("signature=canary")

    async def missing(self, params: NoParams) -> object:
        raise NotFound("no follower of that name", hint="followers.list")

    async def slow(self, params: NoParams) -> object:
        await trio.sleep_forever()

    async def odd(self, params: NoParams) -> object:
        return {"x": float("nan")}

    async def mutate(self, params: Mutation) -> object:
        await trio.sleep(params.wait_s)
        self.seen.append((params.request_id, CALLER.get()))
        return {"done": len(self.seen)}

    async def crash_once(self, params: Mutation) -> object:
        self.seen.append(params)
        if len(self.seen) == 1:
            raise RuntimeError("first time")
        return "second time"


@pytest.fixture
async def house(tmp_path: Path, nursery: trio.Nursery) -> House:
    found = House(tmp_path)
    await nursery.start(found.server.serve)
    return found


class Raw:
    """A caller that sends whatever it likes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def line(self) -> dict[str, object] | None:
        with trio.fail_after(3):
            while b"\n" not in self._buffer:
                try:
                    chunk = await self.stream.receive_some()
                except trio.BrokenResourceError:
                    chunk = b""
                if not chunk:
                    return None
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: dict[str, object] = json.loads(line)
        return found

    async def ask(self, line: bytes) -> tuple[object, object]:
        """Send a line, return the id and the error code or result of what comes back."""
        await self.stream.send_all(line + b"\n")
        answer = await self.line()
        assert answer is not None
        error = answer.get("error")
        return answer["id"], error["code"] if isinstance(error, dict) else answer["result"]


@pytest.fixture
async def raw(house: House) -> AsyncIterator[Raw]:
    async with await trio.open_unix_socket(house.path) as stream:
        caller = Raw(stream)
        await caller.line()
        yield caller


async def is_alive(house: House) -> bool:
    async with connect(house.path) as client:
        return bool((await client.call("status"))["ready"])


async def test_it_greets_at_once_and_answers_by_id(house: House) -> None:
    async with await trio.open_unix_socket(house.path) as stream:
        caller = Raw(stream)

        assert await caller.line() == {
            "jsonrpc": "2.0",
            "method": "hello",
            "params": {"product": "copytrader", "version": "1.2.3", "protocol": "1"},
        }
        got = await caller.ask(b'{"jsonrpc":"2.0","id":"a","method":"status"}')
        assert got == (
            "a",
            {"ready": True, "equity": "1.5", "scope": "one", "row": {"door": 1, "note": ""}},
        )


async def test_the_socket_is_private(house: House) -> None:
    assert stat.S_IMODE(house.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(house.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"nonsense", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"x":NaN}}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"x":-Infinity}}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"status"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"x":"\\ud800"}}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"x\\u0000":1}}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":' + b"[" * 1800 + b"]" * 1800 + b"}", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":' + b'{"a":' * 33 + b"1" + b"}" * 34, -32700),
        (b'{"jsonrpc":"2.0","id":' + b"9" * 4000 + b"}", -32600),
        (b'{"jsonrpc":"2.0","id":1e99999999999999999999,"method":"status"}', -32700),
        (b"[]", -32600),
        (b'"text"', -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"2.0","method":"status"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"status"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"status"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"status"}', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"status"}', -32600),
        (b'{"id":1,"method":"status"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","extra":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"statu"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":[1]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"verbose":true}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"missing"}', -32003),
        (b'{"jsonrpc":"2.0","id":1,"method":"slow"}', -32603),
        (b'{"jsonrpc":"2.0","id":1,"method":"odd"}', -32603),
    ],
    ids=range(29),
)
async def test_a_wrong_line_gets_its_error_and_the_next_its_answer(raw: Raw, line: bytes, code: int) -> None:
    assert (await raw.ask(line))[1] == code
    assert (await raw.ask(b'{"jsonrpc":"2.0","id":9,"method":"status"}'))[0] == 9


async def test_an_error_names_what_to_do(house: House) -> None:
    async with connect(house.path) as client:
        with pytest.raises(CallRefused) as caught:
            await client.call("statu")

    assert caught.value.code == "method_not_found"
    assert caught.value.hint == "did you mean status?"
    assert caught.value.exit_code is ExitCode.USAGE


async def test_a_failure_inside_shows_its_kind_only(house: House) -> None:
    async with connect(house.path) as client:
        with pytest.raises(CallRefused) as caught:
            await client.call("fail")

    assert "RuntimeError" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert await is_alive(house)


async def test_parameters_arrive_as_the_methods_own_class(house: House) -> None:
    async with connect(house.path) as client:
        await client.call(
            "typed",
            name="alice",
            ratio="1.5",
            scope="one",
            after_s=2,
            inner=[{"size": "3"}],
            rows=[{"a": [1]}],
        )

    assert house.seen == [
        Typed(
            name="alice",
            ratio=Decimal("1.5"),
            scope=Scope.ONE,
            after_s=2.0,
            inner=(Inner(size=Decimal(3)),),
            rows=[{"a": [1]}],
        )
    ]


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({}, "name: missing"),
        ({"name": 1}, "name: expected a text"),
        ({"name": "a", "count": "1"}, "count: expected a whole number"),
        ({"name": "a", "count": True}, "count: expected a whole number"),
        ({"name": "a", "count": 1.5}, "count: expected a whole number"),
        ({"name": "a", "ratio": 1.5}, "ratio: expected a decimal as text"),
        ({"name": "a", "ratio": "NaN"}, "ratio: expected a decimal as text"),
        ({"name": "a", "scope": "none"}, "scope: not taken"),
        ({"name": "a", "after_s": "1"}, "after_s: expected a number"),
        ({"name": "a", "after_s": 1e300}, "after_s: expected a smaller number"),
        ({"name": "a", "inner": [{"size": "1"}, {"size": 2}]}, "inner[1].size: expected a decimal as text"),
        ({"name": "a", "inner": {"size": "1"}}, "inner: expected a list"),
        ({"name": "a", "rows": "text"}, "rows: expected a list"),
        ({"name": "a", "api_secret": "canary"}, "api_secret: unknown parameter"),
        ({"name": ["canary"]}, "name: expected a text"),
    ],
)
async def test_wrong_parameters_are_named_and_not_repeated(
    house: House, params: dict[str, object], told: str
) -> None:
    async with connect(house.path) as client:
        with pytest.raises(CallRefused) as caught:
            await client.call("typed", **params)

    assert told in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.number == -32602


async def test_a_repeated_request_id_gets_the_first_answer(house: House) -> None:
    request_id = new_request_id()
    async with connect(house.path) as client:
        first = await client.call("mutate", request_id=request_id)
        second = await client.call("mutate", request_id=request_id)
        with pytest.raises(CallRefused, match="used for another call"):
            await client.call("mutate", request_id=request_id, reason="another")

    assert first == second == {"done": 1}
    ((_, caller),) = house.seen
    assert (caller.uid, caller.pid) == (os.getuid(), os.getpid())


async def test_a_mutating_call_is_finished_though_its_caller_hangs_up(house: House) -> None:
    async with await trio.open_unix_socket(house.path) as stream:
        call = {"jsonrpc": "2.0", "id": 1, "method": "mutate"}
        call["params"] = {"request_id": "r", "wait_s": 1}
        await stream.send_all(json.dumps(call).replace("1}}", "0}}").encode() + b"\n")
    async with connect(house.path) as client:
        again = await client.call("mutate", request_id="r", wait_s=0)

    assert again == {"done": 1}
    assert len(house.seen) == 1


async def test_repeats_that_overlap_wait_for_one_another(house: House) -> None:
    answers = []

    async def call() -> None:
        async with connect(house.path) as client:
            answers.append(await client.call("mutate", request_id="same", wait_s=0.05))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(call)

    assert answers == [{"done": 1}] * 2


async def test_an_unexpected_failure_may_be_tried_again(house: House) -> None:
    async with connect(house.path) as client:
        with pytest.raises(CallRefused):
            await client.call("crash_once", request_id="r")

        assert await client.call("crash_once", request_id="r") == "second time"


async def test_kept_answers_are_bounded_and_end(autojump_clock: trio.testing.MockClock) -> None:
    kept = KeptAnswers(capacity=3, kept_s=10)
    ran = []

    async def ask(name: str) -> object:
        async def work() -> object:
            ran.append(name)
            return name

        return await kept.answer((0, name), b"", work, nursery)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            await ask(str(number))
        assert len(kept) <= 4
        await ask("19")
        assert ran.count("19") == 1
        await trio.sleep(11)
        await ask("19")

    assert ran.count("19") == 2


async def test_events_stream_in_order_after_the_answer(house: House) -> None:
    house.bus.publish(DoorOpened(door=1))
    async with connect(house.path) as client:
        events = client.events(("door.*",), from_seq=1)
        got = [await anext(events)]
        house.bus.publish(DoorOpened(door=2, note="listenKey=canary"))
        got.append(await anext(events))
        await events.aclose()

    assert [(event["seq"], event["topic"], event["door"]) for event in got] == [
        (1, "door.opened", 1),
        (2, "door.opened", 2),
    ]
    assert got[1]["note"] == "listenKey=***"
    assert got[0]["ts"].endswith("Z")


async def test_calls_go_on_beside_events_and_a_second_subscription_does_not(raw: Raw, house: House) -> None:
    subscribe = b'{"jsonrpc":"2.0","id":1,"method":"events.subscribe"}'
    unsubscribe = b'{"jsonrpc":"2.0","id":2,"method":"events.unsubscribe"}'

    assert (await raw.ask(subscribe))[1] == {"topics": ["*"], "seq": 0}
    assert (await raw.ask(subscribe))[1] == -32002
    assert (await raw.ask(unsubscribe))[1] == {"unsubscribed": True}
    house.bus.publish(DoorOpened(door=1))
    assert (await raw.ask(b'{"jsonrpc":"2.0","id":3,"method":"status"}'))[0] == 3
    assert house.bus.subscribers == 0


async def test_a_seq_of_another_life_is_refused(raw: Raw) -> None:
    line = b'{"jsonrpc":"2.0","id":1,"method":"events.subscribe","params":{"from_seq":99}}'

    assert (await raw.ask(line))[1] == -32602


async def test_a_subscriber_that_does_not_read_is_dropped_and_costs_nothing(house: House, raw: Raw) -> None:
    await raw.ask(b'{"jsonrpc":"2.0","id":1,"method":"events.subscribe"}')

    for number in range(5000):
        house.bus.publish(DoorOpened(door=number, note="x" * 300))
    await trio.sleep(0.6)

    assert house.bus.subscribers == 0
    assert await is_alive(house)


async def test_a_reader_that_is_behind_is_told_of_the_gap(tmp_path: Path, nursery: trio.Nursery) -> None:
    house = House(tmp_path, limits=attrs.evolve(LIMITS, subscriber_events=5))
    await nursery.start(house.server.serve)
    async with connect(house.path) as client:
        await client.call("events.subscribe")
        await trio.testing.wait_all_tasks_blocked(0.01)
        for number in range(1, 21):
            house.bus.publish(DoorOpened(door=number))
        got = [(await client._message())["params"] for _ in range(6)]

    assert got[0] == {"topic": "events.dropped", "count": 15}
    assert [event["door"] for event in got[1:]] == [16, 17, 18, 19, 20]


async def test_a_line_too_long_gets_an_error_and_the_end(house: House, raw: Raw) -> None:
    await raw.stream.send_all(b"x" * 9000)

    answer = await raw.line()

    assert answer is not None
    assert answer["error"]["code"] == -32700
    assert await raw.line() is None
    assert await is_alive(house)


async def test_a_line_not_finished_in_time_gets_an_error_and_the_end(house: House, raw: Raw) -> None:
    await raw.stream.send_all(b'{"jsonrpc"')

    answer = await raw.line()

    assert answer is not None
    assert "not finished within" in answer["error"]["message"]
    assert await raw.line() is None


async def test_a_caller_that_says_nothing_may_stay(raw: Raw) -> None:
    await trio.sleep(0.4)

    assert (await raw.ask(b'{"jsonrpc":"2.0","id":1,"method":"status"}'))[0] == 1


async def test_a_flood_is_slowed_down_and_told(tmp_path: Path, nursery: trio.Nursery) -> None:
    house = House(tmp_path, limits=attrs.evolve(LIMITS, burst=5, calls_per_s=100))
    await nursery.start(house.server.serve)
    async with await trio.open_unix_socket(house.path) as stream:
        caller = Raw(stream)
        await caller.line()
        await stream.send_all(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n' * 30)
        answers = [await caller.line() for _ in range(30)]

    errors = [answer["error"] for answer in answers if answer and "error" in answer]
    assert {error["code"] for error in errors} == {-32004}
    assert errors[0]["data"]["retry_after"] > 0
    assert len(answers) - len(errors) >= 5


async def test_callers_beyond_the_limit_are_told_and_others_served(house: House) -> None:
    async with connect(house.path) as one, connect(house.path), connect(house.path):
        with pytest.raises(CallRefused, match="3 callers are connected"):
            async with connect(house.path):
                pass
        assert (await one.call("status"))["ready"]

    await trio.sleep(0.01)
    assert await is_alive(house)


async def test_a_large_call_within_the_limit_is_taken(tmp_path: Path, nursery: trio.Nursery) -> None:
    house = House(tmp_path, limits=Limits())
    await nursery.start(house.server.serve)
    rows = [{"name": f"follower-{number}", "note": "x" * 900} for number in range(4000)]
    async with connect(house.path) as client:
        await client.call("typed", name="many", rows=rows)

    (params,) = house.seen
    assert len(params.rows) == 4000


async def test_no_engine_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(NoEngine, match="no engine is running") as caught:
        async with connect(tmp_path / "none.sock"):
            pass

    assert caught.value.exit_code is ExitCode.UNAVAILABLE


async def test_a_dead_engines_socket_is_taken_over_and_removed_at_the_end(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.path.parent.mkdir(mode=0o755)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(house.path))

    async with trio.open_nursery() as nursery:
        await nursery.start(house.server.serve)
        assert await is_alive(house)
        nursery.cancel_scope.cancel()

    assert not house.path.exists()
    assert stat.S_IMODE(house.path.parent.stat().st_mode) == 0o700


async def test_a_living_engines_socket_is_left_alone(house: House, tmp_path: Path) -> None:
    with pytest.raises(SocketTaken) as caught:
        await House(tmp_path).server.serve()
    assert caught.value.exit_code is ExitCode.TAKEN

    house.path.with_name("c.sock.lock").unlink()
    with pytest.raises(SocketTaken):
        await House(tmp_path).server.serve()
    assert await is_alive(house)


@pytest.mark.parametrize("what", ["file", "link", "directory"])
async def test_whatever_else_is_in_the_way_stays_there(tmp_path: Path, what: str) -> None:
    house = House(tmp_path)
    house.path.parent.mkdir(mode=0o700)
    if what == "file":
        house.path.touch()
    elif what == "link":
        house.path.symlink_to(tmp_path / "elsewhere.sock")
    else:
        house.path.mkdir()

    with pytest.raises(SocketUnusable):
        await house.server.serve()

    assert house.path.name in os.listdir(house.path.parent)


async def test_a_directory_that_others_use_too_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.path.parent.mkdir()
    house.path.parent.chmod(0o755)
    (house.path.parent / "other").touch()

    with pytest.raises(UnsafePermissions, match="chmod 700"):
        await house.server.serve()


async def test_a_path_longer_than_an_address_works(tmp_path: Path, nursery: trio.Nursery) -> None:
    house = House(tmp_path / ("long" * 30))
    before = os.umask(0o022)
    os.umask(before)

    await nursery.start(house.server.serve)

    assert await is_alive(house)
    assert os.umask(before) == before
