"""What a key may do and how its account is set, judged before it is used (design section 4).

A right to withdraw or to transfer that cannot be read counts as given: nothing is taken on trust.
"""

from collections.abc import Iterator
from enum import Enum

import attrs

from model.leg import PositionMode

EXPIRES_SOON_DAYS = 14
CLOCK_OFFSET_MS_NOTED = 500
"""Half of what stops openings (R20)."""

DAY_MS = 86_400_000


class KeyRefused(Exception):
    """A key must not be used; the message names every reason and what to change."""


class Role(Enum):
    """What an account is to us."""

    MASTER = "master"
    FOLLOWER = "follower"


class MarginMode(Enum):
    """How an account backs its positions."""

    CROSS = "cross"
    ISOLATED = "isolated"
    PORTFOLIO = "portfolio"


class Severity(Enum):
    """What a finding does to its key."""

    REFUSE = "refuse"
    WARN = "warn"
    NOTE = "note"
    """Nothing to change; good to know."""


@attrs.frozen(kw_only=True)
class KeyReport:
    """What a venue says of one key and its account, in our words. Nothing here is secret.

    None is "the venue did not say, or not in words that we know". Times are Unix milliseconds.
    """

    is_read_only: bool | None
    may_trade: bool | None
    may_withdraw: bool | None
    may_transfer: bool | None
    """Money to another account of anybody's, the owner's included."""
    is_ip_bound: bool | None
    """None also where a venue binds no keys to addresses."""
    expires_at_ms: int | None
    is_unified: bool | None = True
    """False for a classic account; True where a venue has no such thing."""
    margin_mode: MarginMode | None = None
    position_mode: PositionMode | None = None
    """Of the whole account; None where each symbol has its own."""
    hindrance: str = ""
    """Why the key cannot act for this account, as a sentence's part; blank when nothing is in the way."""
    unknown_equity: str = ""
    """The setting that hides how much the account is worth, blank when none does."""
    is_play_money: bool = False
    """The venue does not tell this key's rights, and there is no money to lose: a test network."""


@attrs.frozen(kw_only=True)
class Finding:
    """One thing about a key: what is so, and what to change."""

    severity: Severity
    code: str
    what: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.cure}" if self.cure else self.what


