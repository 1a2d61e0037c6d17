"""Followers as an operator hands them over: in a TOML file, or as JSON over the control socket (section 4).

Both are read by the same rules, and all that is wrong is told at once. Amounts are text.
"""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import attrs

from model.amounts import ONE, ZERO, format_decimal
from model.settings import (
    OPERATOR_MODES,
    FollowerMode,
    FollowerSettings,
    Join,
    Limits,
    Repair,
    Sizing,
    SizingMode,
)
from supervision.exits import OperatorError
from supervision.settings.endpoints import VENUES
from supervision.settings.files import read_toml
from supervision.settings.secret import REFERENCE, Secret, SecretRef, resolve_secret
from supervision.settings.table import Findings, Table, guess, kind_of

NAME = re.compile(r"[a-z0-9_-]{1,32}")
SYMBOL = re.compile(r"[A-Z0-9]{2,32}")
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
AGENT_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
SLIPPAGE_MAX = Decimal("0.2")
MULTIPLIER_MAX = Decimal(100)
SECRETS: Mapping[str, tuple[str, ...]] = {
    "bybit": ("api_key", "api_secret"),
    "binance": ("api_key", "api_secret"),
    "hyperliquid": ("agent_key",),
}

ReadSecret = Callable[[Table, str], Secret | None]


