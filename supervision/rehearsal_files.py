"""Files that point an engine at a running sandbox: configuration, followers, keys."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from exchanges.sandbox import AccountDescription
from exchanges.sandbox.rehearsal import Endpoints
from model.ledger.secrets import generate_key
from model.settings import SizingMode
from supervision.demo.cast import MASTER, Player
from supervision.exits import ExitCode, OperatorError
from supervision.private_files import write_new_file

KEYS = "keys"
FILED = ("api_key", "api_secret", "agent_key")
"""Fields of a follower that are read from files."""


class NotWritten(OperatorError):
    """The files cannot be written; none of another rehearsal is overwritten."""

    exit_code = ExitCode.CANNOT_CREATE


def write_rehearsal(
    directory: Path,
    endpoints: Endpoints,
    master: AccountDescription,
    players: Sequence[Player],
) -> tuple[Path, ...]:
    """Write a configuration, a followers file and key files of mode 0600; return their paths.

    Raises: NotWritten.
    """
    keys = {MASTER: {"api_key": master.api_key, "api_secret": master.api_secret}}
    files = {
        _path(name, field): f"{fields[field]}\n"
        for name, fields in (keys | {player.name: player.keys for player in players}).items()
        for field in FILED
        if field in fields
    }
    files |= {
        "sealing_keys": f"{generate_key()}\n",
        "followers.toml": "\n".join(_follower(player) for player in players),
        "copytrader.toml": _config(endpoints),  # last: where it is, everything is
    }
    try:
        (directory / KEYS).mkdir(mode=0o700, parents=True, exist_ok=True)
        if present := [name for name in files if (directory / name).exists()]:
            raise NotWritten(f"{directory}: {present[0]} is already there", hint="choose another directory")
        for name, text in files.items():
            write_new_file(directory / name, text)
    except OSError as error:
        raise NotWritten(f"{directory}: {error.strerror}") from error
    return tuple(directory / name for name in files)


def _config(endpoints: Endpoints) -> str:
    return f"""\
# An engine that copies the sandbox's master. Keys and secrets are those of the sandbox.

[ledger]
url = "sqlite:///copytrader.db"

[control]
socket = "run/copytrader.sock"

[master]
exchange = "bybit"
api_key = "file:{_path(MASTER, "api_key")}"
api_secret = "file:{_path(MASTER, "api_secret")}"
allow_trading_key = true                   # of a sandbox: whoever rehearses trades as the master with it

[secrets]
key_file = "sealing_keys"

{"".join(_addresses(exchange, urls) for exchange, urls in endpoints.items())}"""


def _addresses(exchange: str, urls: Mapping[str, str]) -> str:
    lines = [f"[endpoints.{exchange}]", *(f'{key} = "{url}"' for key, url in urls.items())]
    if exchange == "hyperliquid":
        lines.append('chain = "testnet"')
    return "\n".join((*lines, 'pacing = "none"', "", ""))


def _follower(player: Player) -> str:
    settings = player.settings
    most = settings.limits.max_leverage
    limits = "" if most is None else f'limits = {{ max_leverage = "{most}" }}\n'
    return f"""\
[[followers]]
name = "{settings.name}"
exchange = "{settings.exchange}"
{_secrets(player)}
sizing = {_sizing(player)}
join = "{settings.join.value}"
{limits}"""


def _sizing(player: Player) -> str:
    sizing = player.settings.sizing
    numbers: dict[SizingMode, tuple[str, Decimal | None]] = {
        SizingMode.MIRROR: ("multiplier", sizing.multiplier),
        SizingMode.FIXED_MARGIN: ("margin_pct", sizing.margin_pct),
        SizingMode.FIXED_RATIO: ("ratio", sizing.ratio),
    }
    name, number = numbers[sizing.mode]
    return f'{{ mode = "{sizing.mode.value}", {name} = "{number}" }}'


def _secrets(player: Player) -> str:
    """Return the lines of its keys: addresses are public and stand there, the rest is in files."""
    keys = player.keys
    return "\n".join(
        f'{field} = "file:{_path(player.name, field)}"' if field in FILED else f'{field} = "{value}"'
        for field, value in keys.items()
    )


def _path(name: str, field: str) -> str:
    return f"{KEYS}/{name}.{field}"
