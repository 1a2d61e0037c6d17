"""The live picture: the master's legs, the followers of each venue below, latencies and restarts."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import attrs
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actors.messages import FollowerStatus, LegStatus
from model.amounts import ZERO, format_decimal
from model.settings import FollowerSettings, SizingMode
from supervision.demo.cast import MASTER, MASTER_EXCHANGE, Player
from supervision.demo.stage import Stage
from supervision.demo.watch import STAGES, Watch, percentile

LEG_MARKS = {0: "", 1: "L", 2: "S"}
"""Behind a size that is one leg of two."""
LEGEND = "yellow: over a lot off target   –: not listed   ms: p50/p99 from master's frame"
GAP = 2
Row = list[Text]


@attrs.frozen
class Scene:
    """What goes on, in words."""

    title: str
    progress: str = ""


def draw(
    stage: Stage, watch: Watch, statuses: Mapping[str, FollowerStatus], scene: Scene, *, width: int = 80
) -> RenderableType:
    """Return the whole picture as it is now.

    It takes ``width`` columns at most, by leaving out the symbols that moved longest ago, and 24 lines
    with nine followers.
    """
    columns = [_names(stage), *_facts(stage, statuses)]
    columns += _fitting(
        (_sizes(stage, statuses, symbol) for symbol in _symbols(stage, watch, statuses)),
        width - sum(_width(column) + GAP for column in columns),
    )
    parts: list[RenderableType] = [_heading(scene), _grid(columns, 0, 2)]
    first = 2
    for exchange in stage.houses:
        count = sum(it.settings.exchange == exchange for it in stage.players)
        parts += [_venue(exchange, watch), _grid(columns, first, first + count)]
        first += count
    return Group(*parts, Text(LEGEND, style="dim"), _footer(watch))


@attrs.frozen
class _Column:
    """Cells from top to bottom: the heading, the master's, each player's."""

    cells: Row
    right: bool = False
    symbol: str = ""


def _width(column: _Column) -> int:
    return max(line.cell_len for cell in column.cells for line in cell.split())


def _fitting(columns: Iterable[_Column], room: int) -> list[_Column]:
    """Return the columns that fit, newest movers first, in alphabetical order."""
    kept: list[_Column] = []
    for column in columns:
        room -= _width(column) + (GAP if kept else 0)
        if room < 0:
            break
        kept.append(column)
    return sorted(kept, key=lambda column: column.symbol)


def _grid(columns: Sequence[_Column], begin: int, end: int) -> Table:
    grid = Table.grid(padding=(0, GAP, 0, 0))
    for column in columns:
        grid.add_column(justify="right" if column.right else "left", width=_width(column), no_wrap=True)
    for number in range(begin, end):
        grid.add_row(*(column.cells[number] for column in columns))
    return grid


def _heading(scene: Scene) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(Text(f"master: {scene.title}", style="bold italic"), Text(scene.progress, style="dim"))
    return grid


def _venue(exchange: str, watch: Watch) -> Text:
    times = watch.latencies.get(exchange, {})
    parts = []
    for stage in STAGES:
        p50, p99 = percentile(times.get(stage, ()), 0.5), percentile(times.get(stage, ()), 0.99)
        if p50 is not None and p99 is not None:
            parts.append(f"{stage} {p50:.0f}/{p99:.0f}")
    figures = f"{', '.join(parts)} ms" if parts else ""
    return Text.assemble((f"{exchange.capitalize():<13}", "bold cyan"), (figures, "dim"))


def _names(stage: Stage) -> _Column:
    def named(it: Player) -> str:
        return f"  {it.name}{' hedge' if it.hedge else ' sub' if it.owner else ''}"

    return _Column([Text(), Text(MASTER, style="bold"), *(Text(named(it)) for it in stage.players)])


def _facts(stage: Stage, statuses: Mapping[str, FollowerStatus]) -> list[_Column]:
    equities, sizings = (
        [Text("equity"), Text(_money(stage.venue.balance(MASTER).equity), style="bold")],
        [
            Text("sizing"),
            Text(f"on {MASTER_EXCHANGE.capitalize()}"),
        ],
    )
    for player in stage.players:
        sizings.append(Text(_sizing(player.settings)))
        status = statuses.get(player.name)
        if status is None:
            equities.append(Text("restarts", style="bold red"))
        else:
            equities.append(Text("?" if status.equity is None else _money(Decimal(status.equity))))
    return [_Column(equities, right=True), _Column(sizings)]


def _symbols(stage: Stage, watch: Watch, statuses: Mapping[str, FollowerStatus]) -> Sequence[str]:
    """Return what anybody holds or should hold under the master's names, what moved last first."""
    held = {leg.symbol for leg in stage.venue.account(MASTER).open_positions()}
    theirs = {(it.settings.exchange, leg.symbol) for it, leg in _legs(stage, statuses) if _is_held(leg)}
    held |= {
        symbol
        for symbol in stage.venue.listings
        if any((exchange, house.name_of(symbol)) in theirs for exchange, house in stage.houses.items())
    }
    moved = {symbol: place for place, symbol in enumerate(watch.moved)}
    return sorted(held, key=lambda symbol: (-moved.get(symbol, -1), symbol))


