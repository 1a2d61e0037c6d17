"""What people see: tables and sentences made from the engine's answers, and what --json passes on."""

import json
from typing import Any

import pytest

from model.finding import Cause
from supervision.cli.app import run_command
from supervision.cli.audit import CAUSES
from supervision.cli.options import RunningEngine

LEG = {
    "symbol": "BTCUSDT",
    "position_idx": 0,
    "target": "0.2",
    "position": "0.19",
    "drift": "-0.01",
    "owned": True,
    "skipped": None,
}
FOLLOWER = {
    "name": "alice",
    "exchange": "bybit",
    "state": "ready",
    "detail": "",
    "answered": True,
    "equity": "10000.5",
    "legs": [LEG, {**LEG, "symbol": "ETHUSDT", "owned": False, "target": "0", "drift": "1"}],
    "unknown_orders": 1,
    "busy_symbols": [],
}
ANSWERS: dict[str, Any] = {
    "status": {
        "ready": False,
        "health": "degraded",
        "problems": ["bob: starting: refused"],
        "uptime_s": 61.5,
        "instance": "host-1",
        "ledger": {"where": "sqlite ledger l.db", "lease_held": True},
        "master": {
            "exchange": "bybit",
            "reconciled": True,
            "detail": "",
            "equity": "100000",
            "legs": [{"symbol": "BTCUSDT", "position_idx": 0, "size": "0.4"}],
        },
        "followers": [FOLLOWER, {**FOLLOWER, "name": "bob", "state": "starting", "equity": None, "legs": []}],
    },
    "health": {
        "ready": False,
        "health": "degraded",
        "problems": ["x"],
        "warnings": ["alerts: tgram does not deliver: 401"],
        "quarantined": ["carol"],
    },
    "positions": {
        "master": [
            {"symbol": "BTCUSDT", "position_idx": 0, "size": "0.4", "entry_price": "5", "leverage": "10"}
        ],
        "followers": [{"follower": "alice", "exchange": "bybit", **LEG}],
        "unheard": ["bob"],
    },
    "copies": {
        "copies": [
            {
                "copy_id": "c0ffee",
                "claimed_at_ms": 1_790_000_000_000,
                "follower": "alice",
                "leg": {"symbol": "BTCUSDT", "position_idx": 0},
                "change_class": "open",
                "state": "applied",
                "reason": None,
                "orders": [{"filled": "0.2"}, {"filled": "0"}],
            }
        ]
    },
    "explain": {"copy_id": "c0ffee", "follower": "alice", "state": "skipped", "reason": "paused"},
    "tree": {
        "trees": [
            {
                "name": "root",
                "kind": "supervisor",
                "state": "running",
                "strategy": "rest_for_one",
                "restarts": 0,
                "mailbox_depth": None,
                "next_start_s": None,
                "last_crash": None,
                "last_crash_age_s": None,
                "children": [
                    {
                        "name": "pairing",
                        "kind": "actor",
                        "state": "backoff",
                        "strategy": None,
                        "restarts": 2,
                        "mailbox_depth": 3,
                        "next_start_s": 1.5,
                        "last_crash": "ValueError: no",
                        "last_crash_age_s": 2.0,
                        "children": [],
                    }
                ],
            }
        ]
    },
    "audit.findings": {
        "pass": 7,
        "ended_at_ms": 1_790_000_000_000,
        "audited": 2,
        "truths": 1,
        "unheard": {"carol": "starting"},
        "findings": [
            {
                "follower": "alice",
                "exchange": "bybit",
                "symbol": "BTCUSDT",
                "position_idx": 0,
                "kind": "extra_position",
                "cause": "missed",
                "severity": "critical",
                "expected": "0",
                "actual": "0.5",
                "deviation_pct": "100",
                "reason": "price_moved",
                "told_at_ms": 1_790_000_000_000,
                "due_in_s": None,
                "repair": "close_only",
                "plan": {"orders": ["sell 0.5 BTCUSDT at market, reduce-only"], "why_not": ""},
            },
            {
                "follower": "bob",
                "exchange": "bybit",
                "symbol": "ETHUSDT",
                "position_idx": 2,
                "kind": "size_mismatch",
                "cause": "manual",
                "severity": "warning",
                "expected": None,
                "actual": "-3",
                "deviation_pct": "33.3333333333",
                "reason": None,
                "told_at_ms": None,
                "due_in_s": 12.4,
                "repair": "full",
                "plan": {"orders": [], "why_not": "price_moved"},
            },
        ],
    },
    "audit.run": {
        "pass": 8,
        "ended_at_ms": 1_790_000_000_000,
        "audited": 2,
        "truths": 0,
        "unheard": {},
        "findings": [],
    },
    "alerts.list": {
        "alerts": [
            {
                "alert_id": "3f9c0a4b",
                "severity": "critical",
                "state": "firing",
                "fired_at_ms": 1_790_000_000_000,
                "count": 3,
                "title": "alice is quarantined",
                "detail": "KeyError: x",
                "acknowledged_at_ms": 1,
                "acknowledged_by": "uid 0",
            }
        ],
        "channels": [
            {
                "name": "tgram",
                "kind": "main",
                "queued": 1,
                "delivered": 7,
                "dropped": 0,
                "failures": 2,
                "error": "Unauthorized, error=401.",
            },
            {
                "name": "twilio",
                "kind": "sms",
                "queued": 0,
                "delivered": 1,
                "dropped": 0,
                "failures": 0,
                "error": "",
            },
        ],
        "lost": 0,
    },
    "alerts.ack": {"acknowledged": [{"alert_id": "3f9c0a4b", "title": "alice is quarantined"}]},
    "alerts.test": {
        "channels": [
            {"name": "tgram", "delivered": False, "error": "Unauthorized"},
            {"name": "twilio", "delivered": True, "error": ""},
        ]
    },
    "pause": {"name": "alice", "state": "paused", "warning": "the ledger is away"},
    "actor.restart": {"actor": "alice", "done": "revived"},
    "log.level": {"level": "debug"},
}


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    calls: list[tuple[str, dict[str, object]]] = []

    def call(self: RunningEngine, method: str, **params: object) -> Any:
        calls.append((method, params))
        return ANSWERS[method]

    monkeypatch.setattr(RunningEngine, "call", call)
    return calls


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    capsys.readouterr()
    assert run_command([*arguments, "--socket", "/none"]) == status
    return capsys.readouterr().out


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_status(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "status")

    assert "engine: degraded, up 61.5 s, host-1" in text
    assert "! bob: starting: refused" in text
    assert "master: bybit, live and reconciled, equity 100000, BTCUSDT:0 0.4" in text
    found = rows(text)
    assert found[-3][:8] == ["alice", "bybit", "ready", "10000.5", "BTCUSDT:0", "0.2", "0.19", "-0.01"]
    assert " ".join(found[-3][8:]) == "1 orders without an outcome"
    assert found[-2] == ["ETHUSDT:0", "0", "0.19", "1", "foreign"]
    assert found[-1][:4] == ["bob", "bybit", "starting", "-"]


