"""A night of an operator, through the command line only: engine, sandbox, and a Telegram of our own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.end_to_end.processes import PROGRAM, ROOT, started
from tests.end_to_end.telegram import Telegram, fake_telegram
from tests.end_to_end.test_lives import Rehearsal

D = Decimal
TOKEN = "8012345678:AAHtokenOfTheBotOfThisTest000000001"
PERIOD_S, GRACE_S = 1, 4
QUIET_S = GRACE_S + 4 * PERIOD_S
"""After so long, what an audit has to tell has been told."""
GROUP_S = 20
"""Messages of one moment go together."""


class Night(Rehearsal):
    """A rehearsal whose engine speaks to our Telegram."""

    telegram: Telegram

    def start(self) -> None:
        redirect = (
            "from apprise.plugins.telegram import NotifyTelegram as T; "
            f"T.notify_url = 'http://127.0.0.1:{self.telegram.port}/bot'; "
        )
        log = (self.directory / "log").open("w")
        self.engine = subprocess.Popen(
            [sys.executable, "-c", redirect + PROGRAM, "run", "-c", self.config],
            env={**os.environ, "PYTHONPATH": str(ROOT), "NIGHT_TOKEN": TOKEN},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        log.close()
        self.until(lambda: self.status().get("ready"))

    def said(self, *arguments: str) -> str:
        """Run a command that has to succeed; return what it prints."""
        status, out, err = self.command(*arguments)
        assert status == 0, (arguments, out, err)
        return out

    def first_time(self, topic: str) -> float:
        """Return when the first event of a topic was, in Unix seconds."""
        (line,) = self.said(
            "events", "--from-seq", "1", "--topic", topic, "--limit", "1", "--json"
        ).splitlines()
        return datetime.fromisoformat(json.loads(line)["ts"]).timestamp()

    def findings(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.said("audit", "--json"))["findings"]
        return found

    def configure(self) -> None:
        config = Path(self.config)
        config.write_text(
            f"{config.read_text()}\n[audit]\nperiod_s = {PERIOD_S}\ngrace_s = {GRACE_S}\n"
            '[notify]\nurls = ["tgram://env:NIGHT_TOKEN/1234"]\n'
        )
        followers = (self.directory / "followers.toml").read_text().split("[[followers]]")
        first = [part for part in followers if '"alice"' in part or '"bob"' in part]
        (self.directory / "followers.toml").write_text("".join(f"[[followers]]{part}" for part in first))


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    sandbox = started("sandbox", "--write-config", str(tmp_path / "night"), "--still")
    found: Night | None = None
    try:
        with fake_telegram() as telegram:
            found = Night(tmp_path / "night", sandbox)
            found.telegram = telegram
            found.configure()
            yield found
            if found.engine is not None and found.engine.poll() is None:
                found.engine.kill()
                found.engine.wait()
    finally:
        sandbox.send_signal(signal.SIGKILL)
        with sandbox:
            sandbox.wait()


@pytest.mark.timeout(240)
def test_an_operator_runs_watches_questions_and_stops_an_engine_from_the_shell(night: Night) -> None:
    os.environ["NIGHT_TOKEN"] = TOKEN
    try:
        _a_night(night)
    finally:
        del os.environ["NIGHT_TOKEN"]


def _a_night(it: Night) -> None:
    it.start()
    assert "added: alice, bob" in it.said("followers", "apply", str(it.directory / "followers.toml"))
    it.until(lambda: [f["state"] for f in it.status()["followers"]] == ["ready", "ready"])
    assert it.command("health")[0] == 0

    # Copies are watched and explained
    it.trade("master", "BTCUSDT", "Buy", "0.8")
    it.until(lambda: it.held("alice") == D("0.4") and it.held("bob"))
    copies = json.loads(it.said("copies", "--follower", "alice", "--json"))["copies"]
    assert [copy["state"] for copy in copies] == ["applied"]
    explained = it.said("explain", copies[0]["copy_id"])
    assert "BTCUSDT" in explained
    assert "0.4" in explained
    told = it.said("events", "--from-seq", "1", "--topic", "copy.finished", "--limit", "2", "--json")
    assert {json.loads(line)["follower"] for line in told.splitlines()} == {"alice", "bob"}

    # One is held back and catches up; an actor is crashed and comes back
    before = it.held("bob")
    it.said("followers", "pause", "bob", "--reason", "a drill")
    it.trade("master", "BTCUSDT", "Sell", "0.4")
    it.until(lambda: it.held("alice") == D("0.2"))
    assert it.held("bob") == before
    it.said("followers", "resume", "bob")
    it.until(lambda: it.held("bob") < before)
    assert "restarted" in it.said("restart", "alice")
    it.until(lambda: it.of("alice")["state"] == "ready")
    assert "account:alice" in it.said("tree")

    _drift(it)

    # Out, and to the end
    it.said("followers", "flatten", "alice", "--yes", "--reason", "the night is over")
    it.until(lambda: it.of("alice")["state"] == "paused")
    assert it.held("alice") == 0
    it.said("stop", "--reason", "the night is over")
    assert it.engine is not None
    assert it.engine.wait(10) == 0
    assert it.command("health")[0] == 2
    log = (it.directory / "log").read_text()
    assert TOKEN not in log
    assert '"event":"process.stopped"' in log


def _drift(it: Night) -> None:
    """A hand breaks alice by 5 %, by half a point, by half a point; then it mends her."""
    telegram = it.telegram
    about = ("alice BTCUSDT:0",)
    time.sleep(QUIET_S)
    assert it.findings() == []
    assert telegram.about(*about, "is not where it should be") == []

    broken_at = time.time()
    it.trade("alice", "BTCUSDT", "Buy", "0.010")
    ((told_at, text),) = it.until(lambda: telegram.about(*about, "is not where it should be"))
    seen_at = it.first_time("audit.drift")
    assert GRACE_S <= seen_at - broken_at <= QUIET_S
    assert told_at - seen_at <= 2 * GROUP_S
    assert "5 % off" in text
    (finding,) = it.findings()
    assert (finding["follower"], finding["symbol"]) == ("alice", "BTCUSDT")

    it.trade("alice", "BTCUSDT", "Buy", "0.001")
    time.sleep(QUIET_S + GROUP_S / 2)
    assert len(telegram.about(*about, "is not where it should be")) == 1
    it.trade("alice", "BTCUSDT", "Buy", "0.001")
    it.until(lambda: telegram.about(*about, "6 % off"))
    assert len(telegram.about(*about, "is not where it should be")) == 2
    alerts = json.loads(it.said("alerts", "list", "--json"))["alerts"]
    (alert,) = [alert for alert in alerts if "BTCUSDT:0" in alert["title"]]
    assert "acknowledged" in it.said("alerts", "ack", alert["alert_id"], "--reason", "on it")

    it.trade("alice", "BTCUSDT", "Sell", "0.012")
    it.until(lambda: telegram.about(*about, "resolved"))
    assert it.findings() == []
    assert telegram.tokens == {TOKEN}
    assert telegram.chats == {"1234"}
