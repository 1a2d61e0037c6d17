"""`copytrader sandbox`: venues on loopback to rehearse on, with a master that trades."""

import json
import random
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import attrs
import click
import trio

from exchanges.bybit import BybitEndpoints
from exchanges.sandbox import AccountDescription, PriceWalk, SandboxDescription, SandboxVenue, build_venue
from exchanges.sandbox.bybit import BybitSandbox
from exchanges.sandbox.server import SandboxServer
from model.amounts import ceil_to_step, use_money_context
from supervision.demo.cast import MASTER, Player, master_account, players
from supervision.demo.stage import accounts_of, loopback_endpoints
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
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port on 127.0.0.1 [a free one].")
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
    """Run a sandbox venue until it is stopped; print its endpoints and accounts as JSON.

    It speaks Bybit's real protocol on loopback: any client that is pointed at it can trade as the master.

    \b
    Example, a whole rehearsal:
      copytrader sandbox --write-config rehearsal --trade-every 3 &
      copytrader followers apply rehearsal/followers.toml -c rehearsal/copytrader.toml --offline
      copytrader run -c rehearsal/copytrader.toml
    """
    use_money_context()
    try:
        trio.run(_serve, port, write_config, trade_every, still, seed)
    except OSError as error:
        raise PortTaken(f"127.0.0.1:{port}: {error.strerror or error}") from error


async def _serve(
    port: int, directory: Path | None, trade_every_s: float | None, still: bool, seed: int
) -> None:
    master = attrs.evolve(master_account(), read_only=False)
    cast = players()
    venue = build_venue(SandboxDescription(accounts=accounts_of(master, cast), seed=seed))
    server = SandboxServer(BybitSandbox(venue))
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(server.serve_tcp, "127.0.0.1", port)
        endpoints = loopback_endpoints(bound)
        if directory is not None:
            write_rehearsal(directory, endpoints, master, cast)
        click.echo(json.dumps(_description(endpoints, master, cast), indent=2))
        if not still:
            nursery.start_soon(PriceWalk(venue, seed=seed).run)
        if trade_every_s is not None:
            nursery.start_soon(_trade_for_ever, venue, trade_every_s, random.Random(seed))
        await _wait_for_signal()
        nursery.cancel_scope.cancel()


async def _wait_for_signal() -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            return


def _description(
    endpoints: BybitEndpoints, master: AccountDescription, cast: tuple[Player, ...]
) -> dict[str, object]:
    accounts = (master, *(player.account for player in cast))
    return {
        "bybit": {
            "rest": endpoints.rest,
            "private_ws": endpoints.private_ws,
            "public_ws": endpoints.public_ws,
            "trade_ws": endpoints.trade_ws,
        },
        "accounts": [
            {
                "name": it.name,
                "api_key": it.api_key,
                "api_secret": it.api_secret,
                "equity": str(it.equity),
                "hedge": it.hedge,
            }
            for it in accounts
        ],
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
