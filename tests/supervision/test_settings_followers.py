"""Followers are taken as a whole or not at all, from a file and over the socket alike (section 4)."""

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.settings import FollowerMode, FollowerSettings, Join, Limits, Repair, Sizing, SizingMode
from supervision.settings import (
    ConfigErrors,
    FollowerEntry,
    Secret,
    load_followers,
    parse_follower,
    parse_followers,
)

ENV = {
    "A_KEY": "a-key-value",
    "A_SECRET": "a-secret-value",
    "B_KEY": "b-key-value",
    "AGENT": "0x" + "ab" * 32,
}
ALICE = """
[[followers]]
name = "alice"
exchange = "binance"
api_key = "env:A_KEY"
api_secret = "env:A_SECRET"
"""
FULL = (
    ALICE
    + """\
sizing = { mode = "fixed_margin", margin_pct = "0.10" }
limits = { max_leverage = "10", max_slippage = "0.02", max_basis = "0.005", \
max_notional_per_symbol = "5000", max_notional = "20000.50", max_positions = 5, daily_loss = "100", \
max_drawdown = "0.3", min_equity = "50", allow = ["BTCUSDT", "ETHUSDT"], deny = ["DOGEUSDT"] }
join = "now"
repair = "full"
mode = "paused"
round_up_to_minimum = true

[[followers]]
name = "hype-1"
exchange = "hyperliquid"
account = "0xABCDEFabcdefABCDEFabcdefABCDEFabcdefABCD"
agent_key = "env:AGENT"
[followers.sizing]
mode = "fixed_ratio"
ratio = "0.5"
"""
)


def load(tmp_path: Path, text: str) -> list[FollowerEntry]:
    """Load ``text`` as a followers file."""
    path = tmp_path / "followers.toml"
    path.write_text(text)
    return load_followers(path, ENV)


def errors_of(tmp_path: Path, text: str) -> list[tuple[str, int | None]]:
    """Return where ``text`` is wrong."""
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, text)
    return [(error.path, error.line) for error in caught.value.errors]


def wrong(**changes: object) -> str:
    """Return what is told of one follower over the socket with these changes."""
    data = {"name": "a", "exchange": "bybit", "api_key": "k-canary-k", "api_secret": "s-canary-s"} | changes
    with pytest.raises(ConfigErrors) as caught:
        parse_follower(data, "followers[3]")
    assert "canary" not in str(caught.value)
    return str(caught.value)


def test_a_short_entry_gets_the_defaults(tmp_path: Path) -> None:
    (entry,) = load(tmp_path, ALICE)

    assert entry.settings == FollowerSettings(name="alice", exchange="binance")
    assert {field: secret.reveal() for field, secret in entry.secrets.items()} == {
        "api_key": "a-key-value",
        "api_secret": "a-secret-value",
    }
    assert "value" not in repr(entry)


def test_a_full_file_says_everything(tmp_path: Path) -> None:
    alice, hype = load(tmp_path, FULL)

    assert alice.settings == FollowerSettings(
        name="alice",
        exchange="binance",
        sizing=Sizing(mode=SizingMode.FIXED_MARGIN, margin_pct=Decimal("0.10")),
        limits=Limits(
            max_leverage=Decimal(10),
            max_slippage=Decimal("0.02"),
            max_basis=Decimal("0.005"),
            max_notional_per_symbol=Decimal(5000),
            max_notional=Decimal("20000.50"),
            max_positions=5,
            daily_loss=Decimal(100),
            max_drawdown=Decimal("0.3"),
            min_equity=Decimal(50),
            allow=frozenset({"BTCUSDT", "ETHUSDT"}),
            deny=frozenset({"DOGEUSDT"}),
        ),
        join=Join.NOW,
        repair=Repair.FULL,
        mode=FollowerMode.PAUSED,
        round_up_to_minimum=True,
    )
    assert hype.settings.account == "0x" + "abcdef" * 6 + "abcd"
    assert hype.settings.sizing == Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal("0.5"))
    assert set(hype.secrets) == {"agent_key"}


