"""An actor's waiting messages: by priority, conflated, and older than the actor itself (R2).

A mailbox belongs to a place in the supervision tree. Whoever lives there comes and goes, with a crash or a
restart, and the messages stay. Any thread may put; only the trio thread takes.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import trio
from pykka import ActorDeadError, Future, messages

from actors.runtime.errors import MailboxFull

CAPACITY = 10_000
"""Messages without a conflation key; those with one are bounded by their keys."""
DEFAULT_PRIORITY = 4
LAST = 1_000_000
"""The priority of pykka's own stop message: what was sent before it is handled before it."""

_INTERNAL = (messages._ActorStop, messages.ProxyCall, messages.ProxyGetAttr, messages.ProxySetAttr)


class Entry:
    """One waiting message, and whom to answer."""

    __slots__ = ("key", "message", "priority", "reply_to")

    def __init__(
        self, message: Any, priority: int, key: Hashable | None, reply_to: Future[Any] | None
    ) -> None:
        self.message = message
        self.priority = priority
        self.key = key
        self.reply_to = reply_to

    @property
    def is_internal(self) -> bool:
        """Tell whether this is pykka's own; these are tuples, and no business of an actor's hooks."""
        return isinstance(self.message, _INTERNAL)

    @property
    def is_stop(self) -> bool:
        """Tell whether this asks the actor to stop."""
        return isinstance(self.message, messages._ActorStop)

    def fail(self, why: str) -> None:
        """Answer whoever waits: with an error, or that the actor is stopped when that was the wish."""
        if self.reply_to is None:
            return
        if self.is_stop:
            self.reply_to.set(None)
        else:
            self.reply_to.set_exception((ActorDeadError, ActorDeadError(why), None))


class _Lane:
    """The messages of one priority: those refused in this round before those not yet looked at."""

    __slots__ = ("fresh", "held", "round")

    def __init__(self) -> None:
        self.fresh: OrderedDict[Entry, None] = OrderedDict()
        self.held: OrderedDict[Entry, None] = OrderedDict()
        self.round = -1

    def __bool__(self) -> bool:
        return bool(self.fresh or self.held)

    def remove(self, entry: Entry) -> None:
        """Take out one entry, wherever it is."""
        if entry in self.held:
            del self.held[entry]
        else:
            del self.fresh[entry]


