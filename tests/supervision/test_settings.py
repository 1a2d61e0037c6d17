"""The engine's file: read whole, refused whole, and every mistake named with its line (section 6)."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.exits import ExitCode
from supervision.settings import (
    AuditSettings,
    ConfigErrors,
    EngineSettings,
    ListenAddress,
    LogFormat,
    LogLevel,
    Network,
    Pacing,
    SecretMissing,
    find_config,
    load_settings,
    resolve_master,
    resolve_notify_url,
)

MINIMAL = """
[master]
api_key = "env:MASTER_API_KEY"
api_secret = "file:secrets/master"
"""
FULL = """
[ledger]
url = "postgresql://copy:env:DB_PASSWORD@db.internal/copies"
[control]
socket = "/run/copytrader/control.sock"
[master]
exchange = "bybit"
api_key = "env:MASTER_API_KEY"             # env:NAME or file:PATH
api_secret = "env:MASTER_API_SECRET"
allow_trading_key = true
[endpoints.bybit]
rest = "http://127.0.0.1:9001"
private_ws = "ws://127.0.0.1:9001/v5/private"
trade_ws = "ws://127.0.0.1:9001/v5/trade"
pacing = "none"
[endpoints.binance]
rest = "http://127.0.0.1:9002"
stream_ws = "ws://127.0.0.1:9002/private"
trade_ws = "ws://127.0.0.1:9002/ws-fapi/v1"
[endpoints.hyperliquid]
chain = "testnet"
[notify]
urls = ["tgram://env:TELEGRAM_TOKEN/123", "json://127.0.0.1:8080/hook"]
[engine]
max_open_age_s = 2.5
pairing_wait_s = 2
[audit]
period_s = 30
grace_s = 90
realert_points = 0.5
[secrets]
key_file = "sealing_keys"
[log]
level = "debug"
format = "json"
[metrics]
listen = "127.0.0.1:9464"
"""


def load(tmp_path: Path, text: str, **env: str) -> EngineSettings:
    """Load ``text`` as a file of its own."""
    path = tmp_path / "copytrader.toml"
    path.write_text(text)
    return load_settings(path, env)


def errors_of(tmp_path: Path, text: str, **env: str) -> list[tuple[str, int | None]]:
    """Return where ``text`` is wrong: paths with their lines."""
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, text, **env)
    return [(error.path, error.line) for error in caught.value.errors]


def message_of(tmp_path: Path, text: str, **env: str) -> str:
    """Return what an operator reads about ``text``."""
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, text, **env)
    return str(caught.value)


def test_a_small_file_gets_the_defaults_and_paths_relative_to_itself(tmp_path: Path) -> None:
    settings = load(tmp_path, MINIMAL)

    assert settings.ledger_url == f"sqlite:///{tmp_path}/copytrader.db"
    assert settings.control_socket == tmp_path / "run/copytrader.sock"
    assert settings.audit == AuditSettings(period_s=60, grace_s=60, realert_points=Decimal(1))
    assert (settings.max_open_age_s, settings.pairing_wait_s) == (5, 1)
    assert settings.endpoints["bybit"]["rest"] == "https://api.bybit.com"
    assert settings.endpoints["hyperliquid"].chain == "mainnet"
    assert settings.log.format is LogFormat.AUTO
    assert settings.sealing_key_file is None
    assert settings.metrics_listen is None


def test_a_full_file_says_everything(tmp_path: Path) -> None:
    settings = load(tmp_path, FULL, DB_PASSWORD="database-password")

    assert settings.ledger_url == "postgresql://copy:database-password@db.internal/copies"
    assert "database-password" not in repr(settings)
    odd = load(tmp_path, FULL, DB_PASSWORD="p@ss/w:rd#1")
    assert odd.ledger_url == "postgresql://copy:p%40ss%2Fw:rd%231@db.internal/copies"
    assert settings.control_socket == Path("/run/copytrader/control.sock")
    assert settings.master.allow_trading_key
    assert settings.max_open_age_s == 2.5
    assert isinstance(settings.max_open_age_s, float)
    assert settings.audit.realert_points == Decimal("0.5")
    assert settings.sealing_key_file == tmp_path / "sealing_keys"
    assert (settings.log.level, settings.log.format) == (LogLevel.DEBUG, LogFormat.JSON)
    assert settings.metrics_listen == ListenAddress("127.0.0.1", 9464)


def test_loopback_addresses_are_completed_from_themselves_never_from_published_ones(tmp_path: Path) -> None:
    settings = load(tmp_path, FULL, DB_PASSWORD="database-password")

    bybit, binance = settings.endpoints["bybit"], settings.endpoints["binance"]
    assert bybit.get("public_ws") == "ws://127.0.0.1:9001/v5/public/linear"
    assert bybit.pacing is Pacing.NONE
    assert binance.get("market_ws") == "ws://127.0.0.1:9002/market"
    assert binance.get("sapi") == "http://127.0.0.1:9002"
    assert settings.endpoints["hyperliquid"].network is Network.TESTNET
    assert settings.endpoints["hyperliquid"]["ws"] == "wss://api.hyperliquid-testnet.xyz/ws"


def test_a_loopback_address_beside_a_published_one_is_refused(tmp_path: Path) -> None:
    only_rest = MINIMAL + '[endpoints.bybit]\nrest = "http://127.0.0.1:9001"\n'
    mixed = only_rest + 'private_ws = "wss://stream.bybit.com/v5/private"\n'

    assert errors_of(tmp_path, only_rest) == [("endpoints.bybit.private_ws", 5)]
    assert errors_of(tmp_path, mixed) == [("endpoints.bybit.private_ws", 7)]


def test_demo_has_no_order_entry_by_websocket(tmp_path: Path) -> None:
    settings = load(tmp_path, MINIMAL + '[endpoints.bybit]\nnetwork = "demo"\n')

    assert settings.endpoints["bybit"].get("trade_ws") is None
    assert settings.endpoints["bybit"]["rest"] == "https://api-demo.bybit.com"


def test_every_mistake_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
[ledger]
url = "mysql://nowhere"
[master]
exchange = "okx"
api_key = "plain-text-key"
[engine]
max_open_age = 5
pairing_wait_s = "1s"
[audit]
period_s = true
realert_points = 0
[log]
level = "verbose"
[metrics]
listen = "everywhere"
[endpoints.bybit]
rest = "ws://127.0.0.1:1"
pacing = "none"
[endpoints.kraken]
[colour]
"""

    assert errors_of(tmp_path, text) == [
        ("ledger.url", 2),
        ("master.api_secret", 3),
        ("master.exchange", 4),
        ("master.api_key", 5),
        ("engine.max_open_age", 7),
        ("engine.pairing_wait_s", 8),
        ("audit.period_s", 10),
        ("audit.realert_points", 11),
        ("log.level", 13),
        ("metrics.listen", 15),
        ("endpoints.bybit.rest", 17),
        ("endpoints.bybit.pacing", 18),
        ("endpoints.kraken", 19),
        ("colour", 20),
    ]


