"""What we keep of pykka, and which of its private names we lean on: widen the pin only when this passes."""

import importlib.metadata
import threading
from collections.abc import AsyncIterator
from typing import Any

import pykka
import pytest
import trio
from pykka import ActorDeadError, ActorRegistry, messages

from actors.runtime import TrioActor, TrioFuture, WouldDeadlock


class Adder(TrioActor):
    """Answers with what it was given plus one; `boom` kills it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []
        self.stopped = False

    async def on_receive(self, message: Any) -> Any:
        self.seen.append(message)
        if message == "boom":
            raise ValueError("boom")
        return message + 1

    async def on_stop(self) -> None:
        self.stopped = True

    async def double(self, number: int) -> int:
        await trio.lowlevel.checkpoint()
        return number * 2


@pytest.fixture
async def ref() -> AsyncIterator[Any]:
    ref = Adder.start()
    yield ref
    await ref.stop(block=False)


def test_the_pinned_release_is_installed_and_has_the_names_we_fill() -> None:
    assert importlib.metadata.version("pykka").startswith("4.5.")
    for name in ("_create_actor_inbox", "_create_future", "_start_actor_loop", "_handle_receive"):
        assert callable(getattr(pykka.Actor, name))
    assert issubclass(messages._ActorStop, tuple)
    assert hasattr(pykka.Future(), "_get_hook")


async def test_ask_answers_and_tell_does_not_wait(ref: Any) -> None:
    ref.tell(1)

    answer = await ref.ask(2, block=False)

    assert answer == 3
    assert ref._actor_weakref().seen == [1, 2]


async def test_a_living_actor_is_in_the_registry_and_a_stopped_one_is_not(ref: Any) -> None:
    await ref.ask(1, block=False)
    assert ActorRegistry.get_by_class(Adder) == [ref]
    assert ref.is_alive()

    assert await ref.stop(block=False) is True

    assert ActorRegistry.get_by_class(Adder) == []
    assert not ref.is_alive()
    assert await ref.stop(block=False) is False


async def test_what_was_sent_before_a_stop_is_handled_before_it(ref: Any) -> None:
    actor = ref._actor_weakref()
    first = ref.ask(1, block=False)
    stopped = ref.stop(block=False)
    late = ref.ask(2, block=False)

    assert (await first, await stopped) == (2, True)
    assert actor.stopped
    assert await late == 3  # it was put before the stop was taken, and a stop comes last


async def test_a_dead_actor_refuses(ref: Any) -> None:
    await ref.stop(block=False)

    with pytest.raises(ActorDeadError):
        ref.tell(1)
    with pytest.raises(ActorDeadError):
        await ref.ask(1, block=False)


async def test_proxies_reach_async_methods_and_attributes(ref: Any) -> None:
    proxy = ref.proxy()

    assert await proxy.double(4) == 8
    assert await proxy.stopped is False
    with pytest.raises(WouldDeadlock):
        proxy.stopped = True  # pykka waits for this to be done


async def test_derived_futures_are_awaited(ref: Any) -> None:
    one, two = ref.ask(1, block=False), ref.ask(2, block=False)

    assert await one.map(lambda n: n * 10) == 20
    assert await one.join(two).map(sum) == 5
    assert await one.join(two).filter(lambda n: n > 2) == [3]
    assert await one.join(two).reduce(lambda a, b: a * b) == 6


async def test_a_derived_future_waits_for_each_of_its_inputs(nursery: trio.Nursery) -> None:
    one: TrioFuture[int] = TrioFuture()
    two: TrioFuture[int] = TrioFuture()
    got: list[object] = []

    async def wait() -> None:
        got.append(await one.join(two))

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    two.set(2)
    await trio.testing.wait_all_tasks_blocked()
    assert got == []
    one.set(1)
    await trio.testing.wait_all_tasks_blocked()

    assert got == [[1, 2]]


async def test_a_future_is_answered_once() -> None:
    future: TrioFuture[int] = TrioFuture()
    future.set(1)

    with pytest.raises(RuntimeError):
        future.set(2)
    assert await future == 1
    assert await future == 1


async def test_blocking_in_the_trio_thread_raises_before_anything_is_sent(ref: Any) -> None:
    actor = ref._actor_weakref()

    with pytest.raises(WouldDeadlock):
        ref.ask(1)
    with pytest.raises(WouldDeadlock):
        ref.stop()
    with pytest.raises(WouldDeadlock):
        ActorRegistry.stop_all()
    with pytest.raises(WouldDeadlock):
        ref.ask(1, block=False).get()

    assert await ref.ask(5, block=False) == 6
    assert actor.seen == [1, 5]  # only the one that was not to block
    await trio.testing.wait_all_tasks_blocked()
    assert ref.is_alive()


async def test_foreign_threads_may_block(ref: Any) -> None:
    def work() -> tuple[int, bool]:
        ref.tell(1)
        with pytest.raises(pykka.Timeout):
            TrioFuture[int]().get(timeout=0.01)
        return ref.ask(2), ref.stop()

    assert await trio.to_thread.run_sync(work) == (3, True)


async def test_a_stop_racing_with_asks_from_threads_loses_none() -> None:
    for _ in range(20):
        ref: Any = Adder.start()
        answers: list[object] = []

        def ask_on(ref: Any = ref, answers: list[object] = answers) -> None:
            for number in range(20):
                try:
                    answers.append(ref.ask(number, timeout=5))
                except ActorDeadError as error:
                    answers.append(error)

        threads = [threading.Thread(target=ask_on) for _ in range(3)]
        for thread in threads:
            thread.start()
        await trio.sleep(0.001)
        await ref.stop(block=False)
        await trio.to_thread.run_sync(lambda threads=threads: [thread.join() for thread in threads])

        assert len(answers) == 60


async def test_a_sync_hook_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"Wrong\.on_receive has to be an async function"):

        class Wrong(TrioActor):
            def on_receive(self, message: object) -> None:  # type: ignore[override]
                return None


async def test_a_message_for_an_actor_that_was_made_and_not_started_is_kept() -> None:
    actor = Adder()
    actor.actor_ref.tell(1)
    ActorRegistry.register(actor.actor_ref)
    actor._start_actor_loop()

    assert await actor.actor_ref.ask(2, block=False) == 3
    assert actor.seen == [1, 2]
    await actor.actor_ref.stop(block=False)
