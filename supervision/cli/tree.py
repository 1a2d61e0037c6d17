"""`copytrader tree` and `copytrader restart`."""

from collections.abc import Mapping
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from supervision.cli.options import RunningEngine, engine_options, json_option, reason_option
from supervision.cli.output import console, print_json

_STYLES = {"running": "green", "backoff": "yellow", "quarantined": "bold red", "down": "red"}


@click.command(epilog="Example: copytrader tree")
@json_option
@engine_options
def tree(engine: RunningEngine, as_json: bool) -> None:
    """Show who supervises whom: states, restarts, last crashes, mailboxes."""
    answer = engine.call("tree")
    if as_json:
        print_json(answer)
        return
    for top in answer["trees"]:
        console().print(_branch(top))


@click.command(epilog="Example: copytrader restart alice")
@click.argument("actor")
@reason_option
@json_option
@engine_options
def restart(engine: RunningEngine, actor: str, reason: str, as_json: bool) -> None:
    """Restart ACTOR, a name from `copytrader tree` or a follower's; a quarantined one is revived.

    A restarted actor rebuilds its state from the ledger and the venue; nothing is sent twice.
    """
    answer = engine.change("actor.restart", actor=actor, reason=reason)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{answer['actor']}: {answer['done']}")


def _branch(node: Mapping[str, Any]) -> Tree:
    branch = Tree(_label(node), guide_style="dim")
    for child in node["children"]:
        branch.children.append(_branch(child))
    return branch


def _label(node: Mapping[str, Any]) -> Text:
    label = Text(node["name"], style="bold" if node["kind"] == "supervisor" else "")
    label.append(f"  {node['state']}", style=_STYLES.get(node["state"], ""))
    if node["strategy"]:
        label.append(f"  {node['strategy']}", style="dim")
    if node["restarts"]:
        label.append(f"  restarts {node['restarts']}")
    if node["mailbox_depth"]:
        label.append(f"  mailbox {node['mailbox_depth']}")
    if node["next_start_s"] is not None:
        label.append(f"  next start in {node['next_start_s']:.1f} s")
    if node["last_crash"]:
        label.append(f"  {node['last_crash_age_s']:.0f} s ago: {node['last_crash'][:160]}", style="red")
    return label