def test_a_wrong_unit_names_the_key_that_was_meant(tmp_path: Path) -> None:
    text = MINIMAL + "[engine]\nmax_open_age_ms = 5000\n[audit]\nperiod_s = 0.01\n"

    message = message_of(tmp_path, text)

    assert f"{tmp_path}/copytrader.toml:6: engine.max_open_age_ms: expected one of" in message
    assert "did you mean max_open_age_s?" in message
    assert ":8: audit.period_s: expected seconds as a number from 1 to 86400; got 0.01" in message


def test_a_plain_secret_is_refused_and_not_repeated(tmp_path: Path) -> None:
    text = (
        '[master]\napi_key = "AKIA-canary"\napi_secret = 12345678\n[notify]\nurls = ["tgram://1:canary/2"]\n'
    )

    message = message_of(tmp_path, text)

    assert "env:NAME or file:PATH (plain text is refused)" in message
    assert "notify.urls[0]" in message
    assert "canary" not in message
    assert "12345678" not in message


@pytest.mark.parametrize(
    ("url", "ok"),
    [
        ("https://proxy.example.com/bybit/", True),
        ("http://proxy.example.com", False),
        ("https://user:pw@proxy.example.com", False),
        ("https://", False),
        ("https://host:99999", False),
        ("https://[::1", False),
    ],
)
def test_an_address_is_a_plain_url_encrypted_unless_loopback(tmp_path: Path, url: str, ok: bool) -> None:
    text = MINIMAL + f'[endpoints.bybit]\nrest = "{url}"\n'

    if ok:
        assert load(tmp_path, text).endpoints["bybit"]["rest"] == url.rstrip("/")
    else:
        assert errors_of(tmp_path, text) == [("endpoints.bybit.rest", 6)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[master\n", 1),
        ("a = 1\na = 2\n", 2),
        ("a = \x01", 1),
        ("a = " + "[" * 5000, None),
        ("\n\nb = ", 3),
        ("a = nan\nb = 1e9999999999999999999", None),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, text: str, line: int | None) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, text)

    (error,) = caught.value.errors
    assert (error.expected, error.line or line) == ("TOML", line or error.line)
    assert caught.value.exit_code is ExitCode.BAD_CONFIG


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e400", "0x" + "f" * 5000, '"5"', "true", "[1]"])
def test_seconds_are_a_finite_number_in_range(tmp_path: Path, value: str) -> None:
    assert errors_of(tmp_path, MINIMAL + f"[engine]\nmax_open_age_s = {value}\n") == [
        ("engine.max_open_age_s", 6)
    ]


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")

    for path in (tmp_path / "none.toml", tmp_path, tmp_path / "bytes.toml"):
        with pytest.raises(ConfigErrors, match=path.name):
            load_settings(path, {})


