"""`copytrader audit`."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import click
from rich.text import Text

from supervision.cli.options import RunningEngine, engine_options, json_option
from supervision.cli.output import print_json, print_table
from supervision.explanation import wall_time

CAUSES: Mapping[str, str] = {
    "missed": "a copy missed it",
    "in_hand": "a copy is at work on it",
    "paused": "paused by the operator",
    "manual": "moved by other hands or by the venue",
    "foreign": "not opened by the engine",
    "next_opening": "set with the next opening",
}
"""Each cause in words."""
COLUMNS = (
    *("follower", "leg", "finding", "severity", "expected>", "actual>", "off>"),
    *("why", "state", "repair"),
)
STYLES: Mapping[str, str] = {"critical": "bold red", "warning": "yellow"}


@click.command(epilog="Examples: copytrader audit; copytrader audit --run --preview; copytrader audit --json")
@click.option("--run", "run_now", is_flag=True, help="Compare everybody now; else show what is known.")
@click.option("--preview", is_flag=True, help="Show what each follower's repair policy would send.")
@json_option
@engine_options
def audit(engine: RunningEngine, run_now: bool, preview: bool, as_json: bool) -> None:
    """Show what is wrong with the followers: what each leg should hold, holds, and why.

    A finding is told once its leg has not changed for the grace period, and mended as the follower's
    repair policy allows; --run keeps both. What was moved by hand is reported and never fought.
    """
    answer = engine.call("audit.run" if run_now else "audit.findings", preview=preview)
    if as_json:
        print_json(answer)
        return
    click.echo(_summary(answer))
    print_table(
        (*COLUMNS, "would send") if preview else COLUMNS,
        [_row(finding, preview=preview) for finding in answer["findings"]],
        empty="nothing is wrong" if answer["pass"] else "nothing was compared yet: copytrader audit --run",
    )
    for name, why in answer["unheard"].items():
        click.echo(f"  ! {name} was not audited: {why}")


def _summary(answer: Mapping[str, Any]) -> str:
    if not answer["pass"]:
        return "audit: no pass yet"
    when = wall_time(answer["ended_at_ms"])
    return (
        f"audit: pass {answer['pass']} ended {when}, {answer['audited']} followers compared, "
        f"{answer['truths']} accounts read"
    )


def _row(finding: Mapping[str, Any], *, preview: bool) -> tuple[object, ...]:
    row = (
        finding["follower"],
        f"{finding['symbol']}:{finding['position_idx']}",
        finding["kind"].replace("_", " "),
        Text(finding["severity"], style=STYLES.get(finding["severity"], "")),
        "?" if finding["expected"] is None else finding["expected"],
        finding["actual"],
        f"{Decimal(finding['deviation_pct']):.2f} %",
        _why(finding),
        _state(finding),
        finding["repair"],
    )
    return (*row, _plan(finding["plan"])) if preview else row


def _why(finding: Mapping[str, Any]) -> str:
    cause = CAUSES.get(finding["cause"], str(finding["cause"]))
    reason = finding["reason"]
    return cause if finding["cause"] != "missed" or reason is None else f"{cause} ({reason})"


def _state(finding: Mapping[str, Any]) -> str:
    if finding["told_at_ms"] is not None:
        return f"told {wall_time(finding['told_at_ms'])}"
    return "in its grace" if finding["due_in_s"] is None else f"told in {finding['due_in_s']:.0f} s"


def _plan(plan: Mapping[str, Any] | None) -> str:
    if plan is None:
        return ""
    if plan["orders"]:
        return "; ".join(map(str, plan["orders"]))
    return f"nothing ({plan['why_not']})"
