"""What is wrong with a configuration or followers file: everything, at once (section 9)."""

from collections.abc import Sequence

import attrs

from supervision.exits import ExitCode, OperatorError


@attrs.frozen
class ConfigError:
    """One thing that is wrong. ``got`` never repeats a secret."""

    path: str
    """Of the key, as in `engine.max_open_age_s`; blank for the file as a whole."""
    line: int | None
    expected: str
    got: str
    source: str = ""
    """The file, or what else was read."""

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        where = ": ".join(part for part in (place, self.path) if part)
        return f"{where}: expected {self.expected}; got {self.got}" if where else self.expected


class ConfigErrors(OperatorError):
    """Nothing was taken over from the file; ``errors`` names all that is wrong in it."""

    exit_code = ExitCode.BAD_CONFIG

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)
