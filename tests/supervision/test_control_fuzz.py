"""Whatever arrives at the control socket is answered, or its caller is let go; copies flow meanwhile."""

import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.bus import Bus
from supervision.control import Caller, ControlServer, KeptAnswers, Limits, Method, NoParams
from supervision.control.connection import Connection, Shared
from supervision.control.methods import MethodTable
from supervision.service import make_methods
from tests.fuzz.__main__ import mutated, unguided
from tests.fuzz.targets import SEEDS, TARGETS
from tests.supervision.engine_house import House, engine_house, make_row
from tests.supervision.test_service import copied

LIMITS = Limits(line_bytes=2_048, partial_line_s=2, calls_per_s=50, burst=50, threaded_line_bytes=4_096)
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
calls = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": st.integers() | st.text(max_size=5)},
    optional={
        "method": st.sampled_from(["status", "copies", "pause", "tree", "events.subscribe", "odd"]),
        "params": st.dictionaries(st.sampled_from(["name", "limit", "request_id", "topics"]), json_values)
        | json_values,
    },
)
lines = (
    st.binary(max_size=200)
    | calls.map(lambda call: json.dumps(call).encode())
    | st.sampled_from(SEEDS).flatmap(mutated)
    | st.integers(1, 3_000).map(lambda size: b"x" * size)
)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=400) | json_values.map(lambda v: json.dumps(v).encode()) | lines)
@QUICK
def test_only_its_own_errors_leave_what_reads_bytes(name: str, data: bytes) -> None:
    TARGETS[name](data)


class Talk:
    """A connection of the control socket over memory, and all that it answers."""

    def __init__(self, methods: tuple[Method, ...], bus: Bus, nursery: trio.Nursery) -> None:
        self.ours, theirs = trio.testing.memory_stream_pair()
        shared = Shared(
            methods=MethodTable(methods),
            bus=bus,
            kept=KeptAnswers(),
            nursery=nursery,
            limits=LIMITS,
            hello={"product": "copytrader"},
        )
        self.connection = Connection(theirs, Caller(uid=0, pid=1), shared)  # type: ignore[arg-type]
        self.theirs = theirs
        self.answers = b""

    async def serve(self) -> None:
        async with self.theirs:
            await self.connection.serve()

    async def read(self) -> None:
        while chunk := await self.ours.receive_some():
            self.answers += chunk


async def said_to(talk: Talk, pieces: list[bytes]) -> list[dict[str, object]]:
    """Send pieces, hang up, and return what was answered: whole lines of JSON only."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.serve)
        nursery.start_soon(talk.read)
        try:
            for piece in pieces:
                await talk.ours.send_all(piece)
            await talk.ours.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.lowlevel.checkpoint()  # it let us go
    *whole, rest = talk.answers.split(b"\n")
    assert rest == b""
    return [json.loads(line) for line in whole]


async def _ready(params: object) -> object:
    return {"ready": True}


@given(said=st.lists(lines, max_size=6), cuts=st.lists(st.integers(1, 40), max_size=8))
@QUICK
async def test_a_connection_answers_in_whole_lines_or_ends(said: list[bytes], cuts: list[int]) -> None:
    text = b"\n".join(said) + b"\n"
    cuts.sort()
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            talk = Talk((Method("status", NoParams, _ready),), Bus(), nursery)
            hello, *answers = await said_to(talk, pieces)
            nursery.cancel_scope.cancel()

    assert hello["method"] == "hello"
    assert all(("error" in answer) != ("result" in answer) for answer in answers)
    assert len(answers) <= text.count(b"\n") + 1


async def test_copies_flow_while_callers_misbehave(tmp_path: Path, autojump_clock: trio.abc.Clock) -> None:
    async def times_of_copies(house: House) -> list[float]:
        for size in ("0.4", "0.6", "0.2", "0"):
            await copied(house, size)
            await trio.sleep(1)
        return [it.received_to_filled_ms for it in house.seen("copy.finished")]

    for name in ("calm", "loud"):
        (tmp_path / name).mkdir()
    async with engine_house(tmp_path / "calm", make_row("alice")) as house:
        await house.until_ready()
        calm = await times_of_copies(house)
    async with engine_house(tmp_path / "loud", make_row("alice")) as house:
        await house.until_ready()
        async with trio.open_nursery() as nursery:
            for seed in range(8):
                nursery.start_soon(misbehave, house, random.Random(seed), nursery)
            loud = await times_of_copies(house)
            health = await house.call("health")
            nursery.cancel_scope.cancel()

        assert house.failure is None
        assert [event.name for event in house.seen("actor.crashed")] == []
        assert health["ready"] is True
    assert len(calm) == 4
    assert loud == pytest.approx(calm, abs=1)  # whole milliseconds of a clock between them


async def misbehave(house: House, chance: random.Random, nursery: trio.Nursery) -> None:
    """Send odd lines for ever: broken, deep, endless, half, floods, with what is none of JSON."""
    while True:
        talk = Talk(make_methods(house.desk)[:8], house.bus, nursery)
        seed = bytearray(chance.choice(SEEDS))
        for _ in range(chance.randrange(4)):
            seed[chance.randrange(len(seed))] = chance.randrange(256)
        flood = [bytes(seed) + b"\n"] * chance.randrange(1, 120)
        odd = [b"[" * 1_000, b"\xff" * 3_000, b'{"x":NaN}\n', b'{"a":"\\ud800"}\n', b'{"half']
        with trio.move_on_after(5):
            await said_to(talk, [*flood, chance.choice(odd)])
        await trio.sleep(0.05)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Yield a directory that every user may enter, as none of ours ever is."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_another_user_is_told_no_even_where_the_file_would_let_him(
    open_directory: Path, nursery: trio.Nursery
) -> None:
    path = open_directory / "run" / "c.sock"
    server = ControlServer([Method("status", NoParams, _ready)], path, Bus(), version="1")
    await nursery.start(server.serve)
    path.parent.chmod(0o755)
    path.chmod(0o666)
    script = (
        f"import os, socket; os.setgid(65534); os.setuid(65534); s = socket.socket(socket.AF_UNIX); "
        f"s.connect({str(path)!r}); s.settimeout(5); print(s.makefile().read())"
    )

    done = await trio.run_process([sys.executable, "-c", script], capture_stdout=True, check=True)

    (answer,) = done.stdout.split(b"\n")[:1]
    assert json.loads(answer)["error"]["data"]["code"] == "unauthorised"
    assert b"hello" not in done.stdout
    nursery.cancel_scope.cancel()


def test_the_long_run_tells_what_is_broken_from_what_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    def breaks(data: bytes) -> None:
        if len(data) > 3:
            raise RuntimeError("found")

    assert unguided(TARGETS["redaction"], 0.2)
    assert not unguided(breaks, 0.2)
    assert "found" in capsys.readouterr().out
