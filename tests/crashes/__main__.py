"""``python -m tests.crashes --kills 500 [--ledger postgres]``: kill the engine until something is wrong."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import trio

from model.amounts import use_money_context
from tests.crashes.run import crash_day
from tests.postgres import create_database, drop_database, running_postgres


def main() -> int:
    """Run what the command line asks for; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.crashes")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one")
    parser.add_argument("--ledger", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--keep", type=Path, help="keep ledger and log in this directory")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    use_money_context()
    with tempfile.TemporaryDirectory() as directory:
        place = options.keep or Path(directory)
        if options.ledger == "sqlite":
            return _day(place, "sqlite:///ledger.db", seed, options.kills)
        with running_postgres(Path(directory)) as server:
            url = create_database(server, "crashes")
            try:
                return _day(place, url, seed, options.kills)
            finally:
                drop_database(server, url)


def _day(directory: Path, url: str, seed: int, kills: int) -> int:
    began = time.monotonic()
    report = trio.run(
        crash_day, directory / "engine", url, seed, kills, lambda line: print(line, end="\r", flush=True)
    )
    times = sorted(report.ready_s)
    print(
        f"\nseed {seed}: {dict(report.kills)} kills, {report.orders} orders, {time.monotonic() - began:.0f} s"
    )
    print(f"ready again: p50 {times[len(times) // 2]:.2f} s, p95 {times[int(len(times) * 0.95)]:.2f} s")
    print("\n".join(report.problems) or "nothing twice, everybody within one lot after every kill")
    return bool(report.problems)


if __name__ == "__main__":
    sys.exit(main())
