"""`copytrader alerts`."""

from collections.abc import Mapping
from typing import Any

import click

from supervision.cli.options import RunningEngine, engine_options, json_option, reason_option
from supervision.cli.output import print_json, print_table
from supervision.exits import ExitCode
from supervision.explanation import wall_time


@click.group("alerts")
def alerts() -> None:
    """See what people are told, acknowledge it, and test how they are told."""


@alerts.command("list", epilog="Example: copytrader alerts list --all --limit 20")
@click.option("--all", "everything", is_flag=True, help="Those that are over too, from the ledger.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@json_option
@engine_options
def list_alerts(engine: RunningEngine, everything: bool, limit: int, as_json: bool) -> None:
    """List the alerts that fire, the loudest first, and the channels by which people are told."""
    answer = engine.call("alerts.list", all=everything, limit=limit)
    if as_json:
        print_json(answer)
        return
    columns = ("id", "severity", "state", "since", "seen>", "alert", "detail", "acknowledged")
    print_table(columns, [_row(alert) for alert in answer["alerts"]], empty="no alerts")
    if not answer["channels"]:
        click.echo("nobody is told: set [notify] urls in the configuration")
        return
    channels = [_channel_row(channel) for channel in answer["channels"]]
    print_table(("channel", "for", "queued>", "delivered>", "dropped>", "state"), channels, empty="")
    _warn(answer)


@alerts.command(epilog="Example: copytrader alerts ack 3f9c0a4b --reason 'on it'")
@click.argument("alert_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that fire.")
@reason_option
@json_option
@engine_options
def ack(
    engine: RunningEngine, alert_ids: tuple[str, ...], everything: bool, reason: str, as_json: bool
) -> None:
    """Take care of the alerts ID: they are not repeated, and no SMS of them is sent."""
    if everything == bool(alert_ids):
        raise click.UsageError("expected IDs or --all")
    answer = engine.change("alerts.ack", alert_ids=list(alert_ids), all=everything, reason=reason)
    if as_json:
        print_json(answer)
        return
    for alert in answer["acknowledged"]:
        click.echo(f"{alert['alert_id']}: acknowledged, {alert['title']}")
    if not answer["acknowledged"]:
        click.echo("no alerts")
    _warn(answer)


@alerts.command(epilog="Example: copytrader alerts test")
@click.option("--channel", "channels", multiple=True, help="Only this one; `alerts list` names them.")
@reason_option
@json_option
@engine_options
@click.pass_context
def test(
    context: click.Context, engine: RunningEngine, channels: tuple[str, ...], reason: str, as_json: bool
) -> None:
    """Send a test by every channel, SMS included; exits 69 when one does not deliver."""
    answer = engine.change("alerts.test", channels=list(channels), reason=reason)
    if as_json:
        print_json(answer)
    else:
        for channel in answer["channels"]:
            said = "delivered" if channel["delivered"] else f"not delivered: {channel['error']}"
            click.echo(f"{channel['name']}: {said}")
        _warn(answer)
    if not all(channel["delivered"] for channel in answer["channels"]):
        context.exit(ExitCode.UNAVAILABLE)


def _row(alert: Mapping[str, Any]) -> tuple[object, ...]:
    acknowledged = alert["acknowledged_by"] if alert["acknowledged_at_ms"] else ""
    return (
        *(alert["alert_id"], alert["severity"], alert["state"], wall_time(alert["fired_at_ms"])),
        *(alert["count"], alert["title"], alert["detail"], acknowledged),
    )


def _channel_row(channel: Mapping[str, Any]) -> tuple[object, ...]:
    what = "critical, not acknowledged" if channel["kind"] == "sms" else "warnings and critical"
    state = f"failing: {channel['error']}" if channel["failures"] else "works"
    return (*(channel["name"], what, channel["queued"], channel["delivered"], channel["dropped"], state),)


def _warn(answer: Mapping[str, Any]) -> None:
    if answer.get("warning"):
        click.echo(f"warning: {answer['warning']}", err=True)
