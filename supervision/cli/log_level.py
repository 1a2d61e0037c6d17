"""`copytrader log-level`."""

import click

from supervision.cli.options import RunningEngine, engine_options, json_option, reason_option
from supervision.cli.output import print_json
from supervision.settings import LogLevel


@click.command("log-level", epilog="Example: copytrader log-level debug --reason 'alice skips openings'")
@click.argument("level", type=click.Choice([level.value for level in LogLevel]))
@reason_option
@json_option
@engine_options
def log_level(engine: RunningEngine, level: str, reason: str, as_json: bool) -> None:
    """Change how much the running engine logs, until its next start.

    Libraries that would log signed addresses or tokens stay at warning whatever LEVEL is.
    """
    answer = engine.change("log.level", level=level, reason=reason)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"log level: {answer['level']}")
