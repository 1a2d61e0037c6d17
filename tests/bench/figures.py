"""One figure beside its goal, and percentiles."""

import math
from collections.abc import Sequence

import attrs
from rich.table import Table


@attrs.frozen(kw_only=True)
class Figure:
    """What was measured. ``met`` is None where the design sets no goal for it."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None
    note: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile; ``share`` is a fraction."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> str:
    """Return p50 and p99 of milliseconds in words."""
    return f"{percentile(values, 0.5):.1f} / {percentile(values, 0.99):.1f} ms"


def table_of(figures: Sequence[Figure]) -> Table:
    """Return every figure beside its goal."""
    table = Table("figure", "measured", "goal", "met", "beside it", show_lines=True)
    words = {None: "", True: "[green]yes[/green]", False: "[red]no[/red]"}
    for it in figures:
        table.add_row(it.what, it.value, it.goal, words[it.met], it.note)
    return table
