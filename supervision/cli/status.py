"""`copytrader status` and `copytrader health`."""

from collections.abc import Mapping
from typing import Any

import click

from supervision.cli.options import RunningEngine, engine_options, json_option
from supervision.cli.output import NOTHING, print_json, print_table
from supervision.control_client import NoEngine

HEALTH_EXITS = {"ready": 0, "starting": 1, "degraded": 1, "down": 2}


@click.command(epilog="Example: copytrader status --json | jq .followers")
@json_option
@engine_options
def status(engine: RunningEngine, as_json: bool) -> None:
    """Show how the engine, the master and every follower are, with targets, positions and drift.

    drift is position minus target, in base asset.
    """
    answer = engine.call("status")
    if as_json:
        print_json(answer)
        return
    click.echo(f"engine: {answer['health']}, up {answer['uptime_s']:g} s, {answer['instance']}")
    for problem in (*answer["problems"], *answer.get("warnings", ())):
        click.echo(f"  ! {problem}")
    ledger = answer["ledger"] or {}
    held = "lease held" if ledger.get("lease_held") else "lease not held"
    click.echo(f"ledger: {ledger.get('where', 'does not answer')}, {held}")
    click.echo(f"master: {_master_words(answer['master'])}")
    for words in _key_words(answer["master"].get("key")):
        click.echo(f"  ! key: {words}")
    if answer.get("alerts"):
        click.echo(f"alerts: {_alert_words(answer['alerts'])}")
    rows = [row for follower in answer["followers"] for row in _rows(follower)]
    columns = ("follower", "exchange", "state", "equity>", "leg", "target>", "position>", "drift>", "note")
    print_table(columns, rows, empty="no followers: copytrader followers apply followers.toml")


@click.command(epilog="Example: copytrader health || systemctl restart copytrader")
@json_option
@engine_options
@click.pass_context
def health(context: click.Context, engine: RunningEngine, as_json: bool) -> None:
    """Exit 0 when the engine is ready, 1 when it is starting or degraded, 2 when it is down."""
    try:
        answer = engine.call("health")
    except NoEngine as error:
        answer = {
            "ready": False,
            "health": "down",
            "problems": [str(error)],
            "quarantined": [],
            "refused": [],
        }
    if as_json:
        print_json(answer)
    else:
        click.echo(answer["health"])
        for problem in (*answer["problems"], *answer.get("warnings", ())):
            click.echo(f"  ! {problem}")
        if answer["quarantined"]:
            click.echo(f"  ! quarantined: {', '.join(answer['quarantined'])}")
        if answer.get("refused"):
            click.echo(f"  ! keys refused: {', '.join(answer['refused'])}")
    context.exit(HEALTH_EXITS.get(answer["health"], 2))


def _master_words(master: Mapping[str, Any]) -> str:
    state = "live and reconciled" if master["reconciled"] else "not reconciled"
    legs = ", ".join(f"{leg['symbol']}:{leg['position_idx']} {leg['size']}" for leg in master["legs"])
    detail = f" ({master['detail']})" if master["detail"] and not master["reconciled"] else ""
    return f"{master['exchange']}, {state}{detail}, equity {master['equity'] or NOTHING}, {legs or 'flat'}"


def _key_words(key: Mapping[str, Any] | None) -> list[str]:
    """Return what an operator has to know of a key: refusals and warnings, or that it was not checked."""
    if key is None:
        return []
    words = [*key["refusals"], *key["warnings"]]
    return [*words, f"not checked: {key['trouble']}"] if key["trouble"] else words


def _alert_words(alerts: Mapping[str, Any]) -> str:
    firing = ", ".join(f"{count} {level}" for level, count in alerts["firing"].items()) or "none"
    open_ = f", {alerts['unacknowledged']} not acknowledged" if alerts["unacknowledged"] else ""
    names = ", ".join(channel["name"] for channel in alerts["channels"]) or "nobody"
    return f"{firing}{open_}; told by {names}"


def _rows(follower: Mapping[str, Any]) -> list[tuple[object, ...]]:
    head = (follower["name"], follower["exchange"], follower["state"], follower["equity"])
    notes = [follower["detail"]] if follower["detail"] else []
    if follower.get("dry_run"):
        notes.append("dry run")
    if follower["unknown_orders"]:
        notes.append(f"{follower['unknown_orders']} orders without an outcome")
    notes += (follower.get("key") or {}).get("warnings", [])
    note = "; ".join(notes)
    legs = [
        (
            f"{leg['symbol']}:{leg['position_idx']}",
            *(leg["target"], leg["position"], leg["drift"]),
            leg["skipped"] or ("" if leg["owned"] else "foreign"),
        )
        for leg in follower["legs"]
    ]
    if not legs:
        return [(*head, None, None, None, None, note)]
    first, *others = legs
    words = "; ".join(part for part in (first[4], note) if part)
    return [(*head, *first[:4], words), *(("", "", "", "", *leg) for leg in others)]
