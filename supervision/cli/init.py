"""`copytrader init`."""

from pathlib import Path

import click

from supervision.init_files import write_init_files


@click.command(epilog="Example: copytrader init live && $EDITOR live/copytrader.toml")
@click.argument("directory", type=click.Path(path_type=Path))
def init(directory: Path) -> None:
    """Write a configuration, a followers file and a sealing key into DIRECTORY.

    Nothing that is there already is overwritten. Every setting stands in the files with its
    default and what it means.
    """
    for path in write_init_files(directory):
        click.echo(f"wrote {path}")
    click.echo(
        f"Next: edit {directory / 'copytrader.toml'} and {directory / 'followers.toml'}, keep a copy of the "
        f"sealing key in a safe place, then\n"
        f"  copytrader followers apply {directory / 'followers.toml'} --offline "
        f"-c {directory / 'copytrader.toml'}\n"
        f"  copytrader check -c {directory / 'copytrader.toml'}\n"
        f"  copytrader run -c {directory / 'copytrader.toml'}"
    )
