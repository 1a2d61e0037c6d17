"""Bugs for an engine process: errors whose message and locals hold a secret, where tracebacks come from."""

import os
from pathlib import Path
from typing import Any

from actors.follower import Follower
from actors.messages import Describe
from actors.pairing import Pairing

VARIABLE = "CANARY_SABOTAGE"
_describe = Follower.on_receive


def sabotage() -> None:
    """Let carol's actor die of being looked at; where the environment says so, let nothing start."""
    secret = Path("keys/carol.api_secret").read_text().strip()

    async def on_receive(self: Follower, message: object) -> Any:
        if isinstance(message, Describe) and self._desk.settings.name == "carol":
            raise RuntimeError(f"cannot sign with {secret}") from ValueError({"bytes": secret.encode()})
        return await _describe(self, message)

    async def on_start(self: Pairing) -> None:
        raise RuntimeError(f"api_secret {secret!r} is of no use")

    Follower.on_receive = on_receive  # type: ignore[method-assign]
    if os.environ.get(VARIABLE):
        Pairing.on_start = on_start  # type: ignore[method-assign]