def test_over_the_socket_an_entry_arrives_as_it_left(tmp_path: Path) -> None:
    entries = load(tmp_path, FULL)

    sent = json.dumps([entry.to_json() for entry in entries])

    assert parse_followers(json.loads(sent, parse_float=Decimal)) == entries


def test_without_secrets_over_the_socket_those_it_has_are_kept() -> None:
    assert parse_follower({"name": "a", "exchange": "bybit"}, "it").secrets == {}
    assert "api_secret: expected a text; got nothing" in wrong(api_secret=None)


def test_every_mistake_of_a_file_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
colour = "red"
[[followers]]
name = "Alice!"
exchange = "bybit"
api_key = "env:NOT_THERE"
api_secret = "file:nowhere"
sizing = { mode = "mirror", multiplier = 1.5 }
limits = { max_slippage = "1", max_leverage = 10, max_leverages = "1" }

[[followers]]
name = "bob"
exchange = "binanse"

[[followers]]
name = "carol"
exchange = "binance"
api_key = "plain"
api_secret = "env:A_SECRET"
[followers.sizing]
mode = "fixed_margin"
margin_pct = "10"
[followers.limits]
allow = ["btc-usdt"]
"""

    assert errors_of(tmp_path, text) == [
        ("colour", 1),
        ("followers[0].name", 3),
        ("followers[0].api_key", 5),
        ("followers[0].api_secret", 6),
        ("followers[0].sizing.multiplier", 7),
        ("followers[0].limits.max_slippage", 8),
        ("followers[0].limits.max_leverage", 8),
        ("followers[0].limits.max_leverages", 8),
        ("followers[1].exchange", 12),
        ("followers[2].api_key", 17),
        ("followers[2].sizing.margin_pct", 21),
        ("followers[2].limits.allow", 23),
    ]


def test_money_as_a_number_is_refused_with_the_way_to_write_it() -> None:
    assert 'write it in quotes: multiplier = "1.5"' in wrong(sizing={"multiplier": Decimal("1.5")})
    assert 'write it in quotes: max_notional = "5000"' in wrong(limits={"max_notional": 5000})
    assert "followers[3]: limits.max_notional: expected a decimal as text" in wrong(
        limits={"max_notional": True}
    )


@pytest.mark.parametrize(
    ("sizing", "told"),
    [
        ({"multiplier": "0"}, "above 0, at most 100"),
        ({"multiplier": "-1"}, "above 0, at most 100"),
        ({"multiplier": "1e5"}, "above 0, at most 100"),
        ({"multiplier": "NaN"}, "above 0, at most 100"),
        ({"mode": "fixed_margin"}, "sizing.margin_pct: expected a decimal as text with mode"),
        ({"mode": "fixed_margin", "margin_pct": "1.01"}, 'a fraction: 10 % is "0.10"'),
        ({"mode": "fixed_ratio"}, "sizing.ratio"),
        ({"mode": "fixed_ratio", "ratio": "0"}, "above 0"),
        ({"mode": "fixed_ratio", "ratio": "1", "multiplier": "1"}, 'only with mode = "mirror"'),
        ({"mode": "miror"}, "did you mean mirror?"),
        ([], "expected a table; got a list"),
    ],
)
def test_a_sizing_that_cannot_be_meant_is_refused(sizing: object, told: str) -> None:
    assert told in wrong(sizing=sizing)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_slippage": "0.21"}, "at most 0.2"),
        ({"max_slippage": "1%"}, 'a fraction: 1 % is "0.01"'),
        ({"max_slippage": "-0.01"}, "of at least 0"),
        ({"max_leverage": "0.5"}, "of at least 1"),
        ({"max_positions": 0}, "a whole number from 1"),
        ({"max_positions": "5"}, "a whole number from 1"),
        ({"max_positions": True}, "a whole number from 1"),
        ({"max_notional": "1e400000"}, "limits.max_notional"),
        ({"min_equity": "-1"}, "limits.min_equity"),
        ({"allow": []}, "leave the key out to allow all"),
        ({"allow": "BTCUSDT"}, "a list of texts"),
        ({"allow": ["BTCUSDT"], "deny": ["BTCUSDT"]}, "symbols that are not in allow as well"),
        ({"max_slipage": "0.01"}, "did you mean max_slippage?"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(limits: object, told: str) -> None:
    assert told in wrong(limits=limits)


@pytest.mark.parametrize("name", ["", " ", "a" * 33, "a b", "ä", "a\n", "../a", None, 7, "A"])
def test_a_name_is_short_and_plain(name: object) -> None:
    assert "name: expected" in wrong(name=name)


@pytest.mark.parametrize("secret", ["", 5, ["x"], "line\nbreak"])
def test_a_secret_is_a_text(secret: object) -> None:
    assert "api_secret: expected" in wrong(api_secret=secret)


def test_a_hyperliquid_follower_has_an_account_and_an_agent_key() -> None:
    base: dict[str, Any] = {"name": "h", "exchange": "hyperliquid"}

    for changes, told in (
        ({"account": "0x12", "agent_key": "ab" * 32}, "account: expected the address"),
        ({"account": "0x" + "1" * 40, "agent_key": "canary"}, "agent_key: expected a private key"),
        ({"account": "0x" + "1" * 40, "api_key": "x"}, "api_key: expected one of"),
        ({"agent_key": "ab" * 32}, "account: expected a text; got nothing"),
    ):
        with pytest.raises(ConfigErrors, match=told.replace("(", r"\(")):
            parse_follower(base | changes, "it")


def test_two_followers_never_share_name_key_or_account() -> None:
    one = {"name": "a", "exchange": "bybit", "api_key": "same-key", "api_secret": "x-secret"}
    agent = {"exchange": "hyperliquid", "account": "0x" + "1" * 40}
    rows = [
        one,
        one | {"name": "b", "exchange": "binance"},
        one | {"name": "c"},
        one | {"name": "a", "api_key": "other-key"},
        agent | {"name": "d", "agent_key": "ab" * 32},
        agent | {"name": "e", "agent_key": "cd" * 32},
    ]

    with pytest.raises(ConfigErrors) as caught:
        parse_followers(rows)

    assert [error.path for error in caught.value.errors] == [
        "followers[2].api_key",
        "followers[3].name",
        "followers[5].account",
    ]


def test_a_file_without_followers_is_refused_an_empty_list_is_not(tmp_path: Path) -> None:
    assert errors_of(tmp_path, "") == [("followers", None)]
    assert errors_of(tmp_path, "followers = 5") == [("followers", 1)]
    assert parse_followers([]) == []
    with pytest.raises(ConfigErrors, match="a list of followers; got a table"):
        parse_followers({})


def test_venues_that_the_engine_lacks_are_refused() -> None:
    data = {"name": "a", "exchange": "binance", "api_key": "k", "api_secret": "s"}

    with pytest.raises(ConfigErrors, match="one of bybit"):
        parse_follower(data, "it", exchanges=("bybit",))


def test_a_secret_shows_nowhere() -> None:
    secret = Secret("canary-value")

    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    assert secret == Secret("canary-value")
    assert secret != Secret("another-value")
    assert secret != "canary-value"
    with pytest.raises(TypeError):
        secret.__reduce__()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just(Decimal("NaN")) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["name", "exchange", "sizing", "limits", "join", "mode", "api_key", "account", "x"])


@given(st.lists(st.dictionaries(KEYS, VALUES) | VALUES, max_size=3) | VALUES)
def test_nothing_from_the_socket_does_worse_than_to_be_refused(rows: object) -> None:
    with suppress(ConfigErrors):
        assert all(entry.settings.name for entry in parse_followers(rows))
