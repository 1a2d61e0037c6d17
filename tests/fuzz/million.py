"""`python -m tests.fuzz.million [--frames N] [--control N] [--seed S]`: very many spoiled texts, by seeds."""

import argparse
import logging
import random
import sys
import time
import traceback

from tests.fuzz.frames import A_DAY, nonsense
from tests.fuzz.spoiling import spoiled
from tests.fuzz.targets import SEEDS, control_line

SHOWN = 3
WORDS_MAX = 3_000


def main() -> int:
    """Spoil what venues say, then what callers say; return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.million")
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--control", type=int, default=0)
    first = random.SystemRandom().randrange(10**6)
    parser.add_argument("--seed", type=int, default=first, help="the first one; default: a random one")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    return frames(asked.frames, asked.seed) + lines(asked.control, asked.seed) > 0


def frames(count: int, seed: int) -> int:
    """Spoil so many texts of venues, one engine after the other; return how many engines were harmed."""
    began, harmed = time.monotonic(), 0
    for number in range(-(-count // A_DAY)):
        wrong = nonsense(seed + number, A_DAY)
        if wrong:
            harmed += 1
            print(f"FOUND: python -m tests.fuzz.million --seed {seed + number} --frames {A_DAY}")
            print("\n".join(it[:WORDS_MAX] for it in wrong[:SHOWN]), flush=True)
    print(
        f"{count} texts of venues from seed {seed}: {harmed} engines harmed, {time.monotonic() - began:.0f} s"
    )
    return harmed


def lines(count: int, seed: int) -> int:
    """Spoil so many control lines; return how many were answered by no error of the protocol."""
    began, found, chance = time.monotonic(), 0, random.Random(seed)
    for _ in range(count):
        line = spoiled(chance, chance.choice(SEEDS).decode()).encode("utf-8", "surrogatepass")
        try:
            control_line(line)
        except Exception:  # noqa: BLE001 - whatever leaves it is the finding
            found += 1
            print(f"FOUND: {line[:200]!r}\n{traceback.format_exc()[-WORDS_MAX:]}")
    print(f"{count} control lines from seed {seed}: {found} findings, {time.monotonic() - began:.0f} s")
    return found


if __name__ == "__main__":
    sys.exit(main())
