"""The desk: shared transactions, everyone's own answer, cancellation, and a ledger that is away."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.events import TroubleMet
from actors.ledger_desk import RECORDS_WAIT_S, LedgerDesk, Mode
from model.change import Change
from model.copy import ClaimAnswer, CopyState
from model.ledger import LedgerRefused, LedgerUnreachable, Store
from model.ledger.journal import Journal, JournalMerged
from tests.model.ledger.factories import NOW_MS, make_change, make_claim, make_order, make_outcome


def make_desk(store: Store, **options: object) -> LedgerDesk:
    return LedgerDesk(store, now_ms=lambda: NOW_MS, **options)  # type: ignore[arg-type]


async def test_a_thousand_claims_share_few_transactions_and_each_gets_its_own_answer(store: Store) -> None:
    desk = make_desk(store)
    change = make_change()
    claimed = {f"f{number}" for number in range(0, 1000, 7)}
    store.claim([make_claim(name, change) for name in claimed], now_ms=NOW_MS)
    answers: dict[str, ClaimAnswer] = {}

    async def claim(name: str) -> None:
        answers[name] = await desk.claim(make_claim(name, change))

    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(claim, f"f{number}")

    assert {name for name, answer in answers.items() if answer is ClaimAnswer.DUPLICATE} == claimed
    assert len(answers) == 1000
    assert desk.transactions <= 4
    assert len(store.copies(limit=2000)) == 1000


async def test_claims_that_come_a_turn_of_the_loop_later_share_the_transaction_too(store: Store) -> None:
    desk = make_desk(store)

    async def claim(name: str, turns_late: int) -> None:
        for _ in range(turns_late):
            await trio.lowlevel.checkpoint()
        await desk.claim(make_claim(name))

    async with trio.open_nursery() as nursery:
        for number in range(9):
            nursery.start_soon(claim, f"f{number}", number % 3)

    assert desk.transactions == 1


async def test_a_record_waits_a_moment_for_a_claim_and_then_goes_alone(
    store: Store, autojump_clock: MockClock
) -> None:
    desk = make_desk(store, mode=Mode.INLINE)
    store.claim([make_claim("alice"), make_claim("bob")], now_ms=NOW_MS)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.record, make_outcome(make_claim("alice")))
        await trio.sleep(RECORDS_WAIT_S / 2)
        nursery.start_soon(desk.claim, make_claim("carol"))
    shared = desk.transactions
    began = trio.current_time()
    await desk.record(make_outcome(make_claim("bob")))

    assert (shared, desk.transactions) == (1, 2)
    assert trio.current_time() - began == pytest.approx(RECORDS_WAIT_S)


async def test_the_desk_writes_and_reads_whatever_a_copy_needs(store: Store) -> None:
    desk = make_desk(store)
    claim = make_claim()

    await desk.remember(make_change(5, after="3"))
    await desk.claim(claim)
    await desk.plan_orders([make_order(claim, attempt=1)])
    await desk.record(make_outcome(claim))

    rows = await desk.read(lambda store: store.copies(limit=5))
    assert [row.state for row in rows] == [CopyState.APPLIED]
    assert [order.attempt for order in rows[0].orders] == [0, 1]
    assert await desk.read(lambda store: len(store.last_changes())) == 1


async def test_one_poisoned_write_harms_nobody_else(store: Store) -> None:
    desk = make_desk(store)
    outcomes: dict[str, object] = {}

    async def claim(name: str, claimed_at_ms: int) -> None:
        try:
            outcomes[name] = await desk.claim(make_claim(name, claimed_at_ms=claimed_at_ms))
        except LedgerRefused as error:
            outcomes[name] = error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(claim, "alice", NOW_MS)
        nursery.start_soon(claim, "poison", 2**80)
        nursery.start_soon(claim, "bob", NOW_MS)

    assert (outcomes["alice"], outcomes["bob"]) == (ClaimAnswer.NEW, ClaimAnswer.NEW)
    assert isinstance(outcomes["poison"], LedgerRefused)


class GatedStore(Store):
    """A store whose writes wait until they are let through."""

    def __init__(self, store: Store, gate: Callable[[], None]) -> None:
        super().__init__(store.database)
        self.gate = gate
        self.batches: list[list[str]] = []

    def write(self, batch, *, now_ms):  # type: ignore[no-untyped-def]
        self.batches.append([it.follower for it in (*batch.claims, *batch.outcomes)])
        self.gate()
        return super().write(batch, now_ms=now_ms)


class Gate:
    """Holds worker threads until it is opened."""

    def __init__(self) -> None:
        self.reached = trio.Event()
        self.open = trio.Event()

    def __call__(self) -> None:
        trio.from_thread.run_sync(self.reached.set)
        trio.from_thread.run(self.open.wait)


async def test_a_write_outlives_whoever_asked_for_it(store: Store) -> None:
    gate = Gate()
    desk = make_desk(GatedStore(store, gate))
    answers: dict[str, ClaimAnswer] = {}
    leader = trio.CancelScope()

    async def claim(name: str, scope: trio.CancelScope) -> None:
        with scope:
            answers[name] = await desk.claim(make_claim(name))

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(claim, "leader", leader)
            await gate.reached.wait()
            nursery.start_soon(claim, "second", trio.CancelScope())
            nursery.start_soon(claim, "third", trio.CancelScope())
            await trio.testing.wait_all_tasks_blocked()
            leader.cancel()
            gate.open.set()

    assert (answers["second"], answers["third"]) == (ClaimAnswer.NEW, ClaimAnswer.NEW)
    assert {row.follower for row in store.copies()} == {"leader", "second", "third"}


async def test_those_who_leave_the_queue_take_nobody_with_them(store: Store) -> None:
    gate = Gate()
    desk = make_desk(GatedStore(store, gate))
    scopes = {name: trio.CancelScope() for name in ("first", "other", "last")}
    answers: dict[str, ClaimAnswer] = {}

    async def claim(name: str) -> None:
        with scopes[name]:
            answers[name] = await desk.claim(make_claim(name))

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(claim, "first")
            await gate.reached.wait()
            for name in ("other", "last"):
                nursery.start_soon(claim, name)
                await trio.testing.wait_all_tasks_blocked()
            scopes["other"].cancel()
            gate.open.set()

    assert answers == {"first": ClaimAnswer.NEW, "last": ClaimAnswer.NEW}
    assert {row.follower for row in store.copies()} == {"first", "last"}


async def test_nobody_waits_longer_than_a_moment_for_a_ledger_that_hangs(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the database's own timeouts ended the wait, and a frozen server has none."""
    monkeypatch.setattr("actors.ledger_desk.PATIENCE_S", 0.05)
    monkeypatch.setattr("actors.ledger_desk.DOUBTFUL_PATIENCE_S", 0.01)
    gate = Gate()
    desk = make_desk(GatedStore(store, gate), journal=Journal(tmp_path / "journal"))
    closing, later = (make_claim(name, make_change(2, before="1.5", after="0")) for name in ("a", "b"))

    with trio.fail_after(5):
        with pytest.raises(LedgerUnreachable, match="no answer within"):
            await desk.claim(closing)
        with pytest.raises(LedgerUnreachable, match="no answer within"):
            await desk.claim(later)
        await desk.keep_locally(claim=later)
        gate.open.set()
        await desk.remember(make_change(5, after="3"))
        answer = await desk.claim(make_claim("c"))

    assert answer is ClaimAnswer.NEW
    assert {row.follower for row in store.copies()} == {"a", "c"}


