"""Every event of the bus is an alert condition or deliberately none; and what each one shows."""

import inspect
from types import ModuleType
from typing import Any

import pytest

import actors.events
import supervision.events
from actors import events as told
from model.alerts import conditions
from model.alerts.alert import Sighting
from model.alerts.conditions import CONDITIONS, Condition
from model.copy import CopyState
from model.finding import Cause, FindingKind
from model.order import OrderState
from model.reasons import Reason
from model.severity import Severity
from supervision import events as watched
from supervision.alert_rules import (
    LOUD_REASONS,
    NOT_ALERTS,
    OF_A_FOLLOWER,
    QUIET_REASONS,
    RULES,
    SILENT_REASONS,
    TOPICS,
    sightings_of,
)
from supervision.redaction import register_secret


def events_of(module: ModuleType) -> set[type]:
    found = (it for _, it in inspect.getmembers(module, inspect.isclass))
    return {
        it for it in found if it.__module__ == module.__name__ and isinstance(it.__dict__.get("topic"), str)
    }


ALL_EVENTS = events_of(actors.events) | events_of(supervision.events)


def test_every_event_of_the_bus_is_an_alert_condition_or_deliberately_none() -> None:
    assert len(ALL_EVENTS) >= 18
    assert set(RULES) | set(NOT_ALERTS) == ALL_EVENTS
    assert not set(RULES) & set(NOT_ALERTS)
    assert {kind.topic for kind in RULES} == TOPICS  # type: ignore[attr-defined]


def test_every_reason_of_a_skip_is_loud_quiet_or_silent() -> None:
    groups = (LOUD_REASONS, QUIET_REASONS, SILENT_REASONS)

    assert set().union(*groups) == set(Reason)
    assert sum(map(len, groups)) == len(Reason)


def test_the_list_of_conditions_is_closed_and_each_says_what_it_means_and_what_to_do() -> None:
    defined = {it.name: it for it in vars(conditions).values() if isinstance(it, Condition)}

    assert defined == CONDITIONS
    for it in CONDITIONS.values():
        assert it.meaning.endswith(".")
        assert it.action.endswith(".")
        assert it.what.format(subject="X")
        assert it.what.isascii()
        assert len(it.what) < 100


def test_no_grace_for_what_cannot_wait() -> None:
    assert conditions.ORDER_UNKNOWN.hold_s == 60
    assert conditions.FOLLOWER_QUARANTINED.hold_s == 0
    assert all(it.hold_s <= 300 for it in CONDITIONS.values())


def finished(state: CopyState, reason: Reason | None = None, *, caught_up: bool = False) -> told.CopyFinished:
    return told.CopyFinished(
        copy_id="c0ffee",
        change_id="x",
        follower="alice",
        exchange="bybit",
        symbol="BTCUSDT",
        state=state,
        reason=reason,
        orders=0,
        caught_up=caught_up,
        received_to_sent_ms=None,
        received_to_acknowledged_ms=None,
        received_to_filled_ms=None,
    )


def moved(state: OrderState) -> told.OrderMoved:
    return told.OrderMoved(
        copy_id="c", client_order_id="ab12", follower="alice", symbol="BTCUSDT", state=state, detail="timeout"
    )


def state(word: str, detail: str = "") -> told.FollowerStateChanged:
    return told.FollowerStateChanged(follower="alice", state=word, detail=detail)


def drift(**other: Any) -> told.DriftFound:
    facts: dict[str, Any] = {
        "follower": "alice",
        "exchange": "bybit",
        "symbol": "X",
        "position_idx": 0,
        "kind": FindingKind.SIZE_MISMATCH,
        "cause": Cause.MISSED,
        "severity": Severity.WARNING,
        "expected": "2",
        "actual": "1",
        "deviation_pct": "50",
        "reason": Reason.MARGIN_INSUFFICIENT,
        "again": False,
        "repaired": True,
    }
    return told.DriftFound(**{**facts, **other})


def crashed(*, expected: bool) -> watched.ActorCrashed:
    return watched.ActorCrashed(name="pairing", generation=1, error="KeyError: x", expected=expected)


def exhausted(name: str, *, quarantined: bool = False) -> watched.SupervisorExhausted:
    return watched.SupervisorExhausted(
        name=name, failures=3, period_s=60, error="KeyError", quarantined=quarantined
    )


