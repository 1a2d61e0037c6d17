"""One target under atheris: `python -m tests.fuzz.guided TARGET SECONDS`. Ends the process by itself."""

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found,unused-ignore]

INSTRUMENTED = ["json", "supervision.control", "supervision.redaction"]


def main(name: str, seconds: float) -> None:
    """Import the code with its branches counted, and fuzz it."""
    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.targets import SEEDS, TARGETS
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={max(1, round(seconds))}", "-max_len=4096", "-timeout=5", "-verbosity=0"]
        atheris.Setup([sys.argv[0], *options, corpus], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
