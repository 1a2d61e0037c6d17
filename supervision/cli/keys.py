"""`copytrader keys`: the sealing keys of the followers' secrets."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from supervision.cli.options import (
    RunningEngine,
    config_option,
    engine_options,
    json_option,
    read_config,
    reason_option,
)
from supervision.cli.output import print_json
from supervision.exits import ExitCode, OperatorError


class SecretsLeft(OperatorError):
    """Some followers' secrets were sealed with a key that is not there any more."""

    exit_code = ExitCode.BAD_DATA


@click.group("keys")
def keys() -> None:
    """Change the keys that seal the followers' secrets in the ledger."""


@keys.command(epilog="Example: copytrader keys add && copytrader keys rotate")
@config_option
@json_option
def add(config: Path | None, as_json: bool) -> None:
    """Write a new sealing key before the others into the key file.

    The older ones stay: they open what they sealed until `copytrader keys rotate` has been run.
    Keep a copy of the file in a safe place before you rotate.
    """
    from supervision.sealing import add_sealing_key

    path, name = add_sealing_key(os.environ, read_config(config).sealing_key_file)
    if as_json:
        print_json({"file": str(path), "key": name})
    else:
        click.echo(f"{path}: key {name} is the newest now; next: copytrader keys rotate")


@keys.command(epilog="Example: copytrader keys rotate --reason 'yearly'")
@click.option("--offline", is_flag=True, help="Work on the ledger; no engine may run on it.")
@reason_option
@json_option
@engine_options
@click.pass_context
def rotate(context: click.Context, engine: RunningEngine, offline: bool, reason: str, as_json: bool) -> None:
    """Seal every follower's secrets anew with the newest sealing key.

    A running engine reads its sealing keys again first, from where it found them; copying goes on.
    It may be stopped at any moment and repeated. When it has been through, the older keys seal
    nothing any more and may be taken out of the key file.
    """
    if offline:
        answer = rotate_offline(context.params.get("config"))
    else:
        answer = engine.change("keys.rotate", reason=reason)
    if as_json:
        print_json(answer)
    else:
        done, current = len(answer["resealed"]), len(answer["current"])
        click.echo(f"key {answer['key']}: {done} followers sealed anew, {current} were up to date")
    if answer["unreadable"]:
        raise SecretsLeft(
            f"no sealing key opens the secrets of {', '.join(answer['unreadable'])}",
            hint="put the key that sealed them behind the newest, or apply them again with their keys",
        )


def rotate_offline(config: Path | None) -> Mapping[str, Any]:
    """Rotate on a ledger that no engine uses. Raises: LeaseTaken and what opening it can raise."""
    import attrs

    from model.ledger.rotation import rotate_ledger
    from supervision.ledger_setup import alone_with, open_ledger
    from supervision.sealing import find_sealing_keys

    settings = read_config(config)
    found = find_sealing_keys(os.environ, settings.sealing_key_file)
    store = open_ledger(settings)
    try:
        with alone_with(store.database):
            return attrs.asdict(rotate_ledger(store, found))
    finally:
        store.close()