ORDER = "order_unknown:order ab12 of alice"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (told.MasterStreamChanged(live=False, detail="reset"), {"+master_stream_lost:"}),
        (told.MasterStreamChanged(live=True), {"-master_stream_lost:", "-master_unreadable:"}),
        (
            told.MasterStreamChanged(live=True, detail="snapshot failed"),
            {"-master_stream_lost:", "+master_unreadable:"},
        ),
        (finished(CopyState.APPLIED), set()),
        (finished(CopyState.SUPERSEDED, Reason.SUPERSEDED), set()),
        (finished(CopyState.FAILED, Reason.ORDER_LOST), {"+copy_failed:alice BTCUSDT"}),
        (finished(CopyState.SKIPPED, Reason.NOTHING_TO_DO), set()),
        (finished(CopyState.SKIPPED, Reason.PRICE_MOVED), {"+copy_passed_over:alice (price_moved)"}),
        (
            finished(CopyState.SKIPPED, Reason.PRICE_MOVED, caught_up=True),
            {"+opening_missed:alice BTCUSDT"},
        ),
        (finished(CopyState.SKIPPED, Reason.LIMIT_DRAWDOWN), {"+copy_held:alice (limit_drawdown)"}),
        (moved(OrderState.UNKNOWN), {f"+{ORDER}"}),
        (moved(OrderState.SENT), set()),
        (moved(OrderState.FILLED), {f"-{ORDER}"}),
        (moved(OrderState.LOST), {f"-{ORDER}"}),
        (state("stream_lost", "reset"), {"+follower_stream_lost:alice"}),
        (state("stream_live"), {"-follower_stream_lost:alice"}),
        (state("snapshot_failed", "503"), {"+follower_unreadable:alice"}),
        (state("starting"), set()),
        (state("starting", "503"), {"+follower_unreadable:alice"}),
        (
            state("ready"),
            {"-follower_unreadable:alice", "-follower_barred:alice", "-follower_quarantined:alice"}
            | {"-follower_held_back:alice", "-limit_breached:alice"},
        ),
        (
            state("paused"),
            {"-follower_unreadable:alice", "-follower_barred:alice", "-follower_quarantined:alice"}
            | {"+follower_held_back:alice"},
        ),
        (told.KeyAccepted(account="alice"), {"-key_refused:alice", "-key_warning:alice"}),
        (
            told.KeyAccepted(account="alice", warnings=("expires in 3 days",)),
            {"-key_refused:alice", "+key_warning:alice"},
        ),
        (
            told.KeyRefused(account="master", why=("may withdraw",), may_reduce=True),
            {"+key_refused:master"},
        ),
        (told.FlattenMoved(follower="alice", state="started"), set()),
        (told.FlattenMoved(follower="alice", state="waiting", left=("X",)), {"+flatten_stuck:alice"}),
        (told.FlattenMoved(follower="alice", state="done"), {"-flatten_stuck:alice"}),
        (
            told.PositionAdopted(follower="alice", symbol="X", position_idx=0, size="1", at_once=True),
            {"-foreign_position:alice X:0"},
        ),
        (
            told.HandSeen(follower="alice", symbol="X", position_idx=0, expected="1", size="2"),
            {"+hand_seen:alice X:0"},
        ),
        (
            told.RiskLimitBreached(
                follower="alice", limit="daily_loss", allowed="0.1", equity="8", measured_from="10"
            ),
            {"+limit_breached:alice"},
        ),
        (told.FollowerRemoved(follower="alice", left=False), {f"-{it.name}:alice" for it in OF_A_FOLLOWER}),
        (
            told.FollowerRemoved(follower="alice", left=True),
            {f"-{it.name}:alice" for it in OF_A_FOLLOWER} | {"+follower_left:alice"},
        ),
        (drift(), {"+drift:alice X:0", "-drift_critical:alice X:0"}),
        (
            drift(kind=FindingKind.WRONG_SIDE, severity=Severity.CRITICAL),
            {"-drift:alice X:0", "+drift_critical:alice X:0"},
        ),
        (
            drift(kind=FindingKind.LEVERAGE_MISMATCH),
            {"+drift:alice X:0 leverage", "-drift_critical:alice X:0 leverage"},
        ),
        (
            told.DriftResolved(
                follower="alice", exchange="bybit", symbol="X", position_idx=0, kind=FindingKind.WRONG_SIDE
            ),
            {"-drift:alice X:0", "-drift_critical:alice X:0"},
        ),
        (told.FollowerBarred(follower="alice", why="no key"), {"+follower_barred:alice"}),
        (
            told.ForeignPositionSeen(follower="alice", symbol="BTCUSDT", position_idx=1, size="3"),
            {"+foreign_position:alice BTCUSDT:1"},
        ),
        (
            told.FrameUnreadable(account="master", error="bad", frame="{"),
            {"+frame_unreadable:master"},
        ),
        (told.LedgerStateChanged(reachable=False, detail="x"), {"+ledger_away:"}),
        (told.LedgerStateChanged(reachable=True), {"-ledger_away:"}),
        (told.AlertChannelChanged(channel="tgram", delivers=False), {"+channel_down:tgram"}),
        (told.AlertChannelChanged(channel="tgram", delivers=True), {"-channel_down:tgram"}),
        (crashed(expected=True), set()),
        (crashed(expected=False), {"+actor_crashed:pairing"}),
        (
            watched.ActorCrashed(name="auditor", generation=1, error="KeyError", expected=True),
            {"+actor_crashed:auditor"},
        ),
        (watched.ActorHung(name="pairing", generation=1, silent_s=15), {"+actor_hung:pairing"}),
        (exhausted("root"), {"+engine_exhausted:root"}),
        (exhausted("edge"), {"+control_exhausted:edge"}),
        (exhausted("account:alice", quarantined=True), set()),
        (
            watched.AccountQuarantined(name="account:alice", error="KeyError", retry_s=60),
            {"+follower_quarantined:alice"},
        ),
        (
            watched.AccountRecovered(name="account:alice", by_operator=True),
            {"-follower_quarantined:alice"},
        ),
        (object(), set()),
    ],
)
def test_what_an_event_shows(event: object, expected: set[str]) -> None:
    assert {f"{'+' if it.present else '-'}{it.key}" for it in sightings_of(event)} == expected


