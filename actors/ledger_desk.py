"""Where actors meet the ledger: writes that wait together share one transaction (R8).

Each caller takes the connection itself, inside one function in a worker thread, and gives it back
when that function returns. The one that gets it carries the others' writes and hands each its own
answer, or its own error.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import TypeVar

import attrs
import trio

from actors.events import TroubleMet
from model.change import Change
from model.copy import Claim, ClaimAnswer, CopyOutcome, OrderRecord
from model.ledger.errors import LedgerUnreachable
from model.ledger.journal import Journal, JournalMerged
from model.ledger.store import Store, WriteBatch

T = TypeVar("T")

BATCH_MAX = 2_000
GATHER_TURNS_MAX = 6
"""Turns of the event loop that a leader gives to others who are about to ask in this very instant."""
QUIET_TURNS = 2
"""Within a turn the order is chance: after one that brought nobody, somebody may still be on the way."""
RECORDS_WAIT_S = 0.003
"""A transaction of records alone first waits so long for a claim: beside it the claim would wait longer."""
SLOW_WAIT_S = 0.5
SLOW_REPORT_EVERY_S = 60.0


class Mode(Enum):
    """Where the ledger's work runs."""

    THREADED = "threaded"
    INLINE = "inline"
    """In the event loop: for virtual time only, where a clock must not jump while a thread works."""


@attrs.define(eq=False)
class _Place:
    """One caller's place in the queue."""

    write: WriteBatch
    since: float
    """time.perf_counter(): real waiting is measured, under a virtual clock too."""
    turn: trio.Event = attrs.field(factory=trio.Event)
    settled: bool = False
    answers: list[ClaimAnswer] = attrs.field(factory=list)
    error: Exception | None = None

    def settle(self, result: "list[ClaimAnswer] | Exception") -> None:
        self.settled = True
        if isinstance(result, Exception):
            self.error = result
        else:
            self.answers = result


@attrs.define
class _Queue:
    """Places by urgency: reductions and orders about to leave, then openings, then records."""

    lanes: tuple[deque[_Place], deque[_Place], deque[_Place]] = attrs.field(
        factory=lambda: (deque(), deque(), deque())
    )

    def __len__(self) -> int:
        return sum(len(lane) for lane in self.lanes)

    @property
    def is_urgent(self) -> bool:
        return bool(self.lanes[0] or self.lanes[1])

    def put(self, place: _Place) -> None:
        self.lanes[_urgency(place.write)].append(place)

    def take(self, most: int) -> list[_Place]:
        taken: list[_Place] = []
        for lane in self.lanes:
            while lane and len(taken) < most:
                taken.append(lane.popleft())
        return taken

    def first(self) -> _Place | None:
        return next((lane[0] for lane in self.lanes if lane), None)

    def drop(self, place: _Place) -> bool:
        for lane in self.lanes:
            if place in lane:
                lane.remove(place)
                return True
        return False