def judge_key(
    report: KeyReport,
    role: Role,
    *,
    now_ms: int,
    allow_trading_key: bool = False,
    clock_offset_ms: int | None = None,
    dry_run: bool = False,
) -> tuple[Finding, ...]:
    """Return all that is to be said of a key, refusals first.

    Args:
        allow_trading_key: take a master's key that may trade, with a warning.
        now_ms: wall clock, for the expiry.
        clock_offset_ms: the venue's clock minus ours, None where it was not measured.
        dry_run: a follower for which nothing is sent: its key need not be able to trade.
    """
    found = [
        *_of_rights(report),
        *(_of_master(report, allow_trading_key) if role is Role.MASTER else _of_follower(report, dry_run)),
        *_of_expiry(report, now_ms),
        *_of_account(report, role),
        *_of_clock(clock_offset_ms),
    ]
    order = list(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def is_refused(findings: tuple[Finding, ...]) -> bool:
    """Tell whether a key must not be used."""
    return any(finding.severity is Severity.REFUSE for finding in findings)


def of_severity(findings: tuple[Finding, ...], severity: Severity) -> tuple[str, ...]:
    """Return the sentences of one severity."""
    return tuple(str(finding) for finding in findings if finding.severity is severity)


def _of_rights(report: KeyReport) -> Iterator[Finding]:
    if report.is_play_money:
        yield _warn("play_money", "this test network does not tell what the key may do")
    for right, code, may in (
        ("withdraw", "withdraw", report.may_withdraw),
        ("transfer money out of the account", "transfer", report.may_transfer),
    ):
        if may is None:
            yield _refuse(
                f"{code}_unreadable",
                f"whether the key may {right} cannot be read, so it counts as if it may",
                "make a new key that may only trade; if that is refused too, report it",
            )
        elif may:
            yield _refuse(
                f"may_{code}",
                f"the key may {right}",
                f"make a key without the right to {right}; whoever gets hold of this one gets the money",
            )
    if report.is_ip_bound is False:
        yield _warn("no_ip_binding", "the key works from every address", "bind it to this host's IP address")


def _of_master(report: KeyReport, allow_trading_key: bool) -> Iterator[Finding]:
    if report.hindrance:
        yield _refuse("cannot_act", report.hindrance, "use a key of the account that is to be watched")
    if report.is_read_only:
        return
    what = (
        "the master's key is not read-only"
        if report.is_read_only is False
        else ("whether the master's key is read-only cannot be read")
    )
    if allow_trading_key:
        yield _warn("master_may_trade", what, "nothing here needs more: make a read-only key")
    else:
        yield _refuse(
            "master_may_trade", what, "make a read-only key, or set allow_trading_key = true in [master]"
        )


def _of_follower(report: KeyReport, dry_run: bool) -> Iterator[Finding]:
    if dry_run:
        if report.is_read_only or not report.may_trade:
            yield _warn(
                "dry_only", "the key may not trade: it does for a dry run", "change it before the run"
            )
        return
    if report.hindrance:
        yield _refuse("cannot_act", report.hindrance, "give the follower a key that trades for its account")
    elif report.is_read_only:
        yield _refuse("read_only", "the key is read-only", "let it trade perpetual futures")
    elif report.may_trade is False:
        yield _refuse(
            "may_not_trade", "the key may not trade perpetual futures", "give it orders and positions"
        )
    elif report.may_trade is None:
        yield _refuse(
            "trade_unreadable", "whether the key may trade cannot be read", "make a new key and apply it"
        )


def _of_expiry(report: KeyReport, now_ms: int) -> Iterator[Finding]:
    if report.expires_at_ms is None:
        return
    left_ms = report.expires_at_ms - now_ms
    if left_ms <= 0:
        yield _refuse("expired", "the key has expired", "make a new one and apply it")
    elif left_ms < EXPIRES_SOON_DAYS * DAY_MS:
        days = left_ms // DAY_MS
        when = f"in {days} day{'' if days == 1 else 's'}" if days else "within a day"
        yield _warn("expires_soon", f"the key expires {when}", "make a new one and apply it before that")


def _of_account(report: KeyReport, role: Role) -> Iterator[Finding]:
    if report.is_unified is False:
        yield _refuse("classic", "it is a classic account", "upgrade it to a unified trading account")
    elif report.is_unified is None:
        yield _warn("account_kind_unreadable", "what kind of account it is cannot be read")
    if report.unknown_equity:
        yield _warn(
            "equity_unknown",
            f"{report.unknown_equity} hides what the account is worth, so sizing by margin is unavailable",
            "use cross margin"
            if role is Role.MASTER
            else 'use cross margin, or sizing = { mode = "fixed_ratio", ... }; until then nothing opens',
        )
    elif report.margin_mode is MarginMode.PORTFOLIO:
        yield _warn("portfolio_margin", "portfolio margin: equity is estimated", "cross margin is exact")
    if report.margin_mode is MarginMode.ISOLATED:
        yield _warn(
            "isolated_margin",
            "isolated margin: each position can be liquidated by itself, however much the account has",
            "use cross margin",
        )
    if report.position_mode is PositionMode.HEDGE:
        yield Finding(
            severity=Severity.NOTE, code="hedge", what="hedge mode: long and short legs are kept apart"
        )


def _of_clock(offset_ms: int | None) -> Iterator[Finding]:
    if offset_ms is not None and abs(offset_ms) > CLOCK_OFFSET_MS_NOTED:
        ahead = "behind" if offset_ms > 0 else "ahead of"
        yield _warn(
            "clock",
            f"this host's clock is {abs(offset_ms)} ms {ahead} the venue's",
            "run chrony or another NTP client; over 1000 ms nothing opens",
        )


def _refuse(code: str, what: str, cure: str) -> Finding:
    return Finding(severity=Severity.REFUSE, code=code, what=what, cure=cure)


def _warn(code: str, what: str, cure: str = "") -> Finding:
    return Finding(severity=Severity.WARN, code=code, what=what, cure=cure)
