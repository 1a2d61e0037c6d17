"""The product's own command in a process of its own, as an operator starts it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAM = "from supervision.cli import main; main()"


def started(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Start `copytrader ARGUMENTS` from this checkout; its output is to be read."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def ended(*arguments: str, timeout_s: float = 60.0) -> tuple[int, str, str]:
    """Run it to its end; return exit status, output and errors."""
    process = started(*arguments)
    try:
        out, err = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out, err
