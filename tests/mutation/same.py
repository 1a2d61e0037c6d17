"""Mutants that no test can kill, because the changed code does the same: each with its reason."""

import attrs

from tests.mutation.results import Mutant


@attrs.frozen
class Same:
    """A change of one function that makes no difference; lines as a diff has them, without indentation."""

    function: str
    before: str
    after: str
    why: str

    def is_of(self, mutant: Mutant) -> bool:
        """Tell whether this is that mutant."""
        return mutant.function == self.function and mutant.lines == (self.before, self.after)


SAME: tuple[Same, ...] = ()
