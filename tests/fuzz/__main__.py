"""Fuzz for a while: `python -m tests.fuzz [--seconds 60] [TARGET ...]`.

Guided by coverage with atheris (`pip install 'copytrader[fuzz]'`), else a long run of hypothesis.
"""

import argparse
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import SEEDS, TARGETS


def main() -> int:
    """Run the targets one after the other; return how many failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("targets", nargs="*", help=", ".join(TARGETS))
    asked = parser.parse_args()
    failed = 0
    for name in asked.targets or TARGETS:
        began = time.monotonic()
        is_fine = _run(name, asked.seconds)
        failed += not is_fine
        print(f"{name}: {'fine' if is_fine else 'FAILED'} after {time.monotonic() - began:.0f} s", flush=True)
    return failed


def _run(name: str, seconds: float) -> bool:
    if importlib.util.find_spec("atheris") is None:
        return unguided(TARGETS[name], seconds)
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(seconds)]
    return subprocess.run(command, check=False).returncode == 0


def unguided(target: Callable[[bytes], None], seconds: float) -> bool:
    """Run a target on what hypothesis thinks of; tell whether nothing was found."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:

        @settings(
            max_examples=2_000,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.one_of(st.binary(max_size=2_000), st.sampled_from(SEEDS).flatmap(mutated)))
        def run(data: bytes) -> None:
            target(data)

        try:
            run()
        except BaseExceptionGroup as found:
            print(f"{len(found.exceptions)} failures", found.exceptions[0])
            return False
        except Exception as found:  # noqa: BLE001 - hypothesis has printed how to repeat it
            print(repr(found))
            return False
    return True


def mutated(seed: bytes) -> st.SearchStrategy[bytes]:
    """Return inputs that differ from a seed in a piece."""

    def replaced(cut: tuple[int, int], piece: bytes) -> bytes:
        start, end = sorted(cut)
        return seed[:start] + piece + seed[end:]

    place = st.integers(0, len(seed))
    return st.builds(replaced, st.tuples(place, place), st.binary(max_size=40))


if __name__ == "__main__":
    sys.exit(main())
