"""What mutmut found out, mutant by mutant."""

import fnmatch
from functools import cached_property
from pathlib import Path

import attrs
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

FILES = sorted(Path("model").rglob("*.py"))
KILLED = frozenset({"killed", "timeout", "segfault"})
"""What a test noticed. A mutant that no test reaches has survived, as one that was never run has."""


@attrs.define(slots=False)
class Mutant:
    """One change of one function, and what the tests made of it."""

    name: str
    path: Path
    status: str

    @property
    def is_killed(self) -> bool:
        """Tell whether a test noticed."""
        return self.status in KILLED

    @property
    def function(self) -> str:
        """Return the changed function, as `model.sizing.target_of` or `model.fills.Fills.park`."""
        module, _, mangled = self.name.rpartition("__mutmut_")[0].rpartition(".")
        owner_and_name = mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        return f"{module}.{owner_and_name}"

    @cached_property
    def diff(self) -> str:
        """Return the change as a diff."""
        return str(get_diff_for_mutant(self.name, path=self.path))

    @cached_property
    def lines(self) -> tuple[str, str]:
        """Return the changed lines before and after, without the space around them."""
        changed = [line for line in self.diff.splitlines() if not line.startswith(("---", "+++", "@@"))]
        removed = " ".join(line[1:].strip() for line in changed if line.startswith("-"))
        added = " ".join(line[1:].strip() for line in changed if line.startswith("+"))
        return removed, added


def read_mutants(patterns: list[str]) -> list[Mutant]:
    """Return the mutants whose names match one of the patterns; all, without any."""
    found = []
    for path in FILES:
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            if not patterns or any(fnmatch.fnmatch(name, it) for it in patterns):
                found.append(Mutant(name, path, status_by_exit_code[code]))
    return found