def _sizes(stage: Stage, statuses: Mapping[str, FollowerStatus], symbol: str) -> _Column:
    held = (leg for leg in stage.venue.account(MASTER).open_positions() if leg.symbol == symbol)
    legs = [format_decimal(leg.size) + LEG_MARKS[leg.position_idx] for leg in held]
    cells = [Text(symbol.removesuffix("USDT")), Text("\n".join(legs), style="bold")]
    cells += [_cell(stage, player, statuses.get(player.name), symbol) for player in stage.players]
    return _Column(cells, right=True, symbol=symbol)


def _legs(stage: Stage, statuses: Mapping[str, FollowerStatus]) -> Iterable[tuple[Player, LegStatus]]:
    return (
        (player, leg)
        for player in stage.players
        if player.name in statuses
        for leg in statuses[player.name].legs
    )


def _is_held(leg: LegStatus) -> bool:
    return any(Decimal(text) != ZERO for text in (leg.position, leg.target))


def _cell(stage: Stage, player: Player, status: FollowerStatus | None, symbol: str) -> Text:
    house = stage.house(player)
    name = house.name_of(symbol)
    if name is None:
        return Text("–", style="dim")
    lot = house.core.listing(name).lot_size
    legs = [leg for leg in (status.legs if status else ()) if leg.symbol == name and _is_held(leg)]
    return Text("\n").join(_leg(leg, lot) for leg in legs)


def _leg(leg: LegStatus, lot: Decimal) -> Text:
    is_there = abs(Decimal(leg.drift)) <= lot
    return Text(leg.position + LEG_MARKS[leg.position_idx], style="green" if is_there else "yellow")


def _sizing(settings: FollowerSettings) -> str:
    sizing = settings.sizing
    match sizing.mode:
        case SizingMode.MIRROR:
            return f"mirror {sizing.multiplier}"
        case SizingMode.FIXED_MARGIN:
            return f"margin {sizing.margin_pct}"
        case SizingMode.FIXED_RATIO:
            return f"ratio {sizing.ratio}"


def _footer(watch: Watch) -> Text:
    live = ("live", "green") if watch.master_live else ("lost", "bold red")
    copies = ", ".join(f"{count} {state}" for state, count in sorted(watch.copies.items())) or "none yet"
    return Text.assemble(
        "master stream ",
        live,
        f"   changes {len(watch.change_ids)}   copies: {copies}\n",
        ("\n".join(watch.recent), "dim"),
    )


def _money(value: Decimal) -> str:
    return f"{value:,.0f}"
