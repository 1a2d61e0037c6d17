"""One stream of events (R19): said once, heard by whoever subscribed, never waited for.

Publishing only appends to bounded queues, so a reader that is slow or gone costs the sender nothing; such a
reader loses its oldest events and is told how many. Everything here belongs to the trio thread.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from types import TracebackType
from typing import Self

import attrs
import trio

from model.amounts import format_decimal

SUBSCRIPTION_CAPACITY = 1000
HISTORY_CAPACITY = 2000
EVERYTHING = "*"

_WORD = re.compile(r"[A-Z][a-z0-9]*|[a-z0-9]+")


@attrs.frozen
class Published:
    """An event with its place in the stream."""

    seq: int
    """Grows by one with every event of this bus, from 1."""
    ts_ms: int
    """Wall-clock label; decides nothing (R20)."""
    topic: str
    event: object


@attrs.frozen
class Gap:
    """Here the reader missed ``count`` events that it had asked for."""

    count: int


class Subscription:
    """One reader's bounded queue: an async iterator of Published and Gap that ends when it is closed."""

    def __init__(
        self, topics: Iterable[str] | None, capacity: int, leave: Callable[["Subscription"], None]
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a subscription holds at least one event: {capacity}")
        self._wants = _topic_filter(topics)
        self._queue: deque[Published] = deque(maxlen=capacity)
        self._missed = 0
        self._leave = leave
        self._lot = trio.lowlevel.ParkingLot()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many events the reader has not taken yet."""
        return len(self._queue)

    def offer(self, item: Published) -> bool:
        """Take an event if it is wanted; drop the oldest when full, and tell so. Never blocks."""
        if self._closed or not self._wants(item.topic):
            return False
        is_full = len(self._queue) == self._queue.maxlen
        self._missed += is_full
        self._queue.append(item)
        self._lot.unpark()
        return is_full

    def missed(self, count: int) -> None:
        """Tell the reader of events that it can no longer get."""
        self._missed += count

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Published | Gap:
        await trio.lowlevel.checkpoint()
        while not (self._queue or self._missed or self._closed):
            await self._lot.park()
        if self._missed:
            gap, self._missed = Gap(self._missed), 0
            return gap
        if self._queue:
            return self._queue.popleft()
        raise StopAsyncIteration

    async def batch(self, most: int) -> list[Published | Gap]:
        """Return what waits, at most ``most``, in one turn of the loop; [] once it is closed."""
        try:
            items = [await anext(self)]
        except StopAsyncIteration:
            return []
        while self._queue and not self._missed and len(items) < most:
            items.append(self._queue.popleft())
        return items

    def close(self) -> None:
        """Hear no more; what was queued can still be taken."""
        self._closed = True
        self._leave(self)
        self._lot.unpark_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Bus:
    """Hands every event to every subscription. Publishing never blocks and never raises."""

    def __init__(
        self, *, history: int = HISTORY_CAPACITY, wall_clock_ms: Callable[[], int] | None = None
    ) -> None:
        """Keep the last ``history`` events for readers that come back with a seq."""
        self._wall_clock_ms = wall_clock_ms or _wall_clock_ms
        self._history: deque[Published] = deque(maxlen=history)
        self._subscriptions: dict[Subscription, None] = {}
        self._seq = 0
        self.dropped = 0
        """How many events slow readers have lost, all together."""

    @property
    def seq(self) -> int:
        """The seq of the newest event, 0 before the first."""
        return self._seq

    @property
    def subscribers(self) -> int:
        """How many are listening."""
        return len(self._subscriptions)

    def publish(self, event: object) -> None:
        """Say an event, a frozen attrs instance, once."""
        self._seq += 1
        item = Published(self._seq, self._wall_clock_ms(), topic_of(event), event)
        self._history.append(item)
        for subscription in self._subscriptions:
            self.dropped += subscription.offer(item)

    def subscribe(
        self,
        *,
        topics: Iterable[str] | None = None,
        capacity: int = SUBSCRIPTION_CAPACITY,
        from_seq: int | None = None,
    ) -> Subscription:
        """Listen from now on, or first to what is still kept from ``from_seq`` on.

        Args:
            topics: names, `noun.*` or `*`; None is everything.
            from_seq: the first seq wanted. What is no longer kept is told as a Gap, whatever its topic.
        Raises: ValueError for a ``from_seq`` that has not been yet (the engine restarted since).
        """
        if from_seq is not None and not 1 <= from_seq <= self._seq + 1:
            raise ValueError(f"the newest seq is {self._seq}: nothing to repeat from {from_seq}")
        subscription = Subscription(topics, capacity, self._forget)
        if from_seq is not None:
            self._repeat(subscription, from_seq)
        self._subscriptions[subscription] = None
        return subscription

    def _repeat(self, subscription: Subscription, from_seq: int) -> None:
        oldest = self._history[0].seq if self._history else self._seq + 1
        if from_seq < oldest:
            subscription.missed(oldest - from_seq)
        for item in self._history:
            if item.seq >= from_seq:
                subscription.offer(item)

    def _forget(self, subscription: Subscription) -> None:
        self._subscriptions.pop(subscription, None)


def topic_of(event: object) -> str:
    """Return the class's ``topic``, or its name as `noun.verb`: CopyFinished is `copy.finished`."""
    topic = getattr(type(event), "topic", None)
    if isinstance(topic, str):
        return topic
    first, *rest = _WORD.findall(type(event).__name__) or ["event"]
    return ".".join(part for part in (first, "_".join(rest)) if part).lower()


def as_json(value: object) -> object:
    """Return plain JSON values: attrs classes by field, decimals as text, enums by value; never raises."""
    if value is None or (isinstance(value, (bool, int, str)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    return _compound_as_json(value)


def _compound_as_json(value: object) -> object:
    match value:
        case Decimal():
            return format_decimal(value) if value.is_finite() else str(value)
        case Enum():
            return as_json(value.value)
        case Mapping():
            return {str(as_json(key)): as_json(item) for key, item in value.items()}
        case list() | tuple():
            return [as_json(item) for item in value]
        case set() | frozenset():
            return sorted((as_json(item) for item in value), key=str)
        case BaseException():
            return f"{type(value).__name__}: {value}"
    kind: type = type(value)
    if attrs.has(kind):
        names = [field.name for field in attrs.fields(kind) if field.repr]
        return {name: as_json(getattr(value, name)) for name in names}
    return str(value)


def _topic_filter(topics: Iterable[str] | None) -> Callable[[str], bool]:
    wanted = frozenset([EVERYTHING] if topics is None else topics)
    if EVERYTHING in wanted:
        return lambda topic: True
    prefixes = tuple(name.removesuffix("*") for name in wanted if name.endswith(".*"))
    return lambda topic: topic in wanted or topic.startswith(prefixes)


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000
