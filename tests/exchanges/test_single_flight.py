"""Who asks while a read runs shares what comes of it."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from exchanges.errors import OutcomeUnknown
from exchanges.single_flight import SingleFlight


class Source:
    """Answers its how-manieth read it was, after a second; ``broken`` ones fail then."""

    def __init__(self) -> None:
        self.reads = 0
        self.broken: set[int] = set()

    async def read(self) -> int:
        self.reads += 1
        number = self.reads
        await trio.sleep(1)
        if number in self.broken:
            raise OutcomeUnknown(f"read {number}")
        return number


async def test_many_that_ask_at_once_share_a_read_and_the_next_has_its_own(autojump_clock: MockClock) -> None:
    source, flight, got = Source(), SingleFlight[int](), []

    async def ask() -> None:
        got.append(await flight.share(source.read))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    await ask()

    assert got == [1, 1, 1, 1, 1, 2]


async def test_a_failure_is_shared_too_and_the_next_that_asks_reads_again(autojump_clock: MockClock) -> None:
    source, flight, failures = Source(), SingleFlight[int](), []
    source.broken.add(1)

    async def ask() -> None:
        try:
            await flight.share(source.read)
        except OutcomeUnknown as error:
            failures.append(str(error))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)

    assert failures == ["read 1"] * 3
    assert await flight.share(source.read) == 2


async def test_a_cancelled_read_is_taken_over_by_one_of_those_that_wait(autojump_clock: MockClock) -> None:
    source, flight, got = Source(), SingleFlight[int](), []

    async def give_up() -> None:
        with trio.move_on_after(0.5):
            await flight.share(source.read)

    async def ask() -> None:
        got.append(await flight.share(source.read))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(give_up)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask)
        nursery.start_soon(ask)

    assert got == [2, 2]
    assert trio.current_time() == pytest.approx(1.5)


async def test_who_leads_shares_nothing_that_began_before(autojump_clock: MockClock) -> None:
    source, flight, got = Source(), SingleFlight[int](), []

    async def lead() -> None:
        got.append(await flight.lead(source.read))

    async def ask() -> None:
        got.append(await flight.share(source.read))

    async with trio.open_nursery() as nursery:
        for task in (ask, lead, ask):
            nursery.start_soon(task)
            await trio.sleep(0.25)

    assert got == [1, 2, 2]
