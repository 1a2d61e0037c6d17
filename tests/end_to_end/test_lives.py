"""Followers through the shell alone: adopted, flattened, removed, and an engine killed in between.

The sandbox and the engine are processes of their own; the venue's official client trades by hand.
"""

import io
import json
from decimal import Decimal

import pytest

from supervision.cli.app import run_command
from tests.end_to_end.rehearsal import Rehearsal

D = Decimal
ABORTED = 130
BAD_DATA = 65


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
