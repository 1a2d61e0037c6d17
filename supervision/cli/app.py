"""The command group, and how a command ends: an exit status, and words on stderr for the operator."""

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping, Sequence

import click

from supervision.exits import ExitCode, exit_code_of, message_of
from supervision.redaction import REDACTOR
from supervision.version import product_version

INTERRUPTED = 130

COMMANDS: Mapping[str, str] = {
    "demo": "supervision.demo.command:demo",
    "sandbox": "supervision.sandbox_command:sandbox",
    "init": "supervision.cli.init:init",
    "check": "supervision.cli.check:check",
    "run": "supervision.cli.run:run",
    "stop": "supervision.cli.run:stop",
    "status": "supervision.cli.status:status",
    "health": "supervision.cli.status:health",
    "tree": "supervision.cli.tree:tree",
    "restart": "supervision.cli.tree:restart",
    "positions": "supervision.cli.positions:positions",
    "copies": "supervision.cli.copies:copies",
    "explain": "supervision.cli.copies:explain",
    "audit": "supervision.cli.audit:audit",
    "followers": "supervision.cli.followers:followers",
    "alerts": "supervision.cli.alerts:alerts",
    "events": "supervision.cli.events:events",
    "db": "supervision.cli.database:database",
    "keys": "supervision.cli.keys:keys",
    "log-level": "supervision.cli.log_level:log_level",
    "schema": "supervision.cli.schema:schema",
    "completion": "supervision.cli.completion:completion",
}
"""Where each command is, in the order of `--help`; one whose module is not installed is left out."""


class LazyGroup(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names, in the order of COMMANDS."""
        return [name for name, place in COMMANDS.items() if _is_there(place)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command, None for a name that is none."""
        place = COMMANDS.get(name)
        if place is None or not _is_there(place):
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A first start: copytrader init live, edit live/copytrader.toml, then copytrader -h COMMAND.",
)
@click.version_option(product_version(), prog_name="copytrader")
def app() -> None:
    """Copy a Bybit master account to follower accounts.

    Every command takes -c FILE (default $COPYTRADER_CONFIG, then ./copytrader.toml).

    \b
    Exit statuses: 0 done, 64 wrong usage, 65 wrong data, 69 the engine or the ledger is away,
    70 internal, 73 cannot create, 75 another engine is running, 77 unsafe permissions or no
    usable key, 78 wrong configuration.
    """


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status. What went wrong is told on stderr, without secrets."""
    try:
        status = app.main(list(arguments), prog_name="copytrader", standalone_mode=False)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, `| head` say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the end of the line: told, without secrets, and a status
        words = message_of(error)
        told = f"copytrader: {words}" if words else "".join(traceback.format_exception(error)).rstrip()
        click.echo(REDACTOR.text(told), err=True)
        return exit_code_of(error)
    return status if isinstance(status, int) else ExitCode.OK


def _is_there(place: str) -> bool:
    module = place.partition(":")[0]
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
