"""One run from its seed: everything goes wrong, then it heals, then everybody must be where R6 says.

The same seed gives the same run, step by step: virtual time, a seeded scheduler, seeded chance.
"""

import hashlib
import random
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import attrs
import trio
from httpcore._async import http11
from pykka import ActorRegistry
from trio.testing import MockClock

from actors.ledger_desk import LedgerDesk
from actors.mark_stream import CLOCK_REFRESH_S
from actors.order_life import MOVED_GRACE_S
from actors.venue_board import CATALOGUE_AGE_S_MIN
from exchanges.binance.limits import MINUTE_MS, READ_SHARE
from exchanges.http import ANSWER_S, KEEP_ALIVE_S
from exchanges.sandbox import SandboxDescription
from exchanges.sandbox.binance import BinanceSandbox
from exchanges.sandbox.bybit import BybitSandbox
from exchanges.sandbox.hyperliquid import HyperliquidSandbox
from model.amounts import use_money_context
from model.reasons import Reason
from supervision.engine import EngineParts
from tests.simulation.banning import banned_s
from tests.simulation.books import Books
from tests.simulation.outage import Outage, SlowDesk
from tests.simulation.schedule import MASTER_EQUITY, Schedule, make_schedule
from tests.simulation.secrecy import Secrecy
from tests.simulation.stage import AT_ONCE, DEAD_LINES_S, Stage
from tests.simulation.step import LOTS
from tests.simulation.story import Story, tell_copies
from tests.simulation.verdict import Verdict
from tests.world import MASTER, World, open_world

CONVERGES_WITHIN_S = 30.0
STEP_S = 0.5
RATE_STOP_S = 60.0
SNAPSHOT_S = 75.0
KEY_QUESTIONS_S = 60.0
"""Nothing is opened before a start's questions about keys are answered, which there cost most and go last."""
READS_LAG_MS = (0, 400, 1_500)
LONG_LAG_MS = 1_000
STREAM_BACK_S = 60.0
"""Twice the longest wait between two attempts."""
COMMIT_S = (0.002, 0.02, 0.1)
MASTER_VENUE = "bybit"
WATCHED_AFTER_RESTART_S = 15.0


@attrs.define(kw_only=True)
class Outcome:
    """What a run came to."""

    schedule: Schedule
    violations: list[str]
    log: list[str]

    @property
    def digest(self) -> str:
        """Everything that was decided, as one word: two runs of a seed have the same."""
        return hashlib.sha256("\n".join(self.log).encode()).hexdigest()


def simulate(schedule: Schedule | int, *, tell: bool = False) -> Outcome:
    """Run one schedule, or the one of a seed, and return what came of it; ``tell`` prints all of it."""
    made = make_schedule(schedule) if isinstance(schedule, int) else schedule
    return run_through(lambda directory: Run(made, directory, tell=tell), seed=made.seed)


def run_through(make_run: Callable[[Path], "Run"], *, seed: int) -> Outcome:
    """Run one to its end in virtual time, whatever ends it, and return what came of it."""
    use_money_context()
    seed_scheduler(seed)
    with tempfile.TemporaryDirectory() as directory, _idle_by_the_runs_clock():
        run = make_run(Path(directory))
        try:
            trio.run(run.main, clock=MockClock(autojump_threshold=0))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            run.violations.append("".join(traceback.format_exception(error))[-6000:])
    if leaked := ActorRegistry.get_all():
        run.violations.append(f"actors outlive the engine: {leaked}")
        ActorRegistry.stop_all(block=False)
    return Outcome(schedule=run.schedule, violations=run.violations, log=run.log)


@contextmanager
def _idle_by_the_runs_clock() -> Iterator[None]:
    """Let idle connections expire by trio's clock: by httpcore's, a run that is held up would lose them."""
    with patch.object(http11, "time", SimpleNamespace(monotonic=trio.current_time)):
        yield


def seed_scheduler(seed: int) -> None:
    """Make trio's order of tasks a function of the seed, as hypothesis does."""
    from trio._core import _run

    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    _run._r = random.Random(seed)


