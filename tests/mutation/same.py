"""Mutants that no test can kill, because the changed code does the same: same.txt has each with its reason.

A block names the function and the reason, then the lines before and after, without indentation, as a diff
has them; names and lines may hold ``*``.
"""

import fnmatch
import re
from pathlib import Path

import attrs

from tests.mutation.results import Mutant

_SQL = re.compile(
    r"insert_rows\(|_delete\(|begin\(|PRAGMA |SELECT |UPDATE |WHERE |RETURNING |ON CONFLICT |v\.column"
)


@attrs.frozen(order=True)
class Same:
    """A change that makes no difference."""

    function: str
    why: str
    before: str
    after: str

    def is_of(self, mutant: Mutant) -> bool:
        """Tell whether this is that mutant."""
        found, wanted = (mutant.function, *mutant.lines), (self.function, self.before, self.after)
        return all(_matches(text, pattern) for text, pattern in zip(found, wanted, strict=True))


def read_same() -> tuple[Same, ...]:
    """Return the blocks of same.txt."""
    blocks = Path(__file__).with_name("same.txt").read_text().strip().split("\n\n")
    return tuple(_parsed(*block.split("\n")) for block in blocks)


def is_sql_in_other_letters(mutant: Mutant) -> bool:
    """Tell whether only the case of SQL's own words and names differs: both databases know none."""
    before, after = mutant.lines
    is_sql = mutant.function.startswith("model.ledger.") and _SQL.search(before) is not None
    return is_sql and before.lower() == after.lower()


def _parsed(head: str, before: str, after: str) -> Same:
    function, _, why = head.partition(": ")
    if not (why and before.startswith("- ") and after.startswith("+ ")):
        raise ValueError(f"no change with a reason: {head}")
    return Same(function, why, before[2:], after[2:])


def _matches(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))
