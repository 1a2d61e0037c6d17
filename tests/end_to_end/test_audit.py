"""A follower is moved by hand; the shell shows what the audit makes of it: found, again, resolved (R15)."""

import json
import time
from typing import Any

from tests.end_to_end.rehearsal import Rehearsal

GRACE_MS = 2_000


def _finding(it: Rehearsal) -> dict[str, Any]:
    """Run a pass; return what is wrong with alice, or nothing."""
    status, out, err = it.command("audit", "--run", "--preview", "--json")
    assert status == 0, err
    found: list[dict[str, Any]] = [row for row in json.loads(out)["findings"] if row["follower"] == "alice"]
    return found[0] if found else {}


def test_what_a_hand_moved_is_told_after_the_grace_again_at_one_point_and_resolved(
    rehearsal: Rehearsal,
) -> None:
    it = rehearsal
    with open(it.config, "a") as config:
        config.write(f"\n[audit]\nperiod_s = 1\ngrace_s = {GRACE_MS // 1000}\n")
    assert it.command("followers", "apply", str(it.directory / "followers.toml"), "--offline")[0] == 0
    it.start()
    it.trade("master", "BTCUSDT", "Buy", "1")
    it.until(lambda: str(it.held("alice")) == "0.5")
    it.until(lambda: not _finding(it))

    traded_ms = time.time() * 1000
    it.trade("alice", "BTCUSDT", "Sell", "0.05")
    seen = it.until(lambda: _finding(it))
    assert (seen["cause"], seen["expected"], seen["deviation_pct"]) == ("manual", "0.5", "10")
    assert seen["plan"] == {
        "orders": [],
        "why_not": "moved by other hands or by the venue: never fought",
    }
    told = it.until(lambda: (now := _finding(it)).get("told_at_ms") and now)
    assert told["told_at_ms"] - traded_ms >= GRACE_MS

    it.trade("alice", "BTCUSDT", "Sell", "0.004")
    it.until(lambda: _finding(it)["deviation_pct"] == "10.8")
    time.sleep(GRACE_MS / 1000 + 1.5)
    assert _finding(it)["told_at_ms"] == told["told_at_ms"], "not a point yet"
    it.trade("alice", "BTCUSDT", "Sell", "0.001")
    again = it.until(lambda: (now := _finding(it))["told_at_ms"] != told["told_at_ms"] and now)
    assert again["deviation_pct"] == "11"

    table = it.command("audit")[1]
    assert "alice" in table
    assert "moved by other hands or by the venue" in table
    it.trade("alice", "BTCUSDT", "Buy", "0.055")
    it.until(lambda: not _finding(it))
    assert str(it.held("alice")) == "0.5", "nobody fought the hand"
