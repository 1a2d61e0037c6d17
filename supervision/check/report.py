"""What was found, for people in colours and for programs in JSON; no secret is in either."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from model.key_check import KeyReport, Role, Severity
from model.leg import PositionMode
from supervision.check.examination import Checked, Verdict
from supervision.check.plan import VenuePlan
from supervision.cli.output import NOTHING, cell, console

_STYLES = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.REFUSED: "bold red",
    Verdict.UNREACHABLE: "red",
}
_FINDING_STYLES = {Severity.REFUSE: "red", Severity.WARN: "yellow", Severity.NOTE: ""}
_MODES = {PositionMode.HEDGE: "hedge", PositionMode.ONE_WAY: "one-way"}
_WORDS = {Severity.REFUSE: "refused", Severity.WARN: "warning", Severity.NOTE: "note"}


def checked_json(checked: Checked) -> dict[str, object]:
    """Return one account as JSON; times are Unix milliseconds, equity is text."""
    report = checked.report
    return {
        "account": checked.subject.name,
        "role": checked.subject.role.value,
        "exchange": checked.subject.exchange,
        "verdict": checked.verdict.value,
        "findings": [
            {
                "severity": _WORDS[finding.severity],
                "code": finding.code,
                "what": finding.what,
                "cure": finding.cure,
            }
            for finding in checked.findings
        ],
        "trouble": checked.trouble,
        "key": None if report is None else _key_json(report),
        "position_mode": _position_mode(checked),
        "equity": checked.equity,
        "positions": checked.positions,
        "clock_offset_ms": checked.clock_offset_ms,
    }


def print_checked(checked: Iterable[Checked]) -> None:
    """Print a table of everybody, and below it all that there is to do."""
    table = _table(
        "account", "exchange", "verdict", "key may", "expires", "position mode", "margin", "equity>"
    )
    table.add_column("clock", justify="right")
    found = tuple(checked)
    for it in found:
        style = _STYLES[it.verdict]
        table.add_row(
            Text(it.subject.name),
            Text(it.subject.exchange),
            Text(it.verdict.value, style=style),
            *(Text(cell(value)) for value in _cells(it)),
        )
    console().print(table)
    for it in found:
        for text in _lines(it):
            console().print(text, soft_wrap=True)


def print_plan(plans: Iterable[VenuePlan]) -> None:
    """Print what followers draw on each venue's limits, and how many one address carries."""
    found = tuple(plans)
    table = _table(
        *("exchange", "followers>", "one address carries>", "limit", "published>", "per idle minute>"),
        *("of it>", "per copy>", "copies at once>"),
    )
    for it in found:
        for number, limit in enumerate(it.costs.limits):
            style = "" if it.fits else "bold red"
            own = limit.is_per_account
            table.add_row(
                Text("" if number else it.costs.exchange),
                Text("" if number else str(it.followers), style=style),
                Text("" if number else str(it.costs.carries), style=style or "green"),
                Text(limit.name),
                Text(f"{limit.most:g} / {limit.period_s:g} s"),
                Text(f"{limit.idle_per_minute(1 if own else it.followers):.1f}"),
                Text(f"{it.idle_share(limit):.1%}"),
                Text(f"{limit.copy:g}" if limit.copy else NOTHING),
                Text(cell(limit.copies_at_once)),
            )
    console().print(table)
    for it in found:
        for words in _plan_words(it):
            console().print(Text(f"{it.costs.exchange}: {words}"), soft_wrap=True)


def _plan_words(plan: VenuePlan) -> Iterator[str]:
    costs = plan.costs
    if not plan.fits:
        yield (
            f"{plan.followers} followers are more than the {costs.carries} that one address carries "
            f"({costs.carries_by}): run a second engine behind another address"
        )
    if plan.connected_s > 60:
        yield (
            f"{plan.followers * costs.connections_per_follower} connections take about "
            f"{plan.connected_s / 60:.0f} min after a start; until then orders go by REST"
        )
    yield from costs.notes


def _cells(checked: Checked) -> tuple[object, ...]:
    report, offset_ms = checked.report, checked.clock_offset_ms
    return (
        None if report is None else _rights(report),
        None if report is None else _expiry(report),
        _position_mode(checked),
        None if report is None or report.margin_mode is None else report.margin_mode.value,
        checked.equity,
        None if offset_ms is None else f"{offset_ms:+d} ms",
    )


def _rights(report: KeyReport) -> str:
    """Return what a key may do, in the order of danger; what cannot be read is a question mark."""
    rights = (
        ("read", True),
        ("trade", report.may_trade),
        ("transfer", report.may_transfer),
        ("withdraw", report.may_withdraw),
    )
    words = [name if may else f"{name}?" for name, may in rights if may is not False]
    return ", ".join(words) + (", one address" if report.is_ip_bound else "")


def _expiry(report: KeyReport) -> str:
    if report.expires_at_ms is None:
        return "never"
    return datetime.fromtimestamp(report.expires_at_ms / 1000, UTC).strftime("%Y-%m-%d")


def _position_mode(checked: Checked) -> str | None:
    return None if checked.position_mode is None else _MODES[checked.position_mode]


def _lines(checked: Checked) -> Iterator[Text]:
    name = "" if checked.subject.role is Role.MASTER else "follower "
    head = f"{name}{checked.subject.name}"
    if checked.trouble:
        yield Text.assemble(f"{head}: ", ("not asked", "red"), f": {checked.trouble}")
    for finding in checked.findings:
        word, style = _WORDS[finding.severity], _FINDING_STYLES[finding.severity]
        yield Text.assemble(f"{head}: ", (word, style), f": {finding}")


def _key_json(report: KeyReport) -> dict[str, object]:
    return {
        "is_read_only": report.is_read_only,
        "may_trade": report.may_trade,
        "may_transfer": report.may_transfer,
        "may_withdraw": report.may_withdraw,
        "is_ip_bound": report.is_ip_bound,
        "expires_at_ms": report.expires_at_ms,
        "margin_mode": None if report.margin_mode is None else report.margin_mode.value,
        "is_unified": report.is_unified,
        "hindrance": report.hindrance,
        "is_play_money": report.is_play_money,
    }


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        right = column.endswith(">")
        table.add_column(column.removesuffix(">"), justify="right" if right else "left", overflow="fold")
    return table
