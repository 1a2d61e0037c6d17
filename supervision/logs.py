"""Log lines: one JSON object a line on stdout, from our code and from libraries alike.

Every record, whoever wrote it, goes through the same processors and one redactor, then into a bounded queue
that a thread writes out: a full pipe drops lines and counts them, it never stops the loop.
"""

import json
import logging
import os
import queue
import select
import socket
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, ExcInfo, Processor, WrappedLogger

from supervision.redaction import REDACTOR
from supervision.settings.engine import LogFormat, LogLevel, LogSettings

QUEUE_LINES = 10_000
CLOSE_S = 2.0
FIELD_CHARACTERS_MAX = 8_192
SCANNED_CHARACTERS_MAX = 262_144
QUIET_LOGGERS = (
    *("httpx", "httpcore", "urllib3", "requests", "apprise", "trio-websocket", "hpack", "asyncio"),
    "peewee",
)
"""They log signed urls, tokens, listen keys, or every value that a statement carries, below WARNING."""

_LEVELS: Mapping[LogLevel, int] = {level: getattr(logging, level.name) for level in LogLevel}


class LineWriter:
    """Writes lines to a stream from a thread of its own; ``put`` never blocks."""

    def __init__(self, stream: TextIO, *, capacity: int = QUEUE_LINES) -> None:
        self._stream = stream
        self._descriptor = _descriptor(stream)
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._capacity = capacity
        self._told = 0
        self.dropped = 0
        """Lines lost since the start."""
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Queue a line, or count it as dropped when the queue is full.

        The writer's own line is always taken: it takes the place of the one just written, and a count that
        it tells is told once.
        """
        if self._queue.qsize() >= self._capacity and threading.current_thread() is not self._thread:
            self.dropped += 1
        else:
            self._queue.put(line)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what is queued; a stream that takes nothing for ``timeout_s`` is given up."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._write(line + "\n")
            except (OSError, ValueError):  # the reader has gone, or the stream is closed
                self.dropped += 1
                continue
            self._tell_drops()

    def _tell_drops(self) -> None:
        dropped = self.dropped  # once: others count on
        if dropped == self._told or self._queue.qsize() >= self._capacity:
            return  # one line for many: while the queue is full, more will be lost
        count, self._told = dropped - self._told, dropped
        logging.getLogger("supervision.logs").warning("log.dropped", extra={"count": count})

    def _write(self, text: str) -> None:
        if self._descriptor is None:
            self._stream.write(text)
            self._stream.flush()
            return
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        while rest:  # past the stream's own buffer: its lock would hang our exit while the pipe is full
            select.select([], [self._descriptor], [])
            rest = rest[_write_some(self._descriptor, rest) :]


class QueueingHandler(logging.Handler):
    """Formats a record where it is made and queues the line."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a record that cannot be formatted says only that."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - a log line must not end what it tells of
            said = {"level": "error", "event": "log.unreadable", "logger": record.name}
            line = json.dumps({**said, "error": type(error).__name__})
        self._writer.put(line)


class Logs:
    """The logging of this process, from `start_logs` until `close`."""

    def __init__(self, handler: QueueingHandler, writer: LineWriter) -> None:
        self._handler = handler
        self._writer = writer

    @property
    def dropped(self) -> int:
        """Lines lost because nobody took them."""
        return self._writer.dropped

    def set_level(self, level: LogLevel) -> None:
        """Change how much is logged; libraries that leak stay at WARNING or above."""
        set_log_level(level)

    def close(self) -> None:
        """Write what is queued and take the handler away."""
        logging.getLogger().removeHandler(self._handler)
        self._writer.close()


def start_logs(
    settings: LogSettings,
    *,
    instance: str | None = None,
    stream: TextIO | None = None,
    capacity: int = QUEUE_LINES,
) -> Logs:
    """Send every logger of the process to ``stream`` (stdout), and nothing anywhere else.

    Args:
        instance: tells engines apart; the host's name and the process id by default.
    """
    stream = stream or sys.stdout
    writer = LineWriter(stream, capacity=capacity)
    handler = QueueingHandler(writer)
    handler.setFormatter(_formatter(settings.format, stream, instance or default_instance()))
    root = logging.getLogger()
    for old in [known for known in root.handlers if isinstance(known, QueueingHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    logging.captureWarnings(True)
    _configure_structlog()
    set_log_level(settings.level)
    return Logs(handler, writer)


def set_log_level(level: LogLevel) -> None:
    """Set the level of every logger but those that are kept quiet."""
    logging.getLogger().setLevel(_LEVELS[level])
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, _LEVELS[level]))


def log_uncaught() -> None:
    """Log what ends the process or a thread instead of printing it: tracebacks can hold secrets."""

    def of_process(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        logging.getLogger("supervision").critical("process.crashed", exc_info=(kind, error, trace))

    def of_thread(args: threading.ExceptHookArgs) -> None:
        error = args.exc_value or args.exc_type()
        logging.getLogger("supervision").critical("thread.crashed", exc_info=error)

    sys.excepthook = of_process
    threading.excepthook = of_thread


def default_instance() -> str:
    """Return a name for this process."""
    return f"{socket.gethostname()}-{os.getpid()}"


def _configure_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _formatter(form: LogFormat, stream: TextIO, instance: str) -> logging.Formatter:
    console = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and stream.isatty())
    last: Processor = (
        structlog.dev.ConsoleRenderer(
            timestamp_key="ts",
            colors=stream.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
            pad_event_to=18,
            sort_keys=False,
        )
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False, separators=(",", ":"))
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            _labelled("" if console else instance),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.ExceptionRenderer(_plain_traceback),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _redacted,
            last,
        ],
    )


def _labelled(instance: str) -> Processor:
    """Put what every line has first; who reads a terminal knows which engine it is."""

    def label(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {
            "ts": event.pop("ts"),
            "level": event.pop("level"),
            "event": event.pop("event", ""),
            "logger": event.pop("logger", ""),
            **({"instance": instance} if instance else {}),
            **event,
        }

    return label


def _plain_traceback(exc_info: ExcInfo) -> str:
    """Return the traceback with source lines, never with the values of locals."""
    return "".join(traceback.format_exception(*exc_info)).rstrip()


def _redacted(logger: WrappedLogger, method: str, event: EventDict) -> MutableMapping[str, Any]:
    return {key: _field(key, value) for key, value in event.items()}


def _field(key: str, value: object) -> object:
    if isinstance(value, str):
        value = value[:SCANNED_CHARACTERS_MAX]
    clean = REDACTOR.value({key: value})
    value = next(iter(clean.values())) if isinstance(clean, dict) else clean
    if isinstance(value, str) and len(value) > FIELD_CHARACTERS_MAX:
        return f"{value[: FIELD_CHARACTERS_MAX // 2]} ... {value[-FIELD_CHARACTERS_MAX // 2 :]}"
    return value


def _write_some(descriptor: int, rest: memoryview) -> int:
    try:
        return os.write(descriptor, rest)
    except BlockingIOError:  # somebody made our stdout non-blocking
        return 0


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None
