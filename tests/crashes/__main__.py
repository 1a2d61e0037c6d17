"""``python -m tests.crashes``: let an engine suffer until something is wrong.

``--kills 500 [--ledger postgres]`` kills it, ``--outages 20 [--down-s 60]`` takes its database away,
``--hardships 20 [--ledger postgres]`` freezes it, ends it, starts a second one, fills its disk: really, where
``--keep`` names a directory on a small file system (256 MB at most), by a limit on its files elsewhere.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import trio

from model.amounts import use_money_context
from tests.crashes.database import own_database
from tests.crashes.outages import kinds_of, outage_day
from tests.crashes.rounds import hard_day
from tests.crashes.run import READY_S_P95, crash_day
from tests.postgres import create_database, drop_database, running_postgres


def main() -> int:
    """Run what the command line asks for; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.crashes")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--kills", type=int, help="how many engines die; the default: 50")
    what.add_argument(
        "--outages", type=int, help="how often the database is away, and a few other troubles of it"
    )
    what.add_argument("--hardships", type=int, help="how many rounds of other hardships")
    parser.add_argument("--down-s", type=float, default=60.0, help="for how long")
    parser.add_argument("--seed", type=int, default=None, help="default: a random one")
    parser.add_argument("--ledger", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--keep", type=Path, help="keep ledger and log in this directory")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    use_money_context()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        place = options.keep or Path(directory)
        place.mkdir(parents=True, exist_ok=True)
        if options.hardships:
            problems = _hardships(options, place)
        else:
            problems = _outages(options, place) if options.outages else _kills(options, place)
    print(f"{time.monotonic() - began:.0f} s")
    if problems:
        print("\n".join(problems))
        print(f"again: python -m tests.crashes {_repeats(options)}")
    return bool(problems)


def _kills(options: argparse.Namespace, place: Path) -> Sequence[str]:
    kills = options.kills or 50
    if options.ledger == "sqlite":
        report = trio.run(crash_day, place / "engine", "sqlite:///ledger.db", options.seed, kills, _tell)
    else:
        with running_postgres(place) as server:
            url = create_database(server, "crashes")
            try:
                report = trio.run(crash_day, place / "engine", url, options.seed, kills, _tell)
            finally:
                drop_database(server, url)
    print(f"\nseed {options.seed}: {report.total} kills, {dict(report.kills)}, {report.orders} orders")
    print(f"{report.openings} openings arrived, the claim of each looked up at arrival")
    print(f"{report.grown} times a position grew, no further than the master had asked for just before")
    print(f"ready again: {_spread(report.ready_s)}, wanted p95 {READY_S_P95:g} s")
    if not report.problems:
        print("nothing twice, everybody within one lot after every kill")
    return report.problems


def _outages(options: argparse.Namespace, place: Path) -> Sequence[str]:
    with own_database(place) as database:
        report = trio.run(
            partial(outage_day, tell=_tell),
            *(place / "engine", database, options.seed, kinds_of(options.outages), options.down_s),
        )
    print(
        f"\nseed {options.seed}: {dict(report.kinds)}, away for {options.down_s:g} s, {report.orders} orders"
    )
    print(f"{report.openings} openings arrived, the claim of each looked up at arrival")
    print(f"copying resumed: {_spread(report.resumed_s)}")
    print(f"exits late by at most: {_spread(report.exit_lags_s)}")
    if not report.problems:
        print("no opening without a claim, nothing twice, everybody within one lot after every outage")
    return report.problems


def _hardships(options: argparse.Namespace, place: Path) -> Sequence[str]:
    with own_database(place) if options.ledger == "postgres" else nullcontext() as database:
        report = trio.run(hard_day, place / "engine", database, options.seed, options.hardships, _tell)
    print(f"\nseed {options.seed}: {report.rounds} rounds, {dict(report.kinds)}, {report.orders} orders")
    print(f"{report.openings} openings arrived, the claim of each looked up at arrival")
    print(f"ended after SIGTERM: {_spread(report.ended_s)}")
    print(f"ready after a round's last hardship: {_spread(report.ready_s)}")
    print(f"on target and quiet after a round's last change: {_spread(report.converged_s)}")
    if not report.problems:
        print(
            "no opening without a claim, nothing twice, everybody within one lot after every round, "
            "but for openings that had expired"
        )
    return report.problems


def _spread(seconds: Sequence[float]) -> str:
    times = sorted(seconds)
    if not times:
        return "never"
    half, most = times[len(times) // 2], times[int(len(times) * 0.95)]
    return f"p50 {half:.2f} s, p95 {most:.2f} s, max {times[-1]:.2f} s"


def _repeats(options: argparse.Namespace) -> str:
    if options.outages:
        return f"--outages {options.outages} --down-s {options.down_s:g} --seed {options.seed}"
    if options.hardships:
        return f"--hardships {options.hardships} --ledger {options.ledger} --seed {options.seed}"
    return f"--kills {options.kills or 50} --ledger {options.ledger} --seed {options.seed}"


def _tell(line: str) -> None:
    print(line, end="\r", flush=True)


if __name__ == "__main__":
    sys.exit(main())
