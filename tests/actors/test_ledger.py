"""The keeper: one engine a ledger, through outages, and what was kept locally comes first."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from actors.events import LedgerStateChanged, TroubleMet
from actors.ledger import LedgerDesk, LedgerKeeper, LedgerStatus, Mode
from actors.messages import AskedToCrash, CrashNow, Describe
from model.copy import ClaimAnswer
from model.ledger import LeaseLost, LeaseTaken, LedgerTakenOver, LedgerUnreachable, Purged, Store
from model.ledger.journal import Journal
from tests.model.ledger.factories import NOW_MS, make_change, make_claim


class ScriptedLease:
    """A lease that is held, away or taken, as the test says."""

    def __init__(self) -> None:
        self.held = False
        self.trouble: Exception | None = None
        self.released = 0

    def acquire(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.held = True

    def still_held(self) -> bool:
        return self.held

    def release(self) -> None:
        self.held = False
        self.released += 1

    def lose(self, trouble: Exception | None) -> None:
        self.held = False
        self.trouble = trouble


@pytest.fixture
def lease() -> ScriptedLease:
    return ScriptedLease()


@pytest.fixture
def told() -> list[object]:
    return []


@pytest.fixture
def memory(make_store: Callable[[str], Store]) -> Store:
    return make_store("sqlite://")


@pytest.fixture
def keeper(
    memory: Store, lease: ScriptedLease, told: list[object], tmp_path: Path, nursery: trio.Nursery
) -> LedgerKeeper:
    desk = LedgerDesk(memory, mode=Mode.INLINE, now_ms=lambda: NOW_MS, journal=Journal(tmp_path / "journal"))
    keeper = LedgerKeeper(desk=desk, lease=lease, publish=told.append, now_ms=lambda: NOW_MS)
    keeper.nursery = nursery
    return keeper


async def status(keeper: LedgerKeeper) -> LedgerStatus:
    answer = await keeper.on_receive(Describe())
    assert isinstance(answer, LedgerStatus)
    return answer


async def test_it_takes_the_lease_and_gives_it_back(
    keeper: LedgerKeeper, lease: ScriptedLease, autojump_clock: trio.testing.MockClock
) -> None:
    await keeper.on_start()
    assert lease.held
    assert (await status(keeper)).lease_held

    await keeper.on_stop()

    assert not lease.held
    assert not (await status(keeper)).lease_held


async def test_it_does_not_start_on_a_ledger_that_is_taken(
    keeper: LedgerKeeper, lease: ScriptedLease
) -> None:
    lease.trouble = LeaseTaken("pid 7 has it")

    with pytest.raises(LeaseTaken, match="pid 7"):
        await keeper.on_start()


async def test_an_outage_is_told_once_and_the_lease_is_taken_again(
    keeper: LedgerKeeper, lease: ScriptedLease, told: list[object], autojump_clock: trio.testing.MockClock
) -> None:
    await keeper.on_start()

    lease.lose(LedgerUnreachable("no route"))
    await trio.sleep(30)
    away = await status(keeper)
    lease.trouble = None
    await trio.sleep(6)

    assert (away.lease_held, away.trouble) == (False, "no route")
    assert told == [
        LedgerStateChanged(reachable=False, detail="no route"),
        LedgerStateChanged(reachable=True),
    ]
    assert lease.held
    assert (await status(keeper)).trouble == ""


async def test_a_lease_that_cannot_be_asked_for_ends_nothing(
    keeper: LedgerKeeper, lease: ScriptedLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It crashed the keeper, and with it everybody who was placing exits."""
    await keeper.on_start()

    def cannot() -> bool:
        raise LedgerUnreachable("no answer")

    monkeypatch.setattr(lease, "still_held", cannot)
    await keeper._check()

    assert not (await status(keeper)).lease_held
    assert (await status(keeper)).trouble == "no answer"


async def test_a_lease_that_another_engine_took_ends_it(
    keeper: LedgerKeeper, lease: ScriptedLease, autojump_clock: trio.testing.MockClock
) -> None:
    lease.acquire()
    lease.lose(LeaseTaken("pid 8 has it"))

    with pytest.raises(LeaseLost, match="pid 8"):
        await keeper._check()


async def test_whoever_holds_the_lease_writes(
    keeper: LedgerKeeper, memory: Store, autojump_clock: trio.testing.MockClock
) -> None:
    """Another that was slow to see its lease go may have called itself the one that writes."""
    await keeper.on_start()
    memory.put_meta({"engine": "another's"})
    with pytest.raises(LedgerTakenOver):
        memory.claim([make_claim()], now_ms=NOW_MS)

    await trio.sleep(6)

    assert memory.claim([make_claim()], now_ms=NOW_MS) == [ClaimAnswer.NEW]


async def test_what_was_kept_locally_is_in_the_ledger_before_anyone_starts(
    keeper: LedgerKeeper, memory: Store, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    closing = make_change(2, before="1.5", after="0")
    Journal(tmp_path / "journal").append(claim=make_claim("alice", closing))

    await keeper.on_start()

    assert [copy.change for copy in memory.open_copies("alice")] == [closing]


async def test_what_is_kept_in_an_outage_is_merged_after_it(
    keeper: LedgerKeeper,
    memory: Store,
    lease: ScriptedLease,
    told: list[object],
    tmp_path: Path,
    autojump_clock: trio.testing.MockClock,
) -> None:
    await keeper.on_start()
    lease.lose(LedgerUnreachable("no route"))
    await trio.sleep(6)
    Journal(tmp_path / "journal").append(claim=make_claim("alice"))
    with (tmp_path / "journal").open("a") as file:
        file.write("gossip\n")
    await trio.sleep(6)
    assert memory.copies() == []

    lease.trouble = None
    await trio.sleep(6)

    assert [row.follower for row in memory.copies()] == ["alice"]
    assert any("1 lines of the journal" in event.what for event in told if isinstance(event, TroubleMet))


async def test_it_purges_every_ten_minutes_until_nothing_is_left(
    keeper: LedgerKeeper,
    memory: Store,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    rounds = iter([Purged(copies=1000, more=True), Purged(copies=3), Purged()])
    monkeypatch.setattr(memory, "purge", lambda *, now_ms: next(rounds))
    await keeper.on_start()

    await trio.sleep(601)
    assert next(rounds) == Purged()


async def test_it_dies_when_it_is_told_to(keeper: LedgerKeeper) -> None:
    with pytest.raises(AskedToCrash):
        await keeper.on_receive(CrashNow("a drill"))
    with pytest.raises(TypeError):
        await keeper.on_receive(object())
