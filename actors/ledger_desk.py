"""Where actors meet the ledger: writes that wait together share one transaction (R8).

A connection is taken inside one function in a worker thread and given back when that function returns.
What waits by then is written together; everyone gets an answer, or an error, of their own. One write is
under way at a time, so what is written last is what was asked last.

A database may hang longer than any timeout of its own (its disk does, or its host is frozen). Nobody who
trades waits for that: whoever loses patience goes on as if the ledger were away (R18).
"""

import math
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
PATIENCE_S = 1.0
"""How long reductions, and outcomes that hold up their symbol's next change, wait for the ledger."""
OPENING_PATIENCE_S = 2.0
DOUBTFUL_PATIENCE_S = 0.2
"""How long anybody waits while the last word of the ledger was an error, or none at all."""
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
    settled: trio.Event = attrs.field(factory=trio.Event)
    answers: list[ClaimAnswer] = attrs.field(factory=list)
    error: Exception | None = None

    def settle(self, result: "list[ClaimAnswer] | Exception") -> None:
        if isinstance(result, Exception):
            self.error = result
        else:
            self.answers = result
        self.settled.set()


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

    def drop(self, place: _Place) -> None:
        lane = self.lanes[_urgency(place.write)]
        if place in lane:
            lane.remove(place)


class LedgerDesk:
    """The asynchronous side of a Store; every actor may use the same one at once.

    What a copy writes leaves the queue when its caller is cancelled or loses patience; once it is under way
    it is written all the same, and the others get their answers either way.
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
        self._journal_limiter = trio.CapacityLimiter(1)
        """Threads that hang in the database must not keep a reduction from the journal."""
        self._queue = _Queue()
        self._led = False
        self._doubtful = False
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
        append = partial(journal.append, claim=claim, orders=orders, outcome=outcome)
        if self._mode is Mode.INLINE:
            append()
        else:
            await trio.to_thread.run_sync(append, limiter=self._journal_limiter)

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
        result, started = await self._call(partial(_timed, work, self._store))
        if self._mode is Mode.THREADED:
            self._waited([started - since])
        return result

    async def _write(self, batch: WriteBatch) -> list[ClaimAnswer]:
        place = _Place(batch, time.perf_counter())
        self._queue.put(place)
        if self._queue.is_urgent:
            self._urgent.set()
        if not self._led:
            # A task of nobody's: whoever asked may be cancelled, and the write carries the others' too.
            self._led = True
            trio.lowlevel.spawn_system_task(self._lead)
        patience_s = self._patience_s(batch)
        try:
            with trio.move_on_after(patience_s):
                await place.settled.wait()
        except trio.Cancelled:
            if batch.claims or batch.orders or batch.outcomes:
                self._queue.drop(place)
            else:  # the next life begins with reading what is remembered of the master
                with trio.move_on_after(DOUBTFUL_PATIENCE_S, shield=True):
                    await place.settled.wait()
            raise
        if not place.settled.is_set():
            self._queue.drop(place)
            self._doubtful = True
            raise LedgerUnreachable(f"{self.where}: no answer within {patience_s:g} s")
        if place.error is not None:
            raise place.error
        return place.answers

    def _patience_s(self, batch: WriteBatch) -> float:
        if not (batch.claims or batch.orders or batch.outcomes):
            return math.inf  # only remembered, beside the copy path
        if self._doubtful:
            return DOUBTFUL_PATIENCE_S
        return OPENING_PATIENCE_S if _urgency(batch) == 1 else PATIENCE_S

    async def _lead(self) -> None:
        try:
            while self._queue:
                await self._gather()
                await self._commit(self._queue.take(BATCH_MAX))
        finally:
            self._led = False

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

    async def _commit(self, places: list[_Place]) -> None:
        if not places:
            return  # whoever asked has gone
        try:
            results, connected_at = await self._run([place.write for place in places])
        except Exception as error:  # noqa: BLE001 - a thread could not be had, say: nobody's own fault
            abandoned = LedgerUnreachable(f"{self.where}: {type(error).__name__}: {error}")
            results, connected_at = [_copied(abandoned) for _ in places], time.perf_counter()
        self._doubtful = all(isinstance(result, LedgerUnreachable) for result in results)
        for place, result in zip(places, results, strict=True):
            place.settle(result)
        self._on_commit(time.perf_counter() - connected_at)
        self._waited([connected_at - place.since for place in places])

    async def _run(self, writes: list[WriteBatch]) -> "tuple[list[list[ClaimAnswer] | Exception], float]":
        self.transactions += 1
        return await self._call(partial(_write_together, self._store, writes, self._now_ms()))

    async def _call(self, work: Callable[[], T]) -> T:
        """Run what takes a connection; a thread is waited for to its end, whoever is cancelled."""
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
    copied = type(error)(*error.args)
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
