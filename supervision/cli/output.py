"""What commands print: JSON for programs, tables and sentences for people."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

NOTHING = "-"


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under their columns; a name that ends in `>` is aligned to the right.

    A cell may be a rich Text, which keeps its style.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        justify: Any = "right" if column.endswith(">") else "left"
        table.add_column(column.removesuffix(">"), justify=justify, overflow="fold")
    count = 0
    for row in rows:
        table.add_row(*(value if isinstance(value, Text) else Text(cell(value)) for value in row))
        count += 1
    if count:
        console().print(table)
    else:
        click.echo(empty)


def console() -> Console:
    """Return the console of stdout; a pipe gets lines as long as they are."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=240)


def cell(value: object) -> str:
    """Return a value as a table shows it; a blank text stays blank."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or NOTHING
    return str(value)
