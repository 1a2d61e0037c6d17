"""How a command ends: exit statuses, and the errors that an operator is meant to read."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the service manager and scripts act on; 64, 65, 77 and 78 are not worth a restart."""

    OK = 0
    USAGE = 64
    BAD_DATA = 65
    UNAVAILABLE = 69
    INTERNAL = 70
    CANNOT_CREATE = 73
    TAKEN = 75
    UNSAFE = 77
    BAD_CONFIG = 78


class OperatorError(Exception):
    """Something that only the operator can put right; shown without a traceback."""

    exit_code: ExitCode = ExitCode.BAD_CONFIG

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message = message
        self.hint = hint


class UnsafePermissions(OperatorError):
    """A file, directory or caller that must be private is not."""

    exit_code = ExitCode.UNSAFE