def test_followers_in_the_engines_file_are_sent_to_their_own(tmp_path: Path) -> None:
    assert "followers apply FILE" in message_of(tmp_path, MINIMAL + '[[followers]]\nname = "alice"\n')


def test_the_masters_secrets_come_from_variable_and_private_file(tmp_path: Path) -> None:
    settings = load(tmp_path, MINIMAL)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/master").touch(mode=0o600)
    (tmp_path / "secrets/master").write_text("master-secret\n")

    secrets = resolve_master(settings, {"MASTER_API_KEY": "master-key"})

    assert (secrets.api_key.reveal(), secrets.api_secret.reveal()) == ("master-key", "master-secret")
    assert "master-" not in f"{secrets} {secrets!r}"


def test_missing_secrets_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(
        SecretMissing, match=r"(?s)master.api_key.*MASTER_API_KEY.*master.api_secret.*No such"
    ):
        resolve_master(load(tmp_path, MINIMAL), {})


def test_notify_urls_get_their_secrets_late_quoted_and_never_show_them(tmp_path: Path) -> None:
    url = load(tmp_path, FULL, DB_PASSWORD="database-password").notify.urls[0]
    place = tmp_path / "sid"
    place.write_text("AC/12 3".replace(" ", "@"))
    place.chmod(0o600)

    found = resolve_notify_url(url, tmp_path, {"TELEGRAM_TOKEN": "1:tok"})
    other = resolve_notify_url(
        "twilio://{file:sid}:env:TWILIO_TOKEN@+1555/+1556", tmp_path, {"TWILIO_TOKEN": "abcdef"}
    )

    assert found.reveal() == "tgram://1:tok/123"
    assert other.reveal() == "twilio://AC%2F12%403:abcdef@+1555/+1556"
    assert repr(found) == "***"
    with pytest.raises(SecretMissing, match="TELEGRAM_TOKEN"):
        resolve_notify_url(url, tmp_path, {})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('urls = ["tgram://123456:canary-token/2"]', "tgram:// with its secret"),
        ('urls = ["zulip://bot@org/canary-token"]', "zulip:// with its secret"),
        ('urls = ["json://me:canary-token@localhost/"]', "json:// with its secret"),
        ('sms = ["canary-token"]', "twilio://env:TWILIO_SID"),
        ('heartbeat_at = "9 o\'clock"', '"off"'),
        ("escalate_after_s = 1", "seconds as a number from 10"),
        ("escalate_after = 60", "did you mean escalate_after_s"),
    ],
)
def test_what_is_wrong_in_notify_is_told_without_its_secrets(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, f"{MINIMAL}[notify]\n{line}\n")

    assert words in caught.value.message
    assert "canary" not in caught.value.message


