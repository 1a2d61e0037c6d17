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

LEG_NAMES = {0: "", 1: " long", 2: " short"}
COLUMNS_MAX = 8

Column = tuple[str, int]


def draw(
    stage: Stage, watch: Watch, statuses: Mapping[str, FollowerStatus], title: str, progress: str
) -> RenderableType:
    """Return the whole picture as it is now."""
    columns = _columns(stage, statuses)
    table = Table(expand=True, title=f"master: {title}", title_justify="left", caption=progress)
    table.add_column("account", no_wrap=True)
    table.add_column("equity", justify="right")
    table.add_column("sizing", no_wrap=True)
    for symbol, idx in columns:
        table.add_column(symbol.removesuffix("USDT") + LEG_NAMES[idx], justify="right", no_wrap=True)
    table.add_row(*_master_row(stage, columns), style="bold")
    for player in stage.players:
        table.add_row(*_follower_row(stage, player, statuses.get(player.settings.name), columns))
    return Group(table, Panel(_footer(watch), title="position (target where it differs by more than a lot)"))


def _columns(stage: Stage, statuses: Mapping[str, FollowerStatus]) -> Sequence[Column]:
    held = {(leg.symbol, leg.position_idx) for leg in stage.venue.account(MASTER).open_positions()}
    for status in statuses.values():
        held |= {(leg.symbol, leg.position_idx) for leg in status.legs}
    return sorted(held)[:COLUMNS_MAX]


def _master_row(stage: Stage, columns: Sequence[Column]) -> list[RenderableType]:
    account = stage.venue.account(MASTER)
    sizes = {(leg.symbol, leg.position_idx): leg.size for leg in account.open_positions()}
    cells = [format_decimal(sizes[column]) if column in sizes else "" for column in columns]
    return [MASTER, _money(stage.venue.balance(account).equity), "", *cells]


def _follower_row(
    stage: Stage, player: Player, status: FollowerStatus | None, columns: Sequence[Column]
) -> list[RenderableType]:
    settings = player.settings
    sizing = _sizing(settings) + (", hedge" if player.hedge else "")
    if status is None:
        return [settings.name, Text("restarting", style="bold red"), sizing]
    equity = "?" if status.equity is None else _money(Decimal(status.equity))
    legs = {(leg.symbol, leg.position_idx): leg for leg in status.legs}
    return [settings.name, equity, sizing, *(_cell(stage, legs.get(column)) for column in columns)]


def _cell(stage: Stage, leg: LegStatus | None) -> RenderableType:
    if leg is None:
        return ""
    if abs(Decimal(leg.drift)) <= stage.venue.listing(leg.symbol).lot_size:
        return Text(leg.position, style="green")
    return Text(f"{leg.position} ({leg.target})", style="yellow")


def _sizing(settings: FollowerSettings) -> str:
    sizing = settings.sizing
    match sizing.mode:
        case SizingMode.MIRROR:
            return f"mirror x{sizing.multiplier}"
        case SizingMode.FIXED_MARGIN:
            return f"fixed margin {sizing.margin_pct}"
        case SizingMode.FIXED_RATIO:
            return f"fixed ratio {sizing.ratio}"


def _footer(watch: Watch) -> Text:
    live = ("live", "green") if watch.master_live else ("lost", "bold red")
    copies = ", ".join(f"{count} {state}" for state, count in sorted(watch.copies.items())) or "none yet"
    restarts = ", ".join(f"{name} {count}" for name, count in watch.restarts.items()) or "none"
    return Text.assemble(
        "master stream ",
        live,
        f"   changes {len(watch.change_ids)}   copies: {copies}\n",
        f"from the master's frame to: {_latencies(watch)}\n",
        f"restarts: {restarts}\n",
        ("\n".join(watch.recent), "dim"),
    )


def _latencies(watch: Watch) -> str:
    parts = []
    for stage in STAGES:
        p50, p99 = percentile(watch.latencies[stage], 0.5), percentile(watch.latencies[stage], 0.99)
        if p50 is not None and p99 is not None:
            parts.append(f"{stage} p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    return "   ".join(parts) or "nothing yet"


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"
