"""``python -m tests.unknown_outcomes --cases N [--first S] [--jobs J]`` runs many; a NUMBER repeats one."""

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.unknown_outcomes.case import make_case
from tests.unknown_outcomes.run import run_case

SHOWN_MAX = 12
TOLD_EVERY = 500


def main() -> int:
    """Run what the command line asks for; return 1 if anything was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.unknown_outcomes")
    parser.add_argument("number", type=int, nargs="*", help="cases to repeat")
    parser.add_argument("--cases", type=int, default=0, help="run so many, from --first on")
    parser.add_argument("--first", type=int, default=None, help="default: a random one")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--tell", action="store_true", help="print the case and everything that happens")
    options = parser.parse_args()
    first = random.SystemRandom().randrange(10**6, 10**9) if options.first is None else options.first
    numbers = [*options.number, *range(first, first + options.cases)]
    began, failed = time.monotonic(), []
    kinds: Counter[str] = Counter()
    for done, (number, violations) in enumerate(_run(numbers, options.jobs, options.tell), 1):
        case = make_case(number)
        kinds.update((case.venue, case.name))
        if violations:
            failed.append(number)
            print(f"FAILED: python -m tests.unknown_outcomes {number} --tell\n  {case}")
            print("\n".join(f"  ! {it}" for it in violations[:SHOWN_MAX]), flush=True)
        if not done % TOLD_EVERY:
            print(f"{done} cases, {len(failed)} failed, {time.monotonic() - began:.0f} s", flush=True)
    print(", ".join(f"{name} {count}" for name, count in sorted(kinds.items())))
    print(f"{len(numbers)} cases, {len(failed)} failed{': ' + ' '.join(map(str, failed)) if failed else ''}")
    return bool(failed)


def _run(numbers: Sequence[int], jobs: int, tell: bool) -> Iterator[tuple[int, list[str]]]:
    if jobs <= 1:
        for number in numbers:
            if tell:
                print(make_case(number))
            yield number, run_case(number, tell=tell).violations
        return
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=500) as pool:
        yield from pool.imap(_one, numbers, chunksize=10)


def _one(number: int) -> tuple[int, list[str]]:
    return number, run_case(number).violations


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