class Mailbox:
    """Lower priorities first, first come first served within one, one message per conflation key.

    An asked message is never conflated: each question gets its own answer.
    """

    def __init__(self, name: str, *, capacity: int = CAPACITY) -> None:
        """Make an open, empty mailbox; ``name`` is for errors."""
        self.name = name
        self.capacity = capacity
        self.depth = 0
        self.refused = 0
        """How many messages were turned away because the mailbox was full."""
        self._unkeyed = 0
        self._lanes: dict[int, _Lane] = {}
        self._priorities: list[int] = []
        self._keyed: dict[Hashable, Entry] = {}
        self._shut: str | None = None
        self._tenant: object | None = None
        self._nobody: str | None = None
        self._round = 0
        self._lock = threading.RLock()
        self._signal = False
        self._task: trio.lowlevel.Task | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = 0

    @property
    def is_idle(self) -> bool:
        """Tell whether the actor waits here with nothing to take: it would answer at once."""
        return self._task is not None and not self._signal

    # Sending: any thread

    def put(self, message: Any, reply_to: Future[Any] | None = None, *, tenant: object | None = None) -> None:
        """Queue a message. Never blocks.

        Args:
            message: may have `priority` (int, lower first), `conflation_key` and `absorb(older)`.
            reply_to: answered once the message is handled, or as soon as it never will be.
            tenant: only for this tenant; None is whoever lives here.
        Raises: ActorDeadError when the mailbox is shut, the tenant gone, or nobody is there to answer;
            MailboxFull.
        """
        with self._lock:
            self._check_open(reply_to, tenant)
            key = None if reply_to is not None else getattr(message, "conflation_key", None)
            waiting = None if key is None else self._keyed.get(key)
            if waiting is not None:
                self._replace(waiting, message)
            else:
                self._add(message, key, reply_to)
            self._signal = True
            task = self._task
        if task is not None:
            self._unpark()

    def wake(self) -> None:
        """Look again at every message that the actor was not ready for."""
        with self._lock:
            self._round += 1
            self._signal = True
            task = self._task
        if task is not None:
            self._unpark()

    def _check_open(self, reply_to: Future[Any] | None, tenant: object | None) -> None:
        if self._shut is not None:
            raise ActorDeadError(f"{self.name} is {self._shut}")
        if tenant is not None and tenant is not self._tenant:
            raise ActorDeadError(f"this incarnation of {self.name} is gone")
        if reply_to is not None and self._nobody is not None:
            raise ActorDeadError(f"{self.name} cannot answer now: {self._nobody}")

    def _add(self, message: Any, key: Hashable | None, reply_to: Future[Any] | None) -> None:
        priority = _priority_of(message)
        if key is None and priority != LAST:
            if self._unkeyed >= self.capacity:
                self.refused += 1
                raise MailboxFull(f"{self.name} has {self._unkeyed} messages waiting")
            self._unkeyed += 1
        entry = Entry(message, priority, key, reply_to)
        if key is not None:
            self._keyed[key] = entry
        self._lane(priority).fresh[entry] = None
        self.depth += 1

    def _replace(self, waiting: Entry, message: Any) -> None:
        """Put the newer message in the older one's place, or last in line when its priority differs."""
        absorb = getattr(message, "absorb", None)
        merged = message if absorb is None else absorb(waiting.message)
        priority = _priority_of(merged)
        lane = self._lanes[waiting.priority]
        if priority != waiting.priority:
            lane.remove(waiting)
            self._drop_if_empty(waiting.priority)
            waiting.priority = priority
            self._lane(priority).fresh[waiting] = None
        elif waiting in lane.held:
            del lane.held[waiting]  # refused as it was; as it is now it deserves a look
            lane.fresh[waiting] = None
            lane.fresh.move_to_end(waiting, last=False)
        waiting.message = merged

    def _lane(self, priority: int) -> _Lane:
        lane = self._lanes.get(priority)
        if lane is None:
            lane = self._lanes[priority] = _Lane()
            self._priorities = sorted(self._lanes)
        return lane

    def _drop_if_empty(self, priority: int) -> None:
        if not self._lanes[priority]:
            del self._lanes[priority]
            self._priorities.remove(priority)

    # Taking: the trio thread

    def take(self, is_ready: Callable[[Any], bool]) -> Entry | None:
        """Return the first message that the actor is ready for, or None.

        A message for which ``is_ready`` raises is gone: it would kill every actor that looks at it.
        """
        with self._lock:
            self._signal = False
            for priority in self._priorities:
                entry = self._take_from(self._lanes[priority], is_ready)
                if entry is not None:
                    self._drop_if_empty(priority)
                    return entry
        return None

    def look_again(self) -> None:
        """Let the next `take` ask again for what was refused: a message was handled since."""
        self._round += 1

    async def wait(self) -> bool:
        """Wait until something was put, or `wake` called, since the last `take`.

        Returns: whether there was anything to wait for, and others had their turn.
        """
        with self._lock:
            if self._signal:
                return False
            self._task = trio.lowlevel.current_task()
            self._token = trio.lowlevel.current_trio_token()
            self._thread = threading.get_ident()

        def abort(_: Callable[[], None]) -> trio.lowlevel.Abort:
            self._task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        return True

    def _take_from(self, lane: _Lane, is_ready: Callable[[Any], bool]) -> Entry | None:
        if lane.round != self._round:
            lane.round = self._round
            for entry in lane.held:
                if self._is_ready(entry, is_ready, lane.held):
                    return self._remove(entry, lane.held)
        while lane.fresh:
            entry = next(iter(lane.fresh))
            if self._is_ready(entry, is_ready, lane.fresh):
                return self._remove(entry, lane.fresh)
            del lane.fresh[entry]
            lane.held[entry] = None
        return None

    def _is_ready(
        self, entry: Entry, is_ready: Callable[[Any], bool], where: OrderedDict[Entry, None]
    ) -> bool:
        if entry.is_internal:
            return True
        try:
            return is_ready(entry.message)
        except BaseException:
            self._remove(entry, where).fail(f"{self.name} crashed over this message")
            raise

    def _remove(self, entry: Entry, where: OrderedDict[Entry, None]) -> Entry:
        del where[entry]
        self._forget(entry)
        return entry

    def _forget(self, entry: Entry) -> None:
        self.depth -= 1
        if entry.key is not None:
            del self._keyed[entry.key]
        elif entry.priority != LAST:
            self._unkeyed -= 1

    def _unpark(self) -> None:
        if threading.get_ident() == self._thread:
            self._unpark_here()
        elif self._token is not None:
            try:
                self._token.run_sync_soon(self._unpark_here, idempotent=True)
            except trio.RunFinishedError:
                raise ActorDeadError(f"{self.name} is gone: its loop has ended") from None

    def _unpark_here(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    # Moving in and out

    def move_in(self, tenant: object) -> None:
        """Let an incarnation live here: questions are taken again."""
        with self._lock:
            self._tenant = tenant
            self._nobody = None
            self._round += 1

    def move_out(self, why: str) -> None:
        """The incarnation ended: its questions fail at once, its states stay for the next one (R2)."""
        with self._lock:
            self._tenant = None
            self._nobody = why
            asked = [entry for entry in self._entries() if entry.reply_to is not None]
            for entry in asked:
                self._lanes[entry.priority].remove(entry)
                self._drop_if_empty(entry.priority)
                self._forget(entry)
        for entry in asked:
            entry.fail(f"{self.name} {why} before it handled the message")

    def shut(self, why: str) -> None:
        """Take no more; what waits is dropped, and who asked is told."""
        with self._lock:
            self._shut = why
            dropped = self._entries()
            self._lanes.clear()
            self._priorities = []
            self._keyed.clear()
            self.depth = self._unkeyed = 0
        for entry in dropped:
            entry.fail(f"{self.name} is {why}")

    def open(self) -> None:
        """Take messages again, as if nobody had ever lived here."""
        with self._lock:
            self._shut = None
            self._nobody = None

    def _entries(self) -> list[Entry]:
        return [entry for lane in self._lanes.values() for entry in (*lane.held, *lane.fresh)]


def _priority_of(message: Any) -> int:
    if isinstance(message, messages._ActorStop):
        return LAST
    priority: int = getattr(message, "priority", DEFAULT_PRIORITY)
    return priority
