"""``python -m tests.mutation``: change ``model/`` in small ways and count what its tests notice.

Prints each survivor with its change, then the score of each file and of all: killed / (killed + survived).
"""

import argparse
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.mutation.results import FILES, Mutant, read_mutants
from tests.mutation.same import Same, is_sql_in_other_letters, read_same


def main() -> int:
    """Run mutmut, then report; return 1 if the score is too low or an excuse is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("names", nargs="*", help="only these mutants, as 'model.sizing*'")
    parser.add_argument("--again", action="store_true", help="only what survived the last run")
    parser.add_argument("--report", action="store_true", help="run nothing, read the last run")
    parser.add_argument("--least", type=float, default=0.0, help="fail below this score, a fraction")
    options = parser.parse_args()
    if not options.report:
        left, _, _ = _judge(read_mutants(options.names) if options.again else [])
        _run([it.name for it in left] if options.again else options.names)
    mutants = read_mutants(options.names)
    survivors, excused, unused = _judge(mutants)
    for mutant in survivors:
        print(f"\n{mutant.name}: {mutant.status}\n{mutant.diff}")
    score = _print_table(mutants, excused)
    stale = [] if options.names else unused
    for same in stale:
        print(f"tests/mutation/same.txt excuses what no longer survives: {same}")
    return bool(stale) or score < options.least


def _run(names: list[str]) -> None:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names], check=True)
    print(f"\n{time.monotonic() - began:.0f} s")


def _judge(mutants: list[Mutant]) -> tuple[list[Mutant], set[str], list[Same]]:
    """Return survivors to kill, names of those that change nothing, and excuses that nothing needed."""
    known = read_same()
    survivors, excused, unused = [], set(), set(known)
    for mutant in mutants:
        if mutant.is_killed:
            continue
        reasons = {it for it in known if it.is_of(mutant)}
        unused -= reasons
        if reasons or is_sql_in_other_letters(mutant):
            excused.add(mutant.name)
        else:
            survivors.append(mutant)
    return survivors, excused, sorted(unused)


def _print_table(mutants: list[Mutant], excused: set[str]) -> float:
    rows: dict[Path, Counter[str]] = {path: Counter() for path in FILES}
    for mutant in mutants:
        verdict = "same" if mutant.name in excused else "killed" if mutant.is_killed else "survived"
        rows[mutant.path][verdict] += 1
    print(f"\n{'file':40}{'mutants':>8}{'killed':>8}{'same':>6}{'left':>6}{'score':>8}")
    for path, row in rows.items():
        if row:
            _print_row(str(path), row)
    return _print_row("total", sum(rows.values(), Counter()))


def _print_row(name: str, row: Counter[str]) -> float:
    judged = row["killed"] + row["survived"]
    score = row["killed"] / judged if judged else 1.0
    print(f"{name:40}{row.total():8}{row['killed']:8}{row['same']:6}{row['survived']:6}{score:8.1%}")
    return score


if __name__ == "__main__":
    sys.exit(main())
