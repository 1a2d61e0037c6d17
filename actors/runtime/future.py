"""pykka's future for trio: awaited in the trio thread, blocking in any other."""

import sys
import threading
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, TypeVar

import trio
from pykka import Future, Timeout

from actors.runtime.errors import WouldDeadlock

T = TypeVar("T")
OptExcInfo = tuple[type[BaseException], BaseException | None, TracebackType | None] | tuple[None, None, None]


class _Unanswered(BaseException):
    """Tells an awaited hook's future which other one it has to wait for; never leaves this module.

    A BaseException, so that a hook's own `except Exception` lets it through.
    """

    def __init__(self, future: "TrioFuture[Any]") -> None:
        self.future = future


class _Here(threading.local):
    collecting = False


_here = _Here()


class TrioFuture(Future[T]):
    """An answer now or later. `await` it in trio; `get` it in a foreign thread.

    The futures made by `map`, `join`, `filter`, `reduce` and `stop` are awaited by running their hook
    again as each of their inputs is answered.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._is_set = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._trace: TracebackType | None = None
        self._listeners: list[Callable[[], None]] = []

    def get(self, *, timeout: float | None = None) -> T:
        """Return the answer, or raise it.

        Raises: Timeout after ``timeout`` seconds; WouldDeadlock in the trio thread, without an answer yet.
        """
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if not self._is_set:
            if _here.collecting:
                raise _Unanswered(self)
            refuse_to_block("get()")
            self._block(timeout)
        return self._result()

    def set(self, value: T | None = None) -> None:
        """Answer. Raises: RuntimeError when it was answered before."""
        self._settle(value, None, None)

    def set_exception(self, exc_info: Any = None) -> None:
        """Answer with an exception: that of ``exc_info``, or the one being handled."""
        kind, error, trace = sys.exc_info() if exc_info is None else exc_info
        if error is None:
            error = RuntimeError("no exception was given") if kind is None else kind()
        self._settle(None, error, trace)

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Compute the answer with ``func(timeout)`` when it is wanted."""
        with self._lock:
            if self._is_set:
                raise RuntimeError("this future has its answer")
            super().set_get_hook(func)

    def __await__(self) -> Generator[Any, Any, T]:
        return self._wait().__await__()

    async def _wait(self) -> T:
        if self._is_set:
            await trio.lowlevel.checkpoint()  # a caller that tries again and again must let others run
        while True:
            try:
                return self._try()
            except _Unanswered as pending:
                future = pending.future
            await future._until_set()

    def _try(self) -> T:
        before, _here.collecting = _here.collecting, True
        try:
            return self.get()
        finally:
            _here.collecting = before

    async def _until_set(self) -> None:
        event = trio.Event()
        token = trio.lowlevel.current_trio_token()
        thread = threading.get_ident()

        def listener() -> None:
            if threading.get_ident() == thread:
                event.set()
            else:
                _call_in(token, event.set)

        self._listen(listener)
        try:
            await event.wait()
        finally:
            self._unlisten(listener)

    def _block(self, timeout: float | None) -> None:
        event = threading.Event()
        self._listen(event.set)
        try:
            if not event.wait(timeout):
                raise Timeout(f"{timeout} seconds")
        finally:
            self._unlisten(event.set)

    def _listen(self, listener: Callable[[], None]) -> None:
        with self._lock:
            if not self._is_set:
                self._listeners.append(listener)
                return
        listener()

    def _unlisten(self, listener: Callable[[], None]) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def _settle(self, value: T | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            if self._is_set or self._get_hook is not None:
                raise RuntimeError("this future has its answer, or computes it")
            self._value, self._error, self._trace = value, error, trace
            self._is_set = True
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def _result(self) -> T:
        if self._error is not None:
            raise self._error.with_traceback(self._trace)
        return self._value  # type: ignore[return-value]


def refuse_to_block(what: str) -> None:
    """Raise WouldDeadlock in a thread that runs trio."""
    if trio.lowlevel.in_trio_run():
        raise WouldDeadlock(f"{what} would block the trio thread: use block=False and await the future")


def _call_in(token: trio.lowlevel.TrioToken, call: Callable[[], object]) -> None:
    try:
        token.run_sync_soon(call)
    except trio.RunFinishedError:
        return  # nobody waits any more: the run that waited is over
