"""Venues on loopback in this process, and the files that point an engine process at them."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import attrs
import trio

from exchanges.clock import SystemClock
from exchanges.sandbox import LedgerRow, SandboxDescription, build_venue, describe_account
from exchanges.sandbox.houses import KINDS
from model.ledger.secrets import generate_key
from supervision.private_files import write_new_file
from tests.houses import VENUES, House, bybit_house, mirror_prices

MASTER = "master"
EQUITY = Decimal(1_000_000)


@attrs.frozen(kw_only=True)
class Resident:
    """A follower: a constant multiple of the master's size, so that its target is plain."""

    name: str
    venue: str
    ratio: Decimal
    hedge: bool = False


RESIDENTS = tuple(
    Resident(name=f"{venue[:2]}{number}", venue=venue, ratio=Decimal(ratio), hedge=hedge)
    for venue in ("bybit", *VENUES)
    for number, (ratio, hedge) in enumerate((("0.5", False), ("0.37", venue != "hyperliquid")))
)


@attrs.frozen(kw_only=True)
class Town:
    """The venues, who lives there, and where the engine's files are."""

    houses: tuple[House, ...]
    residents: tuple[Resident, ...]
    directory: Path

    @property
    def config(self) -> Path:
        """The engine's configuration."""
        return self.directory / "copytrader.toml"

    @property
    def socket(self) -> Path:
        """The engine's control socket."""
        return self.directory / "run" / "copytrader.sock"

    def house_of(self, resident: Resident) -> House:
        """Return where a follower's account is."""
        return next(it for it in self.houses if it.exchange == resident.venue)

    @property
    def market(self) -> House:
        """Where the master trades."""
        return self.houses[0]

    def arrivals(self) -> list[LedgerRow]:
        """Return every order of a follower that has arrived so far."""
        return [row for house in self.houses for row in house.core.ledger if row.account != MASTER]

    def orders(self) -> int:
        """Return how many orders of followers have arrived so far."""
        return len(self.arrivals())


def build_town(directory: Path, residents: Sequence[Resident] = RESIDENTS) -> Town:
    """Open every account; nothing is served yet. The master's key may only read."""
    clock = SystemClock()
    here = [describe_account(it.name, EQUITY, hedge=it.hedge) for it in residents if it.venue == "bybit"]
    master = describe_account(MASTER, EQUITY, read_only=True)
    first = bybit_house(build_venue(SandboxDescription(accounts=(master, *here)), clock=clock))
    houses = [first]
    for exchange, (describe, open_house) in VENUES.items():
        there = [it for it in residents if it.venue == exchange]
        if there:
            accounts = [describe(it.name, EQUITY, **({"hedge": True} if it.hedge else {})) for it in there]
            houses.append(open_house(accounts, clock))
            mirror_prices(first, houses[-1])
    return Town(houses=tuple(houses), residents=tuple(residents), directory=directory)


async def serve_town(
    town: Town, ledger_url: str, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve the venues until cancelled, and write the engine's files; then it is started."""
    async with trio.open_nursery() as nursery:
        tables = []
        for house in town.houses:
            port = await nursery.start(house.server.serve_tcp)
            urls = KINDS[house.exchange].endpoints("127.0.0.1", port)
            extra = {"network": "testnet"} if house.exchange == "hyperliquid" else {}
            tables.append(_table(f"endpoints.{house.exchange}", {**urls, **extra, "pacing": "none"}))
        _write_files(town, ledger_url, "\n".join(tables))
        task_status.started()


def _write_files(town: Town, ledger_url: str, endpoints: str) -> None:
    directory = town.directory
    master = town.market.core.account(MASTER)
    directory.mkdir(parents=True, exist_ok=True)
    write_new_file(directory / "sealing_keys", f"{generate_key()}\n")
    write_new_file(directory / "master.key", f"{master.api_key}\n")
    write_new_file(directory / "master.secret", f"{master.api_secret}\n")
    config = [
        _table("ledger", {"url": ledger_url}),
        _table("control", {"socket": "run/copytrader.sock"}),
        _table(
            "master",
            {"exchange": "bybit", "api_key": "file:master.key", "api_secret": "file:master.secret"},
        ),
        _table("secrets", {"key_file": "sealing_keys"}),
        endpoints,
    ]
    town.config.write_text("\n".join(config))
    (directory / "followers.toml").write_text("\n".join(_follower(town, it) for it in town.residents))


def _follower(town: Town, resident: Resident) -> str:
    account = town.house_of(resident).core.account(resident.name)
    secrets = {"key": account.api_key, "secret": account.api_secret}
    for kind, text in secrets.items():
        write_new_file(town.directory / f"{resident.name}.{kind}", f"{text}\n")
    secret = f"file:{resident.name}.secret"
    keys = (
        {"account": account.api_key, "agent_key": secret}
        if resident.venue == "hyperliquid"
        else {"api_key": f"file:{resident.name}.key", "api_secret": secret}
    )
    table = _table("[followers]", {"name": resident.name, "exchange": resident.venue, **keys, "join": "now"})
    return f'{table}sizing = {{ mode = "fixed_ratio", ratio = "{resident.ratio}" }}\n'


def _table(name: str, entries: dict[str, str]) -> str:
    return "\n".join([f"[{name}]", *(f'{key} = "{value}"' for key, value in entries.items()), ""])
