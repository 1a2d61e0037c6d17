"""One place in the tree: what the group above it starts, stops and keeps count of."""

import abc
import traceback
from collections.abc import Callable, Iterator
from random import Random

import attrs
import trio

from actors.runtime import describe_failure
from supervision.events import ActorCrashed
from supervision.restarts import Backoff
from supervision.supervisor.description import State, TreeNode

TRACE_CHARACTERS_MAX = 4_000


def _nothing() -> None:
    return None


@attrs.define(kw_only=True)
class Tree:
    """What all nodes of one tree share."""

    report: Callable[[object], None]
    jitter: Random
    end_now: Callable[[BaseException], None] = lambda error: None
    """Ends the whole tree at once and makes `run` raise the error."""


class Node(abc.ABC):
    """A place that is run again and again; each run is one life, from WAITING to DOWN or STOPPED."""

    def __init__(self, name: str, backoff: Backoff, tree: Tree) -> None:
        self.name = name
        self.tree = tree
        self.state = State.WAITING
        self.generation = 0
        self.error: BaseException | None = None
        """What ended the last life, until it is judged."""
        self.last_crash: str | None = None
        self.retry_at: float | None = None
        self.is_restart_wanted = False
        self.changed: Callable[[], None] = _nothing
        """Tells the cohort to look at its nodes."""
        self.met_trouble: Callable[[], None] = _nothing
        """Tells the cohort that nobody need wait for this start any longer."""
        self._backoff = backoff
        self._failures = 0
        self._crashed_at: float | None = None
        self._up_at: float | None = None
        self._over = trio.Event()
        self._news = trio.lowlevel.ParkingLot()

    @property
    def restarts(self) -> int:
        """How many lives followed the first."""
        return max(0, self.generation - 1)

    @property
    def starts_with_others(self) -> bool:
        """Tell whether it is started again when one before it is."""
        return True

    def walk(self) -> Iterator["Node"]:
        """Yield this node and every one below it."""
        yield self

    # One life

    @property
    def shown_state(self) -> State:
        """Where it stands, as an operator is shown it."""
        return self.state

    def begin(self) -> None:
        """Start a life; `live` has to follow."""
        self._over = trio.Event()
        self.state = State.STARTING
        self.generation += 1
        self._news.unpark_all()

    async def live(self) -> None:
        """Run the life that has begun, to its end; never raises, but for a cancellation from above."""
        error: BaseException | None = None
        try:
            if self.state is not State.STOPPING:
                error = await self._run_once()
        finally:
            self._end(error)

    @abc.abstractmethod
    async def _run_once(self) -> BaseException | None:
        """Run one life; return what ended it."""

    @abc.abstractmethod
    def _ask_to_stop(self, *, falls: bool) -> None:
        """Make the life end within its grace."""

    def _is_up(self) -> None:
        """To be called by a life once it counts as started."""
        if self.state is State.STARTING:
            self.state = State.RUNNING
        self._up_at = trio.current_time()
        self._news.unpark_all()
        self.changed()

    def _end(self, error: BaseException | None) -> None:
        self.state = State.STOPPED if self.state is State.STOPPING else State.DOWN
        self.error = error
        self._over.set()
        self._news.unpark_all()
        self.changed()

    async def stop(self, *, falls: bool = False) -> None:
        """End the life in hand, if there is one, and wait for that.

        Args:
            falls: another one has crashed and waits; both are started again right after.
        """
        if self.state in (State.STARTING, State.RUNNING):
            self.state = State.STOPPING
            self._ask_to_stop(falls=falls)
        if self.state is State.STOPPING:
            await self._over.wait()
        self.state = State.STOPPED
        self.retry_at = None
        self.is_restart_wanted = False
        self._news.unpark_all()

    async def until_started_again(self, generation: int) -> None:
        """Wait for a later life than ``generation`` to start or fail, or for the end of it all."""
        while self.generation <= generation or self.state is State.STARTING:
            if self.state is State.STOPPED and not self.is_restart_wanted:
                return
            await self._news.park()

    # Between lives

    def note_crash(self, error: BaseException, *, expected: bool, traced: bool) -> None:
        """Remember and report what ended a life."""
        self.last_crash = describe_failure(error)
        self._crashed_at = trio.current_time()
        self.tree.report(
            ActorCrashed(
                name=self.name,
                generation=self.generation,
                error=self.last_crash,
                expected=expected,
                trace=_trace(error) if traced else "",
            )
        )

    def back_off(self) -> float:
        """Count one failure more; return the delay before the next start, which is then due by itself."""
        now = trio.current_time()
        if self._up_at is not None and now - self._up_at >= self._backoff.healthy_s:
            self._failures = 0
        self._failures += 1
        self._up_at = None
        delay_s = self._backoff.delay_s(self._failures, self.tree.jitter)
        self.state = State.BACKOFF
        self.retry_at = now + delay_s
        return delay_s

    @property
    def failures(self) -> int:
        """How often it failed without a time of health between."""
        return self._failures

    def wait_for_start(self) -> None:
        """Be started when the turn comes, without a delay."""
        self.state = State.WAITING
        self.retry_at = None

    def forget_failures(self) -> None:
        """Begin again as if nothing had happened."""
        self._failures = 0
        self.is_restart_wanted = False
        self.wait_for_start()

    @abc.abstractmethod
    def shut(self, why: str) -> None:
        """Refuse messages to every actor at or below this place."""

    @abc.abstractmethod
    def open(self) -> None:
        """Take messages again."""

    @abc.abstractmethod
    def describe(self) -> TreeNode:
        """Return this place, and what is below it, as data."""

    def _age(self, at: float | None) -> float | None:
        return None if at is None else trio.current_time() - at

    def _next_start_s(self) -> float | None:
        return None if self.retry_at is None else max(0.0, self.retry_at - trio.current_time())


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-TRACE_CHARACTERS_MAX:]