def test_what_is_known_of_keys_stands_with_their_owners(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {
        "state": "accepted",
        "checked_at_ms": 1,
        "refusals": [],
        "warnings": [],
        "trouble": "",
        "checks": 1,
    }
    open_to_all = {**key, "warnings": ["the key works from every address: bind it"]}
    refused = {**key, "state": "revoked", "refusals": ["the key may withdraw: make another"]}
    status = ANSWERS["status"]
    row = {"name": "alice", "exchange": "bybit", "state": "ready", "sizing": {}, "limits": {}}
    row |= {"join": "next", "repair": "alert"}
    monkeypatch.setitem(
        ANSWERS,
        "status",
        {
            **status,
            "master": {**status["master"], "key": {**key, "trouble": "timed out"}},
            "followers": [{**FOLLOWER, "legs": [], "key": open_to_all}],
        },
    )
    monkeypatch.setitem(
        ANSWERS,
        "followers.list",
        {"followers": [{**row, "key": key}, {**row, "name": "bob", "key": refused}, {**row, "name": "c"}]},
    )
    monkeypatch.setitem(ANSWERS, "health", {**ANSWERS["health"], "refused": ["bob"]})
    monkeypatch.setitem(ANSWERS, "followers.check", {**refused, "name": "bob", "follower": "refused"})

    told = shown(capsys, "status")
    listed = rows(shown(capsys, "followers", "list"))
    checked = shown(capsys, "followers", "check", "bob", status=77)

    assert "! key: not checked: timed out" in told
    assert "the key works from every address: bind it" in told
    assert [line[3] for line in listed[1:]] == ["accepted", "revoked:", "-"]
    assert checked == "bob: revoked\n  ! the key may withdraw: make another\n"
    assert "! keys refused: bob" in shown(capsys, "health", status=1)


def test_health_exits_1_when_degraded(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "health", status=1)

    assert "quarantined: carol" in text
    assert "! alerts: tgram does not deliver: 401" in text


def test_positions_put_the_master_first(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(shown(capsys, "positions"))

    assert [row[1] for row in found[1:3]] == ["master", "alice"]
    assert found[3] == ["not", "heard", "from:", "bob"]


def test_copies_and_explain(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = rows(shown(capsys, "copies"))[1:]
    assert line[0] == "c0ffee"
    assert line[-5:] == ["open", "applied", "-", "0.2", "2"]
    assert "was skipped: the follower is paused (paused)." in shown(capsys, "explain", "c0ffee")


def test_tree_shows_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "tree")

    assert "root  running  rest_for_one" in text
    assert "pairing  backoff  restarts 2  mailbox 3  next start in 1.5 s  2 s ago: ValueError: no" in text


def test_an_audit_says_what_is_wrong_why_and_what_would_be_sent(
    capsys: pytest.CaptureFixture[str], engine: list[tuple[str, dict[str, object]]]
) -> None:
    plain = shown(capsys, "audit")
    text = shown(capsys, "audit", "--preview")

    assert "audit: pass 7 ended 2026-09-21 14:13:20.000Z, 2 followers compared, 1 accounts read" in plain
    assert "sell 0.5" not in plain
    alice, bob = (" ".join(row) for row in rows(text)[2:4])
    assert alice.startswith(
        "alice BTCUSDT:0 extra position critical 0 0.5 100.00 % a copy missed it (price_moved)"
    )
    assert alice.endswith("close_only sell 0.5 BTCUSDT at market, reduce-only")
    assert "ETHUSDT:2 size mismatch warning ? -3 33.33 % moved by other hands or by the venue" in bob
    assert "told in 12 s full nothing (price_moved)" in bob
    assert "! carol was not audited: starting" in text
    assert "nothing is wrong" in shown(capsys, "audit", "--run")
    assert engine == [
        ("audit.findings", {"preview": False}),
        ("audit.findings", {"preview": True}),
        ("audit.run", {"preview": False}),
    ]


def test_every_cause_has_words() -> None:
    assert set(CAUSES) == {cause.value for cause in Cause}


def test_changes_carry_an_id_and_a_reason_and_tell_warnings(
    capsys: pytest.CaptureFixture[str], engine: list[tuple[str, dict[str, object]]]
) -> None:
    assert "alice: paused" in shown(capsys, "followers", "pause", "alice", "--reason", "moving")
    assert "alice: revived" in shown(capsys, "restart", "alice")
    assert shown(capsys, "log-level", "debug", "--reason", "why") == "log level: debug\n"

    (pause, restart, level) = engine
    assert (level[0], level[1]["level"], level[1]["reason"]) == ("log.level", "debug", "why")
    assert (pause[0], pause[1]["name"], pause[1]["reason"]) == ("pause", "alice", "moving")
    assert pause[1]["request_id"] != restart[1]["request_id"]


def test_alerts_are_listed_with_the_channels(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "alerts", "list", "--all")

    assert "3f9c0a4b" in text
    assert "critical" in text
    assert "alice is quarantined" in text
    assert "KeyError: x" in text
    assert "failing: Unauthorized, error=401." in text
    assert "critical, not acknowledged" in text
    assert json.loads(shown(capsys, "alerts", "list", "--json")) == ANSWERS["alerts.list"]


def test_alerts_are_acknowledged_by_id_or_all_together(
    capsys: pytest.CaptureFixture[str], engine: list[tuple[str, dict[str, object]]]
) -> None:
    said = shown(capsys, "alerts", "ack", "3f9c0a4b", "--reason", "on it")
    shown(capsys, "alerts", "ack", "--all")
    shown(capsys, "alerts", "ack", status=64)
    shown(capsys, "alerts", "ack", "3f9c0a4b", "--all", status=64)

    assert said == "3f9c0a4b: acknowledged, alice is quarantined\n"
    ((_, one), (_, all_)) = engine
    assert (one["alert_ids"], one["all"], one["reason"]) == (["3f9c0a4b"], False, "on it")
    assert (all_["alert_ids"], all_["all"]) == ([], True)


def test_a_test_of_the_alerts_fails_with_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "alerts", "test", status=69)

    assert text == "tgram: not delivered: Unauthorized\ntwilio: delivered\n"


def test_status_tells_what_fires(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    channels = [{"name": "tgram"}]
    alerts = {"firing": {"critical": 2, "info": 1}, "unacknowledged": 1, "channels": channels}
    monkeypatch.setitem(ANSWERS, "status", {**ANSWERS["status"], "alerts": alerts})

    assert "alerts: 2 critical, 1 info, 1 not acknowledged; told by tgram" in shown(capsys, "status")


@pytest.mark.parametrize("name", ["status", "positions", "copies", "tree"])
def test_json_is_the_engines_own_answer(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(shown(capsys, name, "--json")) == ANSWERS[name]
