"""The live picture: the master's legs, every follower beside them, latencies and restarts."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from actors.messages import FollowerStatus, LegStatus
from model.amounts import format_decimal
from model.settings import FollowerSettings, SizingMode
from supervision.demo.cast import MASTER, Player
from supervision.demo.stage import Stage
from supervision.demo.watch import STAGES, Watch, percentile

LEG_MARKS = {0: "", 1: "L", 2: "S"}
"""Behind a size that is one leg of two."""
COLUMNS_MAX = 6


def draw(
    stage: Stage, watch: Watch, statuses: Mapping[str, FollowerStatus], title: str, progress: str
) -> RenderableType:
    """Return the whole picture as it is now; it fits 80 columns."""
    symbols = _symbols(stage, statuses)
    table = Table(expand=True, title=f"master: {title}", title_justify="left", caption=progress)
    table.add_column("account", no_wrap=True)
    table.add_column("equity", justify="right", no_wrap=True)
    table.add_column("sizing", no_wrap=True)
    for symbol in symbols:
        table.add_column(symbol.removesuffix("USDT"), justify="right", no_wrap=True)
    table.add_row(*_master_row(stage, symbols), style="bold")
    for player in stage.players:
        table.add_row(*_follower_row(stage, player, statuses.get(player.settings.name), symbols))
    return Group(table, Panel(_footer(watch), title="sizes; yellow (target) where off by more than a lot"))


def _symbols(stage: Stage, statuses: Mapping[str, FollowerStatus]) -> Sequence[str]:
    held = {leg.symbol for leg in stage.venue.account(MASTER).open_positions()}
    for status in statuses.values():
        held |= {leg.symbol for leg in status.legs}
    return sorted(held)[:COLUMNS_MAX]


def _master_row(stage: Stage, symbols: Sequence[str]) -> list[RenderableType]:
    account = stage.venue.account(MASTER)
    cells: dict[str, list[str]] = {}
    for leg in account.open_positions():
        cells.setdefault(leg.symbol, []).append(format_decimal(leg.size) + LEG_MARKS[leg.position_idx])
    return [
        MASTER,
        _money(stage.venue.balance(account).equity),
        "",
        *("\n".join(cells.get(it, ())) for it in symbols),
    ]


def _follower_row(
    stage: Stage, player: Player, status: FollowerStatus | None, symbols: Sequence[str]
) -> list[RenderableType]:
    settings = player.settings
    sizing = _sizing(settings) + (" hedge" if player.hedge else "")
    if status is None:
        return [settings.name, Text("restarting", style="bold red"), sizing]
    equity = "?" if status.equity is None else _money(Decimal(status.equity))
    cells: dict[str, list[Text]] = {}
    for leg in status.legs:
        cells.setdefault(leg.symbol, []).append(_cell(stage, leg))
    return [settings.name, equity, sizing, *(Text("\n").join(cells.get(it, ())) for it in symbols)]


def _cell(stage: Stage, leg: LegStatus) -> Text:
    mark = LEG_MARKS[leg.position_idx]
    if abs(Decimal(leg.drift)) <= stage.venue.listing(leg.symbol).lot_size:
        return Text(leg.position + mark, style="green")
    return Text(f"{leg.position}{mark} ({leg.target})", style="yellow")


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
    restarts = ", ".join(f"{name} {count}" for name, count in watch.restarts.items()) or "none"
    return Text.assemble(
        "master stream ",
        live,
        f"   changes {len(watch.change_ids)}   copies: {copies}\n",
        f"from the master's frame until\n{_latencies(watch)}\n",
        f"restarts: {restarts}\n",
        ("\n".join(watch.recent), "dim"),
    )


def _latencies(watch: Watch) -> str:
    parts = []
    for stage in STAGES:
        p50, p99 = percentile(watch.latencies[stage], 0.5), percentile(watch.latencies[stage], 0.99)
        if p50 is not None and p99 is not None:
            parts.append(f"  {stage:<12} p50 {p50:4.0f} ms   p99 {p99:4.0f} ms")
    return "\n".join(parts) or "  nothing yet"


def _money(value: Decimal) -> str:
    return f"{value:,.0f}"
