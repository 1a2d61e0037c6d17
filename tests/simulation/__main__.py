"""``python -m tests.simulation SEED`` replays one run; ``--seeds N`` runs many from a first one on."""

import argparse
import os
import random
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.houses import VENUES
from tests.simulation.faults import FAULTS
from tests.simulation.hands import HANDS
from tests.simulation.jobs import Job, Result, do, results

EVERY_VENUE = ("bybit", *VENUES)
SHOWN = 12
PROGRESS_EVERY = 50


def main() -> int:
    """Run what the command line asks for; return 1 if anything was violated."""
    options = _options()
    venues = EVERY_VENUE if options.venue == "all" else (options.venue,)
    seeds = [*options.seed, *range(options.first, options.first + options.seeds)]
    histories = [str(it) for path in options.history for it in _files(path)] or [""]
    jobs = [
        Job(
            venues[number % len(venues)],
            seed,
            tuple(options.faults),
            tuple(options.hands),
            histories[number % len(histories)],
            options.storm,
            options.alarms,
            options.paced,
            options.mines,
            options.bans,
            options.reads_lag_ms,
        )
        for number, seed in enumerate(seeds)
    ]
    failed = _tell(_first_runs(jobs, options), len(jobs), options.digest)
    if options.twice:
        failed += _compare(jobs, options.jobs or 1)
    print(f"{len(jobs)} runs from seed {seeds[0]}, {failed} failed" if jobs else "no run was asked for")
    return bool(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("seed", type=int, nargs="*", help="seeds to replay")
    parser.add_argument("--seeds", type=int, default=0, help="run so many, from --first on")
    first = random.SystemRandom().randrange(10**6, 10**9)
    parser.add_argument("--first", type=int, default=first, help="default: a random one")
    parser.add_argument("--venue", choices=(*EVERY_VENUE, "all"), default="bybit", help="of the followers")
    parser.add_argument(
        "--faults", nargs="*", choices=sorted(FAULTS), default=tuple(FAULTS), help="only these"
    )
    parser.add_argument(
        "--hands", nargs="*", choices=sorted(HANDS), default=tuple(HANDS), help="of people and markets"
    )
    parser.add_argument(
        "--history", nargs="*", type=Path, default=(), help="trade like who is in these files or folders"
    )
    parser.add_argument("--storm", action="store_true", help="let the master turn about, and kill just then")
    parser.add_argument("--alarms", action="store_true", help="let the engine tell people, and judge what")
    parser.add_argument("--paced", action="store_true", help="let the engine keep the venues' budgets")
    parser.add_argument("--mines", action="store_true", help="let actors fail, and the engine die, at awaits")
    parser.add_argument("--bans", action="store_true", help="let venues ban our address, budgets kept")
    parser.add_argument("--reads-lag-ms", type=int, help="of Binance; default: by the seed, 1,500 at most")
    parser.add_argument("--jobs", type=int, default=0, help="run in so many processes")
    parser.add_argument("--twice", action="store_true", help="compare each run with one in another process")
    parser.add_argument("--show", action="store_true", help="print the schedule")
    parser.add_argument("--tell", action="store_true", help="print everything that happens")
    parser.add_argument("--digest", action="store_true", help="print what identifies each run")
    return parser.parse_args()


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.json.gz")) if path.is_dir() else [path]


def _first_runs(jobs: list[Job], options: argparse.Namespace) -> Iterator[Result]:
    if options.jobs:
        return results(jobs, options.jobs, "0")
    return map(partial(do, show=options.show, tell=options.tell), jobs)


def _tell(runs: Iterator[Result], total: int, digests: bool) -> int:
    failed = 0
    for number, result in enumerate(runs, 1):
        if digests:
            print(result.job.seed, result.digest)
        elif number % PROGRESS_EVERY == 0:
            print(f"{number} of {total} runs, {failed} failed", flush=True)
        if result.violations:
            failed += 1
            print(f"FAILED: {result.job.command}")
            print("\n".join(f"  {it}" for it in result.violations[:SHOWN]), flush=True)
    return failed


def _compare(jobs: list[Job], processes: int) -> int:
    """Run everything twice more, with other orders of sets; return how many differ."""
    pairs = zip(results(jobs, processes, "1"), results(jobs, processes, "2"), strict=True)
    differing = [one.job for one, other in pairs if one.digest != other.digest]
    for job in differing:
        print(f"NOT THE SAME TWICE: {job.command} --digest")
    return len(differing)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
