"""`copytrader copies` and `copytrader explain`."""

from typing import Any

import click

from supervision.cli.options import RunningEngine, engine_options, json_option
from supervision.cli.output import print_json, print_table
from supervision.explanation import explain_copy, wall_time


@click.command(epilog="Example: copytrader copies --follower alice --limit 20")
@click.option("--follower", help="Of this follower only.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@json_option
@engine_options
def copies(engine: RunningEngine, follower: str | None, limit: int, as_json: bool) -> None:
    """List the newest copies: each follower's answers to the master's changes."""
    answer = engine.call("copies", follower=follower, limit=limit)
    if as_json:
        print_json(answer)
        return
    columns = ("copy", "claimed", "follower", "leg", "class", "state", "reason", "filled>", "orders>")
    print_table(columns, [_row(copy) for copy in answer["copies"]], empty="no copies yet")


@click.command(epilog="Example: copytrader explain 3f9c0a4be77d2c11")
@click.argument("copy_id", metavar="COPY")
@json_option
@engine_options
def explain(engine: RunningEngine, copy_id: str, as_json: bool) -> None:
    """Say why copy COPY is what it is: the formula with its numbers, each gate, orders and times."""
    copy = engine.call("explain", copy_id=copy_id)
    if as_json:
        print_json(copy)
    else:
        click.echo("\n".join(explain_copy(copy)))


def _row(copy: Any) -> tuple[object, ...]:
    leg = copy["leg"]
    filled = " + ".join(order["filled"] for order in copy["orders"] if order["filled"] != "0")
    return (
        *(copy["copy_id"], wall_time(copy["claimed_at_ms"]), copy["follower"]),
        f"{leg['symbol']}:{leg['position_idx']}",
        *(copy["change_class"], copy["state"], copy["reason"], filled, len(copy["orders"])),
    )
