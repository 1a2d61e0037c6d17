"""The engine's configuration: one TOML file (design section 6)."""

import ipaddress
import os
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import attrs

from supervision.exits import OperatorError
from supervision.settings.endpoints import VENUES, VenueAddresses, default_addresses, read_addresses
from supervision.settings.files import read_toml
from supervision.settings.notify import NotifySettings, read_notify
from supervision.settings.secret import (
    REFERENCE,
    Secret,
    SecretMissing,
    SecretRef,
    resolve_secret,
    resolve_url,
)
from supervision.settings.table import Table, kind_of

DEFAULT_LEDGER = "sqlite:///copytrader.db"
DEFAULT_SOCKET = "run/copytrader.sock"
CONFIG_VARIABLE = "COPYTRADER_CONFIG"
DEFAULT_CONFIG = "copytrader.toml"


class LogLevel(Enum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class LogFormat(Enum):
    """How a log line looks; AUTO is CONSOLE on a terminal, else JSON."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


@attrs.frozen(kw_only=True)
class MasterSettings:
    """The account that is watched."""

    exchange: str = "bybit"
    api_key: SecretRef
    api_secret: SecretRef
    allow_trading_key: bool = False
    """Take a master key that is not read-only, with a standing warning (section 4)."""


@attrs.frozen(kw_only=True)
class AuditSettings:
    """When the auditor looks and speaks (R15)."""

    period_s: float = 60.0
    grace_s: float = 60.0
    realert_points: Decimal = Decimal(1)
    """Percentage points that a deviation moves before it is alerted again."""


@attrs.frozen(kw_only=True)
class LogSettings:
    """What goes to stdout."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.AUTO


@attrs.frozen
class ListenAddress:
    """Where metrics are served."""

    host: str
    port: int


@attrs.frozen(kw_only=True)
class EngineSettings:
    """Everything that the file says, with the defaults for what it does not. Paths are absolute."""

    path: Path
    ledger_url: str = attrs.field(repr=False)
    control_socket: Path
    master: MasterSettings
    endpoints: Mapping[str, VenueAddresses]
    """Every venue by name, named in the file or not."""
    notify: NotifySettings = attrs.field(factory=NotifySettings)
    max_open_age_s: float = 5.0
    pairing_wait_s: float = 1.0
    audit: AuditSettings = AuditSettings()
    sealing_key_file: Path | None = None
    symbol_overrides: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)
    """`[symbols.VENUE]`: the venue's name by master symbol; blank where it has none."""
    log: LogSettings = LogSettings()
    metrics_listen: ListenAddress | None = None

    @property
    def base_dir(self) -> Path:
        """What relative paths in the file are relative to."""
        return self.path.parent


@attrs.frozen(kw_only=True)
class MasterSecrets:
    """The master's key, in plain."""

    api_key: Secret
    api_secret: Secret


