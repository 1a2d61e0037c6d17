"""What `copytrader init DIR` writes: a configuration to edit, a followers file and a sealing key."""

from pathlib import Path

from model.ledger.secrets import generate_key
from supervision.exits import ExitCode, OperatorError
from supervision.private_files import write_new_file

CONFIG_NAME = "copytrader.toml"
FOLLOWERS_NAME = "followers.toml"
KEY_NAME = "sealing_keys"

CONFIG = f"""\
# Copytrader's configuration. Paths are relative to this file. Keys that are left out have the
# defaults shown; an unknown key, or a value of the wrong kind, is refused with its line.

[ledger]
url = "sqlite:///copytrader.db"            # or "postgresql://user:env:DB_PASSWORD@host/name"

[control]
socket = "run/copytrader.sock"             # a directory of its own: it is made private (0700)

[master]                                   # the account that is watched; give its key read-only rights
exchange = "bybit"
api_key = "env:MASTER_API_KEY"             # env:NAME or file:PATH (mode 0600); plain text is refused
api_secret = "env:MASTER_API_SECRET"
# allow_trading_key = false                # true: take a master key that may trade, with a standing warning

[secrets]
key_file = "{KEY_NAME}"                  # seals the followers' secrets in the ledger: keep a copy of it safe

[endpoints.bybit]
network = "mainnet"                        # "mainnet", "testnet" or "demo"; or addresses, all of them:
# rest = "http://127.0.0.1:9001"
# private_ws = "ws://127.0.0.1:9001/v5/private"
# public_ws = "ws://127.0.0.1:9001/v5/public/linear"
# trade_ws = "ws://127.0.0.1:9001/v5/trade"
# pacing = "venue"                         # the venue's request budgets; "none" on loopback only

# [notify]
# urls = ["tgram://env:TELEGRAM_TOKEN/CHAT"]
# sms = ["twilio://env:TWILIO_SID:env:TWILIO_TOKEN@+15550100/+15550199"]  # critical, not acknowledged
# escalate_after_s = 300                   # how long a critical alert waits for somebody
# heartbeat_at = "09:00"                   # the daily sign of life, UTC; "off" for none

# [engine]
# max_open_age_s = 5                       # openings older than this are skipped; reductions never are
# pairing_wait_s = 1                       # how long a fill waits for its position update

# [symbols.hyperliquid]                      # where names do not tell: the master's symbol = the venue's
# 1000NEIROCTOUSDT = "kNEIRO"              # "" where the venue has none

# [audit]
# period_s = 60
# grace_s = 60
# realert_points = 1                       # percentage points

# [log]
# level = "info"                           # "debug", "info", "warning", "error" or "critical"
# format = "auto"                          # "json", "console", or "auto": console on a terminal

# [metrics]
# listen = "127.0.0.1:9464"
"""

FOLLOWERS = """\
# Followers, for `copytrader followers apply followers.toml`. Amounts are text, so that none is rounded.
# Their keys may trade; keys that may withdraw or transfer are refused.

[[followers]]
name = "alice"                             # a-z, 0-9, _ and -, up to 32
exchange = "bybit"
api_key = "env:ALICE_KEY"                  # read where the command is run, sealed in the ledger
api_secret = "env:ALICE_SECRET"
sizing = { mode = "mirror", multiplier = "1.0" }
# sizing = { mode = "fixed_margin", margin_pct = "0.10" }     # 10 % of its equity for each position
# sizing = { mode = "fixed_ratio", ratio = "0.5" }            # half the master's size
limits = { max_leverage = "10", max_slippage = "0.01" }       # 1 % from the master's price
# further limits: max_basis, max_notional_per_symbol, max_notional, max_positions = 5, daily_loss,
# max_drawdown, min_equity, allow = ["BTCUSDT"], deny = ["DOGEUSDT"]
# join = "next"                            # or "now": also the positions that the master has already
# repair = "close_only"                    # or "alert", "full"
# dry_run = true                           # everything is done but the sending: read it with explain
# round_up_to_minimum = false              # openings below the venue's minimum are skipped
"""


class AlreadyThere(OperatorError):
    """Files of these names exist; none is overwritten, and nothing was written."""

    exit_code = ExitCode.CANNOT_CREATE


def write_init_files(directory: Path) -> tuple[Path, ...]:
    """Write the files into ``directory``, made private (0700) when it is not there; return their paths.

    Raises: AlreadyThere; OperatorError when the directory cannot be written.
    """
    texts = {CONFIG_NAME: CONFIG, FOLLOWERS_NAME: FOLLOWERS, KEY_NAME: f"{generate_key()}\n"}
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        present = [name for name in texts if (directory / name).is_symlink() or (directory / name).exists()]
        if present:
            raise AlreadyThere(
                f"{directory}: {', '.join(present)} already there", hint="choose another directory"
            )
        for name, text in texts.items():
            write_new_file(directory / name, text)
    except OSError as error:
        raise AlreadyThere(f"{directory}: {error.strerror}") from error
    return tuple(directory / name for name in texts)
