"""A sandbox and an engine in processes of their own, driven by commands; its accounts trade by hand."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from pybit.unified_trading import HTTP

from tests.end_to_end.processes import ended, started

D = Decimal
WAIT_S = 45.0
POLL_S = 0.2


class Rehearsal:
    """A sandbox with its files, and an engine on them."""

    def __init__(self, directory: Path, sandbox: "subprocess.Popen[str]") -> None:
        self.directory = directory
        self.described: dict[str, Any] = _read_json(sandbox)
        self.engine: subprocess.Popen[str] | None = None

    @property
    def config(self) -> str:
        return str(self.directory / "copytrader.toml")

    def start(self) -> None:
        self.engine = started("run", "-c", self.config)
        self.until(lambda: self.status().get("ready"))

    def kill(self) -> None:
        assert self.engine is not None
        self.engine.kill()
        with self.engine:
            self.engine.wait()

    def command(self, *arguments: str) -> tuple[int, str, str]:
        return ended(*arguments, "-c", self.config)

    def status(self) -> dict[str, Any]:
        status, out, _ = self.command("status", "--json")
        return json.loads(out) if status == os.EX_OK else {}

    def of(self, name: str) -> dict[str, Any]:
        return next(it for it in self.status()["followers"] if it["name"] == name)

    def held(self, name: str, symbol: str = "BTC") -> Decimal:
        legs = self.of(name)["legs"]
        return sum((D(leg["position"]) for leg in legs if leg["symbol"].startswith(symbol)), D(0))

    def trade(self, name: str, symbol: str, side: str, quantity: str) -> None:
        """Trade by hand with an account's own key."""
        account = next(it for it in self.described["accounts"] if it["name"] == name)
        client = HTTP(api_key=account["api_key"], api_secret=account["api_secret"])
        client.endpoint = self.described["endpoints"]["bybit"]["rest"]
        done = client.place_order(
            category="linear", symbol=symbol, side=side, orderType="Market", qty=quantity, positionIdx=0
        )
        client.client.close()
        assert done["retCode"] == 0

    def until(self, is_so: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + WAIT_S
        while not (found := is_so()):
            assert time.monotonic() < deadline, self.command("status")
            time.sleep(POLL_S)
        return found


def _read_json(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    lines = ""
    for line in process.stdout:
        lines += line
        if line == "}\n":
            break
    return json.loads(lines)
