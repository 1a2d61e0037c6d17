"""``python -m tests.fire --crashes 1000``: bring down stream after stream; print what it cost."""

import argparse
import random
import sys
import time
from collections import Counter

from rich.console import Console

from tests.bench.figures import Figure, percentile, table_of
from tests.fire.drill import ON_TIME_S, RESTART_S_MAX, Report
from tests.fire.run import crash


def main() -> int:
    """Crash as often as the command line asks for; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fire")
    parser.add_argument("--crashes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    began = time.monotonic()
    report = crash(options.crashes, seed)
    print(f"seed {seed}, {time.monotonic() - began:.0f} s")
    for (kind, way), count in sorted(Counter(report.strikes).items()):
        print(f"{count:5}  {kind}: {way}")
    figures = figures_of(report)
    Console().print(table_of(figures))
    if not any(it.met is False for it in figures):
        return 0
    print("\n".join(report.problems))
    print(f"again: python -m tests.fire --crashes {options.crashes} --seed {seed}")
    return 1


def figures_of(report: Report) -> list[Figure]:
    """Return what a day of crashes came to."""
    return [
        *(
            Figure(
                what=f"{what} (p50 / p99 / worst, virtual)",
                value=" / ".join(f"{it:.3f}" for it in (*_spread(values), max(values))) + " s",
                goal=f"p99 <= {most:g} s",
                met=_spread(values)[1] <= most,
                note=f"{len(values)} times",
            )
            for what, values, most in (
                ("from a crash to the next life", report.restart_s, RESTART_S_MAX),
                ("from a crash or a lost socket to a live stream", report.live_s, RESTART_S_MAX),
                ("a copy beside a crash, from the master's trade", report.sibling_s, ON_TIME_S),
            )
        ),
        Figure(
            what="siblings touched, orders lost or sent twice, tasks, threads, sockets left over",
            value=str(len(report.problems)),
            goal="0",
            met=not report.problems,
            note=f"{report.crashes} crashes, {len(report.strikes) - report.crashes} lost sockets beside, "
            f"{report.orders} orders",
        ),
    ]


def _spread(values: list[float]) -> tuple[float, float]:
    return percentile(values, 0.5), percentile(values, 0.99)


if __name__ == "__main__":
    sys.exit(main())
