"""Options that many commands share, and the engine that a client command speaks to."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from supervision.settings import EngineSettings, find_config, find_socket, load_settings

GONE_POLL_S = 0.05

F = TypeVar("F", bound=Callable[..., Any])

config_option = click.option(
    *("-c", "--config"),
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Configuration (default: $COPYTRADER_CONFIG, then ./copytrader.toml).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
reason_option = click.option("--reason", default="", help="Why; kept in the ledger with the call.")


@attrs.frozen
class RunningEngine:
    """The engine at a control socket; nothing is opened before a call."""

    socket: Path

    def call(self, method: str, **params: object) -> Any:
        """Return the result of one call. Raises: NoEngine, NotAllowed, CallRefused."""
        from supervision.control_client import call_engine

        return call_engine(self.socket, method, **params)

    def change(self, method: str, **params: object) -> Any:
        """Make a call that changes something, under an id of its own."""
        from supervision.control_client import new_request_id

        return self.call(method, request_id=new_request_id(), **params)

    def wait_until_gone(self, timeout_s: float, *, sleep: Callable[[float], None]) -> bool:
        """Tell whether the engine's socket went away within ``timeout_s``."""
        for _ in range(int(timeout_s / GONE_POLL_S)):
            if not self.socket.exists():
                return True
            sleep(GONE_POLL_S)
        return False


def read_config(config: Path | None) -> EngineSettings:
    """Return the whole configuration. Raises: ConfigErrors."""
    return load_settings(find_config(config, os.environ))


def engine_options(command: F) -> F:
    """Give a command -c and --socket, and hand it the engine that they name as ``engine``."""

    @click.option("--socket", metavar="PATH", type=click.Path(path_type=Path), help="Its control socket.")
    @config_option
    @functools.wraps(command)
    def with_engine(*arguments: Any, config: Path | None, socket: Path | None, **options: Any) -> Any:
        path = socket if socket is not None else find_socket(find_config(config, os.environ))
        return command(*arguments, engine=RunningEngine(path), **options)

    return with_engine  # type: ignore[return-value]
