"""The command line: one file per group of commands, imported only when one of them is used."""

import sys
from collections.abc import Sequence

from supervision.cli.app import run_command

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its status (operations: exit codes)."""
    sys.exit(run_command(sys.argv[1:] if arguments is None else arguments))
