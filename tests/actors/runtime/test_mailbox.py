"""Priority, conflation, refusal and bounds of the mailbox; it outlives its tenants."""

import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from pykka import ActorDeadError

from actors.runtime import Mailbox, MailboxFull, TrioFuture


@attrs.frozen
class Note:
    text: str
    priority: int = 4


@attrs.frozen
class Level:
    """Conflates by leg; remembers how many it replaced."""

    leg: str
    value: int
    priority: int = 5
    absorbed: int = 0

    @property
    def conflation_key(self) -> str:
        return self.leg

    def absorb(self, older: "Level") -> "Level":
        return attrs.evolve(self, absorbed=older.absorbed + 1)


def always(message: object) -> bool:
    return True


def take_all(mailbox: Mailbox, is_ready: Callable[[Any], bool] = always) -> list[Any]:
    taken = []
    while (entry := mailbox.take(is_ready)) is not None:
        taken.append(entry.message)
        mailbox.look_again()
    return taken


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox("box", capacity=5)


def test_lower_priorities_come_first_and_within_one_the_older(mailbox: Mailbox) -> None:
    late, early, first = Note("late"), Note("early", 1), "no priority"
    for message in (first, late, early):
        mailbox.put(message)

    assert take_all(mailbox) == [early, first, late]
    assert mailbox.depth == 0


def test_a_newer_message_takes_the_older_ones_place(mailbox: Mailbox) -> None:
    for message in (Level("a", 1), Level("b", 1), Level("a", 2), Level("a", 3)):
        mailbox.put(message)

    assert mailbox.depth == 2
    assert take_all(mailbox) == [Level("a", 3, absorbed=2), Level("b", 1)]


def test_one_that_became_urgent_moves_to_its_new_priority(mailbox: Mailbox) -> None:
    for message in (Level("a", 1), Level("b", 1, priority=3), Level("a", 0, priority=3)):
        mailbox.put(message)

    assert [message.leg for message in take_all(mailbox)] == ["b", "a"]


def test_questions_are_never_conflated(mailbox: Mailbox) -> None:
    asked: list[TrioFuture[Any]] = [TrioFuture(), TrioFuture()]
    for number, future in enumerate(asked):
        mailbox.put(Level("a", number), future)
    mailbox.put(Level("a", 9))

    assert [message.value for message in take_all(mailbox)] == [0, 1, 9]


def test_a_refused_message_waits_is_replaced_and_looked_at_again(mailbox: Mailbox) -> None:
    open_legs: set[str] = set()

    def is_ready(message: Any) -> bool:
        return not isinstance(message, Level) or message.leg in open_legs

    for message in (Level("a", 1), Level("b", 1), Note("x")):
        mailbox.put(message)
    assert take_all(mailbox, is_ready) == [Note("x")]
    mailbox.put(Level("a", 2))

    open_legs.update("ab")
    assert mailbox.take(is_ready).message == Level("a", 2, absorbed=1)  # type: ignore[union-attr]
    assert mailbox.take(is_ready) is None  # b was refused in this round: wake or a handled message asks anew
    mailbox.wake()
    assert take_all(mailbox, is_ready) == [Level("b", 1)]


def test_refused_messages_are_not_asked_about_for_each_new_one() -> None:
    mailbox, asked = Mailbox("box"), 0

    def is_ready(message: Any) -> bool:
        nonlocal asked
        asked += 1
        return False

    for number in range(200):
        mailbox.put(Level(str(number), 1))
        assert mailbox.take(is_ready) is None

    assert asked == 200


def test_a_message_that_kills_whoever_looks_at_it_is_gone(mailbox: Mailbox) -> None:
    future: TrioFuture[Any] = TrioFuture()
    mailbox.put("poison", future)
    mailbox.put("next")

    def is_ready(message: Any) -> bool:
        if message == "poison":
            raise ValueError("poison")
        return True

    with pytest.raises(ValueError, match="poison"):
        mailbox.take(is_ready)
    assert take_all(mailbox, is_ready) == ["next"]
    with pytest.raises(ActorDeadError):
        future.get()


def test_pykkas_own_messages_are_shown_to_no_hook(mailbox: Mailbox) -> None:
    from pykka.messages import ProxyGetAttr, _ActorStop

    mailbox.put(_ActorStop())
    mailbox.put(ProxyGetAttr(("x",)))

    def refuse(message: Any) -> bool:
        raise AssertionError(message)

    assert take_all(mailbox, refuse) == [ProxyGetAttr(("x",)), _ActorStop()]


