"""The runbook keeps up with the engine: alerts, reasons, commands, metrics and exit statuses."""

import re
import shlex
from pathlib import Path

import click
import pytest

from model.alerts.conditions import CONDITIONS, Condition
from model.reasons import Reason
from supervision.cli.app import app
from supervision.exits import ExitCode
from supervision.metrics import Tally

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
BLOCK = re.compile(r"^```.*?^```", re.M | re.S)
QUOTED = set(re.findall(r"`([^`\n]+)`", BLOCK.sub("", PAGE)))
COMMAND = re.compile(r"(?:^|[`(|; =])(?:/opt/copytrader/bin/)?copytrader ([a-z][a-z-]*[^`\n]*)", re.M)
GO_ON = re.compile(r"[;|&#)`]|\bsays\b")


def alert_row(condition: Condition) -> str:
    """Return the line that the page has for an alert."""
    what = condition.what.replace("{subject}", "NAME")
    words = f"{condition.meaning} {condition.action}"
    return f"| `{condition.name}`: {what} | {condition.severity.value} | {words} |"


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_alert_says_what_to_do(name: str) -> None:
    assert alert_row(CONDITIONS[name]) in PAGE.splitlines()


@pytest.mark.parametrize("reason", [reason.value for reason in Reason])
def test_every_reason_has_its_line(reason: str) -> None:
    assert re.search(rf"^\|[^|]*`{reason}`[^|]*\|[^|]+\|[^|]+\|$", PAGE, re.M)


@pytest.mark.parametrize("code", [int(code) for code in ExitCode])
def test_every_exit_status_is_there(code: int) -> None:
    assert re.search(rf"^\| {code} \|", PAGE, re.M)


def test_every_metric_is_there() -> None:
    tally = Tally(version="1", master_exchange="bybit", exchange_of=lambda name: "")
    families = {family.name for family in tally.registry.collect() if not family.name.startswith("process_")}
    source = (Path(__file__).parents[2] / "supervision" / "metrics" / "actor.py").read_text()
    families |= set(re.findall(r'"((?:copy|alerts|db|bus|loop|inbox|actor|clock|master)_[a-z_]+)"', source))

    assert len(families) > 30
    assert [name for name in sorted(families) if not QUOTED & {name, f"{name}_total"}] == []


def commands_of(group: click.Group, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    context = click.Context(group)
    found: dict[tuple[str, ...], click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= commands_of(command, (*path, name))
        else:
            found[*path, name] = command
    return found


COMMANDS = commands_of(app)
"""By their words."""


def quoted_commands() -> list[str]:
    """Return every command line of the page, in a block or in backquotes."""
    lines = [line for block in BLOCK.findall(PAGE) for line in block.splitlines()]
    texts = [*lines, *(f"`{text}`" for text in QUOTED)]
    found = [match[1] for text in texts for match in COMMAND.finditer(text)]
    return sorted({GO_ON.split(text)[0].strip() for text in found})


@pytest.mark.parametrize("line", quoted_commands())
def test_every_command_of_the_page_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)
    for length in (2, 1):
        command = COMMANDS.get(tuple(words[:length]))
        if command is not None:
            break
    else:
        raise AssertionError(f"no such command: {line}")
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    given = {word for word in words if word.startswith("-")} - {"--help"}
    assert given <= known, line


def test_every_command_is_on_the_page() -> None:
    told = {tuple(line.split()[: len(path)]) for line in quoted_commands() for path in COMMANDS}

    assert sorted(set(COMMANDS) - told - NOT_NEEDED) == []


NOT_NEEDED = {("demo",), ("schema",)}
"""For those who look at the product, or write programs for it."""
