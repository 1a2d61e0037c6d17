"""Followers through the shell alone: adopted, flattened, removed, and an engine killed in between.

The sandbox and the engine are processes of their own; the venue's official client trades by hand.
"""

import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pybit.unified_trading import HTTP

from supervision.cli.app import run_command
from tests.end_to_end.processes import ended, started

D = Decimal
WAIT_S = 45.0
POLL_S = 0.2
ABORTED = 130
BAD_DATA = 65


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


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    directory = tmp_path / "rehearsal"
    sandbox = started("sandbox", "--write-config", str(directory), "--still")
    found: Rehearsal | None = None
    try:
        found = Rehearsal(directory, sandbox)
        yield found
    finally:
        if found is not None and found.engine is not None and found.engine.poll() is None:
            found.kill()
        sandbox.send_signal(signal.SIGKILL)
        with sandbox:
            sandbox.wait()


def test_followers_are_adopted_flattened_and_removed_from_the_shell(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    it = rehearsal
    followers = str(it.directory / "followers.toml")
    assert it.command("followers", "apply", followers, "--offline")[0] == 0
    it.start()
    it.trade("master", "BTCUSDT", "Buy", "0.1")
    on_each_venue = ("alice", "dave", "frank")
    it.until(lambda: all(it.held(name) for name in (*on_each_venue, "grace")))

    # Shown, and nothing done without a yes
    preview = json.loads(it.command("followers", "flatten", "alice", "--json")[1])
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run_command(["followers", "flatten", "alice", "-c", it.config]) == ABORTED
    shown = capsys.readouterr().out
    assert [order["side"] for order in preview["orders"]] == ["sell"]
    assert "token" not in preview
    assert "reduce-only" in shown
    assert it.held("alice") == D(preview["orders"][0]["position"])

    # On each venue: closed and paused, and what the master does then opens nothing
    for name in on_each_venue:
        status, out, err = it.command("followers", "flatten", name, "--yes", "--reason", "a drill")
        assert (status, out) == (0, out), err
        assert f"{name}: flattening" in out
    it.until(lambda: all(it.of(name)["state"] == "paused" for name in on_each_venue))
    it.trade("master", "BTCUSDT", "Buy", "0.1")
    it.until(lambda: it.held("grace") and it.of("grace")["busy_symbols"] == [])
    assert [it.held(name) for name in on_each_venue] == [0, 0, 0]

    # A flat one goes, one that holds something only when that is left
    removed = it.command("followers", "remove", "dave")
    refused = it.command("followers", "remove", "grace")
    left = it.command("followers", "remove", "grace", "--leave", "--yes")
    assert (removed[0], removed[1]) == (0, "dave: removed\n")
    assert refused[0] == BAD_DATA
    assert "grace is not known to be flat: it holds" in refused[2]
    assert left[0] == 0
    listed = json.loads(it.command("followers", "list", "--json")[1])["followers"]
    assert {"dave", "grace"}.isdisjoint(row["name"] for row in listed)
    assert it.command("followers", "remove", "dave")[0] == BAD_DATA

    # A position of the owner's own: not against the master, and then followed to its end
    it.trade("carol", "ETHUSDT", "Buy", "0.1")
    it.until(lambda: it.held("carol", "ETH"))
    wrong = it.command("followers", "adopt", "carol", "ETHUSDT")
    assert wrong[0] == BAD_DATA
    assert "the master holds nothing there" in wrong[2], wrong
    it.trade("master", "ETHUSDT", "Buy", "1")
    it.until(lambda: any(leg["symbol"] == "ETHUSDT" for leg in it.status()["master"]["legs"]))
    adopted = it.until(lambda: _done(it.command("followers", "adopt", "carol", "ETHUSDT")))
    assert adopted == "carol: ETHUSDT 0.1 adopted\n"
    it.trade("master", "ETHUSDT", "Sell", "1")
    it.until(lambda: not it.held("carol", "ETH"))


def _done(ran: tuple[int, str, str]) -> str:
    return ran[1] if ran[0] == 0 else ""


def test_an_engine_killed_while_it_flattens_goes_on_when_it_is_back(rehearsal: Rehearsal) -> None:
    it = rehearsal
    assert it.command("followers", "apply", str(it.directory / "followers.toml"), "--offline")[0] == 0
    it.start()
    it.trade("master", "BTCUSDT", "Buy", "0.1")
    it.until(lambda: it.held("alice") and it.held("frank"))

    assert it.command("followers", "flatten", "alice", "--yes")[0] == 0
    assert it.command("followers", "flatten", "frank", "--yes")[0] == 0
    it.kill()
    it.start()

    it.until(lambda: all(it.of(name)["state"] == "paused" for name in ("alice", "frank")))
    assert (it.held("alice"), it.held("frank")) == (0, 0)
    assert it.held("carol")
