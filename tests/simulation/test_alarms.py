"""What a run's people are told is judged: here by alerts made up, then in whole runs with a notifier."""

import attrs
import pytest

from actors.events import AlertTold
from model.alerts.alert import Alert, AlertState, make_alert_id
from model.alerts.book import AlertBook
from model.alerts.conditions import DRIFT, KEY_WARNING, LEDGER_AWAY, TROUBLE, Condition
from tests.simulation.alarms import simulate_alarmed, still_open, told_anew, told_too_often
from tests.simulation.jobs import Job, assert_nothing_violated
from tests.simulation.schedule import make_schedule

HOUR_MS = 3_600_000
SEEDS = (("hyperliquid", 2), ("bybit", 12), ("binance", 16))
"""In these drift is told and is over, an alert outlives a kill, and actors crash."""


@pytest.mark.parametrize(("venue", "seed"), SEEDS)
def test_everybody_is_told_once_and_nothing_stays(venue: str, seed: int) -> None:
    assert_nothing_violated(Job(venue, seed, hands=(), alarms=True))


def test_a_book_that_hears_of_no_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AlertBook, "_see_end", lambda *_: None)

    outcome = simulate_alarmed(make_schedule(12))

    assert outcome.violations
    assert all(it.startswith("still told after the healing") for it in outcome.violations)


def test_what_is_told_as_it_should_be_is_no_violation() -> None:
    drift, key = _ended(DRIFT), _firing(KEY_WARNING)
    told = [_told(drift, "fired"), _told(drift, "resolved"), _told(key, "fired")]

    assert not told_too_often([drift, key], told, now_ms=HOUR_MS)
    assert not told_anew([drift, attrs.evolve(drift, fired_at_ms=700_000, ended_at_ms=800_000)])
    assert not still_open([drift, key, _firing(TROUBLE)])


@pytest.mark.parametrize("kind", ["fired", "resolved"])
def test_a_condition_that_is_told_twice_is_found(kind: str) -> None:
    drift = _ended(DRIFT)
    told = [_told(drift, "fired"), _told(drift, "resolved"), _told(drift, kind)]

    [found] = told_too_often([drift], told, now_ms=HOUR_MS)

    assert found.startswith(f"{kind} 2 times")
    assert not told_too_often([drift], told, now_ms=HOUR_MS, kills=1)


def test_an_end_that_nobody_hears_of_is_found() -> None:
    drift = _ended(DRIFT)

    [found] = told_too_often([drift], [_told(drift, "fired")], now_ms=HOUR_MS)

    assert found.startswith("not resolved")


def test_what_the_ledger_never_heard_of_is_found() -> None:
    drift = _firing(DRIFT)

    assert told_too_often([], [_told(drift, "fired")], now_ms=HOUR_MS)


@pytest.mark.parametrize(("times", "too_often"), [(2, False), (3, True)])
def test_more_repeats_than_the_time_allows_are_found(times: int, too_often: bool) -> None:
    away = _firing(LEDGER_AWAY)
    told = [_told(away, "fired"), *[_told(away, "repeated")] * times]

    assert bool(told_too_often([away], told, now_ms=HOUR_MS + 1000)) is too_often


def test_an_alert_that_begins_anew_before_it_is_over_is_found() -> None:
    first = _firing(DRIFT)

    assert told_anew([first, attrs.evolve(first, fired_at_ms=2000)])
    assert told_anew([_ended(DRIFT), attrs.evolve(first, fired_at_ms=2000)])


def test_an_alert_that_is_never_over_is_found() -> None:
    [found] = still_open([_firing(DRIFT)])

    assert "drift" in found


def test_what_an_owner_holds_stays_told() -> None:
    drift = attrs.evolve(_firing(DRIFT), subject="alice ETHUSDT:1")

    assert not still_open([drift], {"alice ETHUSDT"})
    assert still_open([drift], {"alice ETH", "bob ETHUSDT"})


def _firing(condition: Condition) -> Alert:
    key = f"{condition.name}:alice"
    return Alert(
        alert_id=make_alert_id(key, 1000),
        condition=condition,
        subject="alice",
        detail="",
        state=AlertState.FIRING,
        began_at_ms=1000,
        seen_at_ms=1000,
        fired_at_ms=1000,
    )


def _ended(condition: Condition) -> Alert:
    return attrs.evolve(_firing(condition), state=AlertState.ENDED, ended_at_ms=600_000)


def _told(alert: Alert, kind: str) -> AlertTold:
    severity = alert.condition.severity.value
    return AlertTold(alert_id=alert.alert_id, kind=kind, severity=severity, title=alert.title, detail="")
