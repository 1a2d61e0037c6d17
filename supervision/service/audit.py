"""`audit.run` and `audit.findings`: what is wrong with the followers, and what a repair would send (R15)."""

from typing import Any

import attrs
import trio
from pykka import ActorDeadError

from actors.bus import as_json
from actors.messages import AuditReport, DescribeAudit, FindingSeen, RunAudit
from model.amounts import format_decimal
from model.finding import shown
from supervision.control import NotReady
from supervision.service.desk import ServiceDesk

ASK_S = 10.0
PASS_S_MAX = 45.0
POLL_S = 0.05


@attrs.frozen(kw_only=True)
class Findings:
    """Parameters of `audit.findings` and `audit.run`."""

    preview: bool = False


async def findings(desk: ServiceDesk, params: Findings) -> object:
    """Answer `audit.findings`: what is wrong by now; with `preview` also what each repair would send."""
    return _answer(await _ask(desk, DescribeAudit(params.preview)))


async def run(desk: ServiceDesk, params: Findings) -> object:
    """Answer `audit.run`: compare every follower with the master now, and say what is wrong.

    It is the pass that is made every minute anyway: findings keep their grace, repairs their policy.
    Raises: NotReady.
    """
    number = await _ask(desk, RunAudit())
    with trio.move_on_after(PASS_S_MAX):
        while True:
            report = await _ask(desk, DescribeAudit())
            if report.number >= number:
                return _answer(await _ask(desk, DescribeAudit(params.preview)) if params.preview else report)
            await trio.sleep(POLL_S)
    raise NotReady(f"the pass takes longer than {PASS_S_MAX:g} s", hint="`audit.findings` has it later")


async def _ask(desk: ServiceDesk, question: RunAudit | DescribeAudit) -> Any:
    try:
        return await desk.engine.address("auditor").ask(question, timeout_s=ASK_S)
    except ActorDeadError as error:
        raise NotReady(f"the auditor is not running: {error}", hint="`tree` shows why") from error
    except trio.TooSlowError as error:
        raise NotReady("the auditor does not answer") from error


def _answer(report: AuditReport) -> dict[str, object]:
    return {
        "pass": report.number,
        "ended_at_ms": report.ended_at_ms,
        "audited": report.audited,
        "truths": report.truths,
        "unheard": dict(sorted(report.unheard.items())),
        "findings": [_finding(seen) for seen in report.findings],
    }


def _finding(seen: FindingSeen) -> dict[str, object]:
    finding = seen.finding
    return {
        "follower": seen.follower,
        "exchange": seen.exchange,
        "symbol": finding.leg.symbol,
        "position_idx": finding.leg.position_idx,
        "kind": finding.kind.value,
        "cause": finding.cause.value,
        "severity": finding.severity.value,
        "expected": None if finding.expected is None else format_decimal(shown(finding.expected)),
        "actual": format_decimal(finding.actual),
        "deviation_pct": format_decimal(shown(finding.deviation * 100)),
        "reason": as_json(finding.reason),
        "told_at_ms": seen.told_at_ms,
        "due_in_s": None if seen.due_in_s is None else round(seen.due_in_s, 1),
        "repair": seen.repair.value,
        "plan": None
        if seen.plan is None
        else {"orders": list(seen.plan.orders), "why_not": seen.plan.why_not},
    }