def test_notify_has_defaults_and_takes_urls_without_secrets(tmp_path: Path) -> None:
    given = load(tmp_path, MINIMAL + '[notify]\nurls = ["json://localhost/x"]\nheartbeat_at = "off"\n').notify
    default = load(tmp_path, MINIMAL).notify

    assert (given.urls, given.heartbeat_minute) == (("json://localhost/x",), None)
    assert (default.urls, default.sms, default.escalate_after_s) == ((), (), 300)
    assert default.heartbeat_minute == 9 * 60


def test_a_password_variable_that_is_not_set_is_an_error_of_the_file(tmp_path: Path) -> None:
    assert errors_of(tmp_path, FULL) == [("ledger.url", 3)]


def test_the_file_is_found_by_option_variable_or_habit() -> None:
    assert find_config(Path("a.toml"), {"COPYTRADER_CONFIG": "b.toml"}) == Path("a.toml")
    assert find_config(None, {"COPYTRADER_CONFIG": "b.toml"}) == Path("b.toml")
    assert find_config(None, {}) == Path("copytrader.toml")


@given(st.text(alphabet=" \n\t\"'=[]{}.,#ab1_-\\", max_size=80))
def test_no_text_does_worse_than_to_be_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    path.write_text(text)

    with pytest.raises(ConfigErrors):
        load_settings(path, {})


def test_names_of_other_venues_are_the_operators_word_by_venue_and_symbol(tmp_path: Path) -> None:
    text = '[symbols.hyperliquid]\n1000NEIROCTOUSDT = "kNEIRO"\nBTCUSDT = ""\n'

    settings = load(tmp_path, MINIMAL + text)

    assert settings.symbol_overrides == {"hyperliquid": {"1000NEIROCTOUSDT": "kNEIRO", "BTCUSDT": ""}}


def test_a_name_that_is_no_text_and_a_venue_that_is_none_are_errors(tmp_path: Path) -> None:
    text = "[symbols.hyperliquid]\nBTCUSDT = 1\n[symbols.okx]\nBTCUSDT = 'BTC'\n"

    assert {path for path, _ in errors_of(tmp_path, MINIMAL + text)} == {
        "symbols.hyperliquid.BTCUSDT",
        "symbols.okx",
    }


@pytest.mark.parametrize(
    ("listen", "taken"),
    [
        ("127.0.0.1:9464", True),
        ("[::1]:9464", True),
        ("localhost:9464", True),
        ("0.0.0.0:9464", False),
        ("10.0.0.7:9464", False),
        ("metrics.internal:9464", False),
    ],
)
def test_metrics_are_served_on_loopback_only(tmp_path: Path, listen: str, taken: bool) -> None:
    text = f'{MINIMAL}\n[metrics]\nlisten = "{listen}"\n'

    if taken:
        assert load(tmp_path, text).metrics_listen is not None
    else:
        assert [name for name, _ in errors_of(tmp_path, text)] == ["metrics.listen"]