def only(event: object) -> Sighting:
    (found,) = sightings_of(event)
    return found


def test_trouble_is_one_whatever_numbers_and_details_it_has() -> None:
    slow = [only(told.TroubleMet(where="ledger", what=f"waited 0.{it} s: {it} of 5")) for it in (52, 97)]
    other = only(told.TroubleMet(where="ledger", what="not purged: locked"))

    assert slow[0].key == slow[1].key == "trouble:ledger (waited # s)"
    assert slow[1].detail == "waited 0.97 s: 97 of 5"
    assert other.key != slow[0].key


def test_a_drift_is_told_with_its_numbers_and_again_when_the_auditor_says_so() -> None:
    (_, first), (_, moved_on) = sightings_of(drift()), sightings_of(drift(again=True))

    assert first.detail == (
        "size mismatch, expected 2, actual 1, 50 % off (missed: the follower's margin does not suffice). "
        "It is being mended."
    )
    assert (first.again, moved_on.again) == (False, True)


def test_a_reason_is_told_in_words() -> None:
    found = only(finished(CopyState.SKIPPED, Reason.LIMIT_DRAWDOWN))

    assert found.detail == "BTCUSDT: max_drawdown is reached (copy c0ffee)"
    assert found.condition.severity is Severity.WARNING


@pytest.mark.parametrize(
    "make",
    [
        lambda secret: told.MasterStreamChanged(live=False, detail=f"GET /x?api_key={secret}"),
        lambda secret: told.FollowerBarred(follower="alice", why=f"bad key {secret}"),
        lambda secret: told.TroubleMet(where="x", what=f"{secret} leaked"),
        lambda secret: watched.ActorCrashed(
            name="x", generation=1, error=f"KeyError: {secret}", expected=False
        ),
    ],
)
def test_no_alert_holds_a_secret(make: Any) -> None:
    secret = "canary-of-the-alerts"
    register_secret(secret)

    found = only(make(secret))

    assert "canary" not in f"{found.subject} {found.detail}"
