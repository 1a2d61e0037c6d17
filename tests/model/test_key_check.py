"""Which keys are refused, which are warned of, and that what is unknown is never taken for harmless."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.key_check import (
    DAY_MS,
    Finding,
    KeyReport,
    MarginMode,
    Role,
    Severity,
    is_refused,
    judge_key,
    of_severity,
)
from model.leg import PositionMode

NOW_MS = 1_750_000_000_000


def make_report(**changes: Any) -> KeyReport:
    good = KeyReport(
        is_read_only=False,
        may_trade=True,
        may_withdraw=False,
        may_transfer=False,
        is_ip_bound=True,
        expires_at_ms=None,
        margin_mode=MarginMode.CROSS,
        position_mode=PositionMode.ONE_WAY,
    )
    return attrs.evolve(good, **changes)


def judge(role: Role = Role.FOLLOWER, allow: bool = False, offset_ms: int = 0, **changes: Any) -> set[str]:
    """Return the codes, refusals with an exclamation mark."""
    found = judge_key(
        make_report(**changes), role, now_ms=NOW_MS, allow_trading_key=allow, clock_offset_ms=offset_ms
    )
    return {("!" if it.severity is Severity.REFUSE else "") + it.code for it in found}


def test_a_key_that_only_trades_has_nothing_said_of_it() -> None:
    assert judge() == set()


def test_a_dry_run_needs_no_key_that_trades_but_none_that_moves_money_either() -> None:
    def judged(**changes: Any) -> set[str]:
        report = make_report(**changes)
        found = judge_key(report, Role.FOLLOWER, now_ms=NOW_MS, clock_offset_ms=0, dry_run=True)
        return {("!" if it.severity is Severity.REFUSE else "") + it.code for it in found}

    assert judged() == set()
    assert judged(is_read_only=True, may_trade=False) == judged(may_trade=None) == {"dry_only"}
    assert "!may_withdraw" in judged(may_withdraw=True)


def test_a_masters_key_that_only_reads_has_nothing_said_of_it() -> None:
    assert judge(Role.MASTER, is_read_only=True, may_trade=False) == set()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"may_withdraw": True}, "!may_withdraw"),
        ({"may_withdraw": None}, "!withdraw_unreadable"),
        ({"may_transfer": True}, "!may_transfer"),
        ({"may_transfer": None}, "!transfer_unreadable"),
        ({"may_trade": False}, "!may_not_trade"),
        ({"may_trade": None}, "!trade_unreadable"),
        ({"is_read_only": True}, "!read_only"),
        ({"hindrance": "it is no agent"}, "!cannot_act"),
        ({"is_unified": False}, "!classic"),
        ({"is_unified": None}, "account_kind_unreadable"),
        ({"expires_at_ms": NOW_MS}, "!expired"),
        ({"expires_at_ms": NOW_MS + 14 * DAY_MS - 1}, "expires_soon"),
        ({"is_ip_bound": False}, "no_ip_binding"),
        ({"margin_mode": MarginMode.ISOLATED}, "isolated_margin"),
        ({"margin_mode": MarginMode.PORTFOLIO}, "portfolio_margin"),
        ({"margin_mode": MarginMode.PORTFOLIO, "unknown_equity": "portfolio margin"}, "equity_unknown"),
        ({"position_mode": PositionMode.HEDGE}, "hedge"),
        ({"is_play_money": True}, "play_money"),
        ({"offset_ms": 501}, "clock"),
        ({"offset_ms": -501}, "clock"),
    ],
)
def test_each_fault_of_a_followers_key_is_told_by_itself(changes: dict[str, Any], code: str) -> None:
    assert judge(**changes) == {code}


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_at_ms": NOW_MS + 14 * DAY_MS},
        {"is_ip_bound": None},
        {"margin_mode": None},
        {"position_mode": None},
        {"offset_ms": 500},
    ],
)
def test_what_is_as_it_should_be_is_not_told(changes: dict[str, Any]) -> None:
    assert judge(**changes) == set()


@pytest.mark.parametrize("is_read_only", [False, None])
def test_a_masters_key_that_may_trade_needs_the_operators_word(is_read_only: bool | None) -> None:
    assert judge(Role.MASTER, is_read_only=is_read_only) == {"!master_may_trade"}
    assert judge(Role.MASTER, is_read_only=is_read_only, allow=True) == {"master_may_trade"}


def test_a_master_that_cannot_be_watched_is_refused_beside_what_else_is_wrong() -> None:
    assert judge(Role.MASTER, hindrance="it is no agent") == {"!cannot_act", "!master_may_trade"}


def test_without_the_operators_word_a_masters_key_that_may_trade_is_refused() -> None:
    assert is_refused(judge_key(make_report(), Role.MASTER, now_ms=NOW_MS))


def test_the_operators_word_for_trading_is_none_for_withdrawing() -> None:
    assert judge(Role.MASTER, allow=True, may_withdraw=True) == {"!may_withdraw", "master_may_trade"}


def test_every_fault_is_told_at_once_refusals_first() -> None:
    report = make_report(may_transfer=True, is_ip_bound=False, may_withdraw=None, expires_at_ms=1)

    found = judge_key(report, Role.FOLLOWER, now_ms=NOW_MS)

    severities = [it.severity for it in found]
    assert severities == [Severity.REFUSE] * 3 + [Severity.WARN]
    assert of_severity(found, Severity.WARN) == (
        "the key works from every address: bind it to this host's IP address",
    )


def test_the_days_that_are_left_are_told() -> None:
    (tomorrow,) = judge_key(make_report(expires_at_ms=NOW_MS + DAY_MS), Role.FOLLOWER, now_ms=NOW_MS)
    (today,) = judge_key(make_report(expires_at_ms=NOW_MS + 1), Role.FOLLOWER, now_ms=NOW_MS)

    assert (tomorrow.what, today.what) == ("the key expires in 1 day", "the key expires within a day")


FLAGS = st.sampled_from([True, False, None])
REPORTS = st.builds(
    KeyReport,
    is_read_only=FLAGS,
    may_trade=FLAGS,
    may_withdraw=FLAGS,
    may_transfer=FLAGS,
    is_ip_bound=FLAGS,
    expires_at_ms=st.none() | st.integers(0, 2 * NOW_MS),
    is_unified=FLAGS,
    margin_mode=st.none() | st.sampled_from(MarginMode),
    position_mode=st.none() | st.sampled_from(PositionMode),
    hindrance=st.sampled_from(["", "no"]),
    unknown_equity=st.sampled_from(["", "portfolio margin"]),
    is_play_money=st.booleans(),
)


@given(REPORTS, st.sampled_from(Role), st.booleans(), st.none() | st.integers(-5000, 5000))
def test_money_that_might_be_taken_out_is_never_accepted(
    report: KeyReport, role: Role, allow: bool, offset_ms: int | None
) -> None:
    found = judge_key(report, role, now_ms=NOW_MS, allow_trading_key=allow, clock_offset_ms=offset_ms)

    accepted = not is_refused(found)
    if accepted:
        assert report.may_withdraw is False
        assert report.may_transfer is False
        assert report.expires_at_ms is None or report.expires_at_ms > NOW_MS
        assert report.is_read_only or role is Role.FOLLOWER or allow
        assert role is Role.MASTER or (report.may_trade and not report.is_read_only)


@given(REPORTS, st.sampled_from(Role))
def test_every_refusal_says_what_to_change(report: KeyReport, role: Role) -> None:
    def needs(finding: Finding) -> bool:
        return finding.severity is Severity.REFUSE

    assert all(it.cure for it in judge_key(report, role, now_ms=NOW_MS) if needs(it))
