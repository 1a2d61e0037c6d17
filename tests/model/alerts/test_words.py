"""Alerts as people read them: an SMS, many in one message, the daily sign of life (R16)."""

from typing import Any

import pytest

from model.alerts.alert import AlertState
from model.alerts.book import NoticeKind
from model.alerts.message import ChannelKind, ChannelStatus, Message, MessageKind
from model.alerts.words import alert_body, alert_title, digest, duration, heartbeat_text, sms_text, times
from model.severity import Severity
from tests.model.alerts.factories import T0, condition, make_alert

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def make_message(title: str = "CRITICAL alice is broken", **other: Any) -> Message:
    facts: dict[str, Any] = {
        "message_id": title,
        "channel": "tgram",
        "kind": MessageKind.FIRED,
        "severity": Severity.CRITICAL,
        "alert_id": "abcd1234",
        "title": title,
        "body": "",
        "created_at_ms": T0,
    }
    return Message(**facts | other)


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 s"),
        (1_999, "1 s"),
        (2 * MINUTE - 1, "119 s"),
        (2 * MINUTE, "2 min"),
        (2 * HOUR - 1, "119 min"),
        (2 * HOUR, "2 h"),
        (2 * DAY - 1, "47 h"),
        (2 * DAY, "2 d"),
        (5 * DAY + HOUR, "5 d"),
    ],
)
def test_a_time_span_is_told_in_the_largest_unit_of_which_there_are_two(ms: int, words: str) -> None:
    assert duration(ms) == words


def test_how_often_is_told_as_people_say_it() -> None:
    assert [times(count) for count in (1, 2, 30)] == ["once", "2 times", "30 times"]


@pytest.mark.parametrize(
    ("times_ms", "lasted"),
    [
        ({"calm_since_ms": T0 + 5_000, "ended_at_ms": T0 + 9_000}, "5 s"),
        ({"ended_at_ms": T0 + 9_000, "seen_at_ms": T0 + 3_000}, "9 s"),
        ({"seen_at_ms": T0 + 3_000}, "3 s"),
    ],
)
def test_what_is_over_lasted_until_it_was_calm(times_ms: dict[str, int], lasted: str) -> None:
    alert = make_alert(state=AlertState.ENDED, **times_ms)

    assert alert_title(NoticeKind.RESOLVED, alert) == "resolved: alice is stateful"
    assert alert_body(NoticeKind.RESOLVED, alert) == f"It lasted {lasted} and was seen once."


def test_what_goes_on_says_how_often_it_was_seen_and_in_what_time() -> None:
    alert = make_alert(count=3, seen_at_ms=T0 + 2 * HOUR)

    assert alert_title(NoticeKind.REPEATED, alert) == "CRITICAL still: alice is stateful"
    assert alert_body(NoticeKind.REPEATED, alert).splitlines() == [
        "why",
        "Seen 3 times in 2 h.",
        "Means: m.",
        "Do: a.",
        f"Ack: copytrader alerts ack {alert.alert_id}",
    ]


def test_what_was_seen_twice_says_so_and_what_was_seen_once_does_not() -> None:
    once, twice = make_alert(), make_alert(count=2, seen_at_ms=T0 + 5_000)

    assert "Seen" not in alert_body(NoticeKind.FIRED, once)
    assert alert_body(NoticeKind.FIRED, twice).splitlines()[1] == "Seen 2 times in 5 s."


def test_a_long_title_gives_way_to_how_to_acknowledge() -> None:
    text = sms_text([make_message("x" * 300)])

    assert len(text) == 160
    assert text.endswith("xx. Ack: copytrader alerts ack abcd1234")


@pytest.mark.parametrize("spare", [1, 0, -1])
def test_several_in_one_sms_are_cut_only_where_they_do_not_fit(spare: int) -> None:
    head, end = "2 critical alerts, none acknowledged: a; ", ". copytrader alerts list"
    rest = "b" * (160 - len(head) - len(end) - spare)

    text = sms_text([make_message("CRITICAL a"), make_message(f"CRITICAL {rest}")])

    assert text == (f"{head}{rest}{end}" if spare >= 0 else f"{head}{rest[:-4]}...{end}")
    assert len(text) == 160 - max(spare, 0)


def test_many_in_one_message_are_counted_by_what_they_are_and_the_old_ones_say_how_old() -> None:
    now_ms = T0 + HOUR
    waiting = [
        make_message("WARNING bob is odd", severity=Severity.WARNING, created_at_ms=now_ms - MINUTE),
        make_message("resolved: eve", severity=Severity.WARNING, kind=MessageKind.RESOLVED),
        make_message("alive", severity=Severity.INFO, kind=MessageKind.HEARTBEAT, created_at_ms=now_ms),
        make_message("CRITICAL a", created_at_ms=now_ms - MINUTE + 1),
        make_message("CRITICAL b", created_at_ms=now_ms - 2 * MINUTE),
    ]

    title, body = digest(waiting, now_ms=now_ms)

    assert title == "5 messages: 2 critical, 1 resolved, 1 warning, 1 heartbeat"
    assert body.splitlines() == [
        "- CRITICAL b (2 min ago)",
        "- CRITICAL a",
        "- resolved: eve (60 min ago)",
        "- WARNING bob is odd (60 s ago)",
        "- alive",
        "All of them: copytrader alerts list --all",
    ]


def test_twenty_are_listed_and_the_rest_is_counted() -> None:
    twenty = [make_message(f"CRITICAL {number}") for number in range(20)]
    _, listed = digest(twenty, now_ms=T0)
    _, cut = digest([*twenty, make_message("CRITICAL 20")], now_ms=T0)

    assert "more" not in listed
    assert cut.splitlines()[20] == "and 1 more"


def test_the_sign_of_life_tells_what_is_open_and_whether_the_channels_work() -> None:
    facts: dict[str, Any] = {"queued": 0, "dropped": 0, "failing_since_ms": None, "next_try_at_ms": None}
    channels = [
        ChannelStatus(name="tgram", kind=ChannelKind.MAIN, delivered=7, failures=0, error="", **facts),
        ChannelStatus(name="twilio", kind=ChannelKind.SMS, delivered=0, failures=2, error="401", **facts),
    ]
    odd = condition("odd", Severity.WARNING)

    title, body = heartbeat_text("2 followers", [make_alert(), make_alert(odd, "bob")], channels)

    assert title == "The engine is alive"
    assert body.splitlines() == [
        "2 followers",
        "Open alerts: 2",
        "- critical alice is stateful",
        "- warning bob is odd",
        "tgram: 7 delivered since the start, works",
        "twilio: 0 delivered since the start, failing: 401",
    ]


def test_a_quiet_sign_of_life_is_one_line_and_a_loud_one_is_cut() -> None:
    alerts = [make_alert(subject=f"f{number}") for number in range(22)]

    assert heartbeat_text("", [], []) == ("The engine is alive", "Open alerts: none")
    _, listed = heartbeat_text("", alerts[:20], [])
    _, cut = heartbeat_text("", alerts, [])
    assert "more" not in listed
    assert cut.splitlines()[-2:] == ["- critical f19 is stateful", "and 2 more"]