async def test_threads_that_hang_in_the_database_keep_nobody_from_the_journal(
    store: Store, tmp_path: Path
) -> None:
    """The journal was reached by the same few threads."""
    desk = make_desk(store, journal=Journal(tmp_path / "journal"))
    opened = trio.Event()

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for _ in range(store.database.pool_size + 1):
                nursery.start_soon(desk.read, lambda store: trio.from_thread.run(opened.wait))
            await trio.testing.wait_all_tasks_blocked()
            await desk.keep_locally(claim=make_claim())
            opened.set()


async def test_reductions_go_before_openings_and_both_before_records(store: Store) -> None:
    gate = Gate()
    gated = GatedStore(store, gate)
    desk = make_desk(gated)
    recorded = make_claim("recorded")
    store.claim([recorded], now_ms=NOW_MS)
    closing = make_change(2, before="1.5", after="0")

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.claim, make_claim("busy"))
            await gate.reached.wait()
            nursery.start_soon(desk.record, make_outcome(recorded))
            nursery.start_soon(desk.claim, make_claim("opens"))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(desk.claim, make_claim("closes", closing))
            await trio.testing.wait_all_tasks_blocked()
            gate.open.set()

    assert gated.batches[0] == ["busy"]
    assert gated.batches[1] == ["closes", "opens", "recorded"]


