"""`copytrader run` and `copytrader stop`."""

import os
import time
from pathlib import Path

import click

from supervision.cli.options import (
    RunningEngine,
    config_option,
    engine_options,
    json_option,
    read_config,
    reason_option,
)
from supervision.cli.output import print_json
from supervision.control_client import EngineGone
from supervision.exits import ExitCode, OperatorError

STOP_S_MAX = 60.0


@click.command(epilog="Example: copytrader run -c live/copytrader.toml")
@config_option
@click.option("--standby", is_flag=True, help="Wait while another engine holds the ledger, then take over.")
def run(config: Path | None, standby: bool) -> None:
    """Run the engine in the foreground, logging to stdout, until it is stopped.

    An empty ledger is created where there is none. SIGTERM or SIGINT drains: no new changes are
    taken, orders in flight settle within 30 seconds, then it exits 0; a second signal ends it at
    once. Followers are added with `copytrader followers apply`, before or while it runs.
    """
    settings = read_config(config)  # first: what is wrong with it is told at once
    from supervision.run import run_engine

    run_engine(settings, os.environ, standby=standby)


class StillRunning(OperatorError):
    """The engine did not stop in time."""

    exit_code = ExitCode.UNAVAILABLE


@click.command(epilog="Example: copytrader stop")
@click.option("--now", is_flag=True, help="Do not wait for orders in flight; the next start looks them up.")
@reason_option
@json_option
@engine_options
def stop(engine: RunningEngine, now: bool, reason: str, as_json: bool) -> None:
    """Stop the running engine and wait until it has.

    Positions stay as they are. Without --now, orders in flight settle first, 30 seconds at most.
    """
    mode = "now" if now else "drain"
    try:
        answer = engine.change("shutdown", mode=mode, reason=reason)
    except EngineGone:  # it stopped faster than it answered; whether it did is seen below
        answer = {"stopping": mode}
    if not engine.wait_until_gone(STOP_S_MAX, sleep=time.sleep):
        raise StillRunning(f"the engine is still stopping after {STOP_S_MAX:g} s", hint="see its log")
    if as_json:
        print_json({**answer, "stopped": True})
    else:
        click.echo("stopped")
