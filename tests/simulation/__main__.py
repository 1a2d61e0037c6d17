"""``python -m tests.simulation SEED`` replays one run; ``--seeds N`` runs many from a first one on."""

import argparse
import os
import random
import sys
import time

from tests.houses import VENUES
from tests.simulation.faults import FAULTS
from tests.simulation.run import simulate
from tests.simulation.schedule import make_schedule


def main() -> int:
    """Run what the command line asks for; return 1 if anything was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("seed", type=int, nargs="*", help="seeds to replay")
    parser.add_argument("--seeds", type=int, default=0, help="run so many, from --first on")
    parser.add_argument("--first", type=int, default=None, help="default: a random one")
    parser.add_argument("--show", action="store_true", help="print the schedule")
    parser.add_argument("--tell", action="store_true", help="print everything that happens")
    parser.add_argument("--digest", action="store_true", help="print what identifies each run")
    parser.add_argument(
        "--faults", nargs="*", choices=sorted(FAULTS), default=tuple(FAULTS), help="only these kinds"
    )
    parser.add_argument("--venue", choices=("bybit", *VENUES), default="bybit", help="of the followers")
    options = parser.parse_args()
    first = random.SystemRandom().randrange(10**6, 10**9) if options.first is None else options.first
    seeds = [*options.seed, *range(first, first + options.seeds)]
    failed = []
    command = f"python -m tests.simulation --venue {options.venue}"
    for seed in seeds:
        schedule = make_schedule(seed, options.faults, venue=options.venue)
        if options.show:
            print(schedule)
        began = time.process_time()
        outcome = simulate(schedule, tell=options.tell)
        if options.digest:
            print(seed, outcome.digest)
        if outcome.violations:
            failed.append(seed)
            print(f"FAILED in {time.process_time() - began:.1f} s: {command} {seed} --show")
            print("\n".join(f"  {it}" for it in outcome.violations[:12]), flush=True)
    print(f"{len(seeds)} runs, {len(failed)} failed{': ' + ' '.join(map(str, failed)) if failed else ''}")
    return bool(failed)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
