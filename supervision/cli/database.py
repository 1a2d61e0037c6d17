"""`copytrader db`: the ledger without an engine."""

import time
from pathlib import Path

import click

from model.ledger import Purged, migrate_schema
from model.ledger.backup import backup_ledger
from supervision.cli.options import config_option, json_option, read_config
from supervision.cli.output import print_json
from supervision.exits import ExitCode, OperatorError
from supervision.ledger_setup import alone_with, check_private, open_ledger, open_raw


class BackupRefused(OperatorError):
    """The copy cannot be made there."""

    exit_code = ExitCode.CANNOT_CREATE


@click.group("db")
def database() -> None:
    """Migrate, back up or prune the ledger."""


@database.command(epilog="Example: copytrader db migrate && systemctl start copytrader")
@config_option
@json_option
def migrate(config: Path | None, as_json: bool) -> None:
    """Bring the ledger to this version's schema, all steps or none.

    Refused (75) while an engine runs on it. A ledger of a newer version is refused (78).
    """
    settings = read_config(config)
    with open_raw(settings) as raw, alone_with(raw):
        check_private(raw)
        steps = migrate_schema(raw)
    if as_json:
        print_json({"ledger": raw.where, "applied": steps})
    else:
        click.echo(f"{raw.where}: {', '.join(steps) or 'is up to date'}")


@database.command(epilog="Example: copytrader db backup /var/backups/copytrader.db")
@config_option
@json_option
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
def backup(config: Path | None, as_json: bool, target: Path) -> None:
    """Copy a SQLite ledger to FILE, also while the engine writes it.

    FILE must not exist; it is made readable for its owner only. For PostgreSQL use pg_dump -Fc.
    """
    with open_raw(read_config(config)) as raw:
        if raw.sqlite_path is not None and not raw.sqlite_path.exists():
            raise BackupRefused(f"{raw.sqlite_path}: there is no ledger yet")
        try:
            backup_ledger(raw, target)
        except FileExistsError:
            raise BackupRefused(f"{target}: is there already", hint="choose another name") from None
        except OSError as error:
            raise BackupRefused(f"{target}: {error.strerror}") from None
        except ValueError as error:
            raise BackupRefused(str(error)) from None
    size = target.stat().st_size
    if as_json:
        print_json({"ledger": raw.where, "file": str(target), "bytes": size})
    else:
        click.echo(f"{raw.where}: copied to {target} ({size} bytes, checked)")


@database.command(epilog="Example: copytrader db prune")
@config_option
@json_option
def prune(config: Path | None, as_json: bool) -> None:
    """Remove copies and changes that are older than 400 days and have their outcome.

    A running engine does this by itself every ten minutes.
    """
    store = open_ledger(read_config(config))
    total = Purged(more=True)
    try:
        while total.more:
            done = store.purge(now_ms=time.time_ns() // 1_000_000)
            total = Purged(
                copies=total.copies + done.copies, changes=total.changes + done.changes, more=done.more
            )
    finally:
        store.close()
    if as_json:
        print_json({"copies": total.copies, "changes": total.changes})
    else:
        click.echo(f"removed {total.copies} copies and {total.changes} changes")
