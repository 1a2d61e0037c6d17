"""Runs as jobs for other processes: many at once, or one twice to see that it repeats itself."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import attrs

from tests.simulation.alarms import simulate_alarmed
from tests.simulation.faults import FAULTS
from tests.simulation.hands import HANDS
from tests.simulation.run import simulate
from tests.simulation.schedule import make_schedule


@attrs.frozen
class Job:
    """One run; picklable, so that any process can do it."""

    venue: str
    seed: int
    faults: tuple[str, ...] = tuple(FAULTS)
    hands: tuple[str, ...] = tuple(HANDS)
    history: str = ""
    """The file whose trader the master trades like."""
    storm: bool = False
    """Whether the master turns about faster than anybody follows."""
    alarms: bool = False
    """Whether the engine tells people what is wrong, and is judged by what it told."""
    paced: bool = False
    """Whether it keeps the venues' request budgets."""
    mines: bool = False
    """Whether actors fail, and the engine dies, at awaits that are drawn."""
    bans: bool = False
    """Whether venues ban our address for minutes; it keeps their budgets then."""
    reads_lag_ms: int | None = None
    """By how much Binance's reads lag; None: by what the seed says."""

    @property
    def command(self) -> str:
        """What repeats it."""
        kinds = "" if self.faults == tuple(FAULTS) else f" --faults {' '.join(self.faults)}"
        if self.hands != tuple(HANDS):
            kinds += f" --hands {' '.join(self.hands)}"
        if self.history:
            kinds += f" --history {self.history}"
        if self.storm:
            kinds += " --storm"
        if self.alarms:
            kinds += " --alarms"
        if self.paced:
            kinds += " --paced"
        if self.mines:
            kinds += " --mines"
        if self.bans:
            kinds += " --bans"
        if self.reads_lag_ms is not None:
            kinds += f" --reads-lag-ms {self.reads_lag_ms}"
        return f"python -m tests.simulation --venue {self.venue} {self.seed}{kinds} --show"


@attrs.frozen
class Result:
    """What a run came to."""

    job: Job
    digest: str
    violations: tuple[str, ...]


def do(job: Job, *, show: bool = False, tell: bool = False) -> Result:
    """Run one."""
    schedule = make_schedule(
        job.seed,
        job.faults,
        hands=job.hands,
        venue=job.venue,
        history=job.history,
        storm=job.storm,
        paced=job.paced,
        mines=job.mines,
        bans=job.bans,
        reads_lag_ms=job.reads_lag_ms,
    )
    if show:
        print(schedule)
    outcome = (simulate_alarmed if job.alarms else simulate)(schedule, tell=tell)
    return Result(job, outcome.digest, tuple(outcome.violations))


def assert_nothing_violated(job: Job) -> None:
    """Run one; where it violates anything, say how to repeat it."""
    violations = do(job).violations
    told = "\n".join(violations)
    assert not violations, f"{job.command} --tell\n{told}"


def results(jobs: list[Job], processes: int, hash_seed: str) -> Iterator[Result]:
    """Run all of them in processes of their own, which order sets by ``hash_seed``."""
    os.environ["PYTHONHASHSEED"] = hash_seed
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from pool.map(do, jobs, chunksize=4)