class LedgerDesk:
    """The asynchronous side of a Store; every actor may use the same one at once.

    A caller that is cancelled while it waits leaves the queue; once its write is under way it is
    written all the same, and the others get their answers either way.
    """

    def __init__(
        self,
        store: Store,
        *,
        journal: Journal | None = None,
        mode: Mode = Mode.THREADED,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        on_pool_wait: Callable[[float], None] = lambda seconds: None,
        on_commit: Callable[[float], None] = lambda seconds: None,
        publish: Callable[[object], None] = lambda event: None,
    ) -> None:
        """Serve ``store``.

        Args:
            journal: where reductions are kept while the ledger is unreachable (R18).
            now_ms: the wall clock by which a change is stale (R12).
            on_pool_wait: is given each write's seconds from asking to having the connection.
            on_commit: is given each group commit's seconds from having the connection to the answers.
            publish: is given a TroubleMet for waits over 500 ms, at most once a minute.
        """
        self._store = store
        self._journal = journal
        self._mode = mode
        self._now_ms = now_ms
        self._on_pool_wait = on_pool_wait
        self._on_commit = on_commit
        self._publish = publish
        self._limiter = trio.CapacityLimiter(store.database.pool_size)
        self._queue = _Queue()
        self._led = False
        self._urgent = trio.Event()
        self._slow_told_at = -SLOW_REPORT_EVERY_S
        self.transactions = 0
        """How many group commits there were."""

    @property
    def where(self) -> str:
        """The ledger's address without a password."""
        return self._store.database.where

    async def claim(self, claim: Claim) -> ClaimAnswer:
        """Claim a change for a follower (R7 step 1). Raises: LedgerUnreachable, LedgerRefused."""
        (answer,) = await self._write(WriteBatch(claims=(claim,)))
        return answer

    async def plan_orders(self, orders: Sequence[OrderRecord]) -> None:
        """Make orders durable before they are sent (R12). Raises: LedgerUnreachable, LedgerRefused."""
        await self._write(WriteBatch(orders=orders))

    async def record(self, outcome: CopyOutcome) -> None:
        """Write a copy's outcome (R7 step 6). Raises: LedgerUnreachable, LedgerRefused."""
        await self._write(WriteBatch(outcomes=(outcome,)))

    async def remember(self, change: Change) -> None:
        """Keep a change of the master. Raises: LedgerUnreachable, LedgerRefused."""
        await self._write(WriteBatch(changes=(change,)))

    async def write(self, batch: WriteBatch) -> list[ClaimAnswer]:
        """Write several things in one transaction; return the claims' answers."""
        return await self._write(batch)

    async def keep_locally(
        self,
        *,
        claim: Claim | None = None,
        orders: Sequence[OrderRecord] = (),
        outcome: CopyOutcome | None = None,
    ) -> None:
        """Keep on local disk what the unreachable ledger cannot take (R18): reductions only.

        The keeper merges it when the ledger is back. Raises: LedgerUnreachable when there is no
        journal, or its disk fails too.
        """
        journal = self._journal
        if journal is None:
            raise LedgerUnreachable("no journal beside the ledger")
        await self.read(lambda store: journal.append(claim=claim, orders=orders, outcome=outcome))

    async def merge_journal(self) -> JournalMerged:
        """Bring what was kept locally into the ledger. Raises: LedgerUnreachable."""
        journal = self._journal
        if journal is None or journal.is_empty():
            return JournalMerged()
        return await self.read(journal.merge_into)

    async def read(self, work: Callable[[Store], T]) -> T:
        """Run any other unit of work on the store and return what it returns.

        Raises: whatever ``work`` raises; LedgerUnreachable.
        """
        since = time.perf_counter()
        if self._mode is Mode.INLINE:
            await trio.lowlevel.checkpoint()
            return work(self._store)
        result, started = await trio.to_thread.run_sync(
            partial(_timed, work, self._store), limiter=self._limiter
        )
        self._waited([started - since])
        return result

    async def _write(self, batch: WriteBatch) -> list[ClaimAnswer]:
        place = _Place(batch, time.perf_counter())
        self._queue.put(place)
        if self._queue.is_urgent:
            self._urgent.set()
        if self._led:
            await self._wait_turn(place)
        if not place.settled:
            self._led = True
            # A leader that is cancelled finishes its batch: it carries the others' writes. The
            # database's own timeouts bound it.
            with trio.CancelScope(shield=True):
                await self._lead(place)
        if place.error is not None:
            raise place.error
        return place.answers

    async def _wait_turn(self, place: _Place) -> None:
        try:
            await place.turn.wait()
        except trio.Cancelled:
            if self._queue.drop(place) and place.turn.is_set():
                self._pass_lead()
            raise

    async def _lead(self, place: _Place) -> None:
        try:
            while not place.settled:
                await self._gather()
                await self._commit(self._queue.take(BATCH_MAX))
        finally:
            self._pass_lead()

    async def _gather(self) -> None:
        """Let everyone who is about to ask ask first: whoever is late waits for a second transaction.

        That one runs while the loop is busy with all whom the first one answered.
        """
        if not self._queue.is_urgent:
            self._urgent = trio.Event()
            with trio.move_on_after(RECORDS_WAIT_S):
                await self._urgent.wait()
        waiting = quiet = 0
        for _ in range(GATHER_TURNS_MAX):
            quiet = quiet + 1 if len(self._queue) == waiting else 0
            if quiet == QUIET_TURNS:
                return
            waiting = len(self._queue)
            await trio.lowlevel.cancel_shielded_checkpoint()

    def _pass_lead(self) -> None:
        heir = self._queue.first()
        self._led = heir is not None
        if heir is not None:
            heir.turn.set()

    async def _commit(self, places: list[_Place]) -> None:
        try:
            results, connected_at = await self._run([place.write for place in places])
        except BaseException:
            for place in places:
                place.settle(LedgerUnreachable("the write in hand was abandoned"))
                place.turn.set()
            raise
        for place, result in zip(places, results, strict=True):
            place.settle(result)
            place.turn.set()
        self._on_commit(time.perf_counter() - connected_at)
        self._waited([connected_at - place.since for place in places])

    async def _run(self, writes: list[WriteBatch]) -> "tuple[list[list[ClaimAnswer] | Exception], float]":
        self.transactions += 1
        work = partial(_write_together, self._store, writes, self._now_ms())
        if self._mode is Mode.INLINE:
            return work()
        return await trio.to_thread.run_sync(work, limiter=self._limiter)

    def _waited(self, seconds: list[float]) -> None:
        for wait in seconds:
            self._on_pool_wait(wait)
        longest = max(seconds)
        now = trio.current_time()
        if longest > SLOW_WAIT_S and now - self._slow_told_at >= SLOW_REPORT_EVERY_S:
            self._slow_told_at = now
            self._publish(TroubleMet(where="ledger", what=self._slow_pool(longest)))

    def _slow_pool(self, longest: float) -> str:
        held, size = self._limiter.borrowed_tokens, int(self._limiter.total_tokens)
        return f"waited {longest:.2f} s for a connection: {held} of {size} in use, {len(self._queue)} waiting"