def find_config(given: Path | None, env: Mapping[str, str]) -> Path:
    """Return the file to read: as given, else `$COPYTRADER_CONFIG`, else `./copytrader.toml`."""
    return given or Path(env.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def find_socket(path: Path) -> Path:
    """Read no more of a configuration file than where its engine's control socket is.

    A client needs none of the engine's secrets. Raises: ConfigErrors.
    """
    path = path.expanduser().absolute()
    top = read_toml(path)
    found = _one_path(top.table("control"), "socket", path.parent, DEFAULT_SOCKET)
    top.findings.raise_if_any()
    return found or Path()


def load_settings(path: Path, env: Mapping[str, str] | None = None) -> EngineSettings:
    """Read the engine's configuration file.

    Secrets stay references, but for a password in the ledger's url, which is taken from ``env`` here.
    Raises: ConfigErrors, with everything that is wrong.
    """
    path = path.expanduser().absolute()
    top = read_toml(path)
    settings = _read_settings(top, path, os.environ if env is None else env)
    top.findings.raise_if_any()
    return settings


def resolve_master(settings: EngineSettings, env: Mapping[str, str]) -> MasterSecrets:
    """Read the master's key. Raises: OperatorError naming each secret that cannot be had."""
    found: list[Secret] = []
    errors: list[OperatorError] = []
    for name, ref in (("api_key", settings.master.api_key), ("api_secret", settings.master.api_secret)):
        try:
            found.append(resolve_secret(ref, settings.base_dir, env))
        except OperatorError as error:
            errors.append(type(error)(f"master.{name}: {error.message}", hint=error.hint))
    if len(errors) > 1:
        raise type(errors[0])("\n".join(str(error) for error in errors))
    if errors:
        raise errors[0]
    return MasterSecrets(api_key=found[0], api_secret=found[1])


def _read_settings(top: Table, path: Path, env: Mapping[str, str]) -> EngineSettings:
    base = path.parent
    engine, secrets = top.table("engine"), top.table("secrets")
    settings = EngineSettings(
        path=path,
        ledger_url=_ledger_url(top.table("ledger"), base, env),
        control_socket=_one_path(top.table("control"), "socket", base, DEFAULT_SOCKET) or Path(),
        master=_master(top),
        endpoints=_endpoints(top.table("endpoints")),
        notify=read_notify(top.table("notify")),
        max_open_age_s=engine.seconds("max_open_age_s", 5.0, low=0.1, high=300),
        pairing_wait_s=engine.seconds("pairing_wait_s", 1.0, low=0.05, high=60),
        audit=_audit(top.table("audit")),
        sealing_key_file=_one_path(secrets, "key_file", base, None),
        symbol_overrides=_symbols(top.table("symbols")),
        log=_log(top.table("log")),
        metrics_listen=_metrics(top.table("metrics")),
    )
    engine.done()
    if "followers" in top:
        top.raw("followers")
        top.wrong("followers", "followers in a file of their own (`followers apply FILE`)", "[[followers]]")
    top.done()
    return settings


def _master(top: Table) -> MasterSettings:
    if "master" not in top:
        top.wrong("master", "a table [master] with api_key and api_secret", "nothing: the table is missing")
        top.raw("master")
        nothing = SecretRef("env:NONE")
        return MasterSettings(api_key=nothing, api_secret=nothing)
    table = top.table("master")
    exchange = table.text("exchange", "bybit")
    if exchange != "bybit":
        table.wrong("exchange", '"bybit": the only venue that a master can be on', repr(exchange))
    settings = MasterSettings(
        exchange=exchange,
        api_key=read_reference(table, "api_key"),
        api_secret=read_reference(table, "api_secret"),
        allow_trading_key=table.flag("allow_trading_key"),
    )
    table.done()
    return settings


def read_reference(table: Table, name: str) -> SecretRef:
    """Read a reference to a secret; what stands there instead is never repeated."""
    text = table.text(name, None, secret=True)
    try:
        return SecretRef.parse(text)
    except ValueError:
        if text:
            table.wrong(name, REFERENCE, "another text")
        return SecretRef("env:NONE")


def _endpoints(table: Table) -> Mapping[str, VenueAddresses]:
    found = {
        venue: read_addresses(venue, table.table(venue)) if venue in table else default_addresses(venue)
        for venue in VENUES
    }
    for venue in VENUES:
        table.raw(venue)
    table.done()
    return found


def _symbols(table: Table) -> Mapping[str, Mapping[str, str]]:
    found = {venue: _names(table.table(venue)) for venue in VENUES}
    for venue in VENUES:
        table.raw(venue)
    table.done()
    return {venue: names for venue, names in found.items() if names}


def _names(table: Table) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for symbol in table.names:
        name = table.raw(symbol)
        if isinstance(name, str):
            names[symbol] = name.strip()
        else:
            table.wrong(symbol, 'the venue\'s symbol as text, "" where it has none', kind_of(name))
    return names


def _audit(table: Table) -> AuditSettings:
    default = AuditSettings()
    settings = AuditSettings(
        period_s=table.seconds("period_s", default.period_s, low=1, high=86_400),
        grace_s=table.seconds("grace_s", default.grace_s, low=0, high=86_400),
        realert_points=table.points("realert_points", default.realert_points, high=Decimal(100)),
    )
    table.done()
    return settings


def _log(table: Table) -> LogSettings:
    settings = LogSettings(
        level=table.choice("level", LogLevel, LogLevel.INFO),
        format=table.choice("format", LogFormat, LogFormat.AUTO),
    )
    table.done()
    return settings


def _metrics(table: Table) -> ListenAddress | None:
    text = table.text("listen")
    table.done()
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if colon and _is_loopback(host) and port.isdecimal() and len(port) < 6 and int(port) < 65_536:
        return ListenAddress(host, int(port))
    table.wrong("listen", 'HOST:PORT on loopback, as in "127.0.0.1:9464"', repr(text))
    return None


def _is_loopback(host: str) -> bool:
    """Metrics tell what accounts do to whoever asks: to other hosts through a proxy that knows them."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _one_path(table: Table, name: str, base: Path, default: str | None) -> Path | None:
    """Read the only key of a table, a path relative to ``base``."""
    text = table.text(name, default or "")
    table.done()
    return base / Path(text).expanduser() if text else None


def _ledger_url(table: Table, base: Path, env: Mapping[str, str]) -> str:
    url = table.text("url", DEFAULT_LEDGER, secret=True)
    table.done()
    try:
        return _absolute_ledger(resolve_url(url, env), base)
    except SecretMissing as error:
        table.wrong("url", "a variable that is set", error.message)
    except ValueError:
        table.wrong("url", "sqlite:///PATH or postgresql://user@host/name", "another text")
    return url


def _absolute_ledger(url: str, base: Path) -> str:
    parts = urlsplit(url)
    if parts.scheme in ("postgresql", "postgres") and parts.path.strip("/"):
        return url
    if parts.scheme != "sqlite" or parts.netloc or parts.query or parts.fragment:
        raise ValueError("not a ledger url")
    name = unquote(parts.path)[1:]
    if not name:
        raise ValueError("a ledger in memory forgets")
    return f"sqlite:///{quote(str(base / Path(name).expanduser()))}"
