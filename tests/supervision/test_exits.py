"""What ended a command decides its exit status, also inside groups."""

import pytest

from model.ledger import LeaseLost, LeaseTaken, LedgerUnreachable, SchemaNewer, SchemaOlder
from supervision.exits import ExitCode, OperatorError, UnsafePermissions, exit_code_of, message_of


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SchemaOlder("old"), 78),
        (SchemaNewer("new"), 78),
        (LeaseTaken("taken"), 75),
        (LeaseLost("lost"), 75),
        (LedgerUnreachable("away"), 69),
        (UnsafePermissions("open"), 77),
        (OperatorError("config"), 78),
        (ValueError("a bug"), 70),
        (ExceptionGroup("", [ExceptionGroup("", [LeaseLost("lost")])]), 75),
        (ExceptionGroup("", [LeaseLost("lost"), ValueError("a bug")]), 70),
    ],
)
def test_status(error: Exception, code: int) -> None:
    assert exit_code_of(error) == code


def test_a_failure_of_ours_owes_a_traceback_and_others_a_message() -> None:
    assert message_of(ValueError("a bug")) is None
    assert message_of(ExceptionGroup("", [LeaseLost("it went")])) == "it went"
    assert message_of(OperatorError("no key", hint="export it")) == "no key (export it)"
    assert ExitCode.INTERNAL == 70