def _urgency(write: WriteBatch) -> int:
    if write.orders or any(claim.change.change_class.reduces for claim in write.claims):
        return 0
    return 1 if write.claims else 2


def _timed(work: Callable[[Store], T], store: Store) -> tuple[T, float]:
    started = time.perf_counter()
    return work(store), started


def _write_together(
    store: Store, writes: Sequence[WriteBatch], now_ms: int
) -> "tuple[list[list[ClaimAnswer] | Exception], float]":
    """Write all in one transaction; if the data of one is refused, each in its own.

    Returns: each one's answers or error, and when the connection was had.
    """
    connected_at = time.perf_counter()
    try:
        with store.unit():
            connected_at = time.perf_counter()
            answers = store.write(_merged(writes), now_ms=now_ms)
        return _shared_out(answers, writes), connected_at
    except LedgerUnreachable as error:
        return [_copied(error) for _ in writes], connected_at
    except Exception as error:  # noqa: BLE001
        # Whatever one write's data did, it goes to that one's caller.
        if len(writes) == 1:
            return [error], connected_at
    return [_write_alone(store, write, now_ms) for write in writes], connected_at


def _write_alone(store: Store, write: WriteBatch, now_ms: int) -> "list[ClaimAnswer] | Exception":
    try:
        return store.write(write, now_ms=now_ms)
    except Exception as error:  # noqa: BLE001
        return error


def _copied(error: LedgerUnreachable) -> LedgerUnreachable:
    """Each caller raises an exception of its own: a traceback is not shared between tasks."""
    copied = LedgerUnreachable(*error.args)
    copied.__cause__ = error
    return copied


def _merged(writes: Sequence[WriteBatch]) -> WriteBatch:
    return WriteBatch(
        changes=[it for write in writes for it in write.changes],
        claims=[it for write in writes for it in write.claims],
        orders=[it for write in writes for it in write.orders],
        outcomes=[it for write in writes for it in write.outcomes],
    )


def _shared_out(
    answers: list[ClaimAnswer], writes: Sequence[WriteBatch]
) -> "list[list[ClaimAnswer] | Exception]":
    left = iter(answers)
    return [[next(left) for _ in write.claims] for write in writes]
