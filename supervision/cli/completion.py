"""`copytrader completion`."""

import click
from click.shell_completion import get_completion_class

from supervision.exits import ExitCode, OperatorError

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "copytrader"
VARIABLE = "_COPYTRADER_COMPLETE"


class NoCompletion(OperatorError):
    """There is no completion for that shell here."""

    exit_code = ExitCode.USAGE


@click.command(epilog='Example: eval "$(copytrader completion bash)"')
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that makes SHELL complete commands and options.

    \b
    To have it in every new shell:
      bash   echo 'eval "$(copytrader completion bash)"' >> ~/.bashrc      (bash 4.4 or newer)
      zsh    echo 'eval "$(copytrader completion zsh)"' >> ~/.zshrc        (after compinit)
      fish   copytrader completion fish > ~/.config/fish/completions/copytrader.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise NoCompletion(f"no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, PROGRAM, VARIABLE).source())
