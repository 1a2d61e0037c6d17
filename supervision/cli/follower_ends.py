"""`copytrader followers flatten` and `remove`: what cannot be taken back is shown and asked for."""

from collections.abc import Mapping
from typing import Any

import click

from supervision.cli.options import RunningEngine, engine_options, json_option, reason_option
from supervision.cli.output import print_json, print_table

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command(epilog='Example: copytrader followers flatten alice --reason "she leaves"')
@click.argument("name")
@yes_option
@reason_option
@json_option
@engine_options
def flatten(engine: RunningEngine, name: str, yes: bool, reason: str, as_json: bool) -> None:
    """Close all that is ours of follower NAME by reduce-only orders, then pause it.

    Shows what it would close and asks. What the engine did not open is left alone. What cannot be
    closed now is tried until it can, also after a restart; `copytrader status` shows how far it is.
    With --json and without --yes only the preview is printed.
    """
    preview = engine.change("followers.flatten", name=name)
    if as_json and not yes:
        print_json({key: value for key, value in preview.items() if key != "token"})
        return
    if not as_json:
        _show(preview)
    if not yes:
        click.confirm(f"Close this and pause {name}?", abort=True)
    answer = engine.change("followers.flatten", name=name, token=preview["token"], reason=reason)
    if as_json:
        print_json({**answer, "orders": preview["orders"], "left_alone": preview["left_alone"]})
    else:
        tell_state(answer)


@click.command(epilog="Example: copytrader followers remove alice")
@click.argument("name")
@click.option("--leave", is_flag=True, help="Leave whatever it holds as it is, to nobody.")
@yes_option
@reason_option
@json_option
@engine_options
def remove(engine: RunningEngine, name: str, leave: bool, yes: bool, reason: str, as_json: bool) -> None:
    """Forget follower NAME and its keys; its copies stay in the ledger.

    Only one that is flat goes, or with --leave any: its positions are then yours to look after.
    """
    if leave and not yes:
        click.confirm(f"Forget {name} and leave its positions to nobody?", abort=True)
    answer = engine.change("followers.remove", name=name, leave=leave, reason=reason)
    if as_json:
        print_json(answer)
    else:
        tell_state(answer)


def tell_state(answer: Mapping[str, Any]) -> None:
    """Print how a follower is after a call, and what is in the way."""
    click.echo(f"{answer['name']}: {answer['state']}")
    if answer.get("warning"):
        click.echo(f"warning: {answer['warning']}", err=True)


def _show(preview: Mapping[str, Any]) -> None:
    columns = ("symbol", "leg", "position>", "order", "notional>")
    rows = [
        (
            *(it["symbol"], it["position_idx"], it["position"]),
            *(f"{it['side']} {it['quantity']} reduce-only", it["notional"]),
        )
        for it in preview["orders"]
    ]
    print_table(columns, rows, empty="nothing of ours to close")
    for leg in preview["left_alone"]:
        click.echo(f"left alone, not ours: {leg['symbol']} {leg['position']}")
    if preview["unknown_orders"]:
        click.echo(f"orders without a known outcome: {preview['unknown_orders']}; waited for first")
    if preview.get("warning"):
        click.echo(f"warning: {preview['warning']}", err=True)
