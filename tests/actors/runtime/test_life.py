"""One incarnation: what it handles, what ends it, and that its end is nobody else's."""

from collections.abc import Callable
from typing import Any

import pytest
import structlog
import trio
import trio.testing
from pykka import ActorDeadError

from actors.runtime import ActorHung, Address, Life, Mailbox, TrioActor, leaves


class Doom(BaseException):
    """Not an Exception: pykka stops every actor for one of these."""


class Scripted(TrioActor):
    """Does what the message, a function, says."""

    def __init__(self, *, fail_start: BaseException | None = None) -> None:
        super().__init__()
        self.failed: list[BaseException] = []
        self.stopped = 0
        self._fail_start = fail_start

    async def on_start(self) -> None:
        if self._fail_start is not None:
            raise self._fail_start

    async def on_receive(self, message: Any) -> Any:
        return await message(self) if callable(message) else message

    async def on_stop(self) -> None:
        self.stopped += 1

    async def on_failure(self, error: BaseException) -> None:
        self.failed.append(error)


def failing(error: BaseException) -> Callable[[Any], Any]:
    async def fail(actor: Any) -> None:
        raise error

    return fail


class Place:
    """A mailbox and whoever lives in it."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.mailbox = Mailbox("place")
        self.address = Address(self.mailbox)
        self.ended: list[BaseException | None] = []
        self._nursery = nursery

    async def move_in(self, actor: TrioActor) -> Life:
        life = Life(actor, self.mailbox, grace_s=3.0)
        self._nursery.start_soon(self._run, life)
        await trio.testing.wait_all_tasks_blocked()
        return life

    async def _run(self, life: Life) -> None:
        try:
            await life.run()
        except BaseException as error:
            if isinstance(error, trio.Cancelled):
                raise
            self.ended.append(error)
        else:
            self.ended.append(None)


@pytest.fixture
def place(nursery: trio.Nursery) -> Place:
    return Place(nursery)


async def work_for_7_s(actor: Any) -> None:
    await trio.sleep(7)


async def hang(actor: Any) -> None:
    await trio.sleep_forever()


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_a_failing_tell_kills_it_and_on_failure_hears(place: Place) -> None:
    actor, error = Scripted(), ValueError("tell")
    await place.move_in(actor)

    place.address.tell(failing(error))
    await settle()

    assert place.ended == [error]
    assert actor.failed == [error]
    assert actor.stopped == 0


async def test_a_failing_ask_tells_the_asker_and_kills_it_too(place: Place) -> None:
    actor, error = Scripted(), ValueError("ask")
    await place.move_in(actor)

    with pytest.raises(ValueError, match="ask"):
        await place.address.ask(failing(error))
    await settle()

    assert place.ended == [error]
    assert actor.failed == [error]


async def test_a_failing_start_reaches_on_failure(place: Place) -> None:
    error = ValueError("start")
    actor = Scripted(fail_start=error)

    await place.move_in(actor)

    assert place.ended == [error]
    assert actor.failed == [error]


async def test_what_waits_in_a_dead_mailbox_is_handled_by_the_next(place: Place) -> None:
    seen: list[str] = []

    async def note(actor: Any) -> None:
        seen.append("handled")

    await place.move_in(Scripted())
    place.address.tell(failing(ValueError("poison")))
    place.address.tell(note)
    question = place.address.ask_nowait("question")
    await settle()

    with pytest.raises(ActorDeadError):
        await question
    with pytest.raises(ActorDeadError):
        await place.address.ask("while nobody is there")
    assert seen == []
    await place.move_in(Scripted())
    assert seen == ["handled"]
    assert len(place.ended) == 1  # the poison was not delivered again


@pytest.mark.parametrize("error", [Doom(), SystemExit(3), ExceptionGroup("two", [OSError(), KeyError()])])
async def test_whatever_it_raises_ends_it_alone(
    place: Place, nursery: trio.Nursery, error: BaseException
) -> None:
    bystander = Place(nursery)
    await bystander.move_in(Scripted())
    await place.move_in(Scripted())

    with pytest.raises((ActorDeadError, ExceptionGroup)):
        await place.address.ask(failing(error))
    await settle()

    [ended] = place.ended
    assert ended is not None
    assert list(leaves(ended)) == list(leaves(error))
    assert bystander.ended == []
    assert await bystander.address.ask("alive") == "alive"


async def test_a_crash_of_a_background_task_is_the_actors_own(place: Place) -> None:
    actor, error = Scripted(), OSError("reader")
    reached = trio.Event()

    async def work_long(actor: Any) -> None:
        reached.set()
        await trio.sleep_forever()

    async def crash() -> None:
        await reached.wait()
        raise error

    await place.move_in(actor)
    actor.nursery.start_soon(crash)
    question = place.address.ask_nowait(work_long)
    await settle()

    assert place.ended == [error]
    assert actor.failed == [error]
    with pytest.raises(ActorDeadError, match="while it handled"):
        await question


async def test_two_background_crashes_arrive_as_a_group(place: Place) -> None:
    async def crash(error: Exception) -> None:
        raise error

    async def start_both(actor: Any) -> None:
        actor.nursery.start_soon(crash, OSError("reader"))
        actor.nursery.start_soon(crash, ValueError("writer"))

    await place.move_in(Scripted())
    place.address.tell(start_both)
    await settle()

    [error] = place.ended
    assert isinstance(error, ExceptionGroup)
    assert {type(leaf) for leaf in error.exceptions} == {OSError, ValueError}


async def test_a_cancelled_asker_harms_nobody(place: Place) -> None:
    done: list[bool] = []

    async def slow(actor: Any) -> None:
        await trio.lowlevel.checkpoint()
        done.append(True)

    await place.move_in(Scripted())
    with trio.move_on_after(0):
        await place.address.ask(slow)
    await settle()

    assert done == [True]
    assert await place.address.ask("alive") == "alive"


async def test_an_ask_that_takes_too_long_times_out(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    await place.move_in(Scripted())

    with pytest.raises(trio.TooSlowError):
        await place.address.ask(work_for_7_s, timeout_s=2)
    assert trio.current_time() == pytest.approx(2)


async def test_stopping_finishes_the_message_in_hand_and_keeps_the_rest(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    actor, done = Scripted(), []

    async def slow(actor: Any) -> None:
        await trio.sleep(2)
        done.append(True)

    life = await place.move_in(actor)
    place.address.tell(slow)
    place.address.tell(slow)
    await settle()
    life.stop()
    await trio.sleep(2.5)

    assert done == [True]
    assert (actor.stopped, place.ended, life.was_cut_short) == (1, [None], False)
    assert place.mailbox.depth == 1


async def test_stopping_is_cut_short_when_the_grace_is_over(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    life = await place.move_in(Scripted())
    place.address.tell(hang)
    await settle()

    life.stop()
    await trio.sleep(3.1)

    assert place.ended == [None]
    assert life.was_cut_short


async def test_giving_it_up_ends_it_as_hung(place: Place) -> None:
    actor = Scripted()
    life = await place.move_in(actor)
    place.address.tell(hang)
    await settle()

    error = ActorHung("a", 15.0)
    life.give_up(error)
    await settle()

    assert place.ended == [error]
    assert actor.failed == [error]


async def test_a_failing_on_failure_does_not_hide_the_first_failure(place: Place) -> None:
    class Worse(Scripted):
        async def on_failure(self, error: BaseException) -> None:
            raise KeyError("second")

    error = ValueError("first")
    await place.move_in(Worse())
    place.address.tell(failing(error))
    await settle()

    assert place.ended == [error]
    assert "second" in error.__notes__[0]


async def test_an_endless_on_failure_is_bounded(place: Place, autojump_clock: trio.testing.MockClock) -> None:
    class Endless(Scripted):
        async def on_failure(self, error: BaseException) -> None:
            await trio.sleep_forever()

    error = ValueError("first")
    await place.move_in(Endless())
    place.address.tell(failing(error))
    await trio.sleep(5.1)

    assert place.ended == [error]


async def test_ready_for_decides_and_wake_asks_again(place: Place) -> None:
    class Choosy(Scripted):
        is_ready = False

        def ready_for(self, message: Any) -> bool:
            return message == "look" or self.is_ready

    taken: list[str] = []

    async def note(actor: Any) -> None:
        taken.append("note")

    actor = Choosy()
    await place.move_in(actor)
    place.address.tell(note)
    await settle()
    assert taken == []

    actor.is_ready = True
    await settle()
    assert taken == []
    actor.wake()
    await settle()

    assert taken == ["note"]


async def test_another_message_asks_again_as_well(place: Place) -> None:
    class Choosy(Scripted):
        is_ready = False

        def ready_for(self, message: Any) -> bool:
            return message == "open" or self.is_ready

        async def on_receive(self, message: Any) -> Any:
            if message == "open":
                self.is_ready = True
            return message

    actor = Choosy()
    await place.move_in(actor)
    place.address.tell("held")
    await settle()
    assert place.mailbox.depth == 1

    assert await place.address.ask("open") == "open"
    await settle()

    assert place.mailbox.depth == 0


async def test_a_flood_of_messages_lets_others_run(place: Place) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    actor = Scripted()
    await place.move_in(actor)
    actor.nursery.start_soon(count_turns)
    for number in range(1000):
        place.address.tell(number)

    await place.address.ask("last")

    assert turns >= 50


async def test_wake_of_an_actor_that_nobody_started_does_nothing() -> None:
    Scripted().wake()


async def test_tells_from_threads_reach_it(place: Place) -> None:
    seen: list[int] = []

    def tell_all() -> Any:
        for number in range(100):

            async def note(actor: Any, number: int = number) -> None:
                seen.append(number)

            place.address.tell(note)
        return place.address.ask_nowait("done").get(timeout=5)

    await place.move_in(Scripted())

    assert await trio.to_thread.run_sync(tell_all) == "done"
    assert seen == list(range(100))


async def test_its_name_is_in_the_context_of_its_log_lines(place: Place) -> None:
    async def look(actor: Any) -> Any:
        return structlog.contextvars.get_contextvars()

    await place.move_in(Scripted())

    assert await place.address.ask(look) == {"actor": "place"}
    assert "actor" not in structlog.contextvars.get_contextvars()
