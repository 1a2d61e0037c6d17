"""`copytrader sandbox`: venues on loopback to rehearse on, with a master that trades."""

import json
import random
import signal
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import attrs
import click
import trio

from exchanges.sandbox import AccountDescription, SandboxVenue
from exchanges.sandbox.houses import build_houses
from exchanges.sandbox.rehearsal import Endpoints, run_rehearsal
from model.amounts import ceil_to_step, use_money_context
from supervision.demo.cast import (
    MASTER,
    MASTER_EXCHANGE,
    Player,
    accounts_by_venue,
    master_account,
    players,
)
from supervision.demo.market import describe_venues
from supervision.exits import ExitCode, OperatorError
from supervision.rehearsal_files import write_rehearsal

NOTIONAL = Decimal(2_000)
"""What the master trades at a time, USDT."""
POSITIONS_MAX = 5
"""A leg grows to this many times NOTIONAL before the master takes something off."""


class PortTaken(OperatorError):
    """The port cannot be listened on."""

    exit_code = ExitCode.CANNOT_CREATE


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, help="First port on 127.0.0.1 [free ones]."
)
@click.option(
    "--write-config",
    type=click.Path(path_type=Path),
    help="Write files for an engine into DIR.",
    metavar="DIR",
)
@click.option(
    "--trade-every", type=click.FloatRange(min=0.05), help="Let the master trade every so many seconds."
)
@click.option("--still", is_flag=True, help="Keep the prices where they are.")
@click.option("--seed", type=int, default=7, help="Of prices and trades [7].")
def sandbox(port: int, write_config: Path | None, trade_every: float | None, still: bool, seed: int) -> None:
    """Run every venue on loopback until stopped; print their endpoints and accounts as JSON.

    Each speaks its venue's real protocol: any Bybit client that is pointed at it can trade as the master.
    Prices are the same everywhere. The venues take --port and the ports after it.

    \b
    Example, a whole rehearsal:
      copytrader sandbox --write-config rehearsal --trade-every 3 &
      copytrader followers apply rehearsal/followers.toml -c rehearsal/copytrader.toml --offline
      copytrader run -c rehearsal/copytrader.toml
    """
    use_money_context()
    try:
        trio.run(_serve, port, write_config, trade_every, still, seed)
    except (OSError, ExceptionGroup) as error:
        cause = _system_error(error)
        if cause is None:
            raise
        raise PortTaken(f"127.0.0.1:{port}: {cause.strerror or cause}") from error


def _system_error(error: Exception) -> OSError | None:
    """Return the OSError that an error is, or that a group of one holds."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, OSError) else None


async def _serve(
    port: int, directory: Path | None, trade_every_s: float | None, still: bool, seed: int
) -> None:
    master = attrs.evolve(master_account(), read_only=False)
    cast = players()
    houses = build_houses(describe_venues(accounts_by_venue(master, cast), seed=seed))
    serve = partial(run_rehearsal, houses, port=port, walk_period_s=None if still else 1.0, seed=seed)
    async with trio.open_nursery() as nursery:
        endpoints = await nursery.start(serve)
        if directory is not None:
            write_rehearsal(directory, endpoints, master, cast)
        click.echo(json.dumps(_description(endpoints, master, cast), indent=2))
        if trade_every_s is not None:
            venue = houses[MASTER_EXCHANGE].core
            nursery.start_soon(_trade_for_ever, venue, trade_every_s, random.Random(seed))
        await _wait_for_signal()
        nursery.cancel_scope.cancel()


async def _wait_for_signal() -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            return


def _description(
    endpoints: Endpoints, master: AccountDescription, cast: tuple[Player, ...]
) -> dict[str, object]:
    keys = {"api_key": master.api_key, "api_secret": master.api_secret}
    return {
        "endpoints": endpoints,
        "accounts": [
            {"name": MASTER, "exchange": MASTER_EXCHANGE, **keys, "equity": str(master.equity)},
            *(_account(player) for player in cast),
        ],
    }


def _account(player: Player) -> dict[str, object]:
    return {
        "name": player.name,
        "exchange": player.settings.exchange,
        **player.keys,
        "equity": str(player.equity),
        "hedge": player.hedge,
        "sub_account": bool(player.owner),
    }


async def _trade_for_ever(venue: SandboxVenue, every_s: float, chance: random.Random) -> None:
    while True:
        await trio.sleep(every_s)
        _pick(venue, chance)()


def _pick(venue: SandboxVenue, chance: random.Random) -> Callable[[], object]:
    """Return the master's next trade: it opens, adds, takes off, closes and flips."""
    symbol = chance.choice(sorted(venue.prices()))
    mark, lot = venue.mark(symbol), venue.listing(symbol).lot_size
    unit = ceil_to_step(NOTIONAL / mark, lot)
    size = venue.account(MASTER).size(symbol)
    if not size:
        return lambda: venue.trade(MASTER, symbol, chance.choice((unit, -unit)))
    sign = 1 if size > 0 else -1
    if abs(size) >= unit * POSITIONS_MAX:
        return lambda: venue.trade(MASTER, symbol, -size / 2 // lot * lot or -size, reduce_only=True)
    return chance.choice(
        (
            lambda: venue.trade(MASTER, symbol, sign * unit),
            lambda: venue.trade(MASTER, symbol, -sign * unit, reduce_only=True),
            lambda: venue.close_position(MASTER, symbol),
            lambda: venue.trade(MASTER, symbol, -size - sign * unit),
        )
    )