def test_a_full_mailbox_says_so_and_still_takes_states(mailbox: Mailbox) -> None:
    for number in range(5):
        mailbox.put(Note(str(number)))

    with pytest.raises(MailboxFull, match="box has 5 messages"):
        mailbox.put(Note("one too many"))
    mailbox.put(Level("a", 1))

    assert mailbox.refused == 1
    assert len(take_all(mailbox)) == 6
    mailbox.put(Note("room again"))


def test_a_crash_keeps_states_and_fails_questions(mailbox: Mailbox) -> None:
    asked: TrioFuture[Any] = TrioFuture()
    tenant = object()
    mailbox.move_in(tenant)
    mailbox.put(Level("a", 1))
    mailbox.put("question", asked)

    mailbox.move_out("crashed")

    with pytest.raises(ActorDeadError, match="crashed"):
        asked.get()
    with pytest.raises(ActorDeadError):
        mailbox.put("question", TrioFuture())
    with pytest.raises(ActorDeadError):
        mailbox.put("through an old ref", tenant=tenant)
    mailbox.put(Level("a", 2))
    mailbox.move_in(object())
    mailbox.put("question", TrioFuture())
    assert take_all(mailbox) == ["question", Level("a", 2, absorbed=1)]


def test_a_shut_mailbox_drops_and_refuses_until_it_is_opened(mailbox: Mailbox) -> None:
    asked: TrioFuture[Any] = TrioFuture()
    mailbox.put(Level("a", 1))
    mailbox.put("question", asked)

    mailbox.shut("quarantined")

    with pytest.raises(ActorDeadError, match="quarantined"):
        asked.get()
    with pytest.raises(ActorDeadError, match="box is quarantined"):
        mailbox.put(Level("a", 2))
    mailbox.open()
    mailbox.put(Level("a", 3))
    assert take_all(mailbox) == [Level("a", 3)]


async def test_nothing_put_by_threads_is_lost_or_left_lying() -> None:
    mailbox, taken = Mailbox("box"), 0

    def put_many() -> None:
        for number in range(500):
            mailbox.put(number)

    threads = [threading.Thread(target=put_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    with trio.fail_after(10):
        while taken < 2000:
            if mailbox.take(always) is None:
                await mailbox.wait()
            else:
                taken += 1
    for thread in threads:
        thread.join()

    assert mailbox.depth == 0


async def test_a_cancelled_wait_leaves_the_mailbox_usable(mailbox: Mailbox) -> None:
    mailbox.take(always)
    with trio.move_on_after(0):
        await mailbox.wait()
    assert not mailbox.is_idle

    mailbox.put(1)
    await mailbox.wait()

    assert take_all(mailbox) == [1]


PUTS = st.lists(st.tuples(st.sampled_from("abc") | st.none(), st.integers(1, 3), st.booleans()), max_size=40)


@given(PUTS, st.data())
def test_it_does_what_a_plain_list_would(puts: list[tuple[str | None, int, bool]], data: Any) -> None:
    mailbox = Mailbox("box")
    model: list[Any] = []  # in arrival order; a change of priority counts as a new arrival
    for number, (leg, priority, take) in enumerate(puts):
        message: Any = Note(str(number), priority) if leg is None else Level(leg, number, priority)
        mailbox.put(message)
        older = next((m for m in model if leg is not None and getattr(m, "leg", None) == leg), None)
        if older is None:
            model.append(message)
        else:
            merged = message.absorb(older)
            place = model.index(older)
            model[place : place + 1] = [merged] if merged.priority == older.priority else []
            if merged.priority != older.priority:
                model.append(merged)
        if take:
            refused = data.draw(st.sampled_from("abc"))

            def is_ready(m: Any, refused: str = refused) -> bool:
                return getattr(m, "leg", None) != refused

            mailbox.look_again()
            entry = mailbox.take(is_ready)
            expected = min((m for m in model if is_ready(m)), key=lambda m: m.priority, default=None)
            assert (entry and entry.message) == expected
            if expected is not None:
                model.remove(expected)
    assert mailbox.depth == len(model)
    mailbox.wake()
    assert take_all(mailbox) == sorted(model, key=lambda m: m.priority)
