"""Logs: one line a record, the same for everybody, and no secret in any of them (section 4)."""

import io
import json
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
import structlog

from supervision.logs import LineWriter, Logs, QueueingHandler, log_uncaught, start_logs
from supervision.redaction import REDACTOR
from supervision.settings import LogFormat, LogLevel, LogSettings

CANARIES = {
    "registered": "cAnArY-0f-a-F0llower",
    "odd": 'cAnArY"with\\quotes/and+more',
    "hex": "c0ffee00" * 8,
    "binance": "Ab1" * 21 + "Z",
    "bot": "123456789:AAE-cAnArYcAnArYcAnArYcAnArYcAnArY",
    "fernet": "gAAAAABcAnArYcAnArYcAnArYcAnArY==",
}


class Lines:
    """What was logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.logs: Logs | None = None

    def start(self, form: LogFormat = LogFormat.JSON, level: LogLevel = LogLevel.DEBUG) -> None:
        """Log into this object from now on."""
        self.logs = start_logs(LogSettings(level=level, format=form), instance="i-1", stream=self.stream)

    def text(self) -> str:
        """End logging and return everything."""
        assert self.logs is not None
        self.logs.close()
        return self.stream.getvalue()

    def rows(self) -> list[dict[str, object]]:
        """End logging and return the lines read as JSON."""
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    found = Lines()
    root = logging.getLogger()
    level = root.level
    yield found
    if found.logs:
        found.logs.close()
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_has_the_promised_fields(lines: Lines) -> None:
    lines.start()
    structlog.contextvars.bind_contextvars(follower="alice")

    structlog.get_logger("actors.follower").info("order.sent", symbol="BTCUSDT", attempts=2)

    (row,) = lines.rows()
    assert list(row)[:5] == ["ts", "level", "event", "logger", "instance"]
    assert datetime.fromisoformat(str(row.pop("ts"))).utcoffset() is not None
    assert row == {
        "level": "info",
        "event": "order.sent",
        "logger": "actors.follower",
        "instance": "i-1",
        "follower": "alice",
        "symbol": "BTCUSDT",
        "attempts": 2,
    }


def test_libraries_pass_through_the_same_processors(lines: Lines) -> None:
    lines.start()

    logging.getLogger("pykka").debug("SELECT %s", 1, extra={"rows": 3})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)

    first, second = lines.rows()
    assert (first["event"], first["logger"], first["rows"]) == ("SELECT 1", "pykka", 3)
    assert second["logger"] == "py.warnings"


def test_libraries_that_leak_are_quiet_at_debug(lines: Lines) -> None:
    lines.start(level=LogLevel.DEBUG)

    for name in ("httpx", "httpcore.http11", "urllib3.connectionpool", "apprise", "trio-websocket", "peewee"):
        logging.getLogger(name).info("GET https://api/?signature=abc")
        logging.getLogger(name).warning("slow")

    assert {row["event"] for row in lines.rows()} == {"slow"}


def test_the_level_changes_while_it_runs(lines: Lines) -> None:
    lines.start(level=LogLevel.INFO)
    log = structlog.get_logger("here")
    assert lines.logs is not None

    log.debug("a.hidden")
    lines.logs.set_level(LogLevel.DEBUG)
    log.debug("b.shown")
    lines.logs.set_level(LogLevel.ERROR)
    log.warning("c.hidden")
    logging.getLogger("httpx").warning("d hidden")

    assert [row["event"] for row in lines.rows()] == ["b.shown"]


LEAKS: dict[str, Callable[[str, logging.Logger], None]] = {
    "event": lambda value, log: log.debug(f"said {value} twice {value}"),
    "args": lambda value, log: log.debug("said %s and %r", value, {"x": [value]}),
    "extra": lambda value, log: log.debug("x", extra={"a": {"b": [{"c": (value,)}]}}),
    "key": lambda value, log: log.debug("x", extra={"map": {value: 1}}),
    "object": lambda value, log: log.debug("x", extra={"object": ValueError(value)}),
    "bytes": lambda value, log: log.debug("x", extra={"raw": value.encode()}),
    "structlog": lambda value, log: structlog.get_logger("s").debug("x", field=value, other=[value]),
    "exception": lambda value, log: _log_exception(value, log),
    "group": lambda value, log: _log_group(value, log),
    "url": lambda value, log: log.debug(f"GET https://api/v5?x=1&a={value}&b=2"),
}


def _log_exception(value: str, log: logging.Logger) -> None:
    local = value
    try:
        try:
            raise KeyError(value)
        except KeyError as error:
            raise RuntimeError(f"bad {local}") from error
    except RuntimeError:
        structlog.get_logger("s").exception("x.failed")
        log.exception("failed")


def _log_group(value: str, log: logging.Logger) -> None:
    error = ExceptionGroup("several", [ValueError(value)])
    error.add_note(value)
    log.error("failed", exc_info=error)


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_no_canary_gets_out(lines: Lines, leak: str, canary: str, form: LogFormat) -> None:
    value = CANARIES[canary]
    if canary in ("registered", "odd"):
        REDACTOR.register(value)
    lines.start(form)

    LEAKS[leak](value, logging.getLogger("library"))

    text = lines.text()
    assert text.count("\n") >= 1
    assert "***" in text
    for form_of_it in (value, json.dumps(value)[1:-1], repr(value)[1:-1]):
        assert form_of_it not in text


SHAPES = [
    "https://fapi/v1/order?symbol=X&timestamp=1&signature=abcdef0123456789",
    "{'Authorization': 'Basic abcdef0123456789=='}",
    "Authorization: Bearer abcdef0123456789",
    "[(b'Authorization', b'Basic abcdef0123456789')]",
    "[(b'X-BAPI-SIGN', b'abcdef0123456789'), (b'X', b'1')]",
    "X-MBX-APIKEY: abcdef0123456789",
    '{"listenKey": "abcdef0123456789"}',
    '{\\"listenKey\\":\\"abcdef0123456789\\"}',
    "listenKey=abcdef0123456789",
    "POST https://api.telegram.org/bot1234:abcdef0123456789/sendMessage",
    "postgresql://copy:abcdef0123456789@host/db",
    "api_secret = abcdef0123456789",
    "{'api_key': 'abcdef0123456789'}",
    "password='abcdef0123456789'",
    "wss://fstream/ws/abcdef0123456789" + "x" * 48,
]


@pytest.mark.parametrize("text", SHAPES)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    clean = REDACTOR.text(text)

    assert "abcdef0123456789" not in clean
    assert "***" in clean


@pytest.mark.parametrize(
    "text",
    [
        "order 0123456789abcdef0123456789abcdef accepted at 50000.5",
        "0xdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef holds BTCUSDT",
        "wrong signature, try again",
        "https://api.bybit.com/v5/order/create?symbol=BTCUSDT",
        "2026-11-24T12:00:00.123456Z 1764000000000",
        "api_key=None",
        "followers[0].api_secret: expected env:NAME or file:PATH; got another text",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert REDACTOR.text(text) == text


def test_fields_that_name_a_secret_are_masked_whatever_they_hold() -> None:
    names = [
        "api_key",
        "apiSecret",
        "X-BAPI-SIGN",
        "agent_key",
        "password",
        "bot_token",
        "listenKey",
        "Authorization",
    ]

    clean = REDACTOR.value({"deep": [{name: ["x"] for name in names}], "key_file": "a", "signal": 1})

    assert clean == {"deep": [dict.fromkeys(names, "***")], "key_file": "a", "signal": 1}


def test_redaction_stays_fast_with_the_secrets_of_1000_followers() -> None:
    for number in range(2000):
        REDACTOR.register(f"{number:04d}-follower-secret-of-some-length")

    began = time.process_time()
    for _ in range(20):
        REDACTOR.text("an ordinary line of the log, about as long as such lines are " * 4)

    assert time.process_time() - began < 0.2  # an alternation of 2,000 words takes seconds


def test_a_full_pipe_stops_nobody_and_drops_are_told() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    writer = LineWriter(stream, capacity=10)

    began = time.monotonic()
    for _ in range(200):
        writer.put("x" * 65_536)
    took = time.monotonic() - began
    writer.close(timeout_s=0.05)

    assert took < 0.5
    assert writer.dropped >= 180
    os.close(reading)  # lets the stuck thread end, before its descriptor is somebody else's
    writer.close()
    stream.close()


def test_after_a_jam_the_count_of_lost_lines_is_logged() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    logs = start_logs(LogSettings(format=LogFormat.JSON), instance="i", stream=stream, capacity=4)
    log = logging.getLogger("jam")
    for _ in range(50):
        log.warning("x" * 30_000)
    assert logs.dropped > 30
    got: list[bytes] = []

    def drain() -> None:
        while chunk := os.read(reading, 65_536):
            got.append(chunk)

    def told() -> int:
        *lines, _ = b"".join(got).split(b"\n")  # the last one may not be whole yet
        return sum(json.loads(line)["count"] for line in lines if b"log.dropped" in line)

    reader = threading.Thread(target=drain)
    reader.start()
    deadline = time.monotonic() + 10
    while told() < logs.dropped and time.monotonic() < deadline:
        time.sleep(0.005)  # what was lost before the pipe was full is told before the rest
    logs.close()
    stream.close()
    reader.join(2)
    os.close(reading)

    assert told() == logs.dropped


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    writer = LineWriter(stream)

    writer.put("lost")
    writer.close()

    assert writer.dropped == 1
    stream.close()


def test_a_record_that_cannot_be_formatted_says_so(lines: Lines) -> None:
    lines.start()

    (handler,) = [known for known in logging.getLogger().handlers if isinstance(known, QueueingHandler)]
    handler.handle(logging.LogRecord("odd", logging.ERROR, "x.py", 1, "%d items", ("three",), None))

    (row,) = lines.rows()
    assert row["event"] == "log.unreadable"


def test_a_huge_field_is_cut(lines: Lines) -> None:
    lines.start()

    structlog.get_logger("x").info("frame.kept", frame="y" * 1_000_000)

    (row,) = lines.rows()
    assert len(str(row["frame"])) < 9_000


def test_what_ends_the_process_is_logged_without_secrets(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    lines.start()
    log_uncaught()

    error = ValueError("signature=abcdef")
    sys.excepthook(ValueError, error, None)

    (row,) = lines.rows()
    assert (row["event"], row["level"]) == ("process.crashed", "critical")
    assert str(row["exception"]).endswith("ValueError: signature=***")


def test_on_a_terminal_what_happened_comes_first_and_the_instance_is_left_out(lines: Lines) -> None:
    lines.start(form=LogFormat.CONSOLE)

    structlog.get_logger("copytrader").info("actor.started", zeta="alice", alpha=1)

    (line,) = lines.text().splitlines()
    assert line.index("actor.started") < line.index("zeta=alice") < line.index("alpha=1")
    assert "instance" not in line