class AbsentStore(Store):
    """A store whose database is away."""

    def write(self, batch, *, now_ms):  # type: ignore[no-untyped-def]
        raise LedgerUnreachable("no route")


async def test_an_unreachable_ledger_is_told_to_every_waiter(store: Store) -> None:
    desk = make_desk(AbsentStore(store.database))
    errors: list[LedgerUnreachable] = []

    async def claim(name: str) -> None:
        with pytest.raises(LedgerUnreachable, match="no route") as caught:
            await desk.claim(make_claim(name))
        errors.append(caught.value)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(claim, f"f{number}")

    assert len({id(error) for error in errors}) == 20


async def test_every_wait_is_measured_and_slow_ones_are_told_once_a_minute(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    told: list[object] = []
    desk = make_desk(store, on_pool_wait=waits.append, publish=told.append)
    await desk.claim(make_claim("quick"))
    assert told == []

    monkeypatch.setattr("actors.ledger_desk.SLOW_WAIT_S", 0.0)
    await desk.claim(make_claim("slow"))
    await desk.read(lambda store: store.copies(limit=1))

    assert len(waits) == 3
    assert all(0 <= wait < 5 for wait in waits)
    (event,) = told
    assert isinstance(event, TroubleMet)
    assert event.where == "ledger"
    assert f"of {store.database.pool_size} in use" in event.what


async def test_inline_work_takes_no_thread_and_no_virtual_time(
    make_store: Callable[[str], Store], autojump_clock: trio.testing.MockClock
) -> None:
    desk = make_desk(make_store("sqlite://"), mode=Mode.INLINE)
    changes: list[Change] = [make_change(seq, after=str(seq)) for seq in range(1, 6)]

    async with trio.open_nursery() as nursery:
        for change in changes:
            nursery.start_soon(desk.claim, make_claim(change=change))

    await trio.sleep(60)
    assert trio.current_time() == 60
    assert desk.transactions == 1
    assert len(await desk.read(lambda store: store.open_copies("alice"))) == 5


async def test_what_the_ledger_cannot_take_is_kept_locally_and_merged(store: Store, tmp_path: Path) -> None:
    closing = make_claim(change=make_change(2, before="1.5", after="0"))
    desk = make_desk(store, journal=Journal(tmp_path / "journal"))

    await desk.keep_locally(claim=closing)
    await desk.keep_locally(outcome=make_outcome(closing))

    assert await desk.merge_journal() == JournalMerged(merged=2)
    assert await desk.merge_journal() == JournalMerged()
    assert [row.state for row in store.copies()] == [CopyState.APPLIED]
    with pytest.raises(LedgerUnreachable, match="no journal"):
        await make_desk(store).keep_locally(claim=closing)