class Run:
    """The run of one schedule."""

    make_parts: Callable[..., EngineParts] | None = None
    """Puts the engine's parts together, where it is to have more than it needs to copy."""

    def __init__(self, schedule: Schedule, directory: Path, *, tell: bool = False) -> None:
        self._tell = tell
        self.schedule = schedule
        self.violations: list[str] = []
        self.log: list[str] = []
        self.secrecy = Secrecy()
        self._lag_ms = 0
        self._directory = directory

    async def main(self) -> None:
        """Chaos, healing, fresh trades, a restart, the end of every position."""
        schedule = self.schedule
        async with open_world(
            self._directory,
            *schedule.cast,
            master_equity=MASTER_EQUITY,
            master_hedges=schedule.hedged,
            description=SandboxDescription(accounts=(), seed=schedule.seed),
            start=False,
            make_parts=self.make_parts,
            make_desk=self._make_desk(),
            paced=schedule.paced,
        ) as world:
            self.world = world
            world.store.database = outage = Outage(world.store.database)
            self.books = Books(
                world=world,
                cast=schedule.cast,
                directory=self._directory,
                outage=outage,
                tell=self._tell,
                traded=frozenset(step.what["symbol"] for step in schedule.steps if step.act == "trade"),
            )
            self.stage = Stage(world, outage, self.books, tells=self._tell)
            self.books.watch()
            self.verdict = Verdict(world, schedule, self.books)
            self._let_reads_lag(world)
            self.violations = self.books.violations
            if self._tell:
                world.events = Story()
            try:
                with self.secrecy.listen():
                    await self._go_through(world)
                self.violations += self.secrecy.leaks(world, self._directory)
            finally:
                self._write_log(world)
                self.books.close()

    def _make_desk(self) -> Callable[..., LedgerDesk]:
        """Return what makes an engine's desk; in a storm one that takes time, as databases do."""
        seed = self.schedule.seed
        if not self.schedule.storm:
            return LedgerDesk
        return partial(SlowDesk, commit_s=COMMIT_S[seed % len(COMMIT_S)], chance=random.Random(seed))

    def _let_reads_lag(self, world: World) -> None:
        """Let reads lag where a venue's may, and look-ups of orders everywhere, in most runs."""
        seed = self.schedule.seed
        lag_ms = self.schedule.reads_lag_ms
        if lag_ms is None:
            lag_ms = READS_LAG_MS[seed % len(READS_LAG_MS)]
        late_ms = READS_LAG_MS[seed // len(READS_LAG_MS) % len(READS_LAG_MS)]
        self._lag_ms = lag_ms if self.schedule.venue == "binance" else late_ms
        for house in world.houses:
            face = house.server._face
            if isinstance(face, BinanceSandbox):
                face.states.replicas.lag_ms = face.queries.visible_after_ms = lag_ms
            elif isinstance(face, BybitSandbox):
                face.rest.queries.visible_after_ms = late_ms
            elif isinstance(face, HyperliquidSandbox):
                face.queries.visible_after_ms = late_ms

    async def _go_through(self, world: World) -> None:
        await world.start_engine()
        await world.ready()
        async with trio.open_nursery() as nursery:
            await self._chaos(nursery)
            self.stage.heal()
        await self._converge("after healing", self.verdict.unsettled)
        self.violations += self.verdict.check_events() + self.books.late_openings()
        if self.violations:
            return
        if any(step.act in ("skew", "silence") for step in self.schedule.steps):
            # Until then the clocks have not been compared, or a line is dead and nobody knows: a stream
            # for 25 s, and then requests over other dead lines for 15 s each.
            await trio.sleep(max(CLOCK_REFRESH_S, DEAD_LINES_S) + STEP_S)
        if any(step.act == "filters" for step in self.schedule.steps):
            await trio.sleep(CATALOGUE_AGE_S_MIN)  # a halt that was read is believed for so long
        if self._may_have_missed_news():
            await trio.sleep(SNAPSHOT_S)
        if self.books.touched and self.schedule.paced and self.schedule.venue == "hyperliquid":
            await trio.sleep(KEY_QUESTIONS_S)  # a polled account is read after them: no hand is seen before
        await trio.sleep(self._stopped_s())
        if self._lag_ms >= LONG_LAG_MS:
            await self._streams_are_back()
        if self._nets_over_dead_lines():
            await trio.sleep(KEEP_ALIVE_S + STEP_S)
        self._trade_afresh()
        await self._converge("after fresh trades", self.verdict.off_target)
        self.violations += self.verdict.rounded_otherwise()
        if self.violations:
            return
        await self._restart()
        for leg in tuple(world.account(MASTER).open_positions()):
            world.close(leg.symbol, leg.position_idx)
        await self._converge("after the master left everything", self.verdict.off_target)
        self.violations += self.books.late_openings()
        await self._look_on()
        self.violations += self.verdict.never_answered() + self.verdict.of_two_copies()
        await world.stop_engine()

    async def _streams_are_back(self) -> None:
        """Wait for the private streams of followers, which begin anew ever more seldom.

        Without them the outcome of an order is known by look-ups alone: where those lag, what opens after an
        exit and another opening of the same net is too old (R11).
        """
        by = trio.current_time() + STREAM_BACK_S
        while lost := self.verdict.unheard():
            if trio.current_time() > by:
                self.violations.append(f"no stream for {STREAM_BACK_S:g} s after healing: {lost}")
                return
            await trio.sleep(STEP_S)

    def _may_have_missed_news(self) -> bool:
        """Tell whether frames of what nobody here did may have been lost: a reading shows it (R21)."""
        loses = any(step.what.get("kind") == "DROP_FRAME" for step in self.schedule.steps)
        return (loses and bool(self.books.touched)) or any(
            step.act == "deposit" for step in self.schedule.steps
        )

    def _nets_over_dead_lines(self) -> bool:
        """Tell whether an exit may go over an idle connection that was cut, which in memory cannot be seen.

        Its outcome is unknown for seconds, and what opens the other side of its net too old by then (R11).
        """
        cut = any(step.act == "drop" and step.what["kind"] is None for step in self.schedule.steps)
        return cut and bool(self.schedule.hedged)

    async def _look_on(self) -> None:
        """Wait for what ends later than the last trade, and look at it; in most runs for nothing."""

    def _stopped_s(self) -> float:
        """Return how long a venue may have stopped our address after the healing, without naming a time.

        Meanwhile nothing is opened, and no stream or read tells what has become of a reduction.
        """
        limited = any(step.what.get("kind") == "RATE_LIMIT" for step in self.schedule.steps)
        stopped_s = RATE_STOP_S if limited and self.schedule.venue != MASTER_VENUE else 0.0
        return max(stopped_s, banned_s(self.schedule.steps))

    def _unanswered_s(self) -> float:
        """Return how long an exit may wait on dead lines that nobody has closed: its order, then a read."""
        silenced = any(step.act == "silence" for step in self.schedule.steps)
        return 2 * ANSWER_S if silenced else 0.0

    def _parted_s(self) -> float:
        """Return how long an exit may take that has to be sent in thousands of parts, at the venue's pace.

        A maximum that was lowered is believed until the catalogue is read again.
        """
        lowered = any(step.what.get("what") == "max_market_quantity" for step in self.schedule.steps)
        return MINUTE_MS / 1000 if lowered and self.schedule.paced else 0.0

    async def _chaos(self, nursery: trio.Nursery) -> None:
        began = trio.current_time()
        for step in self.schedule.steps:
            await trio.sleep_until(began + step.at)
            if step.act in AT_ONCE:
                await self.stage.perform(step)  # in their order
            else:
                nursery.start_soon(self.stage.perform, step)
        await trio.sleep_until(began + self.schedule.heals_at)

    # Healed

    def _trade_afresh(self) -> None:
        """Let the master add to what it holds, and open what it does not: targets are R6's again.

        Of two legs the larger one grows by more: else their net, which some follow, would not move.
        """
        for symbol in {step.what["symbol"]: None for step in self.schedule.steps if step.act == "trade"}:
            legs = self.world.account(MASTER).legs(symbol)
            net = sum(leg.size for leg in legs)
            for leg in legs:
                sign = -1 if leg.size < 0 or leg.position_idx == 2 else 1
                times = 2 if len(legs) > 1 and sign == (1 if net >= 0 else -1) else 1
                quantity = LOTS[symbol] * _FRESH_LOTS[symbol] * sign * times
                self.world.trade(symbol, str(quantity), position_idx=leg.position_idx, reduce_only=False)

    async def _restart(self) -> None:
        world = self.world
        sent = [(house.core.ledger, len(house.core.ledger)) for house in world.houses]
        await world.stop_engine()
        await world.start_engine()
        await world.ready()
        await trio.sleep(WATCHED_AFTER_RESTART_S)
        for row in (row for ledger, number in sent for row in ledger.since(number)):
            if row.intent.symbol not in self.verdict.too_small_to_leave(row.account):
                self._say(f"a restart with nothing new sent {row.account} {row.intent}")

    async def _converge(self, when: str, unsettled: Callable[[], list[str]]) -> None:
        within_s = CONVERGES_WITHIN_S + self._stopped_s() + self._unanswered_s() + self._parted_s()
        # R11: a position that moved is no evidence; whose hand moved it, or which of many orders, is unknown.
        within_s += MOVED_GRACE_S if self.books.touched else 0.0
        short_s = self._short_s()
        by = trio.current_time() + within_s
        quiet = 0
        while quiet < 3:
            why = await self.verdict.busy() or [
                it for it in unsettled() if not (short_s and it.endswith(f"{Reason.EXPIRED}"))
            ]
            quiet = 0 if why else quiet + 1
            # Only openings have the longer time.
            late_s = trio.current_time() - by
            late = why if late_s > short_s else self.verdict.left_alone() if late_s > 0 else []
            if late:
                self.violations += [
                    f"{when}, not after {within_s + max(0.0, late_s):g} s: {it}" for it in late
                ]
                return
            await trio.sleep(STEP_S)

    def _short_s(self) -> float:
        """Return how long an opening may wait for its turn, and grow too old, for want of requests."""
        if not self.schedule.paced:
            return 0.0
        if self.schedule.venue == "hyperliquid":
            return KEY_QUESTIONS_S  # a dozen openings at once are too many there
        venue = self.world.engine.parts.venues.get("binance")
        is_short = venue is not None and 100 * venue.budgets_used()["weight"] >= READ_SHARE
        return MINUTE_MS / 1000 if is_short else 0.0

    def _say(self, what: str) -> None:
        self.violations.append(f"{trio.current_time():.3f} {what}")

    def _write_log(self, world: World) -> None:
        self.log += [
            f"{row.arrived_at:.6f} {row.account} {row.intent} {row.status} {row.filled}"
            for house in world.houses
            for row in house.core.ledger
        ]
        self.log += [str(row) for row in world.copies()]
        if self._tell:
            tell_copies(world)


_FRESH_LOTS = {"BTCUSDT": 40, "ETHUSDT": 40, "SOLUSDT": 20, "XRPUSDT": 4000}
"""Worth more than any follower's smallest order, whatever its scale."""