@attrs.frozen(kw_only=True)
class FollowerEntry:
    """A follower as handed over: its settings, and its secrets by field (none: those it has are kept)."""

    settings: FollowerSettings
    secrets: Mapping[str, Secret] = attrs.field(factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return what `followers.apply` carries, secrets in plain: for the control socket only."""
        it = self.settings
        plain: dict[str, object] = {
            "name": it.name,
            "exchange": it.exchange,
            "join": it.join.value,
            "repair": it.repair.value,
            "mode": it.mode.value,
            "round_up_to_minimum": it.round_up_to_minimum,
            "dry_run": it.dry_run,
            "sizing": _sizing_json(it.sizing),
            "limits": _limits_json(it.limits),
            **{field: secret.reveal() for field, secret in self.secrets.items()},
        }
        return plain | ({"account": it.account} if it.account else {})


def follower_json(settings: FollowerSettings) -> dict[str, object]:
    """Return a follower as `followers.list` shows it; it has no secrets to show."""
    return {**FollowerEntry(settings=settings).to_json(), "joined_at_ms": settings.joined_at_ms}


def load_followers(
    path: Path, env: Mapping[str, str] | None = None, *, exchanges: Collection[str] = VENUES
) -> list[FollowerEntry]:
    """Read a followers file, secrets included: `env:` and `file:` are read here, on the caller's side.

    Raises: ConfigErrors, with everything that is wrong; nothing of the file counts then.
    """
    path = path.expanduser().absolute()
    top = read_toml(path)
    read_secret = _secret_by_reference(path.parent, os.environ if env is None else env)
    rows = top.raw("followers")
    top.done()
    if rows is None or rows == []:
        top.wrong("followers", "at least one [[followers]]", "none")
    found = _read_all(rows or [], top.findings, read_secret, exchanges, secrets_owed=True)
    top.findings.raise_if_any()
    return found


def parse_followers(
    rows: object, where: str = "followers", *, exchanges: Collection[str] = VENUES
) -> list[FollowerEntry]:
    """Read a list of followers with plain secrets, as `followers.apply` brings it. Raises: ConfigErrors."""
    findings = Findings(where)
    found = _read_all(rows, findings, _plain_secret, exchanges, secrets_owed=False)
    findings.raise_if_any()
    return found


def parse_follower(
    data: Mapping[str, object], where: str, *, exchanges: Collection[str] = VENUES
) -> FollowerEntry:
    """Read one follower with plain secrets. Raises: ConfigErrors."""
    findings = Findings(where)
    entry = _read_one(Table(data, (), findings), _plain_secret, exchanges, secrets_owed=False)
    findings.raise_if_any()
    return entry


def _read_all(
    rows: object,
    findings: Findings,
    read_secret: ReadSecret,
    exchanges: Collection[str],
    *,
    secrets_owed: bool,
) -> list[FollowerEntry]:
    if not isinstance(rows, (list, tuple)):
        findings.add(("followers",), "a list of followers", kind_of(rows))
        return []
    tables = [Table(row, ("followers", place), findings) for place, row in enumerate(rows)]
    entries = [_read_one(table, read_secret, exchanges, secrets_owed=secrets_owed) for table in tables]
    _check_distinct(tables, entries)
    return entries


def _read_one(
    table: Table, read_secret: ReadSecret, exchanges: Collection[str], *, secrets_owed: bool
) -> FollowerEntry:
    name = table.text("name", None)
    if name and not NAME.fullmatch(name):
        table.wrong("name", "1 to 32 of a-z, 0-9, _ and -", repr(name[:40]))
    exchange = _exchange(table, exchanges)
    settings = FollowerSettings(
        name=name,
        exchange=exchange,
        sizing=_sizing(table.table("sizing")),
        limits=_limits(table.table("limits")),
        join=table.choice("join", Join, Join.NEXT),
        repair=table.choice("repair", Repair, Repair.CLOSE_ONLY),
        mode=table.choice("mode", OPERATOR_MODES, FollowerMode.ACTIVE),
        round_up_to_minimum=table.flag("round_up_to_minimum"),
        dry_run=table.flag("dry_run"),
        account=_account(table) if exchange == "hyperliquid" else "",
    )
    secrets = _secrets(table, exchange, read_secret, owed=secrets_owed)
    if exchange in SECRETS:
        table.done()
    return FollowerEntry(settings=settings, secrets=secrets)


def _exchange(table: Table, exchanges: Collection[str]) -> str:
    exchange = table.text("exchange", None)
    if exchange and exchange not in exchanges:
        words = list(exchanges)
        table.wrong("exchange", f"one of {', '.join(words)}", repr(exchange[:40]) + guess(exchange, words))
    return exchange


def _account(table: Table) -> str:
    account = table.text("account", None)
    if account and not ADDRESS.fullmatch(account):
        table.wrong("account", "the address of the account: 0x and 40 hex digits", "another text")
    return account.lower()


def _secrets(table: Table, exchange: str, read_secret: ReadSecret, *, owed: bool) -> dict[str, Secret]:
    fields = SECRETS.get(exchange, ())
    if not owed and not any(field in table for field in fields):
        for field in fields:
            table.raw(field)
        return {}
    found = {field: secret for field in fields if (secret := read_secret(table, field)) is not None}
    agent_key = found.get("agent_key")
    if agent_key is not None and not AGENT_KEY.fullmatch(agent_key.reveal()):
        table.wrong("agent_key", "a private key of 64 hex digits", "another text")
    return found


def _secret_by_reference(base_dir: Path, env: Mapping[str, str]) -> ReadSecret:
    def read(table: Table, field: str) -> Secret | None:
        text = table.text(field, None, secret=True)
        if not text:
            return None
        try:
            return resolve_secret(SecretRef.parse(text), base_dir, env)
        except ValueError:
            table.wrong(field, REFERENCE, "another text")
        except OperatorError as error:
            table.wrong(field, "a secret that can be read", str(error))
        return None

    return read


def _plain_secret(table: Table, field: str) -> Secret | None:
    text = table.text(field, None, secret=True)
    return Secret(text) if text else None


def _sizing(table: Table) -> Sizing:
    mode = table.choice("mode", SizingMode, SizingMode.MIRROR)
    multiplier = table.amount("multiplier", low=ZERO, high=MULTIPLIER_MAX, above=True)
    share = ' (a fraction: 10 % is "0.10")'
    margin_pct = table.amount("margin_pct", low=ZERO, high=ONE, above=True, unit=share)
    ratio = table.amount("ratio", low=ZERO, above=True)
    table.done()
    for name, its_mode in _NUMBER_OF.items():
        if name in table and its_mode is not mode:
            table.wrong(name, f'only with mode = "{its_mode.value}"', f'mode = "{mode.value}"')
        elif name not in table and its_mode is mode and mode is not SizingMode.MIRROR:
            table.wrong(name, f'a decimal as text with mode = "{mode.value}"', "nothing: the key is missing")
    return Sizing(mode=mode, multiplier=multiplier or ONE, margin_pct=margin_pct, ratio=ratio)


_NUMBER_OF = {
    "multiplier": SizingMode.MIRROR,
    "margin_pct": SizingMode.FIXED_MARGIN,
    "ratio": SizingMode.FIXED_RATIO,
}


def _limits(table: Table) -> Limits:
    fraction = ' (a fraction: 1 % is "0.01")'
    slippage = table.amount("max_slippage", low=ZERO, high=SLIPPAGE_MAX, unit=fraction)
    limits = Limits(
        max_leverage=table.amount("max_leverage", low=ONE, high=Decimal(1000)),
        max_slippage=Limits().max_slippage if slippage is None else slippage,
        max_basis=table.amount("max_basis", low=ZERO, high=ONE, above=True, unit=fraction),
        max_notional_per_symbol=table.amount("max_notional_per_symbol", low=ZERO, above=True),
        max_notional=table.amount("max_notional", low=ZERO, above=True),
        max_positions=table.whole("max_positions", low=1, high=10_000),
        daily_loss=table.amount("daily_loss", low=ZERO, above=True),
        max_drawdown=table.amount("max_drawdown", low=ZERO, above=True),
        min_equity=table.amount("min_equity", low=ZERO),
        allow=_symbols(table, "allow"),
        deny=_symbols(table, "deny") or frozenset(),
    )
    table.done()
    both = (limits.allow or frozenset()) & limits.deny
    if both:
        table.wrong("deny", "symbols that are not in allow as well", ", ".join(sorted(both)))
    if limits.allow == frozenset() and "allow" in table:
        table.wrong("allow", "at least one symbol (leave the key out to allow all)", "none")
    return limits


def _symbols(table: Table, name: str) -> frozenset[str] | None:
    symbols = table.texts(name)
    if symbols is None:
        return None
    for symbol in symbols:
        if not SYMBOL.fullmatch(symbol):
            table.wrong(name, 'symbols as in "BTCUSDT"', repr(symbol[:40]))
    return frozenset(symbols)


def _check_distinct(tables: Sequence[Table], entries: Sequence[FollowerEntry]) -> None:
    """Refuse names, keys and accounts that come twice: two followers on one account would double it."""
    seen: dict[tuple[str, str], int] = {}
    for place, (table, entry) in enumerate(zip(tables, entries, strict=True)):
        it = entry.settings
        for field, value in {"name": it.name, "account": it.account, **_revealed(entry)}.items():
            if not value or field == "api_secret":
                continue
            scope = "" if field == "name" else it.exchange
            first = seen.setdefault((f"{scope}/{field}", value), place)
            if first != place:
                table.wrong(field, f"a {field} of its own", f"the same as of followers[{first}]")


def _revealed(entry: FollowerEntry) -> dict[str, str]:
    return {field: secret.reveal() for field, secret in entry.secrets.items()}


def _sizing_json(sizing: Sizing) -> dict[str, object]:
    name = next(name for name, mode in _NUMBER_OF.items() if mode is sizing.mode)
    number: Decimal = getattr(sizing, name)
    return {"mode": sizing.mode.value, name: format_decimal(number)}


def _limits_json(limits: Limits) -> dict[str, object]:
    plain: dict[str, object] = {}
    for name, value in attrs.asdict(limits, recurse=False).items():
        if isinstance(value, Decimal):
            plain[name] = format_decimal(value)
        elif isinstance(value, frozenset) and value:
            plain[name] = sorted(value)
        elif isinstance(value, int):
            plain[name] = value
    return plain
