"""How a command ends: exit statuses, and the errors that an operator is meant to read."""

from collections.abc import Iterator
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


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the status for what ended a command; of several failures the least usual one counts."""
    codes = {_code_of(leaf) for leaf in _leaves(error)}
    return ExitCode.INTERNAL if ExitCode.INTERNAL in codes else max(codes)


def message_of(error: BaseException) -> str | None:
    """Return what the operator is told; None for a failure of our own, which owes a traceback."""
    leaves = list(_leaves(error))
    if not all(isinstance(it, OperatorError) or _is_ledgers(it) or _is_refused_key(it) for it in leaves):
        return None
    return "\n".join(str(leaf) for leaf in leaves)


def _code_of(error: BaseException) -> ExitCode:
    if isinstance(error, OperatorError):
        return error.exit_code
    if _is_refused_key(error):
        return ExitCode.UNSAFE
    if not _is_ledgers(error):
        return ExitCode.INTERNAL
    codes = {
        "SchemaOlder": ExitCode.BAD_CONFIG,
        "SchemaNewer": ExitCode.BAD_CONFIG,
        "LeaseTaken": ExitCode.TAKEN,
        "LeaseLost": ExitCode.TAKEN,
        "LedgerUnreachable": ExitCode.UNAVAILABLE,
    }
    return codes.get(type(error).__name__, ExitCode.BAD_DATA)


def _is_refused_key(error: BaseException) -> bool:
    from model.key_check import KeyRefused

    return isinstance(error, KeyRefused)


def _is_ledgers(error: BaseException) -> bool:
    from model.ledger.errors import LedgerError  # late: a client command never loads the ledger

    return isinstance(error, LedgerError)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
