"""`copytrader followers`."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from supervision.cli.follower_ends import adopt, flatten, join, remove
from supervision.cli.options import (
    RunningEngine,
    engine_options,
    json_option,
    read_config,
    reason_option,
)
from supervision.cli.output import print_json, print_table
from supervision.exits import ExitCode, OperatorError


@click.group("followers")
def followers() -> None:
    """Apply, list, pause, flatten and remove follower accounts."""


followers.add_command(flatten)
followers.add_command(remove)
followers.add_command(adopt)
followers.add_command(join)


@followers.command(epilog="Example: copytrader followers apply followers.toml --offline")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--offline", is_flag=True, help="Write to the ledger; no engine may run on it.")
@click.option("--prune", is_flag=True, help="Remove flat followers that FILE does not name.")
@reason_option
@json_option
@engine_options
@click.pass_context
def apply(
    context: click.Context,
    engine: RunningEngine,
    file: Path,
    offline: bool,
    prune: bool,
    reason: str,
    as_json: bool,
) -> None:
    """Add the followers in FILE and change those that are there; all of them or none.

    env: and file: are read here, by you; the secrets go over the socket and are sealed in the
    ledger. Modes (paused, close_only) of followers that are there stay as they are.
    """
    from supervision.settings import load_followers

    entries = load_followers(file)
    if offline:
        applied = apply_offline(_config_of(context), entries, prune=prune)
    else:
        rows = [entry.to_json() for entry in entries]
        applied = engine.change("followers.apply", followers=rows, prune=prune, reason=reason)
    if as_json:
        print_json(applied)
        return
    for what in ("added", "changed", "unchanged", "removed"):
        if applied[what]:
            click.echo(f"{what}: {', '.join(applied[what])}")


@followers.command("list", epilog="Example: copytrader followers list --offline --json")
@click.option("--offline", is_flag=True, help="Read the ledger instead of asking the engine.")
@json_option
@engine_options
@click.pass_context
def list_followers(context: click.Context, engine: RunningEngine, offline: bool, as_json: bool) -> None:
    """List the followers with sizing, limits and mode; never their keys."""
    rows = list_offline(_config_of(context)) if offline else engine.call("followers.list")["followers"]
    if as_json:
        print_json({"followers": rows})
        return
    columns = ("name", "exchange", "state", "key", "sizing", "limits", "join", "repair")
    print_table(columns, [_cells(row) for row in rows], empty="no followers: copytrader followers apply FILE")


@followers.command(epilog='Example: copytrader followers pause alice --reason "moving house"')
@click.argument("name")
@reason_option
@json_option
@engine_options
def pause(engine: RunningEngine, name: str, reason: str, as_json: bool) -> None:
    """Send nothing for follower NAME any more, reductions included."""
    _told(engine.change("pause", name=name, reason=reason), as_json)


@followers.command(epilog="Example: copytrader followers resume alice")
@click.argument("name")
@reason_option
@json_option
@engine_options
def resume(engine: RunningEngine, name: str, reason: str, as_json: bool) -> None:
    """Copy for follower NAME again; what it missed is caught up within its slippage."""
    _told(engine.change("resume", name=name, reason=reason), as_json)


@followers.command("close-only", epilog="Example: copytrader followers close-only alice")
@click.argument("name")
@reason_option
@json_option
@engine_options
def close_only(engine: RunningEngine, name: str, reason: str, as_json: bool) -> None:
    """Open nothing for follower NAME any more; reductions go on."""
    _told(engine.change("followers.close_only", name=name, reason=reason), as_json)


@followers.command(epilog="Example: copytrader followers check alice")
@click.argument("name")
@json_option
@engine_options
@click.pass_context
def check(context: click.Context, engine: RunningEngine, name: str, as_json: bool) -> None:
    """Have the running engine check follower NAME's key at its venue now, and act on the verdict.

    Exits 0 when the key is accepted, 77 when it is refused, 69 when the venue could not be asked.
    `copytrader check` looks at everybody, without an engine.
    """
    answer = engine.call("followers.check", name=name)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{name}: {answer['state']}")
        for words in (*answer["refusals"], *answer["warnings"]):
            click.echo(f"  ! {words}")
        if answer["trouble"]:
            click.echo(f"  ! not checked: {answer['trouble']}")
    refused = answer["state"] in ("refused", "revoked")
    context.exit(ExitCode.UNSAFE if refused else ExitCode.UNAVAILABLE if answer["trouble"] else ExitCode.OK)


class StillHeld(OperatorError):
    """A follower that is to be removed may hold positions."""

    exit_code = ExitCode.BAD_DATA


def apply_offline(config: Path | None, entries: Sequence[Any], *, prune: bool) -> Mapping[str, Any]:
    """Write followers to the ledger while no engine runs on it; return what that did, by name.

    Raises: RosterRefused, StillHeld, LeaseTaken and what opening ledger and keys can raise.
    """
    import attrs

    from supervision.ledger_setup import alone_with, open_ledger
    from supervision.roster import seal_roster
    from supervision.sealing import find_sealing_keys

    settings = read_config(config)
    keys = find_sealing_keys(os.environ, settings.sealing_key_file)
    store = open_ledger(settings)
    try:
        with alone_with(store.database):
            known = store.followers()
            now_ms = time.time_ns() // 1_000_000
            rows = seal_roster(entries, known, keys, master=_master(settings), now_ms=now_ms)
            named = {row.settings.name for row in rows}
            dry = {row.settings.name for row in rows if row.settings.dry_run}
            for name in sorted(dry):
                if any(it.owned and it.target for it in store.holdings(name)):
                    raise StillHeld(f"{name} may hold positions of ours: dry_run would leave them to nobody")
            for row in known if prune else ():
                name = row.settings.name
                if name not in named and any(it.owned and it.target for it in store.holdings(name)):
                    raise StillHeld(f"{name} may hold positions of ours", hint="let the engine close them")
            return attrs.asdict(store.apply_followers(rows, prune=prune))
    finally:
        store.close()


def list_offline(config: Path | None) -> list[dict[str, Any]]:
    """Return the followers in the ledger as `followers.list` does, without a live state."""
    from supervision.ledger_setup import open_ledger
    from supervision.settings import follower_json

    store = open_ledger(read_config(config))
    try:
        return [follower_json(row.settings) for row in store.followers()]
    finally:
        store.close()


def _config_of(context: click.Context) -> Path | None:
    given: Path | None = context.params.get("config")
    return given


def _master(settings: Any) -> Any:
    """Return the watched account's key, so that no follower gets it; None where it is not at hand."""
    from exchanges.port import Credentials
    from supervision.settings import resolve_master

    try:
        secrets = resolve_master(settings, os.environ)
    except OperatorError:
        return None
    return Credentials(api_key=secrets.api_key.reveal(), api_secret=secrets.api_secret.reveal())


def _told(answer: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{answer['name']}: {answer['state']}")
        if answer.get("warning"):
            click.echo(f"warning: {answer['warning']}", err=True)


def _cells(row: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        *(row["name"], row["exchange"], _state_words(row), _key_words(row.get("key"))),
        _words(row["sizing"]),
        _words(row["limits"]),
        *(row["join"], row["repair"]),
    )


def _state_words(row: Mapping[str, Any]) -> str:
    state: str = row.get("state") or row["mode"]
    return f"{state}, dry run" if row.get("dry_run") else state


def _key_words(key: Mapping[str, Any] | None) -> str | None:
    """Return what there is to say of a follower's key; None where nobody knows."""
    if key is None:
        return None
    trouble = [f"not checked: {key['trouble']}"] if key["trouble"] else []
    words = "; ".join([*key["refusals"], *key["warnings"], *trouble])
    return f"{key['state']}: {words}" if words else str(key["state"])


def _words(values: Mapping[str, Any]) -> str:
    return " ".join(
        f"{name}={','.join(value) if isinstance(value, list) else value}" for name, value in values.items()
    )
