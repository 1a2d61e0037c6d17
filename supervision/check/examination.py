"""Asks the venues about every key and account; reads only, bounded in time and in pace."""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum

import attrs
import trio

from exchanges.clock import Clock
from exchanges.errors import ExchangeError, RequestRejected
from exchanges.key_verdict import ask_verdict, in_words
from exchanges.port import AccountGateway, Venue
from model.account import AccountSnapshot
from model.amounts import format_decimal
from model.key_check import Finding, KeyReport, Severity, is_refused
from model.leg import PositionMode
from supervision.check.subjects import Subject

TOGETHER_MAX = 4
"""Accounts of one venue that are asked about at once."""
PROBE = "BTCUSDT"
"""Whose position mode is told where each symbol has its own."""
ACCOUNT_S_MAX = 120.0
"""A venue that does not answer for so long is away."""


class Verdict(Enum):
    """What came of one account."""

    OK = "ok"
    WARNING = "warning"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    """Its venue could not be asked: nothing is known of the key."""


@attrs.frozen(kw_only=True)
class Checked:
    """One account as it was found. Equity in quote asset, as text."""

    subject: Subject
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    report: KeyReport | None = None
    position_mode: PositionMode | None = None
    """Of the account; of PROBE where each symbol has its own."""
    equity: str | None = None
    """None: it cannot be read."""
    positions: int | None = None
    """Open legs."""
    clock_offset_ms: int | None = None
    trouble: str = ""
    """Why its venue could not be asked."""


@attrs.frozen(kw_only=True)
class Terms:
    """How the examination is made."""

    clock: Clock
    allow_trading_key: bool
    gap_s: Callable[[str], float] = lambda exchange: 0.0
    """Between two accounts of a venue, where an engine uses the same budgets; 0 asks many at once."""
    told: Callable[[Checked], None] = lambda checked: None
    """Is given each account as soon as it was checked."""


async def examine(
    subjects: Iterable[Subject], venues: Mapping[str, Venue], terms: Terms
) -> tuple[Checked, ...]:
    """Check everybody, each venue beside the others; return them in the order given.

    What a venue does or says ends in an account's verdict and raises nothing.
    """
    asked = tuple(subjects)
    found: dict[str, Checked] = {}
    async with trio.open_nursery() as nursery:
        for exchange in dict.fromkeys(subject.exchange for subject in asked):
            own = [subject for subject in asked if subject.exchange == exchange]
            nursery.start_soon(_examine_venue, own, venues.get(exchange), terms, found)
    return tuple(found[subject.name] for subject in asked)


async def _examine_venue(
    subjects: list[Subject], venue: Venue | None, terms: Terms, found: dict[str, Checked]
) -> None:
    offset_ms, trouble = None, ""
    if venue is not None:
        try:
            with trio.fail_after(ACCOUNT_S_MAX):
                offset_ms = await venue.clock_offset_ms()
        except (ExchangeError, trio.TooSlowError) as error:
            trouble = _words(error)
    gap_s = terms.gap_s(subjects[0].exchange)
    limiter = trio.CapacityLimiter(TOGETHER_MAX)

    async def check(subject: Subject) -> None:
        async with limiter:
            checked = await _check(subject, venue, terms, offset_ms=offset_ms, trouble=trouble)
        found[subject.name] = checked
        terms.told(checked)

    async with trio.open_nursery() as nursery:
        for number, subject in enumerate(subjects):
            if number and gap_s and not trouble:
                await trio.sleep(gap_s)
            nursery.start_soon(check, subject)


async def _check(
    subject: Subject, venue: Venue | None, terms: Terms, *, offset_ms: int | None, trouble: str
) -> Checked:
    if subject.credentials is None:
        return _refused(subject, "no_keys", subject.why, "apply the follower again with keys of its own")
    if venue is None:
        what = f"this version does not speak to {subject.exchange}"
        return _refused(subject, "no_venue", what, "remove the follower")
    if trouble:
        return Checked(subject=subject, verdict=Verdict.UNREACHABLE, trouble=trouble)
    try:
        gateway = venue.account(subject.credentials)
    except RequestRejected as error:
        return _refused(subject, "no_key", in_words(error), "apply the follower again with keys of its venue")
    try:
        with trio.fail_after(ACCOUNT_S_MAX):
            return await _ask(subject, gateway, terms, offset_ms)
    except (ExchangeError, trio.TooSlowError) as error:
        return Checked(
            subject=subject,
            verdict=Verdict.UNREACHABLE,
            clock_offset_ms=offset_ms,
            trouble=_words(error),
        )
    finally:
        with trio.move_on_after(1.0, shield=True):
            await gateway.aclose()


async def _ask(subject: Subject, gateway: AccountGateway, terms: Terms, offset_ms: int | None) -> Checked:
    verdict = await ask_verdict(
        gateway,
        subject.role,
        now_ms=terms.clock.wall_ms(),
        allow_trading_key=terms.allow_trading_key,
        clock_offset_ms=offset_ms,
        dry_run=subject.dry_run,
    )
    findings, snapshot, mode, trouble = verdict.findings, None, None, ""
    if verdict.report is not None:
        try:
            snapshot, unread = await _read(gateway, verdict.report)
            findings += unread
            mode = verdict.report.position_mode or await gateway.position_mode(PROBE)
        except ExchangeError as error:
            trouble = f"positions and balances: {in_words(error)}"
    judged = _verdict_of(findings)
    return Checked(
        subject=subject,
        verdict=Verdict.UNREACHABLE if trouble and judged is not Verdict.REFUSED else judged,
        findings=findings,
        trouble=trouble,
        report=verdict.report,
        position_mode=mode,
        equity=None if snapshot is None else _equity(snapshot),
        positions=None if snapshot is None else sum(1 for row in snapshot.positions if row.size),
        clock_offset_ms=offset_ms,
    )


async def _read(
    gateway: AccountGateway, report: KeyReport
) -> tuple[AccountSnapshot | None, tuple[Finding, ...]]:
    """Read the account as an engine would; return what is wrong with that, if anything is."""
    try:
        snapshot = await gateway.snapshot()
    except RequestRejected as error:
        what = f"positions and balances cannot be read: {in_words(error)}"
        cure = "let the key read orders, positions and the wallet"
        return None, (Finding(severity=Severity.REFUSE, code="unread", what=what, cure=cure),)
    if _equity(snapshot) is not None or report.unknown_equity:
        return snapshot, ()
    what = "the account has no balance that can be read, so nothing can be sized by it"
    cure = "put USDT or USDC, as the venue settles in, into the derivatives account"
    return snapshot, (Finding(severity=Severity.WARN, code="no_equity", what=what, cure=cure),)


def _equity(snapshot: AccountSnapshot) -> str | None:
    wallet = snapshot.wallet
    known = wallet.wallet_balance if wallet.equity is None else wallet.equity
    return None if known is None else format_decimal(known)


def _verdict_of(findings: tuple[Finding, ...]) -> Verdict:
    if is_refused(findings):
        return Verdict.REFUSED
    warned = any(finding.severity is Severity.WARN for finding in findings)
    return Verdict.WARNING if warned else Verdict.OK


def _refused(subject: Subject, code: str, what: str, cure: str) -> Checked:
    finding = Finding(severity=Severity.REFUSE, code=code, what=what, cure=cure)
    return Checked(subject=subject, verdict=Verdict.REFUSED, findings=(finding,))


def _words(error: Exception) -> str:
    return in_words(error) if isinstance(error, ExchangeError) else f"no answer within {ACCOUNT_S_MAX:g} s"
