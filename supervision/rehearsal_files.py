"""Files that point an engine at a running sandbox: configuration, followers, keys."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from exchanges.bybit import BybitEndpoints
from exchanges.sandbox import AccountDescription
from model.ledger.secrets import generate_key
from model.settings import SizingMode
from supervision.demo.cast import MASTER, Player
from supervision.exits import ExitCode, OperatorError
from supervision.private_files import write_new_file

KEYS = "keys"


class NotWritten(OperatorError):
    """The files cannot be written; none of another rehearsal is overwritten."""

    exit_code = ExitCode.CANNOT_CREATE


def write_rehearsal(
    directory: Path,
    endpoints: BybitEndpoints,
    master: AccountDescription,
    players: Sequence[Player],
) -> tuple[Path, ...]:
    """Write a configuration, a followers file and key files of mode 0600; return their paths.

    Raises: NotWritten.
    """
    files = {
        "copytrader.toml": _config(endpoints),
        "followers.toml": "\n".join(_follower(player) for player in players),
        "sealing_keys": f"{generate_key()}\n",
    }
    for account in (master, *(player.account for player in players)):
        files[_key(account.name)] = f"{account.api_key}\n"
        files[_secret(account.name)] = f"{account.api_secret}\n"
    try:
        (directory / KEYS).mkdir(mode=0o700, parents=True, exist_ok=True)
        if present := [name for name in files if (directory / name).exists()]:
            raise NotWritten(f"{directory}: {present[0]} is already there", hint="choose another directory")
        for name, text in files.items():
            write_new_file(directory / name, text)
    except OSError as error:
        raise NotWritten(f"{directory}: {error.strerror}") from error
    return tuple(directory / name for name in files)


def _config(endpoints: BybitEndpoints) -> str:
    return f"""\
# An engine that copies the sandbox's master. Keys and secrets are those of the sandbox.

[ledger]
url = "sqlite:///copytrader.db"

[control]
socket = "run/copytrader.sock"

[master]
exchange = "bybit"
api_key = "file:{_key(MASTER)}"
api_secret = "file:{_secret(MASTER)}"

[secrets]
key_file = "sealing_keys"

[endpoints.bybit]
rest = "{endpoints.rest}"
private_ws = "{endpoints.private_ws}"
public_ws = "{endpoints.public_ws}"
trade_ws = "{endpoints.trade_ws}"
pacing = "none"
"""


def _follower(player: Player) -> str:
    settings = player.settings
    most = settings.limits.max_leverage
    limits = "" if most is None else f'limits = {{ max_leverage = "{most}" }}\n'
    return f"""\
[[followers]]
name = "{settings.name}"
exchange = "{settings.exchange}"
api_key = "file:{_key(settings.name)}"
api_secret = "file:{_secret(settings.name)}"
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


def _key(name: str) -> str:
    return f"{KEYS}/{name}.key"


def _secret(name: str) -> str:
    return f"{KEYS}/{name}.secret"
