"""`copytrader check`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supervision.cli.options import config_option, json_option, read_config
from supervision.cli.output import print_json
from supervision.exits import ExitCode

if TYPE_CHECKING:
    from supervision.check import Checked, Subjects
    from supervision.settings import EngineSettings


@click.command(
    epilog="Examples: copytrader check -c live/copytrader.toml; "
    "copytrader check --followers followers.toml --json; copytrader check --plan 100"
)
@click.option(
    "--followers",
    "followers_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Also check the followers in FILE, applied or not.",
)
@click.option(
    "--plan",
    "planned",
    metavar="N",
    type=click.IntRange(1, 100_000),
    help="Ask nobody; only tell what N followers on each venue would cost.",
)
@json_option
@config_option
@click.pass_context
def check(
    context: click.Context,
    config: Path | None,
    followers_file: Path | None,
    planned: int | None,
    as_json: bool,
) -> None:
    """Check the keys of the master and of every follower, and what one address carries.

    For each account: what its key may do, what is wrong with it and what to change, position and
    margin mode, expiry, equity and the clock. Nothing is changed and no engine is needed; beside a
    running one it goes slowly, because both draw on the same request budgets.

    \b
    Exit statuses: 0 every key can be used, 77 a key is refused, 69 a venue could not be asked,
    78 wrong configuration.
    """
    from supervision.check.plan import COSTS, plan

    if planned is not None:
        _print_plan(plan(dict.fromkeys(COSTS, planned)), as_json)
        return
    settings = read_config(config)
    if settings.notify.urls or settings.notify.sms:
        from supervision.alerting import build_channels

        build_channels(settings, os.environ)  # told here rather than when the engine starts
    subjects, checked = _examine(settings, followers_file, shows=not as_json)
    plans = plan(subjects.count())
    status = _status(checked)
    if as_json:
        from supervision.check.report import checked_json

        accounts = [checked_json(it) for it in checked]
        rows = [it.to_json() for it in plans]
        print_json({"ok": status is ExitCode.OK, "accounts": accounts, "plan": rows})
    else:
        from supervision.check.report import print_checked, print_plan

        print_checked(checked)
        click.echo()
        print_plan(plans)
    context.exit(status)


def _examine(
    settings: "EngineSettings", followers_file: Path | None, *, shows: bool
) -> "tuple[Subjects, tuple[Checked, ...]]":
    import trio

    from exchanges.clock import SystemClock
    from exchanges.network import TcpNetwork
    from model.amounts import use_money_context
    from supervision.check import examine, find_subjects
    from supervision.check.examination import Terms
    from supervision.check.pace import gap_beside
    from supervision.venues import build_venues

    use_money_context()
    subjects = find_subjects(settings, os.environ, followers_file)
    is_slow = settings.control_socket.exists()
    if is_slow and shows and len(subjects.followers) > 1:
        click.echo("an engine seems to run: going slowly, both use the same request budgets", err=True)

    async def run() -> "tuple[Checked, ...]":
        clock = SystemClock()
        venues = build_venues(settings, network=TcpNetwork(), clock=clock)
        terms = Terms(
            clock=clock,
            allow_trading_key=settings.master.allow_trading_key,
            gap_s=gap_beside(settings) if is_slow else lambda exchange: 0.0,
        )
        try:
            return await examine(subjects.everybody, venues, terms)
        finally:
            for venue in venues.values():
                with trio.move_on_after(1.0, shield=True):
                    await venue.aclose()

    return subjects, trio.run(run)


def _status(checked: "tuple[Checked, ...]") -> ExitCode:
    """Return 77 before 69: a refused key is known to be wrong, an unreachable venue may come back."""
    from supervision.check import Verdict

    verdicts = {it.verdict for it in checked}
    if Verdict.REFUSED in verdicts:
        return ExitCode.UNSAFE
    return ExitCode.UNAVAILABLE if Verdict.UNREACHABLE in verdicts else ExitCode.OK


def _print_plan(plans: "tuple[object, ...]", as_json: bool) -> None:
    from supervision.check.report import print_plan

    if as_json:
        print_json({"plan": [it.to_json() for it in plans]})  # type: ignore[attr-defined]
    else:
        print_plan(plans)  # type: ignore[arg-type]
