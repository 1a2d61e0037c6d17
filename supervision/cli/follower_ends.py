"""`copytrader followers flatten`, `remove`, `adopt`, `join`: what cannot be taken back is asked for."""

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


@click.command(epilog="Example: copytrader followers adopt alice BTCUSDT")
@click.argument("name")
@click.argument("symbol")
@click.option("--leg", type=click.IntRange(0, 2), help="0 one-way, 1 long, 2 short (default: what is held).")
@click.option("--now", is_flag=True, help="Bring it to its target at once.")
@reason_option
@json_option
@engine_options
def adopt(
    engine: RunningEngine, name: str, symbol: str, leg: int | None, now: bool, reason: str, as_json: bool
) -> None:
    """Let the position of follower NAME on SYMBOL, which the engine did not open, count as ours.

    It follows the master from its next change on, and with --now it is brought to its target at
    once: also closed, where the master holds nothing there.
    """
    join = "now" if now else "next"
    answer = engine.change(
        "followers.adopt", name=name, symbol=symbol, position_idx=leg, join=join, reason=reason
    )
    if as_json:
        print_json(answer)
        return
    state = "was ours already" if answer["was_ours"] else "adopted"
    tell_state({**answer, "state": f"{answer['symbol']} {answer['size']} {state}"})
    for order in answer["orders"]:
        click.echo(f"  {order}")


@click.command(epilog="Example: copytrader followers join alice now")
@click.argument("name")
@click.argument("when", type=click.Choice(["now", "next"]))
@reason_option
@json_option
@engine_options
def join(engine: RunningEngine, name: str, when: str, reason: str, as_json: bool) -> None:
    """Let follower NAME take part in what the master holds now, or only in what it opens from now on.

    With "now", what is open is opened where its price is within max_slippage of the master's entry.
    """
    answer = engine.change("followers.join", name=name, join=when, reason=reason)
    if as_json:
        print_json(answer)
    else:
        tell_state({**answer, "state": f"joins {answer['join']}"})


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
