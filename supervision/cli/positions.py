"""`copytrader positions`."""

from typing import Any

import click

from supervision.cli.options import RunningEngine, engine_options, json_option
from supervision.cli.output import print_json, print_table


@click.command(epilog="Example: copytrader positions")
@json_option
@engine_options
def positions(engine: RunningEngine, as_json: bool) -> None:
    """Show each leg of the master and what every follower holds of it.

    A position marked foreign was not opened by the engine: it is never traded.
    """
    answer = engine.call("positions")
    if as_json:
        print_json(answer)
        return
    rows: list[tuple[Any, ...]] = [
        (_leg(leg), "master", leg["size"], "", "", f"entry {leg['entry_price']}, leverage {leg['leverage']}")
        for leg in answer["master"]
    ]
    rows += [
        (
            *(_leg(leg), leg["follower"], leg["position"], leg["target"], leg["drift"]),
            leg["skipped"] or ("" if leg["owned"] else "foreign"),
        )
        for leg in answer["followers"]
    ]
    rows.sort(key=lambda row: (row[0], row[1] != "master", row[1]))
    print_table(("leg", "account", "position>", "target>", "drift>", "note"), rows, empty="all flat")
    if answer["unheard"]:
        click.echo(f"not heard from: {', '.join(answer['unheard'])}")


def _leg(leg: Any) -> str:
    return f"{leg['symbol']}:{leg['position_idx']}"
