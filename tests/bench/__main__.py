"""Run the bench and print every figure beside its goal: ``python -m tests.bench --help``."""

import tempfile
from collections.abc import Awaitable
from pathlib import Path

import attrs
import click
import trio
from rich.console import Console

from exchanges.sandbox.houses import KINDS
from model.amounts import use_money_context
from tests.bench import burst, growth, idle, latency, neighbours, reconnect, slow
from tests.bench.figures import Figure, table_of
from tests.bench.ledgers import POSTGRES, SQLITE, new_ledger, running_server

PARTS = ("latency", "venues", "slow", "burst", "reconnect", "neighbours", "memory", "rows")
USUAL = PARTS[:-1]


@attrs.frozen(kw_only=True)
class Plan:
    """What was asked for."""

    followers: tuple[int, ...]
    ledgers: tuple[str, ...]
    parts: tuple[str, ...]
    venues: tuple[str, ...]
    events: int
    events_slow: int


class Numbers(click.ParamType):
    """A comma-separated list of positive numbers."""

    name = "N,N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Return a tuple of int."""
        if not isinstance(value, str):
            return value
        try:
            numbers = tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers", param, ctx)
        return numbers if min(numbers) > 0 else self.fail("numbers are positive", param, ctx)


@click.command()
@click.option("--followers", type=Numbers(), default="10,100,1000", show_default=True)
@click.option("--ledger", "ledgers", type=click.Choice([SQLITE, POSTGRES]), multiple=True, help="[both]")
@click.option(
    "--part", "parts", type=click.Choice(PARTS), multiple=True, help="[all but rows, which is slow]"
)
@click.option(
    "--venue", "venues", type=click.Choice(tuple(KINDS)), multiple=True, help="Of the part venues [all]."
)
@click.option("--events", type=click.IntRange(min=1), default=None, help="Of each figure [20; quick: 8].")
@click.option("--quick", is_flag=True, help="Fewer events than the design asks for.")
def bench(
    followers: tuple[int, ...],
    ledgers: tuple[str, ...],
    parts: tuple[str, ...],
    venues: tuple[str, ...],
    events: int | None,
    quick: bool,
) -> None:
    """Measure the copy path on loopback; see design section 8 for what is measured and why."""
    use_money_context()
    plan = Plan(
        followers=followers,
        ledgers=ledgers or (SQLITE, POSTGRES),
        parts=parts or (("venues",) if venues else USUAL),
        venues=venues or tuple(KINDS),
        events=events or (8 if quick else 20),
        events_slow=events or (2 if quick else 20),
    )
    console = Console()
    with tempfile.TemporaryDirectory(prefix="copytrader-bench-") as directory:
        figures = trio.run(_measure, plan, Path(directory), console)
    console.print(table_of(figures))


async def _measure(plan: Plan, directory: Path, console: Console) -> list[Figure]:
    figures: list[Figure] = []

    async def take(what: str, measuring: Awaitable[list[Figure]]) -> None:
        console.print(f"[dim]{what} ...[/dim]")
        figures.extend(await measuring)

    if "latency" in plan.parts:
        figures += await _latencies(plan, directory, console)
    if "venues" in plan.parts:
        figures += await _venues(plan, directory, console)
    parts = (("slow", slow), ("burst", burst), ("reconnect", reconnect), ("neighbours", neighbours))
    for name, part in parts:
        if name in plan.parts:
            events = plan.events_slow if part is slow else plan.events
            with new_ledger(SQLITE, directory, None) as url:
                await take(name, part.measure(url, str(directory), events=events))
    if "memory" in plan.parts:
        await take("memory", idle.measure(directory))
    if "rows" in plan.parts:
        await take("rows", growth.of_rows(directory, events=plan.events))
    return figures


async def _latencies(plan: Plan, directory: Path, console: Console) -> list[Figure]:
    found: list[latency.Latency] = []
    with running_server(directory) as server:
        for ledger in plan.ledgers:
            if ledger == POSTGRES and server is None:
                console.print("no PostgreSQL: neither DATABASE_URL nor the server of the test extras")
                continue
            for count in plan.followers:
                console.print(f"[dim]{count} followers on {ledger} ...[/dim]")
                with new_ledger(ledger, directory, server) as url:
                    found.append(
                        await latency.measure(count, ledger, url, str(directory), events=plan.events)
                    )
    if not found:
        return []
    smallest = min(found, key=lambda it: it.followers)
    figures = [figure for it in found for figure in (*it.figures(), it.copied())]
    return [*figures, smallest.calls(), *growth.of_followers(found)]


async def _venues(plan: Plan, directory: Path, console: Console) -> list[Figure]:
    """Return what a copy takes on each venue, with the fewest followers that were asked for."""
    figures: list[Figure] = []
    followers = min(plan.followers)
    for exchange in plan.venues:
        console.print(f"[dim]{followers} followers on {exchange} ...[/dim]")
        with new_ledger(SQLITE, directory, None) as url:
            found = await latency.measure(
                followers, SQLITE, url, str(directory), events=plan.events, exchange=exchange
            )
        figures += [*found.figures(), found.copied(), found.calls()]
    return figures


if __name__ == "__main__":
    bench()
