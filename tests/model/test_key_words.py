"""What an operator reads of a key: each thing that is wrong with it, and what to change (section 4)."""

from typing import Any

import attrs
import pytest

from model.key_check import DAY_MS, MarginMode, Role, Severity, judge_key
from model.leg import PositionMode
from tests.model.test_key_check import NOW_MS, make_report

FOLLOWERS: list[tuple[dict[str, Any], str]] = [
    (
        {"may_withdraw": True},
        "the key may withdraw: make a key without the right to withdraw; whoever gets hold of this "
        "one gets the money",
    ),
    (
        {"may_transfer": None},
        "whether the key may transfer money out of the account cannot be read, so it counts as if it "
        "may: make a new key that may only trade; if that is refused too, report it",
    ),
    (
        {"is_play_money": True},
        "this test network does not tell what the key may do",
    ),
    (
        {"hindrance": "it is no agent"},
        "it is no agent: give the follower a key that trades for its account",
    ),
    (
        {"is_read_only": True},
        "the key is read-only: let it trade perpetual futures",
    ),
    (
        {"may_trade": False},
        "the key may not trade perpetual futures: give it orders and positions",
    ),
    (
        {"may_trade": None},
        "whether the key may trade cannot be read: make a new key and apply it",
    ),
    (
        {"expires_at_ms": NOW_MS},
        "the key has expired: make a new one and apply it",
    ),
    (
        {"expires_at_ms": NOW_MS + 2 * DAY_MS},
        "the key expires in 2 days: make a new one and apply it before that",
    ),
    (
        {"expires_at_ms": NOW_MS + 2 * DAY_MS - 1},
        "the key expires in 1 day: make a new one and apply it before that",
    ),
    (
        {"is_unified": False},
        "it is a classic account: upgrade it to a unified trading account",
    ),
    (
        {"is_unified": None},
        "what kind of account it is cannot be read",
    ),
    (
        {"unknown_equity": "portfolio margin"},
        "portfolio margin hides what the account is worth, so sizing by margin is unavailable: use "
        'cross margin, or sizing = { mode = "fixed_ratio", ... }; until then nothing opens',
    ),
    (
        {"margin_mode": MarginMode.PORTFOLIO},
        "portfolio margin: equity is estimated: cross margin is exact",
    ),
    (
        {"margin_mode": MarginMode.ISOLATED},
        "isolated margin: each position can be liquidated by itself, however much the account has: "
        "use cross margin",
    ),
    (
        {"position_mode": PositionMode.HEDGE},
        "hedge mode: long and short legs are kept apart",
    ),
    (
        {"offset_ms": 501},
        "this host's clock is 501 ms behind the venue's: run chrony or another NTP client; over 1000 "
        "ms nothing opens",
    ),
    (
        {"offset_ms": -501},
        "this host's clock is 501 ms ahead of the venue's: run chrony or another NTP client; over "
        "1000 ms nothing opens",
    ),
]
MASTERS: list[tuple[dict[str, Any], bool, str]] = [
    (
        {"hindrance": "it is no agent"},
        False,
        "it is no agent: use a key of the account that is to be watched",
    ),
    (
        {"is_read_only": False},
        True,
        "the master's key is not read-only: nothing here needs more: make a read-only key",
    ),
    (
        {"is_read_only": None},
        False,
        "whether the master's key is read-only cannot be read: make a read-only key, or set "
        "allow_trading_key = true in [master]",
    ),
    (
        {"unknown_equity": "portfolio margin"},
        False,
        "portfolio margin hides what the account is worth, so sizing by margin is unavailable: use "
        "cross margin",
    ),
]


@pytest.mark.parametrize(("changes", "words"), FOLLOWERS)
def test_a_followers_key(changes: dict[str, Any], words: str) -> None:
    facts = dict(changes)
    offset_ms = facts.pop("offset_ms", None)

    found = judge_key(make_report(**facts), Role.FOLLOWER, now_ms=NOW_MS, clock_offset_ms=offset_ms)

    assert [str(it) for it in found] == [words]


@pytest.mark.parametrize(("changes", "allow", "words"), MASTERS)
def test_the_masters_key(changes: dict[str, Any], allow: bool, words: str) -> None:
    report = attrs.evolve(make_report(is_read_only=True), **changes)

    found = judge_key(report, Role.MASTER, now_ms=NOW_MS, allow_trading_key=allow)

    assert [str(it) for it in found] == [words]


def test_a_key_that_does_for_a_dry_run_only() -> None:
    report = make_report(is_read_only=True)

    (found,) = judge_key(report, Role.FOLLOWER, now_ms=NOW_MS, dry_run=True)

    words = "the key may not trade: it does for a dry run: change it before the run"
    assert (found.severity, found.code, str(found)) == (Severity.WARN, "dry_only", words)
