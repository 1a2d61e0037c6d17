"""Alerts and their messages in the ledger: what a notifier that starts anew is told."""

from typing import Any

from model.alerts.alert import Alert, AlertState
from model.alerts.book import ESCALATE_AGAIN_MS
from model.alerts.conditions import MASTER_STREAM_LOST, ORDER_UNKNOWN
from model.alerts.message import Message, MessageKind, MessageState
from model.ledger import Store
from model.ledger.retention import KEEP_MESSAGES_MS, KEEP_MS
from model.severity import Severity
from tests.model.alerts.factories import T0, condition, make_alert

ODD = "it's \u20ac, \u00fc, '; DROP TABLE alerts --"


def make_message(alert: Alert, **other: Any) -> Message:
    facts: dict[str, Any] = {
        "message_id": f"{alert.alert_id}-fired-0",
        "channel": "tgram",
        "kind": MessageKind.FIRED,
        "severity": Severity.CRITICAL,
        "alert_id": alert.alert_id,
        "title": "title",
        "body": ODD,
        "created_at_ms": T0,
    }
    return Message(**{**facts, **other})


def test_what_fires_and_what_is_queued_comes_back_as_it_was(store: Store) -> None:
    alert = make_alert(
        MASTER_STREAM_LOST,
        "",
        detail=ODD,
        count=3,
        acknowledged_at_ms=T0 + 5,
        acknowledged_by="uid 0",
        escalated_at_ms=T0 + 4,
        escalations=1,
    )
    message = make_message(alert, attempts=2, error="502")

    store.save_alerts([alert], [message])
    memory = store.recall_alerts(now_ms=T0)

    assert memory.alerts == (alert,)
    assert memory.messages == (message,)
    assert store.alerts() == [alert]


def test_the_last_word_wins_and_what_is_over_is_listed_but_not_recalled(store: Store) -> None:
    alert = make_alert(MASTER_STREAM_LOST)
    other = make_alert(ORDER_UNKNOWN, alert_id="other", fired_at_ms=T0 + 1)
    ended = make_alert(MASTER_STREAM_LOST, state=AlertState.ENDED, ended_at_ms=T0 + 9, count=2)
    queued = make_message(alert)
    cancelled = make_message(alert, state=MessageState.CANCELLED, settled_at_ms=T0 + 9)

    store.save_alerts([alert, other], [queued])
    store.save_alerts([ended], [cancelled])
    memory = store.recall_alerts(now_ms=T0)

    assert memory.alerts == (other,)
    assert memory.messages == ()
    assert store.alerts() == [other, ended]
    assert store.alerts(limit=1) == [other]


def test_what_was_sent_lately_is_recalled_for_the_limits(store: Store) -> None:
    sent = make_alert(
        MASTER_STREAM_LOST, state=AlertState.ENDED, ended_at_ms=T0 + 2, escalated_at_ms=T0, escalations=1
    )
    sms = make_message(sent, channel="twilio", state=MessageState.DELIVERED, settled_at_ms=T0)
    store.save_alerts([sent], [sms])

    soon = store.recall_alerts(now_ms=T0 + ESCALATE_AGAIN_MS - 1)
    later = store.recall_alerts(now_ms=T0 + ESCALATE_AGAIN_MS)
    next_day = store.recall_alerts(now_ms=T0 + 86_400_000)

    assert (soon.alerts, soon.messages) == ((sent,), (sms,))
    assert (later.alerts, later.messages) == ((), (sms,))
    assert next_day.messages == ()


def test_a_condition_of_another_version_is_left_alone(store: Store) -> None:
    store.save_alerts([make_alert(condition("of_tomorrow")), make_alert(ORDER_UNKNOWN)], [])

    assert [it.condition.name for it in store.recall_alerts(now_ms=T0).alerts] == ["order_unknown"]
    assert [it.condition.name for it in store.alerts()] == ["order_unknown"]


def test_old_ones_are_purged_and_what_fires_or_waits_never_is(store: Store) -> None:
    firing = make_alert(MASTER_STREAM_LOST, alert_id="firing")
    ended = make_alert(MASTER_STREAM_LOST, alert_id="ended", state=AlertState.ENDED, ended_at_ms=T0)
    waits = make_message(firing)
    sent = make_message(ended, state=MessageState.DELIVERED, settled_at_ms=T0)
    store.save_alerts([firing, ended], [waits, sent])

    store.purge(now_ms=T0 + KEEP_MESSAGES_MS)
    assert len(store.recall_alerts(now_ms=T0).messages) == 2
    store.purge(now_ms=T0 + KEEP_MESSAGES_MS + 1)
    assert store.recall_alerts(now_ms=T0).messages == (waits,)
    assert {it.alert_id for it in store.alerts()} == {"firing", "ended"}
    store.purge(now_ms=T0 + KEEP_MS)
    assert {it.alert_id for it in store.alerts()} == {"firing", "ended"}
    store.purge(now_ms=T0 + KEEP_MS + 1)
    assert store.alerts() == [firing]


def test_a_thousand_at_once_are_one_transaction(store: Store) -> None:
    alerts = [make_alert(ORDER_UNKNOWN, f"o{number}", alert_id=f"{number:08x}") for number in range(3_000)]

    store.save_alerts(alerts, [make_message(alert) for alert in alerts])

    assert len(store.recall_alerts(now_ms=T0).messages) == 3_000


def test_of_alerts_of_one_moment_the_order_is_always_the_same(store: Store) -> None:
    alerts = [make_alert(ORDER_UNKNOWN, f"o{number}", alert_id=f"{number}") for number in (3, 1, 2)]

    store.save_alerts(alerts, [])

    assert [it.alert_id for it in store.alerts()] == ["1", "2", "3"]
