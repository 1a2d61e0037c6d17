"""``python -m tests.soak --virtual-hours 24 --real-minutes 60``: let time pass, print what grew."""

import argparse
import sys
import tempfile
from pathlib import Path

import trio
from rich.console import Console
from trio.testing import MockClock

from model.amounts import use_money_context
from tests.bench.figures import Figure, table_of
from tests.soak import real, virtual
from tests.soak.verdict import judge


def main() -> int:
    """Soak as the command line asks; return 1 if anything grew that should not."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--virtual-hours", type=int, default=24, help="0: none")
    parser.add_argument("--real-minutes", type=float, default=60.0, help="0: none")
    parser.add_argument("--seed", type=int, default=1, help="of the virtual day")
    parser.add_argument("--keep", type=Path, help="keep ledgers and logs in this directory")
    options = parser.parse_args()
    use_money_context()
    console = Console()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="copytrader-soak-") as place:
        directory = options.keep or Path(place)
        if options.virtual_hours:
            (directory / "virtual").mkdir(parents=True)
            day = trio.run(
                *(virtual.live, directory / "virtual", options.virtual_hours, options.seed, _tell),
                clock=MockClock(autojump_threshold=0),
            )
            figures += judge(day)
        if options.real_minutes:
            figures += trio.run(real.soak, directory / "real", options.real_minutes, _tell)
    console.print(table_of(figures))
    return int(any(it.met is False for it in figures))


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
