"""One long day of hardships: in every round a storm, and in it one or two things that happen to a process."""

import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import trio

from supervision.exits import ExitCode
from tests.crashes.answers import answers_of_who_is_off, without_expired
from tests.crashes.books import sandbox_bugs, sent_twice, wait_converged
from tests.crashes.claims import ClaimWatch
from tests.crashes.database import Database
from tests.crashes.hardships import empty_disk, fill_disk, freeze
from tests.crashes.process import EngineProcess, command, started
from tests.crashes.run import CONVERGED_S_MAX, READY_S_MAX
from tests.crashes.storm import Storm
from tests.crashes.town import Town, build_town, serve_town

FROZEN, ENDED, SECOND, FULL, SESSIONS = (
    "frozen",
    "ended and started again",
    "a second engine",
    "disk full",
    "sessions ended",
)
ALWAYS = (FROZEN, ENDED, SECOND)
AT_ONCE_MAX = 2
CALM_S = 2.0
FROZEN_S = 30.0
FULL_S = (5.0, 15.0)
SESSIONS_S = 10.0
SESSIONS_EVERY_S = 0.5
END_S_MAX = 40.0
STOCK_STEPS = 120


@attrs.define
class HardshipReport:
    """What a day of hardships showed."""

    rounds: int = 0
    kinds: Counter[str] = attrs.field(factory=Counter)
    ended_s: list[float] = attrs.field(factory=list)
    """From SIGTERM to the end of the process."""
    ready_s: list[float] = attrs.field(factory=list)
    """From the last hardship of a round until the engine is ready."""
    converged_s: list[float] = attrs.field(factory=list)
    """From the last change of a round until everybody is on target, the time of quiet included."""
    problems: list[str] = attrs.field(factory=list)
    openings: int = 0
    orders: int = 0


@attrs.define(kw_only=True)
class HardDay:
    """One town through many rounds; its engine is replaced when it was ended."""

    town: Town
    storm: Storm
    chance: random.Random
    claims: ClaimWatch
    database: Database | None
    """None: a SQLite file."""
    report: HardshipReport
    engines: AsyncExitStack
    _engine: EngineProcess | None = None
    _left: list[str] = attrs.field(factory=list)

    @property
    def engine(self) -> EngineProcess:
        """The one that holds the ledger."""
        assert self._engine is not None
        return self._engine

    async def start_engine(self) -> None:
        """Start one and wait until it is ready."""
        self._engine = await self.engines.enter_async_context(started(self.town))
        if await self.engine.wait_ready(READY_S_MAX) is None:
            self._say("start", f"not ready: {self.engine.last_words()}")

    async def go_through_round(self) -> None:
        """Let one or two hardships come in a storm; then everybody is on target."""
        kinds = self._draw()
        self.storm.stock_up(STOCK_STEPS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.storm.rage, 3600)
            await trio.sleep(CALM_S)
            for kind in kinds:
                await self._suffer(kind)
                self.report.kinds[kind] += 1
            await self._wait_ready(kinds)
            await trio.sleep(CALM_S)
            nursery.cancel_scope.cancel()
        await self._judge(kinds)
        self.report.rounds += 1

    def _draw(self) -> list[str]:
        """Deal the kinds like cards, so that few rounds show them all."""
        kinds: list[str] = []
        for _ in range(self.chance.randint(1, AT_ONCE_MAX)):
            if not self._left:
                deck = (*ALWAYS, FULL if self.database is None else SESSIONS)
                self._left = self.chance.sample(deck, len(deck))
            kinds.append(self._left.pop())
        return kinds

    async def _suffer(self, kind: str) -> None:
        if kind == FROZEN:
            await freeze(self.engine, FROZEN_S)
        elif kind == ENDED:
            await self._end_and_start()
        elif kind == SECOND:
            await self._start_second()
        elif kind == FULL:
            fill_disk(self.engine)
            await trio.sleep(self.chance.uniform(*FULL_S))
            empty_disk(self.engine)
        else:
            await self._end_sessions()

    async def _end_and_start(self) -> None:
        began = trio.current_time()
        self.engine.signal(signal.SIGTERM)
        status = None
        with trio.move_on_after(END_S_MAX):
            status = await self.engine.process.wait()
        if status != ExitCode.OK:
            self._say(ENDED, f"SIGTERM ended it with {status}: {self.engine.last_words()}")
        self.report.ended_s.append(trio.current_time() - began)
        await self.start_engine()

    async def _start_second(self) -> None:
        async with started(self.town) as second:
            status = None
            with trio.move_on_after(READY_S_MAX):
                status = await second.process.wait()
        if status != ExitCode.TAKEN:
            self._say(SECOND, f"it ended with {status}: {second.last_words()}")

    async def _end_sessions(self) -> None:
        assert self.database is not None
        with trio.move_on_after(SESSIONS_S):
            while True:
                await self.database.end_sessions()
                await trio.sleep(SESSIONS_EVERY_S)

    async def _wait_ready(self, kinds: list[str]) -> None:
        took = await self.engine.wait_ready(READY_S_MAX)
        if took is None:
            self._say(" + ".join(kinds), f"not ready: {self.engine.last_words()}")
        else:
            self.report.ready_s.append(took)

    async def _judge(self, kinds: list[str]) -> None:
        began, name = trio.current_time(), " + ".join(kinds)
        problems = await wait_converged(self.town, CONVERGED_S_MAX)
        problems = without_expired(problems, self.town, self.claims.ledger_url)
        problems += answers_of_who_is_off(self.town, self.claims.ledger_url) if problems else []
        self.report.converged_s.append(trio.current_time() - began)
        self.claims.close()  # what could not be looked up while sessions ended
        for problem in problems + sent_twice(self.town) + sandbox_bugs(self.town) + self.claims.problems:
            self._say(name, problem)
        if not self.engine.is_alive:
            self._say(name, f"the engine ended: {self.engine.last_words()}")

    def _say(self, kind: str, problem: str) -> None:
        self.report.problems.append(f"round {self.report.rounds + 1}, {kind}: {problem}")


async def hard_day(
    directory: Path,
    database: Database | None,
    seed: int,
    rounds: int,
    tell: Callable[[str], None] = lambda line: None,
) -> HardshipReport:
    """Go through so many rounds; stop at the first problem."""
    report, town, chance = HardshipReport(), build_town(directory), random.Random(seed)
    url = "sqlite:///ledger.db" if database is None else database.url
    claims = ClaimWatch(town, url)
    claims.watch()
    async with trio.open_nursery() as nursery, AsyncExitStack() as engines:
        await nursery.start(serve_town, town, url)
        await command(town, "followers", "apply", str(directory / "followers.toml"), "--offline")
        day = HardDay(
            town=town,
            storm=Storm(town, chance),
            chance=random.Random(seed + 1),  # how many moves a storm has depends on the clock
            claims=claims,
            database=database,
            report=report,
            engines=engines,
        )
        await day.start_engine()
        while report.rounds < rounds and not report.problems:
            await day.go_through_round()
            tell(f"{report.rounds} rounds, {town.orders()} orders, {len(report.problems)} problems")
        report.openings, report.orders = claims.openings, town.orders()
        await engines.aclose()
        nursery.cancel_scope.cancel()
    claims.close()
    return report
