"""The bus: nobody who speaks waits, nobody who listens is misled (R19)."""

from decimal import Decimal
from enum import Enum
from typing import ClassVar

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors import events
from actors.bus import Bus, Gap, Published, as_json, topic_of


class Colour(Enum):
    RED = "red"


@attrs.frozen(kw_only=True)
class LampSwitched:
    topic: ClassVar[str] = "lamp.switched"
    lamp: str = "hall"
    level: Decimal = Decimal("1.50")
    colours: frozenset[Colour] = frozenset({Colour.RED})
    inner: "LampSwitched | None" = None
    hidden: str = attrs.field(default="hush", repr=False)


@attrs.frozen
class DoorOpened:
    door: int


async def take(subscription, count):
    with trio.fail_after(1):
        return [await anext(subscription) for _ in range(count)]


async def test_events_reach_every_subscriber_in_order_with_one_seq() -> None:
    bus = Bus(wall_clock_ms=lambda: 7)
    first, second = bus.subscribe(), bus.subscribe(topics=["door.*"])

    bus.publish(LampSwitched())
    bus.publish(DoorOpened(1))

    assert await take(first, 2) == [
        Published(1, 7, "lamp.switched", LampSwitched()),
        Published(2, 7, "door.opened", DoorOpened(1)),
    ]
    assert await take(second, 1) == [Published(2, 7, "door.opened", DoorOpened(1))]


async def test_a_slow_reader_loses_the_oldest_and_is_told_how_many() -> None:
    bus = Bus()
    slow = bus.subscribe(capacity=3)

    for door in range(10):
        bus.publish(DoorOpened(door))

    gap, *rest = await take(slow, 4)
    assert gap == Gap(7)
    assert [item.event.door for item in rest] == [7, 8, 9]


async def test_a_waiting_reader_wakes_and_a_closed_one_ends(nursery) -> None:
    bus = Bus()
    heard = []

    async def listen(subscription) -> None:
        with subscription:
            async for item in subscription:
                heard.append(item.seq)
        heard.append("end")

    subscription = bus.subscribe()
    nursery.start_soon(listen, subscription)
    await trio.testing.wait_all_tasks_blocked()
    bus.publish(DoorOpened(1))
    await trio.testing.wait_all_tasks_blocked()
    subscription.close()
    await trio.testing.wait_all_tasks_blocked()

    assert heard == [1, "end"]
    assert bus.subscribers == 0


async def test_a_reader_comes_back_where_it_left() -> None:
    bus = Bus(history=5)
    for door in range(1, 9):
        bus.publish(DoorOpened(door))

    kept, lost = bus.subscribe(from_seq=6), bus.subscribe(from_seq=2)

    assert [item.seq for item in await take(kept, 3)] == [6, 7, 8]
    gap, *rest = await take(lost, 6)
    assert gap == Gap(2)
    assert [item.seq for item in rest] == [4, 5, 6, 7, 8]
    with pytest.raises(ValueError, match="newest seq is 8"):
        bus.subscribe(from_seq=10)


def test_publishing_without_a_reader_or_outside_trio_is_fine() -> None:
    Bus().publish(object())


def test_every_topic_is_a_noun_and_a_word() -> None:
    classes = [
        value for value in vars(events).values() if getattr(value, "__module__", "") == "actors.events"
    ]

    for cls in classes:
        noun, _, word = cls.topic.partition(".")
        assert noun.isalpha(), cls
        assert word.isidentifier(), cls


def test_a_class_without_a_topic_is_named_by_its_words() -> None:
    @attrs.frozen
    class FollowerStateChanged:
        pass

    assert topic_of(FollowerStateChanged()) == "follower.state_changed"


def test_an_event_becomes_plain_json_without_what_its_repr_hides() -> None:
    assert as_json(LampSwitched(inner=LampSwitched(lamp="loft", level=Decimal("1E+2")))) == {
        "lamp": "hall",
        "level": "1.5",
        "colours": ["red"],
        "inner": {"lamp": "loft", "level": "100", "colours": ["red"], "inner": None},
    }


def test_what_json_cannot_say_becomes_text() -> None:
    odd = {1: float("nan"), "error": ValueError("no"), "money": Decimal("NaN"), "pair": (1, None)}

    assert as_json(odd) == {"1": "nan", "error": "ValueError: no", "money": "NaN", "pair": [1, None]}


@given(counts=st.lists(st.integers(0, 30), max_size=8), capacity=st.integers(1, 10))
async def test_what_a_reader_gets_and_its_gaps_add_up(counts: list[int], capacity: int) -> None:
    bus, total = Bus(), 0
    reader = bus.subscribe(capacity=capacity)

    for count in counts:
        for _ in range(count):
            bus.publish(DoorOpened(0))
        while reader.waiting:
            item = await anext(reader)
            total += item.count if isinstance(item, Gap) else 1

    assert total == sum(counts) == bus.seq
